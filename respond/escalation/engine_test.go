package escalation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/detect/finding"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/respond/incident"
	"github.com/evenkeel/evenkeel/state"
)

// house is a team with a schedule, a shadow and a policy, over a real database.
type house struct {
	*testing.T
	dir       string
	db        *state.DB
	incidents *incident.Book
	findings  *finding.Book
	engine    *Engine
	ws        *declare.Workspace
	now       time.Time
	sent      []string
	mu        sync.Mutex
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{T: t, dir: t.TempDir(), now: zero}
	person := func(id declare.PersonID) *declare.Person { return &declare.Person{ID: id, Name: string(id)} }
	h.ws = &declare.Workspace{
		People: []*declare.Person{person("alice"), person("bob"), person("carol"), person("eve")},
		Teams:  []*declare.Team{{ID: "shop", Members: []declare.PersonID{"alice", "bob"}}},
		Schedules: []*declare.Schedule{{
			Name: "shop", Team: "shop", Layers: []declare.Layer{{Start: zero.Add(-time.Hour), Every: declare.Daily, People: []declare.PersonID{"alice", "bob"}}},
			Shadows: []declare.Shadow{{Person: "eve", Of: "alice"}},
		}},
		Escalations: []*declare.Escalation{{Name: "shop", Team: "shop", Repeat: 1, AckTimeout: 30 * time.Minute, Steps: []declare.EscalationStep{
			{Notify: []declare.Target{{Kind: "schedule", Name: "shop"}}, Wait: 5 * time.Minute},
			{Notify: []declare.Target{{Kind: "team", Name: "shop"}, {Kind: "person", Name: "carol"}}, Wait: 10 * time.Minute},
		}}},
	}
	h.boot()
	t.Cleanup(func() { _ = h.db.Close() })
	return h
}

