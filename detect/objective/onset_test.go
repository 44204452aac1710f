package objective

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql"

	"github.com/evenkeel/evenkeel/declare"
)

// TestOnset makes up services whose SLI leaves its objective at a random time, with
// random traffic, share of errors, scrape and evaluation intervals, and asks at a
// random later time when it was.
func TestOnset(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 3))
		scrape := []time.Duration{5 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute}[r.IntN(4)]
		evaluation := []time.Duration{5 * time.Second, 15 * time.Second, time.Minute}[r.IntN(3)]
		o := rolling([]time.Duration{day, 7 * day, 30 * day}[r.IntN(3)])
		o.Target = []float64{0.9, 0.99, 0.999}[r.IntN(3)]
		perScrape := float64(50 + r.IntN(1000))
		share := min(1, o.Budget()*(8+r.Float64()*50))
		before := 90*time.Minute + time.Duration(r.IntN(3600))*time.Second
		// It is paged for within the long window; Onset looks back twice as far.
		long := min(Burns(o, evaluation)[0].Long, 30*time.Minute)
		lasts := 3*time.Minute + time.Duration(r.Int64N(int64(long-3*time.Minute)))
		onset, detected := start.Add(before), start.Add(before+lasts)

		h := newHistory(t)
		good, bad, rest := 1e6, 1e3, 0.0
		first := time.Time{} // the first sample that saw it
		for at := start; !at.After(detected); at = at.Add(scrape) {
			if at.After(onset) {
				rest += perScrape * share
			}
			// Whole events, and the remainder is kept for the next scrape.
			failed := min(math.Floor(rest), perScrape)
			good, bad, rest = good+perScrape-failed, bad+failed, rest-failed
			if at.After(onset) && failed > 0 && first.IsZero() {
				first = at
			}
			h.put(at, map[string]float64{`orders_total{code="200"}`: good, `orders_total{code="500"}`: bad})
		}
		got, how, err := Onset(t.Context(), h.queryRange, o, evaluation, detected)
		if err != nil {
			t.Fatal(err)
		}
		// Known from its first sample on, at the next step of the evaluation; where the
		// window must widen to hold samples at all, a little later.
		if late := got.Sub(first); late < 0 || late > max(evaluation, 2*scrape)+evaluation {
			t.Errorf("seed %d (%g of %g bad per scrape): scraped every %s, evaluated every %s, %s of %g: it began at %s, the first sample of it is at %s, got %s (%s later; %s)",
				seed, perScrape*share, perScrape, scrape, evaluation, o.Window.Text, o.Target, onset.Sub(start), first.Sub(start), got.Sub(start), late, how)
		}
		if !strings.Contains(how, "the SLI of orders left its objective (error ratio over ") {
			t.Errorf("in words: %q", how)
		}
	}
}

// TestOnsetByChance is the same where each single event is bad by chance, as it is in
// life: fewer events tell less, so what is asked is a minute or two.
func TestOnsetByChance(t *testing.T) {
	const seeds, step = 30, 15 * time.Second
	near := 0
	for seed := range uint64(seeds) {
		r := rand.New(rand.NewPCG(seed, 11))
		o := rolling(30 * day)
		o.Target = 0.99
		before := 60*time.Minute + time.Duration(r.IntN(1800))*time.Second
		onset := start.Add(before)
		detected := onset.Add(5*time.Minute + time.Duration(r.IntN(600))*time.Second)
		h := newHistory(t)
		total, bad := 1e6, 1e3
		for at := start; !at.After(detected); at = at.Add(step) {
			share := 0.001
			if at.After(onset) {
				share = 0.3
			}
			for range 30 + r.IntN(30) {
				total++
				if r.Float64() < share {
					bad++
				}
			}
			h.put(at, map[string]float64{`orders_total{code="200"}`: total - bad, `orders_total{code="500"}`: bad})
		}
		got, _, err := Onset(t.Context(), h.queryRange, o, step, detected)
		if err != nil || got.IsZero() {
			t.Fatalf("seed %d: got %s, %v", seed, got, err)
		}
		if off := got.Sub(onset).Abs(); off <= 90*time.Second {
			near++
		} else if off > 10*time.Minute {
			t.Errorf("seed %d: %s off", seed, got.Sub(onset))
		}
	}
	if near < seeds*85/100 {
		t.Errorf("%d of %d within 90 s", near, seeds)
	}
}

