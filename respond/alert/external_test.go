package alert

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	amconfig "github.com/prometheus/alertmanager/config"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/state"
)

// bubble is a pipeline whose receiver is the heard, for as long as a test's own time goes.
type bubble struct {
	*Pipeline
	*heard
	end func()

	mine  sync.Mutex                            // guards found
	found map[detect.Fingerprint]detect.Finding // of others, with the last word on each
}

const bubbleRouting = `
route: {receiver: hook, group_by: [alertname], group_wait: 1s, group_interval: 10s, repeat_interval: 24h}
inhibit_rules: [{source_matchers: ['alertname="Site"'], target_matchers: ['alertname="Pod"']}]
receivers: [{name: hook, webhook_configs: [{url: 'http://hook.invalid/'}]}]
`

func inBubble(t *testing.T, dir string) *bubble {
	t.Helper()
	db, err := state.Open(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	b := &bubble{heard: &heard{start: time.Now(), by: map[string][]string{}}, found: map[detect.Fingerprint]detect.Finding{}}
	b.Pipeline, err = New(Options{
		DB: db, DataDir: dir, ExternalURL: &url.URL{Scheme: "http", Host: "evenkeel.test"}, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
		External: func(ctx context.Context, now time.Time, seen []detect.Finding) error {
			b.mine.Lock()
			for _, f := range seen {
				f.OpenedAt = now
				b.found[f.Fingerprint] = f
			}
			b.mine.Unlock()
			return b.Send(ctx, now, seen)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := amconfig.Load(bubbleRouting)
	if err != nil {
		t.Fatal(err)
	}
	built, err := b.build(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, all := range built.receivers {
		for _, s := range all {
			s.in = b.replaced(s.in)
		}
	}
	b.enforce(cfg, built)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	b.end = func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		_ = db.Close()
		synctest.Wait()
	}
	return b
}

func (b *bubble) post(t *testing.T, name string, lasts time.Duration) {
	t.Helper()
	w := httptest.NewRecorder()
	req := httptest.NewRequest(http.MethodPost, "/api/v2/alerts", strings.NewReader(fmt.Sprintf(`[{"labels":{"alertname":%q},"endsAt":%q}]`, name, time.Now().Add(lasts).UTC().Format(time.RFC3339Nano))))
	req.Header.Set("Content-Type", "application/json")
	if b.Handler().ServeHTTP(w, req); w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
}

// firing are the names of alerts of others that hold.
func (b *bubble) firing() (out []detect.Finding) {
	b.mine.Lock()
	defer b.mine.Unlock()
	for _, f := range b.found {
		if f.Open() {
			out = append(out, f)
		}
	}
	return out
}

func (b *bubble) holds(name string) bool {
	for _, f := range b.firing() {
		if f.Name == name {
			return true
		}
	}
	return false
}

// TestEndOverARestart: an alert of which its sender has said that it lasts an hour does so
// when the program is started anew meanwhile; one that is to be confirmed has a while for it.
func TestEndOverARestart(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		at := func(d time.Duration) { time.Sleep(time.Until(start.Add(d))); synctest.Wait() }
		first := inBubble(t, dir)
		first.post(t, "Hour", time.Hour)
		first.post(t, "Confirmed", 4*time.Minute)
		first.post(t, "Shorter", time.Hour)
		at(time.Minute)
		first.post(t, "Shorter", 4*time.Minute)
		at(2 * time.Minute)
		first.end()

		at(3 * time.Minute)
		second := inBubble(t, dir)
		for _, f := range first.found {
			second.found[f.Fingerprint] = f
		}
		if err := second.Expect(t.Context(), time.Now(), first.firing()); err != nil {
			t.Fatal(err)
		}
		f := func(d time.Duration, want string) {
			t.Helper()
			at(d)
			var got []string
			for _, name := range []string{"Hour", "Confirmed", "Shorter"} {
				if second.holds(name) {
					got = append(got, name)
				}
			}
			if strings.Join(got, " ") != want {
				t.Errorf("after %s there are %q, want %q", d, strings.Join(got, " "), want)
			}
		}
		f(7*time.Minute, "Hour Confirmed Shorter")
		f(8*time.Minute+2*time.Second, "Hour")
		f(time.Hour-time.Second, "Hour")
		f(time.Hour+2*time.Second, "")
		var kept int
		if err := second.o.DB.Read().QueryRowContext(t.Context(), `SELECT count(*) FROM alert_ends`).Scan(&kept); err != nil || kept != 0 {
			t.Errorf("%d ends are kept of what has ended: %v", kept, err)
		}
		second.end()
	})
}

// TestHoldsUntilItEnds: what is open is not told to have ended because nobody has looked at
// it for a while; it inhibits all the time, and the API shows it, with the end that its
// sender gave.
func TestHoldsUntilItEnds(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := inBubble(t, dir)
		defer b.end()
		site := detect.Finding{ID: 1, Labels: map[string]string{"alertname": "Site"}, OpenedAt: time.Now()}
		if err := b.Send(t.Context(), time.Now(), []detect.Finding{site}); err != nil {
			t.Fatal(err)
		}
		b.post(t, "Hour", time.Hour)
		ends := time.Now().Add(time.Hour)
		time.Sleep(40 * time.Minute)
		synctest.Wait()
		for group, all := range b.by {
			if len(all) != 1 || !strings.Contains(all[0], "firing") {
				t.Errorf("%s: %q, want one message of what fires", group, all)
			}
		}
		if len(b.by) != 2 {
			t.Errorf("%d groups were told, want 2", len(b.by))
		}
		if _, inhibited := b.Muted(t.Context(), map[string]string{"alertname": "Pod"}); !inhibited {
			t.Error("what holds does not inhibit any more")
		}
		for _, path := range []string{"/api/v2/alerts", "/api/v2/alerts/groups"} {
			w := httptest.NewRecorder()
			b.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
			type shown struct {
				Labels map[string]string
				EndsAt time.Time
				Alerts []struct {
					Labels map[string]string
					EndsAt time.Time
				}
			}
			var all []shown
			if err := json.Unmarshal(w.Body.Bytes(), &all); err != nil {
				t.Fatal(err)
			}
			got := map[string]time.Time{}
			for _, x := range all {
				got[x.Labels["alertname"]] = x.EndsAt
				for _, a := range x.Alerts {
					got[a.Labels["alertname"]] = a.EndsAt
				}
			}
			if !got["Hour"].Equal(ends.Truncate(time.Millisecond)) || !got["Site"].After(time.Now()) {
				t.Errorf("%s shows ends %v", path, got)
			}
		}
		site.ResolvedAt = time.Now()
		if err := b.Send(t.Context(), time.Now(), []detect.Finding{site}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20*time.Minute + 30*time.Second)
		synctest.Wait()
		for group, all := range b.by {
			if len(all) != 2 || !strings.Contains(all[1], "resolved") {
				t.Errorf("%s: %q, want the end told", group, all)
			}
		}
	})
}