// boot opens everything anew, as after a restart.
func (h *house) boot() {
	h.Helper()
	if h.db != nil {
		_ = h.db.Close()
	}
	var err error
	if h.db, err = state.Open(context.Background(), h.dir); err != nil {
		h.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	h.incidents = incident.New(incident.Options{
		DB: h.db, Logger: log, Distances: func(declare.ServiceID) map[declare.ResourceID]int { return nil }, URL: func(p string) string { return p },
		TeamOf: func(declare.ServiceID) declare.TeamID { return "shop" }, OnCall: func(declare.TeamID, time.Time) declare.PersonID { return "" },
		Known: func(p declare.PersonID) bool { return h.ws.Person(p) != nil },
	})
	if h.findings, err = finding.Open(context.Background(), h.db); err != nil {
		h.Fatal(err)
	}
	h.findings.SetSink(func(ctx context.Context, found []detect.Finding) error {
		_, err := h.incidents.Take(ctx, h.now, found, func(detect.Finding) bool { return false })
		return err
	})
	h.engine = h.another()
}

func (h *house) another() *Engine {
	return New(Options{
		DB: h.db, Logger: slog.New(slog.DiscardHandler), Incidents: h.incidents, Workspace: func() *declare.Workspace { return h.ws },
		Policy: func(i respond.Incident) *declare.Escalation { return h.ws.EscalationOf(i.Team) },
		Send: func(_ context.Context, _ *state.Tx, _ time.Time, notices []respond.Notice) error {
			h.mu.Lock()
			defer h.mu.Unlock()
			for _, n := range notices {
				h.sent = append(h.sent, fmt.Sprintf("%s %s", n.Purpose, n.Person))
				if n.Cause == 0 || n.Key == "" || n.Why == "" {
					h.Errorf("%+v", n)
				}
			}
			return nil
		},
	})
}

func (h *house) page(service string, over bool) {
	h.Helper()
	f := detect.Finding{Detector: "rule", Name: "Slow", Service: declare.ServiceID(service), Team: "shop", Severity: detect.Page, Labels: map[string]string{"alertname": "Slow", "service": service}}
	if over {
		f.ResolvedAt = h.now
	}
	if err := h.findings.Observe(context.Background(), h.now, []detect.Finding{f}); err != nil {
		h.Fatal(err)
	}
}

// at lets time come, and looks at who was told since the last time.
func (h *house) at(after time.Duration, want string) {
	h.Helper()
	h.now = zero.Add(after)
	if _, err := h.engine.Tick(context.Background(), h.now); err != nil {
		h.Fatal(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if got := strings.Join(h.sent, ", "); got != want {
		h.Errorf("at %s: got %q, want %q", after, got, want)
	}
	h.sent = nil
}

func (h *house) ack(who declare.PersonID) {
	h.Helper()
	if _, err := h.engine.Acknowledge(context.Background(), h.now, who, 1); err != nil {
		h.Error(err)
	}
}

func (h *house) facts(kind journal.Kind) []journal.Fact {
	h.Helper()
	got, err := h.db.Facts(context.Background(), journal.Query{Kind: kind, Oldest: true, Limit: 1000})
	if err != nil {
		h.Fatal(err)
	}
	return got
}

const m = time.Minute

// TestEverybodySilent: an hour in which nobody answers, with a restart between two
// steps; then it is said that nobody is left, and a late answer still counts.
func TestEverybodySilent(t *testing.T) {
	h := newHouse(t)
	h.page("checkout", false)
	h.at(0, "page alice, copy eve")
	h.at(m, "")
	h.boot() // between two steps
	h.at(4*m+59*time.Second, "")
	h.at(5*m, "page alice, page bob, page carol")
	h.at(5*m+time.Second, "")
	h.boot()
	h.at(15*m, "page alice, copy eve")
	h.at(20*m, "page alice, page bob, page carol")
	h.at(30*m, "")
	h.at(60*m, "")
	e, err := h.engine.Get(t.Context(), 1)
	if err != nil || e.Status != respond.EscalationExhausted {
		t.Errorf("%+v %v", e, err)
	}
	left := func(open ...detect.Finding) []detect.Finding {
		got, err := h.engine.Exhausted(t.Context(), open, h.now)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	found := left()
	if len(found) != 1 || found[0].Team != "shop" || found[0].Severity != detect.Ticket || !found[0].Open() || found[0].Labels["incident"] != "1" {
		t.Errorf("nobody answered, and the finding is %+v", found)
	}
	h.ack("bob")
	h.at(61*m, "")
	if got := left(found...); len(got) != 1 || got[0].Open() {
		t.Errorf("bob answered, and the finding is %+v", got)
	}
	h.at(61*m, "")
	if e, _ := h.engine.Get(t.Context(), 1); e.Status != respond.EscalationAcknowledged {
		t.Errorf("%+v", e)
	}
	// Each fact names its cause, back to the finding.
	var kinds []string
	for _, f := range h.facts("escalation.") {
		kinds = append(kinds, strings.TrimPrefix(string(f.Kind), "escalation."))
		chain, err := h.db.Causes(t.Context(), f.ID)
		if err != nil || chain[len(chain)-1].Kind != "finding.opened" || f.Subject != "incident/1" {
			t.Errorf("%+v: causes end at %+v (%v)", f, chain[len(chain)-1], err)
		}
	}
	if got := strings.Join(kinds, " "); got != "started notified notified notified notified exhausted stopped" {
		t.Error(got)
	}
	if text := h.facts("escalation.notified")[1].Text; text != "step 2 of 2 notifies alice, bob, carol (team:shop, person:carol); next in 10m" {
		t.Error(text)
	}
}

// TestManyEngines: of several that look at once, each step is one's.
func TestManyEngines(t *testing.T) {
	h := newHouse(t)
	h.page("checkout", false)
	for _, at := range []time.Duration{0, 5 * m, 15 * m, 20 * m, 30 * m} {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if _, err := h.another().Tick(t.Context(), zero.Add(at)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	if got := len(h.facts("escalation.notified")); got != 4 || len(h.sent) != 10 {
		t.Errorf("%d steps, %d notices: %v", got, len(h.sent), h.sent)
	}
}

// TestAcknowledgeRunsOut: who has it is asked again when users still suffer, can say
// that they are at it, and it ends with the alert and begins with it again.
func TestAcknowledgeRunsOut(t *testing.T) {
	h := newHouse(t)
	h.page("checkout", false)
	h.at(0, "page alice, copy eve")
	h.ack("alice")
	h.at(29*m, "")
	h.at(30*m, "page alice, copy eve")
	h.ack("alice")
	h.at(35*m, "")
	if got := h.facts("escalation.confirmed"); len(got) != 1 || got[0].Actor != "person:alice" {
		t.Errorf("%+v", got)
	}
	_, err := h.engine.Acknowledge(t.Context(), h.now, "bob", 1)
	var moved *respond.TransitionError
	if !errors.As(err, &moved) {
		t.Errorf("a second acknowledgement: %v", err)
	}
	h.page("checkout", true) // mitigated
	h.at(40*m, "")
	h.page("checkout", false) // it pages again
	h.at(41*m, "page alice, copy eve")
	h.at(46*m, "page alice, page bob, page carol")
}

// TestPackets go up to the next step, come back with what is missing, go up again, and
// whoever accepts has the incident.
func TestPackets(t *testing.T) {
	h := newHouse(t)
	h.page("checkout", false)
	h.at(0, "page alice, copy eve")
	h.ack("alice")
	h.at(m, "")
	ctx := t.Context()
	packet := respond.Handup{Incident: 1, Impact: "one order in forty fails", Tried: "rolled back", Evidence: "graph", Question: "may I fail over?"}
	for _, lacks := range []string{"impact", "tried", "evidence", "question"} {
		p := packet
		*map[string]*string{"impact": &p.Impact, "tried": &p.Tried, "evidence": &p.Evidence, "question": &p.Question}[lacks] = "  "
		_, err := h.engine.HandUp(ctx, h.now, "alice", p)
		var bad *respond.InvalidError
		if !errors.As(err, &bad) || bad.Field != lacks {
			t.Errorf("without %s: %v", lacks, err)
		}
	}
	p, err := h.engine.HandUp(ctx, h.now, "alice", packet)
	if err != nil || p.Target != "team:shop, person:carol" || fmt.Sprint(p.People) != "[bob carol]" || p.Status != respond.HandupOpen {
		t.Fatalf("%+v %v", p, err)
	}
	h.at(2*m, "handup bob, handup carol")
	if _, err := h.engine.SendBack(ctx, h.now, "eve", 1, p.ID, "logs"); err == nil {
		t.Error("somebody who was not asked sends it back")
	}
	if _, err := h.engine.SendBack(ctx, h.now, "carol", 1, p.ID, " "); err == nil {
		t.Error("sent back without a word")
	}
	p, err = h.engine.SendBack(ctx, h.now, "carol", 1, p.ID, "the log of payments")
	if err != nil || p.Status != respond.HandupReturned || p.DecidedBy != "carol" {
		t.Fatalf("%+v %v", p, err)
	}
	h.at(3*m, "returned alice")
	waits := func(want respond.HandupStatus) {
		t.Helper()
		all, err := h.engine.Handups(ctx, 0)
		if got := fmt.Sprint(all); err != nil || (want == "") != (len(all) == 0) || want != "" && (len(all) != 1 || all[0].Status != want) {
			t.Errorf("what waits: %s %v, want one that is %q", got, err, want)
		}
	}
	waits(respond.HandupReturned)
	if _, err := h.engine.Accept(ctx, h.now, "bob", 1, p.ID); err == nil {
		t.Error("accepted, and it was sent back")
	}
	packet.ID, packet.Evidence, packet.Target = p.ID, "graph, log of payments", "person:carol"
	if p, err = h.engine.HandUp(ctx, h.now, "alice", packet); err != nil || p.Sent != 2 {
		t.Fatalf("%+v %v", p, err)
	}
	h.at(4*m, "handup carol")
	waits(respond.HandupOpen)
	if p, err = h.engine.Accept(ctx, h.now, "carol", 1, p.ID); err != nil || p.Status != respond.HandupAccepted {
		t.Fatalf("%+v %v", p, err)
	}
	waits("")
	if i, _ := h.incidents.Get(ctx, 1); i.Assignee != "carol" {
		t.Errorf("it is %s's", i.Assignee)
	}
	all, err := h.engine.Handups(ctx, 1)
	if err != nil || len(all) != 1 || all[0].Evidence != "graph, log of payments" {
		t.Errorf("%+v %v", all, err)
	}
	if _, err := h.engine.Accept(ctx, h.now, "carol", 1, p.ID); fmt.Sprint(err) != "cannot accept a packet that is accepted" {
		t.Errorf("accepted twice: %v", err)
	}
	if _, err := h.engine.Accept(ctx, h.now, "carol", 1, 99); !errors.Is(err, respond.ErrNotFound) {
		t.Errorf("no such packet: %v", err)
	}
	if _, err := h.engine.HandUp(ctx, h.now, "alice", respond.Handup{Incident: 1, Impact: "x", Tried: "x", Evidence: "x", Question: "x", Target: "person:nobody"}); err == nil {
		t.Error("handed up to nobody")
	}
	var kinds []string
	for _, f := range h.facts("handup.") {
		kinds = append(kinds, string(f.Kind))
	}
	if got := strings.Join(kinds, " "); got != "handup.sent handup.returned handup.sent handup.accepted" {
		t.Error(got)
	}
}
