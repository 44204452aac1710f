package alert

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	amconfig "github.com/prometheus/alertmanager/config"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/state"
)

// inbox collects what receivers were sent.
type inbox struct {
	mu   sync.Mutex
	sent []string
}

func (b *inbox) add(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sent = append(b.sent, text)
}

func (b *inbox) count(part string) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.sent {
		if strings.Contains(s, part) {
			n++
		}
	}
	return n
}

func (b *inbox) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(b.sent, "\n----\n")
}

// web is an HTTP endpoint that fills an inbox.
func web(t *testing.T, answer func(n int) int) (*inbox, string) {
	t.Helper()
	box, n := &inbox{}, 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		box.add(string(body))
		box.mu.Lock()
		n++
		status := answer(n)
		box.mu.Unlock()
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "ok")
	}))
	t.Cleanup(s.Close)
	return box, s.URL
}

func always(status int) func(int) int { return func(int) int { return status } }

// smtp is a mail server that takes everything.
func smtp(t *testing.T) (*inbox, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	box := &inbox{}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go talk(c, box)
		}
	}()
	return box, l.Addr().String()
}

func talk(c net.Conn, box *inbox) {
	defer c.Close()
	say := func(s string) { _, _ = io.WriteString(c, s+"\r\n") }
	say("220 mail.test")
	in, mail := bufio.NewScanner(c), strings.Builder{}
	for in.Scan() {
		switch verb, _, _ := strings.Cut(strings.ToUpper(in.Text()), " "); verb {
		case "DATA":
			say("354 go on")
			for in.Scan() && in.Text() != "." {
				mail.WriteString(in.Text() + "\n")
			}
			box.add(strings.ReplaceAll(mail.String(), "=\n", "")) // quoted-printable's folds
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

// rig is a pipeline over a state in a folder that can be opened again.
type rig struct {
	*Pipeline
	mu   sync.Mutex
	seen []detect.Finding // from other senders
}

func open(t *testing.T, dir string) *rig {
	t.Helper()
	db, err := state.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	u, err := url.Parse("http://evenkeel.test")
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{}
	r.Pipeline, err = New(Options{
		DB: db, DataDir: dir, ExternalURL: u, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
		External: func(_ context.Context, _ time.Time, seen []detect.Finding) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.seen = append(r.seen, seen...)
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) external() []detect.Finding {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]detect.Finding(nil), r.seen...)
}

// route applies a routing.yml and runs the pipeline until the test ends.
func (r *rig) route(t *testing.T, routing string) {
	t.Helper()
	cfg, err := amconfig.Load(routing)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Apply(cfg); err != nil {
		t.Fatal(err)
	}
}

func (r *rig) run(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func until(t *testing.T, what fmt.Stringer, why string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited too long for %s:\n%s", why, what)
		}
	}
}

// burning is a finding as the incident room hands it on.
func burning(id int64, service string) detect.Finding {
	labels := map[string]string{"alertname": "ErrorBudgetBurn", "service": service, "severity": "page"}
	return detect.Finding{
		ID: id, Detector: detect.DetectorObjective, Name: "ErrorBudgetBurn", Severity: detect.Page, OpenedAt: time.Now(),
		Labels: labels, Fingerprint: detect.MakeFingerprint(detect.DetectorObjective, labels),
		Annotations: map[string]string{
			"summary": service + " burns its error budget 14 times too fast", "incident": "7", "incident_url": "http://evenkeel.test/incidents/7",
			"suspects": "1. deploy of " + service + " 1.4.1 by ci, 8 s before", "runbook_url": "http://evenkeel.test/runbooks/rollback",
		},
	}
}

func send(t *testing.T, r *rig, findings ...detect.Finding) {
	t.Helper()
	if err := r.Send(t.Context(), time.Now(), findings); err != nil {
		t.Fatal(err)
	}
}

// TestReceivers sends one page by webhook, email and Slack; a receiver that is dead
// and one that never answers hold up nobody; one that fails twice is tried again.
func TestReceivers(t *testing.T) {
	hook, hookURL := web(t, always(200))
	slack, slackURL := web(t, always(200))
	shaky, shakyURL := web(t, func(n int) int {
		if n < 3 {
			return 503
		}
		return 200
	})
	mail, mailAddr := smtp(t)
	release := make(chan struct{})
	hang := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(hang.Close)
	t.Cleanup(func() { close(release) })

	r := open(t, t.TempDir())
	r.route(t, fmt.Sprintf(`
route: {receiver: all, group_by: [alertname, service], group_wait: 50ms, group_interval: 200ms, repeat_interval: 1h}
receivers:
  - name: all
    webhook_configs:
      - {url: "http://127.0.0.1:1/dead"}
      - {url: %q}
      - {url: %q}
      - {url: %q}
    slack_configs: [{api_url: %q, channel: "#pages"}]
    email_configs: [{to: alice@shop.test, from: evenkeel@shop.test, smarthost: %q, require_tls: false}]
`, hang.URL, hookURL, shakyURL, slackURL, mailAddr))
	r.run(t)
	f := burning(3, "checkout")
	send(t, r, f)
	until(t, hook, "the webhook", func() bool { return hook.count(`"status":"firing"`) == 1 })
	until(t, slack, "Slack", func() bool { return slack.count("burns its error budget 14 times") == 1 })
	until(t, mail, "the mail", func() bool { return mail.count("To: alice@shop.test") == 1 })
	until(t, shaky, "the third try", func() bool { return shaky.count("firing") == 3 })
	for name, box := range map[string]*inbox{"webhook": hook, "slack": slack, "mail": mail} {
		for _, part := range []string{"deploy of checkout 1.4.1", "/runbooks/rollback", "/incidents/7"} {
			if box.count(part) == 0 {
				t.Errorf("the message by %s does not say %q:\n%s", name, part, box)
			}
		}
	}
	var message struct {
		Alerts []struct{ GeneratorURL string }
	}
	if err := json.Unmarshal([]byte(hook.String()), &message); err != nil || message.Alerts[0].GeneratorURL != "http://evenkeel.test/findings/3" {
		t.Errorf("%v %+v", err, message)
	}
	f.ResolvedAt = time.Now()
	send(t, r, f)
	until(t, hook, "the end", func() bool { return hook.count(`"status":"resolved"`) == 1 })

	// What was sent is on record, each delivery once.
	kinds := map[journal.Kind]int{}
	until(t, hook, "deliveries on record", func() bool {
		facts, err := r.o.DB.Facts(t.Context(), journal.Query{Oldest: true, Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		clear(kinds)
		for _, f := range facts {
			kinds[f.Kind]++
		}
		return kinds["notification.sent"] >= 4 && kinds["notification.failed"] >= 2
	})
	if n := kinds["notification.sent"]; n > 8 { // at most both states by four receivers
		t.Errorf("%d deliveries on record", n)
	}
}

const quiet1 = `
route: {receiver: hook, group_by: [alertname, service], group_wait: 20ms, group_interval: 100ms, repeat_interval: 1h}
receivers: [{name: hook, webhook_configs: [{url: %q}]}]
inhibit_rules: [{source_matchers: [service=database], target_matchers: [service=reports]}]
`

// TestSilences keeps silent what was silenced by page or through Alertmanager's API,
// also when the program was killed right after it said so.
func TestSilences(t *testing.T) {
	dir := t.TempDir()
	first := open(t, dir)
	if _, err := first.AddSilence(t.Context(), time.Now(), journal.Person("bob"), []string{`service="checkout"`}, time.Hour, "works"); err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	in := fmt.Sprintf(`{"matchers":[{"name":"service","value":"pay.*","isRegex":true}],"startsAt":%q,"endsAt":%q,"createdBy":"bob","comment":"works"}`,
		time.Now().Format(time.RFC3339), time.Now().Add(time.Hour).Format(time.RFC3339))
	req := httptest.NewRequest(http.MethodPost, "/api/v2/silences", strings.NewReader(in))
	req.Header.Set("Content-Type", "application/json")
	first.Handler().ServeHTTP(w, req)
	if w.Code != http.StatusOK {
		t.Fatal(w.Code, w.Body)
	}
	if err := first.o.DB.Close(); err != nil {
		t.Fatal(err) // nothing else is closed: as after a kill
	}

	hook, hookURL := web(t, always(200))
	r := open(t, dir)
	r.route(t, fmt.Sprintf(quiet1, hookURL))
	r.run(t)
	send(t, r, burning(1, "checkout"), burning(2, "payments"), burning(3, "database"), burning(4, "reports"))
	until(t, hook, "the page that nobody silenced", func() bool { return hook.count("database burns") == 1 })
	send(t, r, burning(5, "cart")) // a group later: the others have had their time
	until(t, hook, "the page after it", func() bool { return hook.count("cart burns") == 1 })
	for _, service := range []string{"checkout", "payments", "reports"} {
		if hook.count(service+" burns") != 0 {
			t.Errorf("%s was sent in spite of its silence:\n%s", service, hook)
		}
	}
	if by, _ := r.Muted(t.Context(), map[string]string{"service": "payments"}); len(by) != 1 {
		t.Errorf("payments is silenced by %v", by)
	}
	if by, inhibited := r.Muted(t.Context(), map[string]string{"alertname": "ErrorBudgetBurn", "service": "reports"}); len(by) != 0 || !inhibited {
		t.Errorf("reports: silenced by %v, inhibited %v", by, inhibited)
	}
	list, err := r.Silences(t.Context())
	if err != nil || len(list) != 2 {
		t.Fatalf("%v %+v", err, list)
	}
	for _, s := range list {
		if err := r.ExpireSilence(t.Context(), time.Now(), journal.Person("bob"), s.ID); err != nil {
			t.Error(err)
		}
	}
	until(t, hook, "the pages after the silences", func() bool { return hook.count("checkout burns") == 1 && hook.count("payments burns") == 1 })
}

// TestBadRouting keeps the routing in force when the next one cannot be built.
func TestBadRouting(t *testing.T) {
	hook, hookURL := web(t, always(200))
	r := open(t, t.TempDir())
	r.route(t, fmt.Sprintf(quiet1, hookURL))
	r.run(t)
	broken := filepath.Join(t.TempDir(), "broken.tmpl")
	if err := os.WriteFile(broken, []byte("{{ nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := amconfig.Load(fmt.Sprintf(quiet1+"templates: [%q]\n", hookURL, broken))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Apply(cfg); err == nil || !strings.Contains(err.Error(), "templates") {
		t.Errorf("a broken template was applied: %v", err)
	}
	send(t, r, burning(1, "checkout"))
	until(t, hook, "the page by the routing before", func() bool { return hook.count("checkout burns") == 1 })
}

// TestForeignAlerts turns what others post into findings, which end when they say so
// or when they are heard of no more; rubbish is refused.
func TestForeignAlerts(t *testing.T) {
	_, hookURL := web(t, always(200))
	r := open(t, t.TempDir())
	r.route(t, fmt.Sprintf(quiet1, hookURL))
	r.run(t)
	post := func(body string) int {
		w := httptest.NewRecorder()
		req := httptest.NewRequest(http.MethodPost, "/api/v2/alerts", strings.NewReader(body))
		req.Header.Set("Content-Type", "application/json")
		r.Handler().ServeHTTP(w, req)
		return w.Code
	}
	ends := time.Now().Add(1500 * time.Millisecond).Format(time.RFC3339Nano)
	if code := post(`[{"labels":{"alertname":"DiskFull","service":"db","severity":"page"},"annotations":{"summary":"full"},"endsAt":"` + ends + `"}]`); code != http.StatusOK {
		t.Fatal(code)
	}
	got := r.external()
	if len(got) != 1 || got[0].Name != "DiskFull" || got[0].Service != "db" || got[0].Severity != detect.Page || got[0].Summary != "full" || !got[0].Open() || got[0].Detector != detect.DetectorAlert {
		t.Fatalf("%+v", got)
	}
	until(t, &inbox{}, "the end of an alert that nobody confirms", func() bool {
		got := r.external()
		return len(got) == 2 && !got[1].Open() && got[1].Fingerprint == got[0].Fingerprint
	})
	for _, bad := range []string{`{`, `"alerts"`, `[{"labels":{"":"x"}}]`, `[{}]`, `[{"labels":{"alertname":"` + strings.Repeat("x", 33<<20) + `"}}]`} {
		if code := post(bad); code < 400 || code > 499 {
			t.Errorf("%.40s: status %d", bad, code)
		}
	}
	if n := len(r.external()); n != 2 {
		t.Errorf("%d findings after rubbish", n)
	}
}

// TestUnreadableSnapshot moves a torn file aside: it must not keep the pager down.
func TestUnreadableSnapshot(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "alerts", "silences")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("\xff\xff torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := open(t, dir)
	if list, err := r.Silences(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("%v %v", list, err)
	}
	if _, err := os.Stat(file + ".unreadable"); err != nil {
		t.Error(err)
	}
}
