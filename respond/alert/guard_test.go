package alert

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/journal"
)

// endless is a body of n bytes that counts what was read of it.
type endless struct{ n, read int64 }

func (e *endless) Read(p []byte) (int, error) {
	if e.read == e.n {
		return 0, io.EOF
	}
	for i := range p {
		p[i] = ' '
	}
	n := min(int64(len(p)), e.n-e.read)
	e.read += n
	return int(n), nil
}

func call(r *rig, method, path string, body io.Reader) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	req := httptest.NewRequest(method, path, body)
	req.Header.Set("Content-Type", "application/json")
	r.Handler().ServeHTTP(w, req)
	return w
}

// TestHostileBodies: what is too large or no alert is refused with 4xx, after no more
// than the limit was read, and the alerts beside it are taken.
func TestHostileBodies(t *testing.T) {
	_, hookURL := web(t, always(200))
	r := open(t, t.TempDir())
	r.route(t, fmt.Sprintf(quiet1, hookURL))
	r.run(t)
	alert := func(name string, labels int, value string) string {
		var b strings.Builder
		fmt.Fprintf(&b, `{"labels":{"alertname":%q`, name)
		for i := range labels - 1 {
			fmt.Fprintf(&b, `,"l%d":%q`, i, value)
		}
		return b.String() + "}}"
	}
	f := func(what, path, body string, status int, says string, taken ...string) {
		t.Helper()
		before := len(r.external())
		w := call(r, http.MethodPost, path, strings.NewReader(body))
		if w.Code != status || !strings.Contains(w.Body.String(), says) {
			t.Errorf("%s: status %d, %.200s", what, w.Code, w.Body)
		}
		var got []string
		for _, x := range r.external()[before:] {
			got = append(got, x.Name)
		}
		if fmt.Sprint(got) != fmt.Sprint(taken) {
			t.Errorf("%s: %d taken, want %v", what, len(got), taken)
		}
	}
	const alerts, silences = "/api/v2/alerts", "/api/v2/silences"
	f("as many labels as there may be", alerts, "["+alert("A", 100, "x")+"]", 200, "", "A")
	f("10,000 labels, and one beside it", alerts, "["+alert("A", 10_000, "x")+","+alert("B", 2, "x")+"]", 400, "alert 0: 10000 labels, expected at most 100", "B")
	f("10,000 labels alone", alerts, "["+alert("A", 10_000, "x")+"]", 400, "10000 labels")
	f("an endless value", alerts, "["+alert("A", 2, strings.Repeat("x", 10_001))+"]", 400, "a label of 10001 bytes")
	f("too large, beside what is no alert", alerts, "["+alert("A", 101, "x")+`,{}]`, 422, "labels in body is required")
	f("too many", alerts, "["+strings.Repeat(alert("A", 1, "")+",", 10_000)+alert("B", 1, "")+"]", 413, "10001 alerts")
	f("no JSON", alerts, `[{"labels":`, 400, "")
	f("null, and one beside it", alerts, "[null, "+alert("A", 1, "")+"]", 400, "alert 0: null", "A")
	f("no list", alerts, `{"labels":{"alertname":"A"}}`, 400, "")
	f("a label that is no text", alerts, `[{"labels":{"alertname":7}}]`, 400, "")
	f("nested without end", alerts, strings.Repeat("[", 100_000), 400, "")
	f("nothing", alerts, "", 422, "")
	f("a silence that is no JSON", silences, `{`, 400, "")
	f("a silence of nothing", silences, `{}`, 422, "")
	f("a silence of everything", silences, fmt.Sprintf(`{"matchers":[{"name":"a","value":".*","isRegex":true}],"startsAt":%q,"endsAt":%q,"createdBy":"x","comment":"x"}`,
		time.Now().Format(time.RFC3339), time.Now().Add(time.Hour).Format(time.RFC3339)), 400, "")
	for _, x := range []struct {
		method, path string
		most         int64
	}{{http.MethodPost, alerts, maxAlertBytes}, {http.MethodPost, silences, maxSilenceBytes}, {http.MethodDelete, "/api/v2/silence/6ba7b810-9dad-11d1-80b4-00c04fd430c8", maxSilenceBytes}} {
		body := &endless{n: 1 << 30}
		if w := call(r, x.method, x.path, body); w.Code != http.StatusRequestEntityTooLarge {
			t.Errorf("1 GB to %s: %d %.100s", x.path, w.Code, w.Body)
		}
		if body.read > x.most+64<<10 {
			t.Errorf("1 GB to %s: %d bytes were read", x.path, body.read)
		}
	}
	if list, err := r.Silences(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("%+v %v", list, err)
	}
}

