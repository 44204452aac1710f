package gate

import (
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC) // a Monday

func TestDecide(t *testing.T) {
	vienna, err := time.LoadLocation("Europe/Vienna")
	if err != nil {
		t.Fatal(err)
	}
	policy := declare.GatePolicy{Budget: []declare.BudgetRule{
		{Below: 0, Risk: declare.RiskNone, Why: "users have suffered enough"},
		{Below: 0.25, Risk: declare.RiskLow, Kinds: []string{"patch"}},
	}}
	base := func() Input {
		return Input{Change: act.Change{Kind: act.Deploy, Service: "checkout", Risk: declare.RiskMedium}, Known: true, Policy: policy, Budgets: []Budget{{"avail", 0.8, true}}}
	}
	f := func(what string, change func(in *Input), want Answer, why string) {
		t.Helper()
		in := base()
		change(&in)
		v := Decide(in, noon)
		if v.Answer != want || !strings.Contains(v.Reasons[0].Why, why) {
			t.Errorf("%s: got %s %+v, want %s %q", what, v.Answer, v.Reasons, want, why)
		}
		if len(v.Reasons) < 4 {
			t.Errorf("%s: only %d reasons", what, len(v.Reasons))
		}
	}
	f("all is well", func(*Input) {}, Yes, "in the catalogue")
	f("an unknown service", func(in *Input) { in.Known = false; in.Budgets = nil }, Unknown, "has no service")
	f("one that was misspelt", func(in *Input) { in.Known = false; in.Budgets = nil; in.Near = `did you mean "checkouts"?` }, Unknown, `did you mean "checkouts"?`)
	f("no service", func(in *Input) { in.Change.Service = "" }, Unknown, "names no service")
	f("a spent budget", func(in *Input) { in.Budgets[0].Left = -0.4 }, No, "suffered enough")
	f("exactly spent", func(in *Input) { in.Budgets[0].Left = 0 }, No, "0 % of its error budget")
	f("a small budget", func(in *Input) { in.Budgets[0].Left = 0.2 }, No, "changes up to low risk")
	f("a small budget and a small risk", func(in *Input) { in.Budgets[0].Left = 0.2; in.Change.Risk = declare.RiskLow }, Yes, "")
	f("a small budget and a patch", func(in *Input) { in.Budgets[0].Left = 0.2; in.Change.Kind = act.Patch }, Yes, "")
	f("a small budget and a risk that nobody told", func(in *Input) { in.Budgets[0].Left = 0.2; in.Change.Risk = "" }, No, "20 %")
	f("a spent budget and a rollback", func(in *Input) { in.Budgets[0].Left = -1; in.Change.Kind = act.Rollback }, Yes, "")
	f("a budget that nobody knows", func(in *Input) { in.Budgets[0].Known = false }, Unknown, "cannot be told")
	f("one that no policy needs", func(in *Input) { in.Budgets[0].Known = false; in.Policy.Budget = nil }, Yes, "")
	f("its own incident", func(in *Input) { in.Incidents = []Incident{{7, "it burns", "checkout"}} }, No, "#7 is open on checkout")
	f("a dependency's incident", func(in *Input) { in.Incidents = []Incident{{8, "slow", "pricing"}} }, No, "pricing, which checkout depends on")
	f("a rollback in an incident", func(in *Input) { in.Incidents = []Incident{{7, "it burns", "checkout"}}; in.Change.Kind = act.Rollback }, Yes, "")
	f("a failing dependency", func(in *Input) { in.Dependencies = []Health{{"pricing", true, "it pages"}, {"mail", false, ""}} }, No, "pricing, which")
	f("another change", func(in *Input) {
		in.Concurrent = []act.Change{{ID: "c9", Summary: "migration", Service: "checkout", Actor: "bob", StartedAt: noon}}
	}, No, "c9")
	f("an artefact with an error", func(in *Input) {
		in.Artefacts = []string{"k8s"}
		in.Problems = []ArtefactProblem{{"k8s/a.yml", "privileged", false}}
	}, No, "privileged")
	f("an artefact with a warning", func(in *Input) {
		in.Artefacts = []string{"k8s"}
		in.Problems = []ArtefactProblem{{"k8s/a.yml", "no limit", true}}
	}, Yes, "")

	freeze := declare.Freeze{Name: "peak", From: noon.Add(-time.Hour), To: noon.Add(time.Hour), Why: "the big sale"}
	f("a freeze", func(in *Input) { in.Policy.Freezes = []declare.Freeze{freeze} }, No, "the big sale")
	company := declare.Freeze{Name: "company", Events: []declare.Holiday{{Name: "inventory", From: noon.Add(-48 * time.Hour), To: noon.Add(-24 * time.Hour)}, {Name: "year end", From: noon.Add(-time.Hour), To: noon.Add(time.Hour)}, {Name: "books", From: noon, To: noon.Add(2 * time.Hour)}}}
	f("a freeze of a calendar", func(in *Input) { in.Policy.Freezes = []declare.Freeze{company} }, No, "freeze company (books) holds until 2026-03-02 14:00 UTC")
	f("one between its events", func(in *Input) {
		over := company
		over.Events = over.Events[:1]
		in.Policy.Freezes = []declare.Freeze{over}
	}, Yes, "")
	f("one of an empty calendar", func(in *Input) { in.Policy.Freezes = []declare.Freeze{{Name: "company"}} }, Yes, "")
	unread := declare.Freeze{Name: "company", Unread: true, Kinds: []string{"patch"}}
	f("a calendar that nobody has read", func(in *Input) { in.Policy.Freezes = []declare.Freeze{unread} }, Unknown, "cannot be told")
	f("one that lets patches go", func(in *Input) { in.Policy.Freezes, in.Change.Kind = []declare.Freeze{unread}, act.Patch }, Yes, "")
	f("one of others", func(in *Input) {
		other := unread
		other.Services = []declare.ServiceID{"catalog"}
		in.Policy.Freezes = []declare.Freeze{other}
	}, Yes, "")
	f("a rollback before it is read", func(in *Input) { in.Policy.Freezes, in.Change.Kind = []declare.Freeze{unread}, act.Rollback }, Yes, "")
	f("a freeze of others", func(in *Input) {
		other := freeze
		other.Services = []declare.ServiceID{"payments"}
		in.Policy.Freezes = []declare.Freeze{other}
	}, Yes, "")
	f("a freeze that is over", func(in *Input) { over := freeze; over.To = noon; in.Policy.Freezes = []declare.Freeze{over} }, Yes, "")
	f("a rollback in a freeze", func(in *Input) { in.Policy.Freezes = []declare.Freeze{freeze}; in.Change.Kind = act.Rollback }, Yes, "")
	f("a freeze that lets patches go", func(in *Input) {
		open := freeze
		open.Kinds = []string{"patch"}
		in.Policy.Freezes, in.Change.Kind = []declare.Freeze{open}, act.Patch
	}, Yes, "")
	f("a freeze with a named override", func(in *Input) {
		open := freeze
		open.Overrides = []declare.FreezeOverride{{By: "carol", Services: []declare.ServiceID{"checkout"}, Why: "a legal deadline"}}
		in.Policy.Freezes = []declare.Freeze{open}
	}, Yes, "")
	f("an override that is over", func(in *Input) {
		open := freeze
		open.Overrides = []declare.FreezeOverride{{By: "carol", Until: noon, Why: "a legal deadline"}}
		in.Policy.Freezes = []declare.Freeze{open}
	}, No, "the big sale")

	window := declare.ChangeWindow{Name: "office", Days: []time.Weekday{time.Monday}, From: 8 * time.Hour, To: 13 * time.Hour, Location: vienna, Risk: declare.RiskMedium}
	f("on the edge of a window: 13:00 in Vienna", func(in *Input) { in.Policy.Windows = []declare.ChangeWindow{window} }, No, "outside of window office")
	f("inside of a window", func(in *Input) { w := window; w.To = 14 * time.Hour; in.Policy.Windows = []declare.ChangeWindow{w} }, Yes, "")
	f("a small risk needs no window", func(in *Input) { in.Policy.Windows, in.Change.Risk = []declare.ChangeWindow{window}, declare.RiskLow }, Yes, "")
	f("another day", func(in *Input) {
		w := window
		w.Days = []time.Weekday{time.Tuesday}
		in.Policy.Windows = []declare.ChangeWindow{w}
	}, No, "office")

	f("overridden by who may", func(in *Input) {
		in.Policy.Freezes, in.Budgets[0].Left = []declare.Freeze{freeze}, -1
		in.Override = &Override{"carol", "lead", true, "the fix of the sale"}
	}, Yes, "overridden by carol: the fix of the sale")
	f("overridden by who may not", func(in *Input) {
		in.Policy.Freezes = []declare.Freeze{freeze}
		in.Override = &Override{"tom", "junior", false, "please"}
	}, No, "the big sale")
	f("no override makes an artefact right", func(in *Input) {
		in.Artefacts, in.Problems = []string{"k8s"}, []ArtefactProblem{{"k8s/a.yml", "privileged", false}}
		in.Override = &Override{"carol", "lead", true, "now"}
	}, No, "privileged")
}

func TestPercent(t *testing.T) {
	for v, want := range map[float64]string{0.4: "40 %", -23.95: "-2395 %", 0.1234: "12.3 %", 1: "100 %"} {
		if got := percent(v); got != want {
			t.Errorf("%v: got %s, expected %s", v, got, want)
		}
	}
}