func TestOnsetOfOtherIndicators(t *testing.T) {
	const step = 15 * time.Second
	onset, detected := start.Add(70*time.Minute), start.Add(80*time.Minute)
	f := func(o *declare.Objective, samples func(bad bool) map[string]float64, want, late time.Duration) {
		t.Helper()
		h := newHistory(t)
		for at := start; !at.After(detected); at = at.Add(step) {
			h.put(at, samples(at.After(onset)))
		}
		got, _, err := Onset(t.Context(), h.queryRange, o, step, detected)
		if err != nil {
			t.Fatal(err)
		}
		if d := got.Sub(start) - want; d < 0 || d > late {
			t.Errorf("%s: got %s, want %s or at most %s later", o.Method, got.Sub(start), want, late)
		}
	}
	level := rolling(30 * day)
	level.Ratio, level.Threshold = nil, &declare.Threshold{Query: "depth", Op: "lt", Value: 5}
	f(level, func(bad bool) map[string]float64 {
		return map[string]float64{`slo:sli_good:bool{objective="orders"}`: 1 - is(bad), `slo:sli_good:bool{objective="another"}`: is(bad)}
	}, 70*time.Minute, 2*step)
	raw := rolling(30 * day)
	raw.Ratio = &declare.Ratio{Raw: "availability", RawGood: true}
	f(raw, func(bad bool) map[string]float64 { return map[string]float64{"availability": 1 - is(bad)/2} }, 70*time.Minute, 2*step)
	// What counts for slices is what makes a slice bad, and a slice is as long as it is.
	slices := rolling(30 * day)
	slices.Method, slices.SliceWindow, slices.SliceTarget = declare.Timeslices, time.Minute, 0.9
	var total, failed float64 = 1e6, 1e3
	f(slices, func(bad bool) map[string]float64 {
		total += 100
		failed += 2 // within 90 %
		if bad {
			failed += 40
		}
		return map[string]float64{`orders_total{code="500"}`: failed, `orders_total{code="200"}`: total - failed}
	}, 70*time.Minute, time.Minute)
}

// TestOnsetOfALongImpact goes back further than one walk can in steps of a second.
func TestOnsetOfALongImpact(t *testing.T) {
	const scrape = 15 * time.Second
	o := rolling(30 * day)
	h := newHistory(t)
	onset, detected := start.Add(3*time.Hour+7*time.Minute), start.Add(11*time.Hour)
	total, bad := 1e6, 1e3
	for at := start; !at.After(detected); at = at.Add(scrape) {
		total += 100
		if at.After(onset) {
			bad += 20
		}
		h.put(at, map[string]float64{`orders_total{code="200"}`: total - bad, `orders_total{code="500"}`: bad})
	}
	steps := 0
	counted := func(ctx context.Context, expr string, from, to time.Time, step time.Duration) (promql.Matrix, error) {
		steps += int(to.Sub(from)/step) + 1
		return h.queryRange(ctx, expr, from, to, step)
	}
	got, _, err := Onset(t.Context(), counted, o, time.Second, detected)
	if err != nil {
		t.Fatal(err)
	}
	if late := got.Sub(onset); late < 0 || late > 2*scrape {
		t.Errorf("got %s after it", late)
	}
	if steps > 3*maxSteps {
		t.Errorf("it took %d steps", steps)
	}
}

// TestOnsetOfAnEarlierImpact: what ended and came again began when it came again.
func TestOnsetOfAnEarlierImpact(t *testing.T) {
	const step = 15 * time.Second
	h := newHistory(t)
	total, bad := 1e6, 1e3
	for i := range 4 * 120 {
		total += 100
		if minute := i / 4; (minute >= 60 && minute < 70) || minute >= 110 {
			bad += 50
		}
		h.put(start.Add(time.Duration(i)*step), map[string]float64{`orders_total{code="200"}`: total - bad, `orders_total{code="500"}`: bad})
	}
	got, _, err := Onset(t.Context(), h.queryRange, rolling(30*day), step, start.Add(119*time.Minute))
	if err != nil || got.Sub(start.Add(110*time.Minute)).Abs() > 2*step {
		t.Errorf("got %s, %v", got.Sub(start), err)
	}
}

func TestNoOnset(t *testing.T) {
	const step = 15 * time.Second
	h := newHistory(t)
	for i := range 400 {
		h.put(start.Add(time.Duration(i)*step), map[string]float64{`orders_total{code="200"}`: float64(1000 + 100*i), `orders_total{code="500"}`: 5})
	}
	f := func(o *declare.Objective) {
		t.Helper()
		got, how, err := Onset(t.Context(), h.queryRange, o, step, start.Add(90*time.Minute))
		if !got.IsZero() || how != "" || err != nil {
			t.Errorf("got %s, %q, %v: the samples do not tell", got, how, err)
		}
	}
	f(rolling(30 * day)) // nothing was bad
	o := rolling(30 * day)
	o.Ratio = &declare.Ratio{Counter: true, Bad: "gone", Total: "gone"}
	f(o) // there is nothing
	broken := errors.New("the store is gone")
	for after := range 2 {
		n := 0
		_, _, err := Onset(t.Context(), func(ctx context.Context, expr string, from, to time.Time, step time.Duration) (promql.Matrix, error) {
			if n++; n > after {
				return nil, broken
			}
			return h.queryRange(ctx, expr, from, to, step)
		}, rolling(30*day), step, start.Add(90*time.Minute))
		if !errors.Is(err, broken) || !strings.HasPrefix(fmt.Sprint(err), `cannot date impact of "orders": `) {
			t.Errorf("got %v", err)
		}
	}
}
