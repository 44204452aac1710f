package status

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/state"
)

var night = time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)

var shop = &declare.Workspace{
	Systems:  []*declare.System{{Name: "shop", Title: "The shop"}, {Name: "mail"}},
	Services: []*declare.Service{{ID: "checkout", Title: "Checkout", System: "shop"}, {ID: "search", System: "shop"}, {ID: "newsletter", System: "mail"}},
	Settings: declare.Settings{StatusPages: []declare.StatusPage{{System: "shop", Public: true}}},
}

type desk struct {
	*testing.T
	book      *Book
	db        *state.DB
	incidents map[respond.Number]respond.Incident
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	db, err := state.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	d := &desk{T: t, db: db, incidents: map[respond.Number]respond.Incident{}}
	d.book = New(Options{
		DB: db, Workspace: func() *declare.Workspace { return shop }, URL: func(p string) string { return "https://evenkeel.test" + p }, Logger: slog.New(slog.DiscardHandler),
		Incident: func(_ context.Context, n respond.Number) (respond.Incident, error) { return d.incidents[n], nil },
	})
	return d
}

func (d *desk) say(n respond.Number, phase respond.Phase, public bool, at time.Time, text string) {
	d.Helper()
	err := d.db.Update(d.Context(), func(tx *state.Tx) error {
		_, err := tx.ExecContext(context.Background(), `INSERT INTO incident_updates (incident, phase, text, public, actor, at_ms) VALUES (?,?,?,?,'person:alice',?)`, n, phase, text, public, state.Millis(at))
		return err
	})
	if err != nil {
		d.Fatal(err)
	}
}

func (d *desk) page(system string) Page {
	d.Helper()
	p, err := d.book.Page(d.Context(), night.Add(time.Hour), system)
	if err != nil {
		d.Fatal(err)
	}
	return p
}

// TestPage: what was said in public stands there, and nothing of the inside.
func TestPage(t *testing.T) {
	d := newDesk(t)
	d.incidents[1] = respond.Incident{Number: 1, Title: "checkout: secret-db-7 is full", Sev: respond.Sev2, Status: respond.Open, Services: []declare.ServiceID{"checkout", "newsletter"}, Clocks: respond.Clocks{Impact: night}}
	d.incidents[2] = respond.Incident{Number: 2, Sev: respond.Sev1, Status: respond.Open, Services: []declare.ServiceID{"search"}}
	d.incidents[3] = respond.Incident{Number: 3, Sev: respond.Sev3, Status: respond.Resolved, Services: []declare.ServiceID{"search"}, Clocks: respond.Clocks{Detected: night, Resolved: night.Add(9 * time.Minute)}}
	if p := d.page("shop"); p.State != Operational || len(p.Components) != 2 || p.Title != "The shop" || !p.Public {
		t.Errorf("%+v", p)
	}
	d.say(1, respond.Investigating, true, night.Add(time.Minute), "We look into it.")
	d.say(1, respond.Identified, false, night.Add(2*time.Minute), "it is secret-db-7")
	d.say(2, respond.Investigating, false, night, "inside only")
	d.say(3, respond.Monitoring, true, night.Add(3*time.Minute), "Search is slow.")
	p := d.page("shop")
	text, err := json.Marshal(p)
	if err != nil || strings.Contains(string(text), "secret") || strings.Contains(string(text), "inside") || strings.Contains(string(text), "alice") {
		t.Errorf("%s %v", text, err)
	}
	if p.State != Partial || p.Components[0].State != Partial || p.Components[1].State != Operational || len(p.Active) != 1 || len(p.History) != 1 {
		t.Errorf("%s", text)
	}
	if a := p.Active[0]; a.Name != "Trouble with Checkout" || a.Phase != respond.Investigating || len(a.Updates) != 1 || !a.Started.Equal(night) {
		t.Errorf("%+v", a)
	}
	if h := p.History[0]; !h.Over() || !h.Ended.Equal(night.Add(9*time.Minute)) { // resolved, though nobody said so
		t.Errorf("%+v", h)
	}
	if p := d.page("mail"); p.Public || len(p.Active) != 1 || p.State != Partial {
		t.Errorf("%+v", p)
	}
	if _, err := d.book.Page(t.Context(), night, "nothing"); !errors.Is(err, respond.ErrNotFound) {
		t.Errorf("%v", err)
	}
	d.say(1, respond.Over, true, night.Add(20*time.Minute), "It is over.")
	if p := d.page("shop"); p.State != Operational || len(p.Active) != 0 || len(p.History) != 2 || p.History[1].Updates[0].Text != "It is over." {
		t.Errorf("%+v", p)
	}
	if p, err := d.book.Page(t.Context(), night.Add(100*24*time.Hour), "shop"); err != nil || len(p.History) != 0 {
		t.Errorf("after 100 days: %+v %v", p, err)
	}
}

