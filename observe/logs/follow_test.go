package logs_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/observe/logs"
)

// A tail shows every row once: also one of the same nanosecond and stream as a row that it
// has shown, one that is older, and one that is the same as another.
func TestFollowerShowsEachRowOnce(t *testing.T) {
	s := open(t, logs.Options{})
	q, err := logs.ParseQuery("*", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	f := logs.NewFollower(s, q, 100)
	at := time.Now().Truncate(time.Second).Add(-10 * time.Second)
	expect := func(want ...string) {
		t.Helper()
		s.Flush()
		got, err := f.Turn(t.Context(), at.Add(-5*time.Second), at.Add(5*time.Second), func(columns []logs.Column, i int) []byte {
			for _, c := range columns {
				if c.Name == "_msg" {
					return []byte(strings.Clone(c.Values[i]))
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		var texts []string
		for _, g := range got {
			texts = append(texts, string(g))
		}
		if !slices.Equal(texts, want) {
			t.Errorf("got %q, expected %q", texts, want)
		}
	}
	row := func(at time.Time, text string) { t.Helper(); add(t, s, at, "app", "web", "_msg", text) }
	expect()
	row(at, "first")
	expect("first")
	row(at, "second, of the same nanosecond")
	expect("second, of the same nanosecond")
	row(at.Add(-time.Second), "older")
	row(at.Add(time.Second), "newer")
	expect("older", "newer")
	row(at, "first")
	row(at, "first")
	expect("first", "first")
	expect()
	if got := ask(t, s, "* | uniq by (_stream_id)", "_stream_id"); len(got) != 1 {
		t.Errorf("%d streams, expected one", len(got))
	}
}
