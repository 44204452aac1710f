package budget

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect/evaluate"
	"github.com/evenkeel/evenkeel/detect/history"
)

var availability = &declare.Objective{
	Name: "availability", Service: "checkout", Target: 0.99, Method: declare.Occurrences, MinEvents: 10,
	Window: declare.Window{Text: "1d", Length: day},
	Ratio:  &declare.Ratio{Counter: true, Bad: `orders_total{code="500"}`, Total: "orders_total"},
}

// shop is a day of a service that answers 10 requests a second. From hour 6 to 7 one in
// ten is bad, from hour 20 on one in twenty; the rules' numbers stand beside.
func shop(t *testing.T, burn float64) *evaluate.Incremental {
	t.Helper()
	m := history.NewMemory()
	good, bad := []history.Point{}, []history.Point{}
	rates := map[string][]history.Point{}
	g, b := 0.0, 0.0
	begin := now.Add(-day)
	for s := 0; s <= 86400; s += 30 {
		at := begin.Add(time.Duration(s) * time.Second).UnixMilli()
		share := shareAt(float64(s) / 3600)
		g, b = g+300*(1-share), b+300*share
		good, bad = append(good, history.Point{T: at, V: g}), append(bad, history.Point{T: at, V: b})
		for _, w := range []string{"5m", "10m", "30m", "1h", "2h", "5h"} {
			rates[w] = append(rates[w], history.Point{T: at, V: share})
		}
	}
	add := func(series string, points []history.Point) {
		t.Helper()
		ls := labels.FromMap(parse(series))
		if err := m.Add(ls, points...); err != nil {
			t.Fatal(err)
		}
	}
	add(`orders_total code=200`, good)
	add(`orders_total code=500`, bad)
	for w, points := range rates {
		add("slo:sli_error:ratio_rate"+w+" objective=availability", points)
	}
	add("slo:period_burn_rate:ratio objective=availability", []history.Point{{T: now.UnixMilli(), V: burn}})
	return evaluate.New(evaluate.Options{Queryable: m})
}

func shareAt(hour float64) float64 {
	switch {
	case hour > 6 && hour <= 7:
		return 0.1
	case hour > 20:
		return 0.05
	}
	return 0
}

func parse(text string) map[string]string {
	words := strings.Fields(text)
	out := map[string]string{labels.MetricName: words[0]}
	for _, w := range words[1:] {
		k, v, _ := strings.Cut(w, "=")
		out[k] = v
	}
	return out
}

// spent is what the day has cost: 3600 of 864000 bad by the first, 7200 by the second.
const spent = 10800.0 / 864000 / 0.01

func TestReport(t *testing.T) {
	e := shop(t, spent)
	at := func(hour float64) time.Time { return now.Add(-day).Add(time.Duration(hour * float64(time.Hour))) }
	b := New(Options{
		Ranges: e.Ranges, Query: e.Query,
		Causes: func(_ context.Context, o *declare.Objective, from, to time.Time) ([]Cause, error) {
			if to.Sub(from) != o.Window.Length {
				t.Errorf("asked for %s to %s", from, to)
			}
			return []Cause{
				{By: ByIncident, Name: "incident/1", Title: "One", From: at(6), To: at(7)},
				{By: ByDependency, Name: "service/payments", Title: "payments", From: at(6), To: at(7)},
			}, nil
		},
		Changes: func(context.Context, *declare.Objective, time.Time, time.Time) ([]Change, error) {
			return []Change{{ID: "c1", Title: "1.4.1", Service: "checkout", From: at(19.95), To: at(19.97)}}, nil
		},
	})
	r, err := b.Report(t.Context(), availability, 30*time.Second, now)
	if err != nil {
		t.Fatal(err)
	}
	if r.Unit != "events" || r.Spent == nil || !r.From.Equal(now.Add(-day)) || !r.End.IsZero() {
		t.Fatalf("%+v", r)
	}
	near(t, "bad", r.Bad, 10800, 50)
	near(t, "all", r.All, 864000, 2000)
	by := map[By]Breakdown{}
	for _, c := range r.Causes {
		by[c.By] = c
		sum := 0.0
		for _, s := range c.Shares {
			sum += s.Spent
		}
		near(t, "what "+string(c.By)+" adds up to", sum, spent, 1e-9)
	}
	share := func(by Breakdown, name string) float64 {
		for _, s := range by.Shares {
			if s.Name == name {
				return s.Spent
			}
		}
		return math.NaN()
	}
	near(t, "the incident's", share(by[ByIncident], "incident/1"), spent/3, 0.01)
	near(t, "beside the incident", share(by[ByIncident], Unattributed), spent*2/3, 0.01)
	near(t, "the dependency's", share(by[ByDependency], "service/payments"), spent/3, 0.01)
	near(t, "the change's", share(by[ByChange], "change/c1"), spent*2/3, 0.03)
	if len(r.Forecasts) == 0 || r.Forecast == nil || !r.Forecast.Expected.Spent {
		t.Errorf("a budget of which %g is spent: %+v", spent, r.Forecast)
	}
	// What is asked again within a sample is what was said.
	if again, err := b.Report(t.Context(), availability, 30*time.Second, now.Add(time.Second)); err != nil || again != r {
		t.Errorf("made anew: %v", err)
	}
	// And what has settled is kept: the next report agrees with one that is made anew.
	later := now.Add(time.Minute)
	kept, err := b.Report(t.Context(), availability, 30*time.Second, later)
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := New(b.o).look0(t.Context(), availability, later)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "bad, of slots that are kept", kept.Bad, fresh.Bad, 1e-6)
	near(t, "all, of slots that are kept", kept.All, fresh.All, 1e-6)
	for _, s := range r.Series(map[string]string{"objective": "availability"}) {
		if s.Labels.Get("objective") != "availability" || math.IsNaN(s.Value) {
			t.Errorf("recorded %s %g", s.Labels, s.Value)
		}
	}
}

