package logs

import (
	"context"
	"slices"
	"strings"
	"time"
)

// Follower finds the rows that a live tail has not shown yet.
type Follower struct {
	store *Store
	q     *Query
	most  int
	last  map[string]int64 // of each stream, the newest row shown
}

// NewFollower follows a query, which has to be one that can be: it finds rows and does not
// count, sort or limit them. A turn yields at most so many rows.
func NewFollower(store *Store, q *Query, most int) *Follower {
	return &Follower{store: store, q: q, most: most, last: map[string]int64{}}
}

// Turn returns the rows of a time, in order, that no turn before has returned; write makes
// of the i-th row of some columns what is returned. A turn has to look a little further
// back than the last one ended: rows become readable up to a second after their time, and
// some come late.
func (f *Follower) Turn(ctx context.Context, start, end time.Time, write func(columns []Column, i int) []byte) ([][]byte, error) {
	type row struct {
		at   int64
		text []byte
	}
	q := f.q.CloneWithTimeFilter(end.UnixNano(), start.UnixNano(), end.UnixNano())
	rows := map[string][]row{}
	n := 0
	err := f.store.Blocks(ctx, q, func(columns []Column) bool {
		stream, times := columnOf(columns, "_stream_id"), columnOf(columns, "_time")
		for i := range columns[0].Values {
			if times == nil || n >= f.most {
				return false
			}
			at, err := time.Parse(time.RFC3339Nano, times[i])
			if err != nil {
				continue
			}
			id := ""
			if stream != nil {
				id = strings.Clone(stream[i])
			}
			if at.UnixNano() <= f.last[id] {
				continue
			}
			rows[id] = append(rows[id], row{at.UnixNano(), slices.Clip(write(columns, i))})
			n++
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	var all []row
	for id, r := range rows {
		for _, x := range r {
			f.last[id] = max(f.last[id], x.at)
		}
		all = append(all, r...)
	}
	slices.SortStableFunc(all, func(a, b row) int { return int(min(1, max(-1, a.at-b.at))) })
	out := make([][]byte, len(all))
	for i, r := range all {
		out[i] = r.text
	}
	if len(f.last) > 100_000 { // of streams that have long ended
		oldest := start.UnixNano()
		for id, at := range f.last {
			if at < oldest {
				delete(f.last, id)
			}
		}
	}
	return out, nil
}

func columnOf(columns []Column, name string) []string {
	for _, c := range columns {
		if c.Name == name {
			return c.Values
		}
	}
	return nil
}
