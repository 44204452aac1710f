package pattern_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/observe/pattern"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// quietThenBad is an hour of ordinary lines and ten minutes of trouble.
func quietThenBad() *pattern.Book {
	b := pattern.NewBook()
	for m := range 70 {
		at := start.Add(time.Duration(m) * time.Minute)
		for i := range 20 {
			b.Take("checkout", "info", fmt.Sprintf("order %d paid in %d ms", m*20+i, i), at)
		}
		if m%10 == 0 {
			b.Take("checkout", "warn", fmt.Sprintf("retry %d of payment", m), at)
		}
		if m < 60 {
			b.Take("checkout", "info", fmt.Sprintf("cache warm after %d keys", m), at)
		} else {
			for i := range 5 {
				b.Take("checkout", "error", fmt.Sprintf("cannot reach bank at 10.0.0.%d: connection refused", i), at)
				b.Take("checkout", "warn", fmt.Sprintf("retry %d of payment", i), at)
			}
		}
	}
	return b
}

func TestShifted(t *testing.T) {
	b := quietThenBad()
	bad := start.Add(time.Hour)
	got, err := b.Shifted(t.Context(), "checkout", pattern.Span{From: start, To: bad}, pattern.Span{From: bad, To: bad.Add(10 * time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, s := range got {
		lines = append(lines, s.Sentence())
	}
	want := []string{
		"new log pattern, 50 lines: cannot reach bank at <*>: connection refused",
		"log pattern surging, 5.1 lines a minute, 0.1 before: retry <*> of payment",
	}
	if strings.Join(lines, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	if got[0].Severity != "error" || len(got[0].Examples) != 5 || !got[0].First.Equal(bad) {
		t.Errorf("%+v", got[0])
	}
	if got, _ := b.Shifted(t.Context(), "checkout", pattern.Span{From: start.Add(-time.Hour), To: start}, pattern.Span{From: start, To: bad}); len(got) != 0 {
		t.Errorf("of a service that was not heard of before nothing is new: %v", got)
	}
}

func TestBookSurvivesARestart(t *testing.T) {
	b := quietThenBad()
	for i := range 5 {
		b.Take("login", "", "session opened for user "+[]string{"a", "b", "c", "d", "e"}[i], start)
	}
	file := filepath.Join(t.TempDir(), "patterns.json.gz")
	if err := b.Save(file); err != nil {
		t.Fatal(err)
	}
	c := pattern.NewBook()
	if err := errors.Join(c.Load(filepath.Join(t.TempDir(), "none")), c.Load(file)); err != nil {
		t.Fatal(err)
	}
	from, to := start, start.Add(2*time.Hour)
	if got, want := fmt.Sprint(c.List("", from, to)), fmt.Sprint(b.List("", from, to)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	// What is known is recognised.
	before := len(c.List("", from, to))
	c.Take("checkout", "info", "order 9 paid in 9 ms", start)
	c.Take("login", "", "session opened for user zoe", start)
	if got := c.List("", from, to); len(got) != before {
		t.Errorf("a known line makes a new pattern: %v", got)
	}
	p := c.List("login", from, to)[0]
	got, points, err := c.Get(p.ID, start.Add(-5*time.Minute), start.Add(5*time.Minute), 5*time.Minute)
	if err != nil || got.Template != "session opened for user <*>" || len(points) != 2 || points[1].N != 6 || points[0].N != 0 {
		t.Errorf("%+v %v %v", got, points, err)
	}
	if _, _, err := c.Get("nonsense", from, to, time.Minute); !errors.Is(err, pattern.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	c.Sweep(start.Add(100 * time.Hour))
	if left := c.List("", from, to); len(left) != 0 {
		t.Errorf("after two days without a line: %v", left)
	}
}