// look0 is a report's period, of a book that has kept nothing.
func (b *Book) look0(ctx context.Context, o *declare.Objective, now time.Time) (*Report, error) {
	r := &Report{At: now, From: now.Add(-o.Window.Length)}
	_, err := b.look(ctx, &kept{of: o, bads: map[[2]int64]float64{}}, r, o, 30*time.Second, now)
	return r, err
}

func TestForecastOfAReport(t *testing.T) {
	e := shop(t, 0.5) // as if half were left
	b := New(Options{Ranges: e.Ranges, Query: e.Query})
	early := now.Add(-2 * time.Hour) // two hours into the second outage
	k := &kept{of: availability, bads: map[[2]int64]float64{}}
	r, err := b.report(t.Context(), k, availability, 30*time.Second, early)
	if err != nil {
		t.Fatal(err)
	}
	if r.Spent != nil {
		t.Fatal("nothing was recorded then")
	}
	half := 0.5
	r.Spent = &half
	open, err := k.past.open(t.Context(), b, availability, 2*time.Minute, early)
	if err != nil {
		t.Fatal(err)
	}
	r.forecasts(availability, k.past, open, 30*time.Second)
	f := *r.Forecast
	if f.Window == r.Forecasts[len(r.Forecasts)-1].Window {
		t.Errorf("it burns now, and is told from %s", f.Window)
	}
	near(t, "the rate of the shortest window", f.Rate, 5, 0.05)
	// 7200 are bad of 792000 in 22 h, which nothing leaves yet. 1800 of 36000 come each
	// hour: 7200 + 1800 x = 0.01 (792000 + 36000 x).
	near(t, "hours until it runs out", f.Expected.At.Sub(early).Hours(), 0.5, 0.02)
	if !f.Sure || f.Earliest.At.After(f.Expected.At) || f.Latest.At.Before(f.Expected.At) {
		t.Errorf("%+v", f)
	}
	var recorded []string
	for _, s := range r.Series(map[string]string{"objective": "availability"}) {
		if s.Labels.Get(labels.MetricName) == ExhaustionSeries {
			recorded = append(recorded, s.Labels.Get("bound"))
		}
	}
	if strings.Join(recorded, " ") != "earliest expected latest" {
		t.Errorf("recorded %v", recorded)
	}
}

func TestReportThatFails(t *testing.T) {
	e := shop(t, 1)
	broken := errors.New("the disk is gone")
	for name, o := range map[string]Options{
		"ranges": {Query: e.Query, Ranges: func(context.Context, []string, time.Time, time.Time, time.Duration) ([]promql.Matrix, error) {
			return nil, broken
		}},
		"query":  {Ranges: e.Ranges, Query: func(context.Context, string, time.Time) (promql.Vector, error) { return nil, broken }},
		"causes": {Ranges: e.Ranges, Query: e.Query, Causes: func(context.Context, *declare.Objective, time.Time, time.Time) ([]Cause, error) { return nil, broken }},
	} {
		if _, err := New(o).Report(t.Context(), availability, 30*time.Second, now); !errors.Is(err, broken) || !strings.Contains(fmt.Sprint(err), "availability") {
			t.Errorf("%s: %v", name, err)
		}
	}
	r, err := New(Options{Ranges: e.Ranges, Query: e.Query}).Report(t.Context(), availability, 30*time.Second, now.Add(-40*day))
	if err != nil || r.Spent != nil || r.Forecast != nil || r.All != 0 {
		t.Errorf("before there was anything: %+v, %v", r, err)
	}
}

// TestManyAskAtOnce: pages, the API and the recorder ask for the same report.
func TestManyAskAtOnce(t *testing.T) {
	e := shop(t, spent)
	b := New(Options{Ranges: e.Ranges, Query: e.Query})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			r, err := b.Report(t.Context(), availability, 30*time.Second, now.Add(time.Duration(i%3)*time.Second))
			if err != nil || r.All == 0 {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
	wg.Wait()
}
