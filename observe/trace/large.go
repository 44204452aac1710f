package trace

import (
	"cmp"
	"container/heap"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/observe/logs"
)

// Piece is a part of a large trace, by when its spans began: from From, before To.
type Piece struct {
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
	Spans int       `json:"spans"`
}

// reading keeps of one trace the spans that tell most: those that failed, those without a
// parent, and the longest. Its memory is bounded, however many spans there are.
type reading struct {
	most           int    // spans
	want           string // the ID of a span that is kept in any case
	failed, others longest
	total, errors  int
	first, last    int64
	starts         []int64 // of every stride-th span
	stride         int
}

// maxStarts is how many start times of one trace are kept to cut it into pieces.
const maxStarts = 1 << 20

func newReading(most int, want string) *reading {
	return &reading{most: most, want: want, first: math.MaxInt64, last: math.MinInt64, stride: 1}
}

// take counts a row of a span, and keeps it when it tells more than one that is kept. Grew
// says that one more is kept.
func (r *reading) take(row logs.Row) (grew bool) {
	duration, _ := strconv.ParseInt(row.Field(fieldDuration), 10, 64)
	failed := row.Field(fieldStatus) == string(Error)
	r.first, r.last = min(r.first, row.Time), max(r.last, row.Time+duration)
	if r.total%r.stride == 0 {
		if len(r.starts) == maxStarts {
			for i := range maxStarts / 2 {
				r.starts[i] = r.starts[2*i]
			}
			r.starts, r.stride = r.starts[:maxStarts/2], 2*r.stride
		}
		r.starts = append(r.starts, row.Time)
	}
	r.total++
	weight := duration
	if row.Field(fieldParent) == "" || r.want != "" && row.Field(fieldSpan) == r.want {
		weight = math.MaxInt64
	}
	full := len(r.failed)+len(r.others) >= r.most
	if failed {
		r.errors++
		switch {
		case !full:
			heap.Push(&r.failed, weighed{spanOf(row), weight})
			return true
		case len(r.others) > 0 && len(r.failed) < (r.most+1)/2:
			heap.Pop(&r.others)
			heap.Push(&r.failed, weighed{spanOf(row), weight})
			return false
		case len(r.failed) > 0 && weight > r.failed[0].weight:
			r.failed[0] = weighed{spanOf(row), weight}
			heap.Fix(&r.failed, 0)
			return false
		}
		return false
	}
	switch {
	case !full:
		heap.Push(&r.others, weighed{spanOf(row), weight})
		return true
	case len(r.failed) > (r.most+1)/2:
		heap.Pop(&r.failed)
		heap.Push(&r.others, weighed{spanOf(row), weight})
	case len(r.others) > 0 && weight > r.others[0].weight:
		r.others[0] = weighed{spanOf(row), weight}
		heap.Fix(&r.others, 0)
	}
	return false
}

// stop lets it grow no more: what comes takes the place of what tells less.
func (r *reading) stop() { r.most = max(1, len(r.failed)+len(r.others)) }

// trace is what was read. A trace of which all was read has no pieces.
func (r *reading) trace(id string) *Trace {
	t := &Trace{ID: id, Spans: make([]*Span, 0, len(r.failed)+len(r.others))}
	for _, list := range []longest{r.failed, r.others} {
		for _, w := range list {
			t.Spans = append(t.Spans, w.span)
		}
	}
	t.sort()
	if r.total <= len(r.failed)+len(r.others) {
		return t
	}
	t.More, t.total, t.failed, t.from, t.to = true, r.total, r.errors, r.first, r.last
	slices.Sort(r.starts)
	for at := 0; at < len(r.starts); {
		end := min(len(r.starts), at+max(1, MaxSpans/r.stride))
		for end < len(r.starts) && end > at && r.starts[end] == r.starts[end-1] { // no time is in two pieces
			end--
		}
		if end == at { // all of a piece began at once
			for end = at + 1; end < len(r.starts) && r.starts[end] == r.starts[at]; {
				end++
			}
		}
		p := Piece{From: time.Unix(0, r.starts[at]).UTC(), Spans: (end - at) * r.stride}
		if end < len(r.starts) {
			p.To = time.Unix(0, r.starts[end]).UTC()
		} else {
			p.To = time.Unix(0, r.starts[end-1]+1).UTC()
		}
		t.Pieces = append(t.Pieces, p)
		at = end
	}
	if n := len(t.Pieces); n > 0 && r.stride > 1 { // of what was not kept
		t.Pieces[n-1].To = time.Unix(0, r.last+1).UTC()
	}
	return t
}

type weighed struct {
	span   *Span
	weight int64
}

// longest is a heap with the span of least weight on top.
type longest []weighed

func (l longest) Len() int           { return len(l) }
func (l longest) Less(i, j int) bool { return cmp.Less(l[i].weight, l[j].weight) }
func (l longest) Swap(i, j int)      { l[i], l[j] = l[j], l[i] }
func (l *longest) Push(v any)        { *l = append(*l, v.(weighed)) }
func (l *longest) Pop() any {
	old := *l
	v := old[len(old)-1]
	old[len(old)-1] = weighed{}
	*l = old[:len(old)-1]
	return v
}

// sizes counts the spans of recent traces, so that whoever sends a trace that cannot be read
// at once is told. It remembers the traces of the last few batches only.
type sizes struct {
	mu          sync.Mutex
	now, before map[string]int
}

// maxSized is how many traces it counts at once.
const maxSized = 50_000

// add counts a batch; the answer is how many traces have grown past what is read at once.
func (z *sizes) add(of map[string]int) (large int) {
	z.mu.Lock()
	defer z.mu.Unlock()
	for id, n := range of {
		was, known := z.now[id]
		if !known {
			if was = z.before[id]; z.now == nil || len(z.now) >= maxSized {
				z.before, z.now = z.now, make(map[string]int, len(of))
			}
		}
		z.now[id] = was + n
		if was/MaxSpans != (was+n)/MaxSpans {
			large++
		}
	}
	return large
}
