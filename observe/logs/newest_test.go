package logs_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/observe/logs"
)

// TestNewest: the newest rows are the same ones, in the same order, however few and far between
// they are, as when all are read and sorted.
func TestNewest(t *testing.T) {
	now := time.Now()
	s := open(t, logs.Options{Retention: 30 * 24 * time.Hour, Now: func() time.Time { return now }})
	r := rand.New(rand.NewPCG(1, 2))
	b := s.Begin(logs.Origin{Receiver: "test"})
	for i := range 5000 {
		back := time.Duration(r.ExpFloat64() * float64(3*time.Hour))
		if i%100 == 0 {
			back = time.Duration(r.Int64N(int64(29 * 24 * time.Hour)))
		}
		service := "a"
		if i%50 == 0 {
			service = "rare"
		}
		if refusal := b.Add(now.Add(-back).UnixNano(), []logs.Field{{Name: "service", Value: service}, {Name: "n", Value: fmt.Sprint(i)}, {Value: "line"}}, 1); refusal != nil {
			t.Fatal(refusal)
		}
	}
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	s.Flush()
	numbers := func(text string) (out []string) {
		t.Helper()
		q, err := logs.ParseQuery(text, now)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Each(t.Context(), q, func(row logs.Row) bool {
			out = append(out, string([]byte(row.Field("n"))))
			return true
		}); err != nil {
			t.Fatal(err)
		}
		return out
	}
	for _, filter := range []string{"*", "service:=rare", "service:=none", "_time:2h", "service:=rare _time:[2020-01-01, 2030-01-01]", "n:in(service:=rare | sort by (n) limit 20 | fields n)", "options(time_offset=1h) _time:2h", `n:in("50", "100", "3")`} {
		for _, limit := range []int{1, 7, 90, 6000} {
			// By two fields the engine reads and sorts all of them.
			got, want := numbers(fmt.Sprintf("%s | sort by (_time desc) limit %d", filter, limit)), numbers(fmt.Sprintf("%s | sort by (_time desc, n) limit %d", filter, limit))
			if !slices.Equal(got, want) {
				t.Errorf("%s, the newest %d: got %d rows, expected %d, or others", filter, limit, len(got), len(want))
			}
		}
	}
	if got := numbers("* | sort by (_time desc) limit 3 | fields n, _time"); len(got) != 3 {
		t.Errorf("with fields: %v", got)
	}
}
