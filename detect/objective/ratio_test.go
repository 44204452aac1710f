package objective

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
)

// sampleAt is what a made-up service counted up to a time, and its state then.
type sampleAt struct {
	at                       time.Time
	total, bad, newTotal     float64 // counters since long ago; newTotal in this scrape alone
	newBad, depth, raw, slow float64
}

// made makes up a service's life, random and the same each time: quiet stretches,
// bad ones, and some without any traffic.
func made(seed uint64, n int, step time.Duration) []sampleAt {
	r := rand.New(rand.NewPCG(seed, 7))
	out := make([]sampleAt, n)
	total, bad := 1e6, 1e4
	for i := range out {
		rate, share := float64(r.IntN(40)), 0.005
		switch {
		case i/50%5 == 3:
			rate = 0
		case i/40%4 == 2:
			share = 0.3
		}
		events := rate
		failed := 0.0
		for range int(events) {
			if r.Float64() < share {
				failed++
			}
		}
		total, bad = total+events, bad+failed
		out[i] = sampleAt{
			at: start.Add(time.Duration(i) * step), total: total, bad: bad, newTotal: events, newBad: failed,
			depth: r.Float64() * 100, raw: r.Float64(), slow: math.NaN(),
		}
		if events > 0 { // a quantile of no requests is NaN
			out[i].slow = r.Float64()
		}
	}
	return out
}

func (s sampleAt) series() map[string]float64 {
	return map[string]float64{
		`orders_total{code="200",instance="a"}`: s.total - s.bad, `orders_total{code="500",instance="a"}`: s.bad,
		`orders_seen{what="all"}`: s.newTotal, `orders_seen{what="bad"}`: s.newBad, `orders_seen{what="good"}`: s.newTotal - s.newBad,
		`depth`: s.depth, `availability`: s.raw, `p99`: s.slow,
	}
}

// within are the samples of a window, which is open at its beginning as PromQL's are.
func within(all []sampleAt, at time.Time, w time.Duration) []sampleAt {
	var out []sampleAt
	for _, s := range all {
		if s.at.After(at.Add(-w)) && !s.at.After(at) {
			out = append(out, s)
		}
	}
	return out
}

// eventRatio counts by hand: what the counters grew from the window's first sample to
// its last one.
func eventRatio(in []sampleAt) float64 {
	if len(in) < 2 {
		return math.NaN()
	}
	first, last := in[0], in[len(in)-1]
	if last.total == first.total {
		return math.NaN() // no traffic: no ratio
	}
	return (last.bad - first.bad) / (last.total - first.total)
}

func mean(in []sampleAt, of func(sampleAt) float64) float64 {
	sum, n := 0.0, 0.0
	for _, s := range in {
		if v := of(s); !math.IsNaN(v) {
			sum, n = sum+v, n+1
		}
	}
	return sum / n
}

