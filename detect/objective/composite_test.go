package objective

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/rules"

	"github.com/evenkeel/evenkeel/declare"
)

// journey is a composite of two counters: orders count for twice as much as payments.
func journey(method declare.Budgeting, all bool, window declare.Window) *declare.Objective {
	whole := &declare.Objective{Name: "buy", Title: "Buy", Service: "checkout", Target: 0.9, Method: method, AllHold: all, Window: window, MinEvents: 10}
	for i, name := range []string{"order", "pay"} {
		p := &declare.Objective{
			Name: declare.ObjectiveName("buy-" + name), Title: name, Service: declare.ServiceID(name), Target: 0.9, Method: method, Window: window, PartOf: "buy", MinEvents: 10,
			Ratio: &declare.Ratio{Counter: true, Bad: name + `_total{code="500"}`, Total: name + "_total"},
		}
		if method == declare.Timeslices {
			p.SliceWindow, p.SliceTarget = time.Minute, 0.9
			whole.SliceWindow, whole.SliceTarget = time.Minute, 0.9
		}
		whole.Parts = append(whole.Parts, declare.Part{Objective: p, Weight: float64(2 - i)})
	}
	return whole
}

// loadJourney loads a composite's parts and itself, as Groups orders them.
func (h *history) loadJourney(whole *declare.Objective, target Target) {
	h.t.Helper()
	var all []rulefmt.RuleGroup
	for _, p := range whole.Parts {
		all = append(all, Compile(p.Objective, target)...)
	}
	all = append(all, Compile(whole, target)...)
	h.opts.GroupLoader = loader{rulefmt.RuleGroups{Groups: all}}
	groups, errs := rules.NewManager(h.opts).LoadGroups(target.Interval, labels.EmptyLabels(), "", nil, false, "objectives")
	if len(errs) > 0 {
		h.t.Fatal(errs)
	}
	h.groups = nil
	for _, c := range all {
		h.groups = append(h.groups, groups["objectives;"+c.Name])
	}
}

// counted is the counters at a time: a request each second of each step, of which shares
// are bad in the tenth to the twentieth minute.
func counted(seconds int, order, pay float64, paying bool) map[string]float64 {
	hurt := float64(min(max(seconds-600, 0), 600))
	out := map[string]float64{
		`order_total{code="200"}`: float64(seconds) - hurt*order, `order_total{code="500"}`: hurt * order,
	}
	if paying {
		out[`pay_total{code="200"}`], out[`pay_total{code="500"}`] = float64(seconds)-hurt*pay, hurt*pay
	}
	return out
}

