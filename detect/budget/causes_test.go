package budget

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql"

	"github.com/evenkeel/evenkeel/declare"
)

func at(minutes int) time.Time { return now.Add(time.Duration(minutes) * time.Minute) }

func TestDivide(t *testing.T) {
	causes := []Cause{
		{By: ByIncident, Name: "incident/1", From: at(10), To: at(30)},
		{By: ByIncident, Name: "incident/2", From: at(20), To: at(40)}, // overlaps: it has what the first leaves
		{By: ByIncident, Name: "incident/3", From: at(25), To: at(28)}, // inside of others: it has nothing
		{By: ByChange, Name: "change/a", From: at(10), To: at(50)},
		{By: ByIncident, Name: "incident/4", From: at(-20), To: at(5)}, // began before
		{By: ByIncident, Name: "incident/5", From: at(95), To: at(130)},
		{By: ByIncident, Name: "incident/6", From: at(60), To: at(60)},   // of no length
		{By: ByIncident, Name: "incident/7", From: at(200), To: at(210)}, // of another time
	}
	type want struct {
		cause, from, to int
	}
	check := func(by By, wants ...want) {
		t.Helper()
		got := Divide(causes, by, at(0), at(100), 2*time.Minute)
		var list []want
		for _, s := range got {
			list = append(list, want{s.Cause, int(s.From.Sub(now).Minutes()), int(s.To.Sub(now).Minutes())})
		}
		if !slices.Equal(list, wants) {
			t.Errorf("%s: got %v, expected %v", by, list, wants)
		}
	}
	check(ByIncident, want{4, 0, 5}, want{-1, 5, 10}, want{0, 10, 30}, want{1, 30, 40}, want{-1, 40, 95}, want{5, 95, 100})
	check(ByChange, want{-1, 0, 10}, want{3, 10, 50}, want{-1, 50, 100})
	check(ByDependency, want{-1, 0, 100})
	causes = []Cause{{By: ByIncident, Name: "a", From: at(10), To: at(30)}, {By: ByIncident, Name: "b", From: at(31), To: at(40)}}
	check(ByIncident, want{-1, 0, 10}, want{0, 10, 31}, want{1, 31, 40}, want{-1, 40, 100}) // a pause too short to tell
}

// TestEachMomentOnce: whatever overlaps, the stretches are the time, without a gap and
// without an overlap, and every stretch of a cause lies in it.
func TestEachMomentOnce(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		var causes []Cause
		for i := range rng.IntN(12) {
			from := rng.IntN(140) - 20
			causes = append(causes, Cause{By: ByIncident, Name: string(rune('a' + i)), From: at(from), To: at(from + rng.IntN(50))})
		}
		edge := at(0)
		for _, s := range Divide(causes, ByIncident, at(0), at(100), time.Minute) {
			if !s.From.Equal(edge) || !s.To.After(s.From) {
				t.Fatalf("%v: a stretch from %s to %s after %s", causes, s.From, s.To, edge)
			}
			edge = s.To
			covered := slices.ContainsFunc(causes, func(c Cause) bool { return !c.From.After(s.From) && !c.To.Before(s.To) })
			if (s.Cause >= 0) != covered {
				t.Fatalf("%v: %+v, covered %v", causes, s, covered)
			}
		}
		if !edge.Equal(at(100)) {
			t.Fatalf("ends at %s", edge)
		}
	}
}

func TestAttribute(t *testing.T) {
	causes := []Cause{{By: ByIncident, Name: "incident/1", Title: "One", From: at(10), To: at(30)}, {By: ByIncident, Name: "incident/2", From: at(40), To: at(60)}}
	stretches := Divide(causes, ByIncident, at(0), at(100), time.Minute)
	bad := []float64{0, 30, 0, 50, 0}
	l := Ledger{Bad: 100, Spent: 0.1}
	b := Attribute(l, causes, ByIncident, stretches, bad)
	if len(b.Shares) != 3 || b.Shares[0].Name != "incident/2" || b.Shares[1].Title != "One" || b.Shares[2].Name != Unattributed {
		t.Fatalf("%+v", b)
	}
	near(t, "the greater", b.Shares[0].Spent, 0.05, 1e-12)
	near(t, "the smaller", b.Shares[1].Spent, 0.03, 1e-12)
	near(t, "the rest", b.Shares[2].Spent, 0.02, 1e-12)
	near(t, "the rest's events", b.Shares[2].Bad, 20, 1e-12)

	l.Spent = 0.4 // of a composite, whose ratio is not that of the seconds: the shares are those of what is bad
	b = Attribute(l, causes, ByIncident, stretches, bad)
	near(t, "the greater of more", b.Shares[0].Spent, 0.2, 1e-12)
	near(t, "the rest of more", b.Shares[2].Spent, 0.08, 1e-12)

	l = Ledger{Bad: 64, Spent: 0.04} // the samples at the edges were counted for more than the whole
	b = Attribute(l, causes, ByIncident, stretches, bad)
	near(t, "the greater of less", b.Shares[0].Spent, 0.025, 1e-12)
	near(t, "the rest of less", b.Shares[2].Spent, 0, 1e-12)

	rng := rand.New(rand.NewPCG(5, 6))
	for range 200 {
		for i := range bad {
			bad[i] = rng.Float64()*100 - 10
		}
		l := Ledger{Bad: rng.Float64() * 300, Spent: rng.Float64()*2 - 0.5}
		sum := 0.0
		for _, s := range Attribute(l, causes, ByIncident, stretches, bad).Shares {
			if s.Spent < 0 || s.Bad < 0 || math.IsNaN(s.Spent) {
				t.Fatalf("%+v: %+v", l, s)
			}
			sum += s.Spent
		}
		near(t, "the sum", sum, max(l.Spent, 0), 1e-9)
	}
}