func is(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// indicators are the ways to write an SLI over the made-up service, and each by hand.
var indicators = []struct {
	name  string
	ratio *declare.Ratio
	level *declare.Threshold
	hand  func(in []sampleAt) float64
}{
	{"bad counter", &declare.Ratio{Counter: true, Bad: `orders_total{code="500"}`, Total: "orders_total"}, nil, eventRatio},
	{"good counter", &declare.Ratio{Counter: true, Good: `orders_total{code!="500"}`, Total: "orders_total"}, nil, eventRatio},
	{"summed", &declare.Ratio{Counter: true, Good: `sum by (code) (orders_total{code!="500"})`, Total: "sum(orders_total)"}, nil, eventRatio},
	{"with a range", &declare.Ratio{Counter: true, Bad: `sum(rate(orders_total{code="500"}[1m]))`, Total: "sum(rate(orders_total[1m]))"}, nil, eventRatio},
	{"with a placeholder", &declare.Ratio{Counter: true, Good: `sum(increase(orders_total{code!="500"}[{{.window}}]))`, Total: "sum(increase(orders_total[{{.window}}]))"}, nil, eventRatio},
	{"a ready ratio", &declare.Ratio{Raw: `sum(rate(orders_total{code="500"}[{{.window}}])) / (sum(rate(orders_total[{{.window}}])) > 0)`}, nil, eventRatio},
	{"a ready ratio of good", &declare.Ratio{RawGood: true, Raw: `1 - (sum(rate(orders_total{code="500"}[$window])) / (sum(rate(orders_total[$window])) > 0))`}, nil, eventRatio},
	{"gauges that count", &declare.Ratio{Bad: `orders_seen{what="bad"}`, Total: `orders_seen{what="all"}`}, nil, func(in []sampleAt) float64 {
		bad, all := 0.0, 0.0
		for _, s := range in {
			bad, all = bad+s.newBad, all+s.newTotal
		}
		return bad / all // no traffic: NaN
	}},
	{"gauges that count good", &declare.Ratio{Good: `orders_seen{what="good"}`, Total: `orders_seen{what="all"}`}, nil, func(in []sampleAt) float64 {
		bad, all := 0.0, 0.0
		for _, s := range in {
			bad, all = bad+s.newBad, all+s.newTotal
		}
		return bad / all
	}},
	{"a recorded ratio", &declare.Ratio{RawGood: true, Raw: "(availability)"}, nil, func(in []sampleAt) float64 {
		return 1 - mean(in, func(s sampleAt) float64 { return s.raw })
	}},
	{"a ratio now", &declare.Ratio{Raw: `1 - availability`}, nil, func(in []sampleAt) float64 {
		return mean(in, func(s sampleAt) float64 { return 1 - s.raw })
	}},
	{"lt", nil, &declare.Threshold{Query: "depth", Op: "lt", Value: 70}, func(in []sampleAt) float64 {
		return mean(in, func(s sampleAt) float64 { return is(s.depth >= 70) })
	}},
	{"gte", nil, &declare.Threshold{Query: "depth", Op: "gte", Value: 20}, func(in []sampleAt) float64 {
		return mean(in, func(s sampleAt) float64 { return is(s.depth < 20) })
	}},
	{"lte with gaps", nil, &declare.Threshold{Query: "p99", Op: "lte", Value: 0.9}, func(in []sampleAt) float64 {
		return mean(in, func(s sampleAt) float64 {
			if math.IsNaN(s.slow) {
				return math.NaN()
			}
			return is(s.slow > 0.9)
		})
	}},
	{"gt of a scalar", nil, &declare.Threshold{Query: "scalar(depth)", Op: "gt", Value: 5}, func(in []sampleAt) float64 {
		return mean(in, func(s sampleAt) float64 { return is(s.depth <= 5) })
	}},
}

// TestNumbers evaluates every recorded series of every kind of indicator on made-up
// samples, and computes the same by hand.
func TestNumbers(t *testing.T) {
	const step = time.Minute
	all := made(1, 130, step) // two hours
	for _, in := range indicators {
		t.Run(in.name, func(t *testing.T) {
			t.Parallel()
			o := &declare.Objective{
				Name: "orders", Service: "checkout", Target: 0.99, Method: declare.Occurrences, MinEvents: 10, Ratio: in.ratio, Threshold: in.level,
				Window: declare.Window{Text: "90m", Length: 90 * time.Minute},
			}
			h := newHistory(t)
			h.load(o, Target{Team: "shop", Interval: step})
			compared := 0
			for i, s := range all {
				h.put(s.at, s.series())
				h.evaluate(s.at)
				if i%17 != 5 && i != len(all)-1 { // not every time, but at odd ones
					continue
				}
				for _, w := range append(Windows(o, step), o.Window.Length) {
					got, want := h.value(`slo:sli_error:ratio_rate`+text(w)+`{objective="orders",team="shop",service="checkout"}`, s.at), in.hand(within(all, s.at, w))
					if !near(got, want) {
						t.Fatalf("%s at %s: got %g, by hand %g", text(w), s.at.Sub(start), got, want)
					}
					if !math.IsNaN(want) {
						compared++
					}
				}
				spent := in.hand(within(all, s.at, o.Window.Length)) / 0.01
				now := in.hand(within(all, s.at, Windows(o, step)[0])) / 0.01
				for series, want := range map[string]float64{
					"slo:period_burn_rate:ratio": spent, "slo:period_error_budget_remaining:ratio": 1 - spent, "slo:current_burn_rate:ratio": now,
					"slo:objective:ratio": 0.99, "slo:error_budget:ratio": 0.01, "slo:time_period:days": 90.0 / (24 * 60), "sloth_slo_info": 1,
				} {
					if got := h.value(series, s.at); !near(got, want) {
						t.Errorf("%s at %s: got %g, by hand %g", series, s.at.Sub(start), got, want)
					}
				}
				c := Expressions(o, step)
				for expr, want := range map[string]float64{c.Remaining: 1 - spent, c.BurnRate: now, c.ErrorRatio: now * 0.01} {
					if got := h.value(expr, s.at); !near(got, want) {
						t.Errorf("%s at %s: got %g, by hand %g", expr, s.at.Sub(start), got, want)
					}
				}
			}
			if compared < 20 {
				t.Errorf("only %d numbers were compared", compared)
			}
		})
	}
}

// TestSlices judges each slice by hand. Slices without traffic are not judged.
func TestSlices(t *testing.T) {
	const step, slice = time.Minute, 5 * time.Minute
	all := made(2, 300, step)
	f := func(method declare.Budgeting, target float64, judge func(bad float64) float64, ratio *declare.Ratio, level *declare.Threshold, hand func([]sampleAt) float64) {
		t.Helper()
		o := &declare.Objective{
			Name: "orders", Service: "checkout", Target: 0.95, Method: method, SliceTarget: target, SliceWindow: slice, Ratio: ratio, Threshold: level,
			Window: declare.Window{Text: "4h", Length: 4 * time.Hour},
		}
		h := newHistory(t)
		h.load(o, Target{Interval: step})
		type judged struct {
			at   time.Time
			good float64
		}
		var slices []judged
		for i, s := range all {
			h.put(s.at, s.series())
			h.evaluate(s.at)
			if i%5 == 0 {
				// A slice is judged before this moment's state is looked at.
				until := s.at
				if level != nil {
					until = s.at.Add(-time.Nanosecond)
				}
				var in []sampleAt
				for _, v := range all {
					if v.at.After(s.at.Add(-slice)) && !v.at.After(until) {
						in = append(in, v)
					}
				}
				if bad := hand(in); !math.IsNaN(bad) {
					slices = append(slices, judged{s.at, judge(bad)})
				}
			}
			if i%53 != 40 && i != len(all)-1 {
				continue
			}
			for _, w := range append(Windows(o, step), o.Window.Length) {
				good, n := 0.0, 0.0
				for _, j := range slices {
					if j.at.After(s.at.Add(-w)) {
						good, n = good+j.good, n+1
					}
				}
				want := 1 - good/n
				if got := h.value(RatioSeries(w), s.at); !near(got, want) {
					t.Fatalf("%s over %s at %s: got %g, by hand %g of %g slices good", method, text(w), s.at.Sub(start), got, good, n)
				}
			}
		}
		if len(slices) < 30 || len(slices) == len(all)/5 {
			t.Errorf("%d slices of %d were judged: expected some without traffic", len(slices), len(all)/5)
		}
	}
	good := func(target float64) func(float64) float64 {
		return func(bad float64) float64 { return is(1-bad >= target) }
	}
	events := &declare.Ratio{Counter: true, Bad: `orders_total{code="500"}`, Total: "orders_total"}
	f(declare.Timeslices, 0.9, good(0.9), events, nil, eventRatio)
	f(declare.Timeslices, 1, good(1), events, nil, eventRatio)
	f(declare.RatioTimeslices, 0, func(bad float64) float64 { return 1 - bad }, events, nil, eventRatio)
	f(declare.Timeslices, 0.8, good(0.8), nil, &declare.Threshold{Query: "p99", Op: "lt", Value: 0.85}, func(in []sampleAt) float64 {
		return mean(in, func(s sampleAt) float64 {
			if math.IsNaN(s.slow) {
				return math.NaN()
			}
			return is(s.slow >= 0.85)
		})
	})
}

// TestCalendarBudget: in a calendar window the budget begins anew with each period,
// and what was before it does not count.
func TestCalendarBudget(t *testing.T) {
	const step = time.Minute
	vienna := zone(t, "Europe/Vienna")
	o := rolling(day)
	o.Window = declare.Window{Text: "1d", Length: day, Calendar: true, Start: time.Date(2026, 1, 1, 0, 0, 0, 0, vienna), Location: vienna, Count: 1, Unit: 'd'}
	all := made(3, 3*24*60/2, step) // a day and a half from midnight in UTC, 1 o'clock in Vienna
	h := newHistory(t)
	var period time.Time
	for i, s := range all {
		if from, _ := Period(o.Window, s.at); !from.Equal(period) {
			period = from
			h.load(o, Target{Interval: step, Now: s.at})
		}
		h.put(s.at, s.series())
		if i%360 != 300 && i != len(all)-1 {
			continue
		}
		h.evaluate(s.at)
		var in []sampleAt
		for _, v := range all {
			if v.at.After(period) && !v.at.After(s.at) {
				in = append(in, v)
			}
		}
		want := 1 - eventRatio(in)/0.01
		if got := h.value("slo:period_error_budget_remaining:ratio", s.at); !near(got, want) {
			t.Errorf("%s after %s: got %g, by hand %g", s.at.Sub(period), period, got, want)
		}
	}
	if !period.Equal(time.Date(2026, 1, 6, 0, 0, 0, 0, vienna)) {
		t.Errorf("the last period began at %s", period)
	}
}

// TestSpent counts what a review says about an incident.
func TestSpent(t *testing.T) {
	const step = 15 * time.Second
	all := made(4, 400, step)
	h := newHistory(t)
	for _, s := range all {
		h.put(s.at, s.series())
	}
	from, to := all[80].at, all[140].at
	o := rolling(7 * day)
	o.Ratio = &declare.Ratio{Bad: `orders_seen{what="bad"}`, Total: `orders_seen{what="all"}`}
	bad, total := 0.0, 0.0
	for _, s := range within(all, to, to.Sub(from)) {
		bad, total = bad+s.newBad, total+s.newTotal
	}
	ratio, badEvents, allEvents := Spent(o, from, to)
	for expr, want := range map[string]float64{ratio: bad / total, badEvents: bad, allEvents: total} {
		if got := h.value(expr, to); !near(got, want) || want == 0 {
			t.Errorf("%s: got %g, by hand %g", expr, got, want)
		}
	}
	o.Ratio = &declare.Ratio{Raw: "availability"}
	if _, b, a := Spent(o, from, to); b != "" || a != "" {
		t.Errorf("a ready ratio counts no events, got %q and %q", b, a)
	}
	if c := Expressions(o, step); c.Traffic != "" {
		t.Errorf("a ready ratio has no traffic, got %q", c.Traffic)
	}
	// Events a second, also where the query itself counts per second.
	o = rolling(7 * day)
	in := within(all, to, time.Minute)
	perSecond := (in[len(in)-1].total - in[0].total) / in[len(in)-1].at.Sub(in[0].at).Seconds()
	for _, query := range []string{"orders_total", "sum(rate(orders_total[{{.window}}]))", "sum(increase(orders_total[5m]))"} {
		o.Ratio.Total = query
		if got := h.value(Expressions(o, step).Traffic, to); !near(got, perSecond) || perSecond == 0 {
			t.Errorf("traffic of %s: got %g a second, by hand %g", query, got, perSecond)
		}
	}
}

// TestAnIndicatorWithoutErrors: a series of bad events that was never born is none
// bad, and no traffic at all is no number.
func TestAnIndicatorWithoutErrors(t *testing.T) {
	h := newHistory(t)
	for i := range 10 {
		h.put(start.Add(time.Duration(i)*time.Minute), map[string]float64{`orders_total{code="200"}`: float64(100 * i), `idle_total`: 5})
	}
	at := start.Add(9 * time.Minute)
	f := func(r *declare.Ratio, want float64) {
		t.Helper()
		o := rolling(day)
		o.Ratio = r
		if got := h.value(errorRatio(o, span{length: 5 * time.Minute}), at); !near(got, want) {
			t.Errorf("%+v: got %g, want %g", r, got, want)
		}
	}
	f(&declare.Ratio{Counter: true, Bad: `orders_total{code="500"}`, Total: "orders_total"}, 0)
	f(&declare.Ratio{Counter: true, Good: `orders_total{code="200"}`, Total: "orders_total"}, 0)
	f(&declare.Ratio{Counter: true, Good: `orders_total{code="201"}`, Total: "orders_total"}, 1)
	f(&declare.Ratio{Counter: true, Bad: `idle_total{code="500"}`, Total: "idle_total"}, math.NaN())
	f(&declare.Ratio{Counter: true, Bad: `gone_total{code="500"}`, Total: "gone_total"}, math.NaN())
}

// TestWindowed puts a window into queries of all shapes.
func TestWindowed(t *testing.T) {
	f := func(query, want string) {
		t.Helper()
		if got := windowed(query, span{length: time.Hour}, "increase"); got != want {
			t.Errorf("%s: got %s, want %s", query, got, want)
		}
		if _, err := promQL.ParseExpr(want); err != nil {
			t.Errorf("%s: %v", want, err)
		}
	}
	f("x", "increase(x[1h])")
	f(`x{a="b"} offset 5m`, `increase(x{a="b"}[1h] offset 5m)`)
	f("sum by (a) (x) + on (a) y", "sum by (a) (increase(x[1h])) + on (a) increase(y[1h])")
	f("rate(x[5m])", "rate(x[1h])")
	f("rate(x[5m]) * on () group_left () factor", "rate(x[1h]) * on () group_left () factor")
	f("rate(x[{{ .Window }}])", "rate(x[1h])")
	f("avg_over_time(rate(x[1m])[5m:30s])", "avg_over_time(rate(x[1m])[1h:30s])")
	f("-(x)", "-(increase(x[1h]))")
	f("clamp_min(x - y, 0)", "clamp_min(increase(x[1h]) - increase(y[1h]), 0)")
	f("5", "vector(5)")
	end := time.Unix(1_770_000_000, 0)
	if got, want := windowed("sum(x) / 2", span{length: time.Hour, end: end}, "increase"), fmt.Sprintf("sum(increase(x[1h] @ %d.000)) / 2", end.Unix()); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