// TestRefusedByTheRoomsThatFollow: an alert that could not be stored is not said to be.
func TestRefusedByTheRoomsThatFollow(t *testing.T) {
	_, hookURL := web(t, always(200))
	r := open(t, t.TempDir())
	r.route(t, fmt.Sprintf(quiet1, hookURL))
	r.run(t)
	r.o.External = func(context.Context, time.Time, []detect.Finding) error { return errors.New("the disk is full") }
	if w := call(r, http.MethodPost, "/api/v2/alerts", strings.NewReader(`[{"labels":{"alertname":"A"}}]`)); w.Code != 500 || !strings.Contains(w.Body.String(), "the disk is full") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestForeignIdentity: an alert keeps its fingerprint over a restart, and cannot say
// that it belongs to an incident.
func TestForeignIdentity(t *testing.T) {
	_, hookURL := web(t, always(200))
	f := func(alert string) {
		t.Helper()
		r := open(t, t.TempDir())
		r.route(t, fmt.Sprintf(quiet1, hookURL))
		r.run(t)
		if w := call(r, http.MethodPost, "/api/v2/alerts", strings.NewReader("["+alert+"]")); w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		first := r.external()[0]
		for _, k := range []string{"incident", "finding", "suspects", "incident_url"} {
			if v, ok := first.Annotations[k]; ok {
				t.Errorf("a sender says that its %s is %q", k, v)
			}
		}
		next := open(t, t.TempDir()) // the next program, which has read the finding
		next.route(t, fmt.Sprintf(quiet1, hookURL))
		next.run(t)
		if err := next.Expect(t.Context(), time.Now().Add(-lifetime), []detect.Finding{first}); err != nil {
			t.Fatal(err)
		}
		until(t, &inbox{}, "the end of what nobody confirms", func() bool { return len(next.external()) == 1 })
		if got := next.external()[0]; got.Open() || got.Fingerprint != first.Fingerprint {
			t.Errorf("%s: ended as %q, began as %q", alert, got.Fingerprint, first.Fingerprint)
		}
	}
	f(`{"labels":{"alertname":"DiskFull","service":"db","empty":""},"annotations":{"summary":"full","incident":"7","finding":"1","suspects":"nobody","incident_url":"http://evil.test"}}`)
	f(`{"labels":{"instance":"db-1"}}`) // without a name

	r := open(t, t.TempDir())
	r.route(t, fmt.Sprintf(quiet1, hookURL))
	r.run(t)
	if w := call(r, http.MethodPost, "/api/v2/alerts", strings.NewReader(`[{"labels":{"alertname":"A"},"generatorURL":"http://prometheus.test/graph?g0.expr=up"}]`)); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if got := r.external()[0].Annotations[generatorAnnotation]; got != "http://prometheus.test/graph?g0.expr=up" {
		t.Errorf("where the sender has it: %q", got)
	}
}

// TestWhoSilenced: a silence through Alertmanager's API is the act of who was
// authenticated, whatever the client calls itself.
func TestWhoSilenced(t *testing.T) {
	_, hookURL := web(t, always(200))
	r := open(t, t.TempDir())
	r.route(t, fmt.Sprintf(quiet1, hookURL))
	r.run(t)
	in := func(author string) string {
		return fmt.Sprintf(`{"matchers":[{"name":"service","value":"checkout","isRegex":false}],"startsAt":%q,"endsAt":%q,"createdBy":%q,"comment":"works"}`,
			time.Now().Format(time.RFC3339), time.Now().Add(time.Hour).Format(time.RFC3339), author)
	}
	f := func(author string, want journal.Actor) {
		t.Helper()
		if w := call(r, http.MethodPost, "/api/v2/silences", strings.NewReader(in(author))); w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		list, err := r.Silences(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if w := call(r, http.MethodDelete, "/api/v2/silence/"+list[0].ID, nil); w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		facts, err := r.o.DB.Facts(t.Context(), journal.Query{Kind: "silence.", Limit: 2})
		if err != nil || len(facts) != 2 || facts[0].Kind != "silence.expired" || facts[1].Kind != "silence.created" {
			t.Fatalf("%+v %v", facts, err)
		}
		if facts[1].Actor != want || want != "alertmanager-api:mallory" && facts[0].Actor != want {
			t.Errorf("created by %s, ended by %s, want %s", facts[1].Actor, facts[0].Actor, want)
		}
	}
	f("mallory", "alertmanager-api:mallory") // nobody is known
	r.o.Actor = func(*http.Request) journal.Actor { return journal.Person("carol") }
	f("mallory", "person:carol")
	if w := call(r, http.MethodDelete, "/api/v2/silence/6ba7b810-9dad-11d1-80b4-00c04fd430c8", nil); w.Code != 404 {
		t.Errorf("a silence that is not there: %d", w.Code)
	}
}
