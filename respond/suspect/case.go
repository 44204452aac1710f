package suspect

import (
	"cmp"
	"math"
	"slices"
	"sort"
	"time"

	"github.com/evenkeel/evenkeel/respond"
)

// Case is all that is known of one incident. Every part may be missing.
type Case struct {
	Onset    time.Time // the impact began, or was detected when that is all that is known; zero: found from the signals
	From, To time.Time // a quiet window to compare with; zero: what lies before the onset
	Until    time.Time // nothing after it is looked at; zero: all is
	Target   string    // the resource that users feel
	Signals  []Signal
	Edges    []Edge
	Changes  []Change
	Logs     []Log
	Spans    []Span
	Past     respond.Past
	Sure     bool // something is wrong for sure: an objective paged
}

// Signal is one metric of one resource. Times are milliseconds, ascending; a gap is
// time without samples, never a zero.
type Signal struct {
	Resource, Metric string
	Times            []int64
	Values           []float64
	class            string // by name, where the maker knows it better than the metric's name tells
	toward           string // another resource that it is about as well
}

// Edge says that Caller depends on Callee.
type Edge struct{ Caller, Callee string }

// Change is what the ranking needs of a change.
type Change struct {
	ID        string
	Kind      string
	Summary   string
	Resources []string // what it touched
	Actor     string
	From, To  string
	At        time.Time
	End       time.Time // zero while it goes on
}

// Name is how a list names a change: by its ID, or by what it says of itself.
func (c *Change) Name() string {
	switch {
	case c.ID != "":
		return c.ID
	case c.Summary != "":
		return c.Summary
	}
	return cmp.Or(c.Kind, "change") + " at " + c.At.Format(time.RFC3339)
}

// Log is one record.
type Log struct {
	At                       time.Time
	Resource, Severity, Body string
}

// Span is one span of a trace.
type Span struct {
	At                  time.Time
	Duration            time.Duration
	Trace, ID, Parent   string
	Resource, Operation string
	Failed              bool
}

// clean sorts a signal, drops what is no number, and keeps the last of two samples of
// one time.
func (s *Signal) clean() {
	keep := s.Times[:0]
	values := s.Values[:0]
	if !slices.IsSorted(s.Times) {
		sort.Stable(byTime{s})
	}
	for i, t := range s.Times {
		v := s.Values[i]
		if math.IsNaN(v) || math.IsInf(v, 0) {
			continue
		}
		if n := len(keep); n > 0 && keep[n-1] == t {
			values[n-1] = v
			continue
		}
		keep, values = append(keep, t), append(values, v)
	}
	s.Times, s.Values = keep, values
}

type byTime struct{ s *Signal }

func (b byTime) Len() int           { return len(b.s.Times) }
func (b byTime) Less(i, j int) bool { return b.s.Times[i] < b.s.Times[j] }
func (b byTime) Swap(i, j int) {
	b.s.Times[i], b.s.Times[j] = b.s.Times[j], b.s.Times[i]
	b.s.Values[i], b.s.Values[j] = b.s.Values[j], b.s.Values[i]
}

// Between are the indices of the samples in [from, to).
func (s *Signal) Between(from, to time.Time) (int, int) {
	return s.between(from.UnixMilli(), to.UnixMilli())
}

// between are the indices of the samples in [from, to).
func (s *Signal) between(from, to int64) (int, int) {
	lo, _ := slices.BinarySearch(s.Times, from)
	hi, _ := slices.BinarySearch(s.Times, to)
	return lo, max(lo, hi)
}
