package verify

import (
	"math"
	"math/rand/v2"
	"testing"
)

// brute counts every arrangement, by its definition.
func brute(before, after []float64) float64 {
	all := append(append([]float64{}, before...), after...)
	u := func(pick uint) (sum float64) {
		for i := range all {
			if pick>>i&1 == 0 {
				continue
			}
			for j := range all {
				if pick>>j&1 == 1 {
					continue
				}
				switch {
				case all[i] > all[j]:
					sum++
				case all[i] == all[j]:
					sum += 0.5
				}
			}
		}
		return sum
	}
	observed, n, reached := 0.0, 0, 0
	for i := range after {
		for _, b := range before {
			if after[i] > b {
				observed++
			} else if after[i] == b {
				observed += 0.5
			}
		}
	}
	for pick := uint(0); pick < 1<<len(all); pick++ {
		ones := 0
		for i := range all {
			ones += int(pick >> i & 1)
		}
		if ones != len(after) {
			continue
		}
		n++
		if u(pick) >= observed-1e-9 {
			reached++
		}
	}
	return float64(reached) / float64(n)
}

func TestGreaterIsExact(t *testing.T) {
	f := func(before, after []float64, want float64) {
		t.Helper()
		if got := Greater(before, after); math.Abs(got-want) > 1e-12 {
			t.Errorf("%v %v: got %g, want %g", before, after, got, want)
		}
	}
	f([]float64{1, 2, 3, 4, 5}, []float64{6, 7, 8, 9, 10}, 1.0/252) // of 10 over 5 choices, this one only
	f([]float64{1, 2, 3}, []float64{4}, 0.25)
	f([]float64{6, 7, 8, 9, 10}, []float64{1, 2, 3, 4, 5}, 1)
	f([]float64{0, 0, 0}, []float64{0, 0, 0}, 1)
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 150 {
		before, after := make([]float64, 1+rnd.IntN(5)), make([]float64, 1+rnd.IntN(5))
		for i := range before {
			before[i] = float64(rnd.IntN(6)) // with ties
		}
		for i := range after {
			after[i] = float64(rnd.IntN(8))
		}
		f(before, after, brute(before, after))
	}
	// Where counting ends, the approximation goes on: at 40 values both are known.
	for range 20 {
		before, after := make([]float64, 20), make([]float64, 20)
		for i := range before {
			before[i], after[i] = math.Floor(rnd.NormFloat64()*10), math.Floor(rnd.NormFloat64()*10+5)
		}
		ranks, _ := midranks(before, after)
		sum := 0
		for _, r := range ranks[20:] {
			sum += r
		}
		counted := exact(ranks, 20, sum)
		long := Greater(append(before, before...), append(after, after...))
		if math.IsNaN(long) || long > 0.5 && counted < 0.01 {
			t.Errorf("got %g beside %g", long, counted)
		}
		approximate := approximation(before, after)
		if math.Abs(counted-approximate) > 0.01 {
			t.Errorf("counted %g, approximated %g", counted, approximate)
		}
	}
	if !math.IsNaN(Greater(nil, []float64{1})) {
		t.Error("a side without values says nothing")
	}
}

// approximation is what Greater does above maxExact.
func approximation(before, after []float64) float64 {
	ranks, ties := midranks(before, after)
	sum := 0
	for _, r := range ranks[len(before):] {
		sum += r
	}
	n, m := float64(len(before)), float64(len(after))
	total := n + m
	z := (float64(sum)/2 - m*(total+1)/2 - 0.5) / math.Sqrt(n*m/12*((total+1)-ties/(total*(total-1))))
	return 0.5 * math.Erfc(z/math.Sqrt2)
}

// TestFalseAlarms: where nothing has changed, a change fails as seldom as was promised,
// whatever the values' distribution.
func TestFalseAlarms(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	failed, found := 0, 0
	const runs = 400
	for range runs {
		draw := func(shift float64) []float64 {
			v := make([]float64, 10)
			for i := range v {
				v[i] = math.Exp(rnd.NormFloat64() + shift) // skewed, as latencies are
			}
			return v
		}
		if Compare(Signal{Before: draw(0), After: draw(0)}).Outcome == Fail {
			failed++
		}
		if Compare(Signal{Before: draw(0), After: draw(2)}).Outcome == Fail {
			found++
		}
	}
	if failed > runs/50 {
		t.Errorf("%d of %d changes that did nothing fail", failed, runs)
	}
	if found < runs*9/10 {
		t.Errorf("only %d of %d changes that did harm are found", found, runs)
	}
}

func TestJudge(t *testing.T) {
	flat := func(n int, v float64) []float64 {
		out := make([]float64, n)
		for i := range out {
			out[i] = v + float64(i)*1e-6
		}
		return out
	}
	objective := func(before, after []float64) Signal {
		return Signal{Name: "availability", Objective: true, Floor: 0.01, Before: before, After: after}
	}
	f := func(what string, want Outcome, signals ...Signal) {
		t.Helper()
		if r := Judge(signals); r.Outcome != want || r.Why == "" || len(r.Findings) != len(signals) {
			t.Errorf("%s: got %+v, want %s", what, r, want)
		}
	}
	f("no worse", Pass, objective(flat(10, 0.001), flat(10, 0.0005)))
	f("worse", Fail, objective(flat(10, 0.001), flat(10, 0.2)))
	f("worse, and well within the objective", Pass, objective(flat(10, 0), flat(10, 0.002)))
	f("too little after", NotEnough, objective(flat(10, 0.001), flat(1, 0.2)))
	f("two of each can show nothing", NotEnough, objective(flat(2, 0), flat(2, 1)))
	f("five of each can", Fail, objective(flat(5, 0), flat(5, 1)))
	f("nothing at all", NotEnough, objective(nil, nil))
	f("values that are none", NotEnough, objective(flat(10, 0), []float64{math.NaN(), math.Inf(1), math.NaN(), math.NaN(), math.NaN(), math.NaN()}))
	f("no objective", NotEnough, Signal{Name: "memory", Before: flat(10, 1), After: flat(10, 1)})
	f("memory that doubles", Fail, objective(flat(10, 0), flat(10, 0)), Signal{Name: "memory", Slack: 0.2, Before: flat(10, 100), After: flat(10, 200)})
	f("memory that grows a little", Pass, objective(flat(10, 0), flat(10, 0)), Signal{Name: "memory", Slack: 0.2, Before: flat(10, 100), After: flat(10, 110)})
	f("traffic that ends", Fail, objective(flat(10, 0), flat(10, 0)), Signal{Name: "orders", Lower: true, Slack: 0.5, Before: flat(10, 100), After: flat(10, 10)})
	f("one objective of two is unknown", NotEnough, objective(flat(10, 0), flat(10, 0)), objective(flat(10, 0), nil))
}