// TestComposite compares with a count by hand: of orders a half is bad for ten minutes,
// of payments a fifth.
func TestComposite(t *testing.T) {
	window := declare.Window{Text: "1h", Length: time.Hour}
	vienna := zone(t, "Europe/Vienna")
	calendar := declare.Window{Text: "1d", Length: day, Calendar: true, Start: time.Date(2026, 1, 1, 0, 0, 0, 0, vienna), Location: vienna, Count: 1, Unit: 'd'}
	for name, test := range map[string]struct {
		whole  *declare.Objective
		paying bool
		want   float64 // the error ratio of half an hour
	}{
		"weighted":                  {journey(declare.Occurrences, false, window), true, (2*0.5 + 0.2) / 3 / 3},
		"weighted, calendar":        {journey(declare.Occurrences, false, calendar), true, (2*0.5 + 0.2) / 3 / 3},
		"a part without traffic":    {journey(declare.Occurrences, false, window), false, 0.5 / 3},
		"weighted slices":           {journey(declare.Timeslices, false, window), true, (2.0/3 + 1.0/3) / 3},
		"all slices":                {journey(declare.Timeslices, true, window), true, 1.0 / 3},
		"all slices, of one part":   {journey(declare.Timeslices, true, window), false, 1.0 / 3},
		"all slices, over calendar": {journey(declare.Timeslices, true, calendar), true, 1.0 / 3},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHistory(t)
			begin := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
			const every = time.Minute
			h.loadJourney(test.whole, Target{Interval: every, Spacing: interval, Now: begin})
			end := begin.Add(30 * time.Minute)
			fired := ""
			for at := begin; !at.After(end); at = at.Add(interval) {
				h.put(at, counted(int(at.Sub(begin).Seconds()), 0.5, 0.2, test.paying))
				if at.Sub(begin)%every == 0 {
					h.evaluate(at)
				}
				if f := h.firing(); f != "" && fired == "" {
					fired = f
				}
			}
			// Once more: a composite reads what its parts recorded.
			end = end.Add(every)
			h.put(end, counted(int(end.Sub(begin).Seconds()), 0.5, 0.2, test.paying))
			h.evaluate(end)
			got := h.value(`slo:period_burn_rate:ratio{objective="buy"}`, end)
			if want := test.want / 0.1; math.Abs(got-want) > 0.05*want {
				t.Errorf("the period burns at %g, expected %g", got, want)
			}
			if got := h.value(`1 - slo:period_error_budget_remaining:ratio{objective="buy"}`, end); math.Abs(got-test.want/0.1) > 0.05*test.want/0.1 {
				t.Errorf("spent %g", got)
			}
			if got := h.value(`count(slo:burn_rate:ratio{objective="buy"})`, end); got < 3 {
				t.Errorf("%g windows have a burn rate", got)
			}
			if strings.Contains(name, "weighted") && !strings.Contains(name, "slices") && fired == "" {
				t.Error("nobody was told")
			}
			for _, g := range h.groups {
				for _, r := range g.AlertingRules() {
					if r.Labels().Get("objective") != "buy" {
						t.Errorf("the part %s alerts by itself", r.Labels())
					}
				}
			}
			if name == "weighted" {
				at, how, err := Onset(t.Context(), h.queryRange, test.whole, interval, begin.Add(15*time.Minute))
				if err != nil || at.Before(begin.Add(10*time.Minute)) || at.After(begin.Add(11*time.Minute+30*time.Second)) {
					t.Errorf("it began at %s (%s), %v; expected ten minutes after %s", at, how, err, begin)
				}
			}
		})
	}
}

func TestCompositeTextParses(t *testing.T) {
	for _, all := range []bool{false, true} {
		for _, method := range []declare.Budgeting{declare.Occurrences, declare.Timeslices} {
			if all && method != declare.Timeslices {
				continue
			}
			whole := journey(method, all, declare.Window{Text: "30d", Length: 30 * day})
			for _, in := range indicators {
				for i := range whole.Parts {
					whole.Parts[i].Objective.Ratio, whole.Parts[i].Objective.Threshold = in.ratio, in.level
				}
				for _, g := range Compile(whole, Target{Interval: interval, Now: start}) {
					for _, r := range g.Rules {
						if errs := r.Validate(rulefmt.RuleNode{}, 1, promQL); len(errs) > 0 {
							t.Errorf("%s: %s%s: %v\n%s", in.name, r.Record, r.Alert, errs, r.Expr)
						}
					}
				}
				bad, total, unit := Tally(whole, time.Hour)
				for _, e := range []string{bad, total} {
					if _, err := promQL.ParseExpr(e); err != nil || unit == "" {
						t.Errorf("%s: %v: %s", in.name, err, e)
					}
				}
			}
		}
	}
}

// TestTally: whatever is counted, bad over all is the error ratio.
func TestTally(t *testing.T) {
	for _, in := range indicators {
		for _, method := range []declare.Budgeting{declare.Occurrences, declare.Timeslices} {
			o := &declare.Objective{Name: "o", Service: "s", Target: 0.9, Method: method, Ratio: in.ratio, Threshold: in.level, Window: declare.Window{Text: "1d", Length: day}}
			if method == declare.Timeslices {
				o.SliceWindow, o.SliceTarget = time.Minute, 0.9
			}
			bad, all, unit := Tally(o, time.Hour)
			for _, e := range []string{bad, all} {
				if _, err := promQL.ParseExpr(e); err != nil {
					t.Errorf("%s: %v: %s", in.name, err, e)
				}
			}
			if method == declare.Timeslices && unit != "slices" {
				t.Errorf("%s counts %s", in.name, unit)
			}
		}
	}
}