func TestImpactsOfChanges(t *testing.T) {
	var points []Point
	for m := range 120 {
		v := 0.001
		if m >= 20 && m < 40 || m == 42 || m >= 80 && m < 90 {
			v = 0.2
		}
		if m == 30 {
			v = math.NaN()
		}
		points = append(points, Point{at(m), v})
	}
	impacts := Impacts(points, 0.01, 5*time.Minute)
	if len(impacts) != 2 || !impacts[0][0].Equal(at(20)) || !impacts[0][1].Equal(at(42)) || !impacts[1][0].Equal(at(80)) {
		t.Fatalf("%v", impacts)
	}
	changes := []Change{
		{ID: "old", Service: "checkout", From: at(-60), To: at(-50)},
		{ID: "mine", Service: "checkout", From: at(15)},
		{ID: "dep", Service: "payments", From: at(70), To: at(75)},
		{ID: "after", Service: "checkout", From: at(81)},
	}
	got := Begun(impacts, changes, "checkout", 5*time.Minute)
	var names []string
	for _, c := range got {
		names = append(names, string(c.By)+" "+c.Name)
		if !c.From.Before(c.To) {
			t.Errorf("%+v has no time", c)
		}
	}
	if want := []string{"change change/mine", "change change/dep", "dependency service/payments"}; !slices.Equal(names, want) {
		t.Errorf("got %v, expected %v", names, want)
	}
	if got[0].From.Before(at(15)) || got[0].To.After(at(42)) {
		t.Errorf("the impact of a change lies at %s to %s", got[0].From, got[0].To)
	}
}

// TestParts: what was bad is divided as what is spent is, by weight and by how much of its
// own budget each part has burnt.
func TestParts(t *testing.T) {
	part := func(name declare.ObjectiveName, target, weight float64) declare.Part {
		return declare.Part{Objective: &declare.Objective{Name: name, Target: target}, Weight: weight}
	}
	o := &declare.Objective{Name: "buy", Parts: []declare.Part{part("buy-orders", 0.99, 0.75), part("buy-cards", 0.97, 0.25), part("buy-nothing", 0.9, 0.5)}}
	burns := map[declare.ObjectiveName]float64{"buy-orders": 2, "buy-cards": 6}
	b := &Book{o: Options{Query: func(_ context.Context, expr string, _ time.Time) (promql.Vector, error) {
		for name, burn := range burns {
			if strings.Contains(expr, `"`+string(name)+`"`) {
				return promql.Vector{{F: burn}}, nil
			}
		}
		return nil, nil
	}}}
	f := func(l Ledger, want ...Share) {
		t.Helper()
		got, err := b.parts(t.Context(), o, l, at(0))
		if err != nil || len(got.Shares) != len(want) {
			t.Fatalf("%+v, %v", got, err)
		}
		for i, w := range want {
			if s := got.Shares[i]; s.Name != w.Name {
				t.Errorf("got %s, expected %s", s.Name, w.Name)
			}
			near(t, w.Name+" spent", got.Shares[i].Spent, w.Spent, 1e-12)
			near(t, w.Name+" bad", got.Shares[i].Bad, w.Bad, 1e-9)
		}
	}
	f(Ledger{Bad: 600, Spent: 3}, // 2 × 0.01 × 0.75 beside 6 × 0.03 × 0.25
		Share{Name: "objective/buy-orders", Spent: 0.75, Bad: 150}, Share{Name: "objective/buy-cards", Spent: 2.25, Bad: 450},
		Share{Name: "objective/buy-nothing"}, Share{Name: Unattributed})
	clear(burns)
	f(Ledger{Bad: 600, Spent: 3}, Share{Name: "objective/buy-orders"}, Share{Name: "objective/buy-cards"}, Share{Name: "objective/buy-nothing"},
		Share{Name: Unattributed, Spent: 3, Bad: 600})
}
