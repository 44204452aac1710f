package objective

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/rulefmt"

	"github.com/evenkeel/evenkeel/declare"
)

// TestCompiledTextParses compiles every kind of objective; what Prometheus itself
// would refuse in a rule file is refused here.
func TestCompiledTextParses(t *testing.T) {
	vienna := zone(t, "Europe/Vienna")
	n := 0
	for _, in := range indicators {
		for _, method := range []declare.Budgeting{declare.Occurrences, declare.Timeslices, declare.RatioTimeslices} {
			for _, w := range []declare.Window{
				{Text: "30d", Length: 30 * day},
				{Text: "10m", Length: 10 * time.Minute},
				{Text: "1Q", Length: 90 * day, Calendar: true, Start: time.Date(2026, 1, 31, 0, 0, 0, 0, vienna), Location: vienna, Count: 1, Unit: 'Q'},
			} {
				o := &declare.Objective{
					Name: `odd-"name\`, Title: `{{ template }} 100% "of"`, Service: "checkout", Target: 0.995, Method: method,
					Ratio: in.ratio, Threshold: in.level, Window: w, MinEvents: 10, Runbook: "rollback",
				}
				if method != declare.Occurrences {
					o.SliceWindow, o.SliceTarget = time.Minute, 0.9
				}
				target := Target{Team: "shop", Interval: interval, Now: start}
				groups := Compile(o, target)
				if again := Compile(o, target); !reflect.DeepEqual(groups, again) {
					t.Errorf("%s: the same objective compiles to other text:\n%v\n%v", in.name, groups, again)
				}
				for _, g := range groups {
					for _, r := range g.Rules {
						if errs := r.Validate(rulefmt.RuleNode{}, 1, promQL); len(errs) > 0 {
							t.Errorf("%s, %s, %s: %s%s: %v\n%s", in.name, method, w.Text, r.Record, r.Alert, errs, r.Expr)
						}
						if r.Labels["objective"] != string(o.Name) || r.Labels["service"] != "checkout" || r.Labels["team"] != "shop" {
							t.Errorf("%s%s has labels %v", r.Record, r.Alert, r.Labels)
						}
						n++
					}
				}
				// A real history takes them all, and evaluates them without any sample.
				if method == declare.Timeslices {
					h := newHistory(t)
					h.load(o, target)
					h.evaluate(start)
				}
			}
		}
	}
	if n < 1000 {
		t.Errorf("only %d rules", n)
	}
}

func alertOf(t *testing.T, o *declare.Objective, severity string) rulefmt.Rule {
	t.Helper()
	for _, g := range Compile(o, Target{Team: "shop", Interval: interval}) {
		for _, r := range g.Rules {
			if r.Alert != "" && r.Labels["severity"] == severity {
				return r
			}
		}
	}
	t.Fatalf("no alert of severity %s", severity)
	return rulefmt.Rule{}
}

func TestAlertTexts(t *testing.T) {
	o := rolling(30 * day)
	o.Target, o.Title, o.Runbook = 0.999, "Orders {{ go }} through", "rollback"
	r := alertOf(t, o, "page")
	if r.Alert != AlertName || r.Annotations["runbook"] != "rollback" ||
		r.Annotations["description"] != `Orders {{"{{"}} go }} through: 99.9% of events must be good over 30d. Fires at 14.4x over 1h and 5m, or 6x over 6h and 30m.` {
		t.Errorf("%+v", r)
	}
	if want := map[string]string{"severity": "page", "objective": "orders", "service": "checkout", "team": "shop"}; !reflect.DeepEqual(r.Labels, want) {
		t.Errorf("labels %v, want %v", r.Labels, want)
	}
	if r.For != 0 || r.KeepFiringFor != 0 {
		t.Errorf("for %s, keep_firing_for %s: the windows say how long", r.For, r.KeepFiringFor)
	}
	o.Runbook, o.Title = "", ""
	o.Ratio, o.Threshold = nil, &declare.Threshold{Query: "depth", Op: "lt", Value: 5}
	r = alertOf(t, o, "ticket")
	if _, has := r.Annotations["runbook"]; has || r.Annotations["description"] != "orders: 99.9% of the time must be good over 30d. Fires at 3x over 1d and 2h, or 1x over 3d and 6h." {
		t.Errorf("%+v", r.Annotations)
	}
	o.Method, o.SliceWindow = declare.Timeslices, time.Minute
	if got := alertOf(t, o, "page").Annotations["description"]; !strings.Contains(got, "99.9% of slices of 1m must be good") {
		t.Errorf("%q", got)
	}
}

// TestConditions gives the recorded ratios and asks what fires. The budget is 0.1 %:
// 14.4 times it are 1.44 %.
func TestConditions(t *testing.T) {
	at := start.Add(72 * time.Hour)
	f := func(o *declare.Objective, ratios map[string]float64, events, bad float64, want string) {
		t.Helper()
		h := newHistory(t)
		samples := map[string]float64{}
		// Events are counted since the day before: each window holds the last hour.
		for i := range 5 {
			h.put(at.Add(time.Duration(i-4)*15*time.Minute), map[string]float64{
				`orders_total{code="200"}`: 1e6 + (events-bad)*float64(i)/5, `orders_total{code="500"}`: 1e6 + bad*float64(i)/5,
			})
		}
		for w, v := range ratios {
			samples[fmt.Sprintf(`slo:sli_error:ratio_rate%s{objective="orders"}`, w)] = v
			samples[fmt.Sprintf(`slo:sli_error:ratio_rate%s{objective="another"}`, w)] = 1
		}
		h.put(at, samples)
		var got []string
		for _, severity := range []string{"page", "ticket"} {
			if v := h.value(alertOf(t, o, severity).Expr, at); !math.IsNaN(v) {
				got = append(got, fmt.Sprintf("%s %.4g", severity, v))
			}
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%v, %g events of which %g bad: got %v, want %s", ratios, events, bad, got, want)
		}
	}
	o := rolling(30 * day)
	o.Target = 0.999
	const plenty = 1e5
	f(o, map[string]float64{"1h": 0.0145, "5m": 0.0145}, plenty, 1000, "page 14.5")
	f(o, map[string]float64{"1h": 0.0144, "5m": 0.0145}, plenty, 1000, "") // exactly at the limit is not over it
	f(o, map[string]float64{"1h": 0.0145, "5m": 0.0100}, plenty, 1000, "") // over already
	f(o, map[string]float64{"1h": 0.0100, "5m": 0.5}, plenty, 1000, "")    // too short to matter
	f(o, map[string]float64{"6h": 0.0061, "30m": 0.5}, plenty, 1000, "page 6.1")
	f(o, map[string]float64{"6h": 0.0059, "30m": 0.5}, plenty, 1000, "")
	f(o, map[string]float64{"1d": 0.0031, "2h": 0.0031}, plenty, 1000, "ticket 3.1")
	f(o, map[string]float64{"1d": 0.0029, "2h": 0.5, "6h": 0.5, "3d": 0.0011}, plenty, 1000, "ticket 1.1")
	f(o, map[string]float64{"3d": 0.0009, "6h": 0.0009}, plenty, 1000, "")
	f(o, map[string]float64{"5m": 1, "30m": 1, "1h": 1, "2h": 1, "6h": 1, "1d": 1, "3d": 1}, plenty, 1000, "page 1000, ticket 1000")
	f(o, nil, plenty, 1000, "")
	// Too few events, or one unlucky one, wake nobody.
	all := map[string]float64{"5m": 1, "30m": 1, "1h": 1, "2h": 1, "6h": 1, "1d": 1, "3d": 1}
	f(o, all, 5, 5, "")
	f(o, all, 100, 1, "")
	f(o, all, 100, 3, "page 1000, ticket 1000")
	few := *o
	few.MinEvents = 1000
	f(&few, all, 500, 500, "")
	f(&few, all, 5000, 500, "page 1000, ticket 1000")
	few.MinEvents = 0
	f(&few, all, 4, 4, "page 1000, ticket 1000")
	// Queries that count per second are counted over the window as well.
	few.MinEvents = 1000
	few.Ratio = &declare.Ratio{Counter: true, Bad: `sum(rate(orders_total{code="500"}[5m]))`, Total: `sum(rate(orders_total[5m]))`}
	f(&few, all, 500, 500, "")
	f(&few, all, 5000, 500, "page 1000, ticket 1000")
	// An indicator that counts no events has no minimum.
	few.Ratio = &declare.Ratio{Raw: "availability"}
	f(&few, all, 0, 0, "page 1000, ticket 1000")
}

// TestABurningBudget lives through an outage of ten minutes: paged within it, not
// paged any more soon after it, and one ticket in all.
func TestABurningBudget(t *testing.T) {
	const step = 30 * time.Second
	o := rolling(day) // the page looks at 1h and 5m with factor 6: 6 % of errors
	h := newHistory(t)
	h.load(o, Target{Team: "shop", Interval: step})
	var good, bad float64 = 1e5, 0
	fired := map[string][]time.Duration{}
	before := ""
	for i := range 8 * 60 {
		minute := float64(i) / 2
		switch {
		case minute >= 90 && minute < 100:
			bad += 20
		default:
			good += 20
		}
		samples := map[string]float64{`orders_total{code="200"}`: good}
		if bad > 0 { // born with the first error
			samples[`orders_total{code="500"}`] = bad
		}
		at := start.Add(time.Duration(i) * step)
		h.put(at, samples)
		h.evaluate(at)
		now := h.firing()
		for _, severity := range []string{"page", "ticket"} {
			if strings.Contains(now, severity) != strings.Contains(before, severity) {
				fired[severity] = append(fired[severity], time.Duration(minute*float64(time.Minute)))
			}
		}
		before = now
	}
	within := func(severity string, i int, from, to time.Duration) {
		t.Helper()
		if len(fired[severity]) != 2 {
			t.Fatalf("%s fired and stopped at %v, want once each", severity, fired[severity])
		}
		if at := fired[severity][i]; at < from || at > to {
			t.Errorf("%s: %v at %s, want between %s and %s", severity, []string{"fired", "stopped"}[i], at, from, to)
		}
	}
	const m = time.Minute
	within("page", 0, 92*m, 97*m)     // 6 % of an hour are 3.6 minutes
	within("page", 1, 104*m, 107*m)   // 5 minutes without an error
	within("ticket", 0, 90*m, 95*m)   // 1 % or 3 % of longer windows
	within("ticket", 1, 105*m, 115*m) // 12 minutes without an error
}