// TestStatuspage: the shape that status pages share.
func TestStatuspage(t *testing.T) {
	d := newDesk(t)
	d.incidents[1] = respond.Incident{Number: 1, Sev: respond.Sev1, Status: respond.Open, Services: []declare.ServiceID{"checkout"}, Clocks: respond.Clocks{Impact: night}}
	d.say(1, respond.Monitoring, true, night.Add(time.Minute), "We watch it.")
	var got struct {
		Page       struct{ ID, Name, URL string }
		Status     struct{ Indicator, Description string }
		Components []struct{ ID, Name, Status string }
		Incidents  []struct {
			ID, Name, Status, Impact, Shortlink string
			MonitoringAt                        time.Time                       `json:"monitoring_at"`
			Updates                             []struct{ Status, Body string } `json:"incident_updates"`
			Components                          []struct{ ID string }
		}
		Maintenances []any `json:"scheduled_maintenances"`
	}
	text, err := json.Marshal(d.book.Statuspage(d.page("shop"), "summary"))
	if err == nil {
		err = json.Unmarshal(text, &got)
	}
	if err != nil || got.Page.URL != "https://evenkeel.test/status/shop" || got.Status.Indicator != "critical" || got.Components[0].Status != "major_outage" || got.Maintenances == nil {
		t.Fatalf("%s %v", text, err)
	}
	if i := got.Incidents[0]; i.Status != "monitoring" || i.Impact != "critical" || i.Updates[0].Body != "We watch it." || !i.MonitoringAt.Equal(night.Add(time.Minute)) || i.Components[0].ID != "checkout" || i.Shortlink != "https://evenkeel.test/status/shop#incident-1" {
		t.Errorf("%+v", i)
	}
	for _, name := range []string{"status", "components", "incidents", "incidents/unresolved", "scheduled-maintenances"} {
		if d.book.Statuspage(d.page("shop"), name) == nil {
			t.Errorf("no %s", name)
		}
	}
	if got := d.book.Statuspage(d.page("shop"), "secrets"); got != nil {
		t.Errorf("%v", got)
	}
}

// TestSubscribers: each public update reaches each webhook, in order; one that fails is
// tried again later and holds up nobody else; what was said before is not sent.
func TestSubscribers(t *testing.T) {
	d := newDesk(t)
	d.incidents[1] = respond.Incident{Number: 1, Sev: respond.Sev2, Status: respond.Open, Services: []declare.ServiceID{"checkout"}, Clocks: respond.Clocks{Impact: night}}
	var good, bad []string
	broken := true
	take := func(into *[]string, fails func() bool) *httptest.Server {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if fails() {
				http.Error(w, "no", http.StatusBadGateway)
				return
			}
			var m struct {
				Incident struct {
					Updates []struct{ Body string } `json:"incident_updates"`
				}
			}
			if err := json.Unmarshal(body, &m); err != nil {
				t.Error(err)
			}
			*into = append(*into, m.Incident.Updates[0].Body)
		}))
		t.Cleanup(s.Close)
		return s
	}
	one := take(&good, func() bool { return false })
	two := take(&bad, func() bool { return broken })
	d.say(1, respond.Investigating, true, night, "before")
	for _, u := range []string{one.URL, two.URL, one.URL} {
		if s, err := d.book.Subscribe(t.Context(), night, journal.Person("bob"), "shop", u); err != nil || s.URL != u {
			t.Fatal(s, err)
		}
	}
	tell := func(after time.Duration) {
		t.Helper()
		if err := d.book.Tell(t.Context(), night.Add(after)); err != nil {
			t.Fatal(err)
		}
	}
	tell(time.Second)
	d.say(1, respond.Identified, true, night.Add(time.Minute), "found")
	d.say(1, respond.Identified, false, night.Add(time.Minute), "inside")
	tell(time.Minute)
	tell(time.Minute)
	if strings.Join(good, " ") != "found" || len(bad) != 0 {
		t.Errorf("good %q, bad %q", good, bad)
	}
	subs, err := d.book.Subscribers(t.Context(), "shop")
	if err != nil || len(subs) != 2 || subs[1].Failures != 1 || subs[1].Error != "it answered 502 Bad Gateway" || !subs[1].Next.After(night.Add(time.Minute)) {
		t.Errorf("%+v %v", subs, err)
	}
	broken = false
	tell(time.Minute + time.Second) // not its time yet
	d.say(1, respond.Over, true, night.Add(2*time.Minute), "over")
	tell(10 * time.Minute)
	if strings.Join(good, " ") != "found over" || len(bad) != 2 {
		t.Errorf("good %q, bad %q", good, bad)
	}
	if err := d.book.Unsubscribe(t.Context(), night, journal.Person("bob"), subs[0].ID); err != nil {
		t.Error(err)
	}
	if err := d.book.Unsubscribe(t.Context(), night, journal.Person("bob"), subs[0].ID); !errors.Is(err, respond.ErrNotFound) {
		t.Error(err)
	}
	var wrong *respond.InvalidError
	if _, err := d.book.Subscribe(t.Context(), night, "person:bob", "shop", "ftp://x"); !errors.As(err, &wrong) {
		t.Error(err)
	}
	if _, err := d.book.Subscribe(t.Context(), night, "person:bob", "gone", one.URL); !errors.Is(err, respond.ErrNotFound) {
		t.Error(err)
	}
}
