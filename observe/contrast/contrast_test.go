package contrast_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/observe/contrast"
)

func count(n int, r *rand.Rand, row func(i int, r *rand.Rand) []contrast.Field) *contrast.Counter {
	c := &contrast.Counter{}
	for i := range n {
		c.Add(row(i, r))
	}
	return c
}

func pick(r *rand.Rand, of ...string) string { return of[r.IntN(len(of))] }

func TestRank(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	row := func(bad bool) func(int, *rand.Rand) []contrast.Field {
		return func(i int, r *rand.Rand) []contrast.Field {
			version, took := pick(r, "1.4.0", "1.4.0", "1.4.0", "1.4.1"), r.ExpFloat64()*50
			if bad {
				version, took = "1.4.1", 300+r.ExpFloat64()*50
			}
			return []contrast.Field{
				{"version", version}, {"host", pick(r, "a", "b", "c")}, {"request", fmt.Sprint(r.Uint64())},
				{"trace", fmt.Sprintf("%x", r.Uint64())}, {"took", fmt.Sprint(took)}, {"same", "always"},
			}
		}
	}
	got := contrast.Rank(count(60, r, row(true)), count(2000, r, row(false)))
	var names []string
	for _, d := range got {
		names = append(names, d.Field+" "+d.Value)
		if d.Selected <= d.Baseline || d.Score <= 0 {
			t.Errorf("%+v is no difference", d)
		}
	}
	if len(got) != 2 || !strings.HasPrefix(names[0], "took ≥ ") || names[1] != "version 1.4.1" {
		t.Errorf("got %v, expected the duration and the version, and nothing else", names)
	}
}

// TestChance: two samples of the same rows seldom differ.
func TestChance(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	row := func(_ int, r *rand.Rand) []contrast.Field {
		var out []contrast.Field
		for f := range 20 {
			out = append(out, contrast.Field{Name: fmt.Sprint("f", f), Value: fmt.Sprint(r.IntN(2 + f))})
		}
		return out
	}
	found := 0
	const tries = 100
	for range tries {
		found += len(contrast.Rank(count(5+r.IntN(100), r, row), count(50+r.IntN(1000), r, row)))
	}
	// 20 fields with some 10 values each: 230 looks at each try.
	if found > tries*230/1000 {
		t.Errorf("%d differences by chance in %d looks", found, tries*230)
	}
}

func TestEmpty(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	some := count(10, r, func(int, *rand.Rand) []contrast.Field { return []contrast.Field{{"a", "b"}} })
	for _, pair := range [][2]*contrast.Counter{{{}, {}}, {some, {}}, {{}, some}} {
		if got := contrast.Rank(pair[0], pair[1]); got != nil {
			t.Errorf("got %v", got)
		}
	}
}
