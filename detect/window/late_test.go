package window

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// list is an iterator over samples.
type list struct {
	points []Point
	at     int
}

func (l *list) Next() chunkenc.ValueType {
	if l.at++; l.at > len(l.points) {
		return chunkenc.ValNone
	}
	return chunkenc.ValFloat
}
func (l *list) At() (int64, float64) { return l.points[l.at-1].T, l.points[l.at-1].V }
func (l *list) Err() error           { return nil }

// Late samples leave the state as it is when all samples are loaded in their order.
func TestLateSamplesAreAsIfInOrder(t *testing.T) {
	const minute = 60_000
	functions := []Function{Rate, Increase, Delta, IRate, IDelta, Last, First, Count, Present, Sum, Avg, Min, Max, Stddev, Changes, Resets, Deriv}
	taken, refused := 0, 0
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 7))
		spec := &Spec{Tail: 30 * minute, Lookback: 5 * minute}
		for _, m := range []int64{5, 30, 60, 120} {
			spec.Windows = append(spec.Windows, Window{Length: m * minute})
		}
		s := New(spec, labels.FromStrings("__name__", "x"))
		var stored []Point // in order
		missing := func(s *Series, i int, after, until int64) error {
			from, _ := slices.BinarySearchFunc(stored, after+1, func(p Point, t int64) int { return int(p.T - t) })
			return s.Fill(i, &list{points: stored[from:]}, until)
		}
		now, v := int64(1_700_000_000_000), 0.0
		next := func() float64 {
			switch rng.IntN(20) {
			case 0:
				v = 0
			case 1:
				v += rng.Float64()
			case 2:
				return math.NaN()
			case 3:
				return math.Float64frombits(value.StaleNaN)
			}
			v += float64(rng.IntN(100))
			return v
		}
		push := func(p Point) {
			s.Push(p)
			stored = append(stored, p)
		}
		late := func(p Point) {
			at, found := slices.BinarySearchFunc(stored, p.T, func(p Point, t int64) int { return int(p.T - t) })
			if found || at == len(stored) {
				return
			}
			stored = slices.Insert(stored, at, p)
			if s.Late(p, now) {
				taken++
				return
			}
			refused++
			if _, _, err := s.Load(&list{points: stored}, now); err != nil {
				t.Fatal(err)
			}
		}
		for range 300 {
			now += 1 + rng.Int64N(2*minute)
			if rng.IntN(50) == 0 {
				now += rng.Int64N(100 * minute) // silent for a while
			}
			push(Point{now - rng.Int64N(500), next()})
			for i := range spec.Windows {
				if _, err := s.Advance(i, now, missing); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
			}
			for range rng.IntN(3) {
				late(Point{now - rng.Int64N(40*minute), next()})
			}
			fresh := New(spec, s.Labels)
			if _, _, err := fresh.Load(&list{points: stored}, now); err != nil {
				t.Fatal(err)
			}
			if a, ok := s.Current(now); true {
				if b, want := fresh.Current(now); ok != want || ok && math.Float64bits(a) != math.Float64bits(b) {
					t.Fatalf("seed %d: the current value is %v (%v), expected %v (%v)", seed, a, ok, b, want)
				}
			}
			for i, w := range spec.Windows {
				for _, f := range functions {
					if _, _, can := f.Needs(w.Length, spec.Tail); !can {
						continue
					}
					if sums, walk, _ := f.Needs(w.Length, spec.Tail); sums || walk && w.Length > spec.Tail {
						continue // not kept here
					}
					a, ok, _ := s.Value(f, i, now, 0)
					b, want, _ := fresh.Value(f, i, now, 0)
					if ok != want || ok && math.Float64bits(a) != math.Float64bits(b) {
						t.Fatalf("seed %d: function %d over %d minutes is %v (%v), expected %v (%v)", seed, f, w.Length/minute, a, ok, b, want)
					}
				}
			}
		}
	}
	if taken < refused { // those of the last half hour, of forty minutes
		t.Errorf("%d late samples were put into their place and %d had the state loaded again", taken, refused)
	}
	t.Logf("%d put into their place, %d loaded again", taken, refused)
}
