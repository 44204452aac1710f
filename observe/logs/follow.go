package logs

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"
)

// Follower finds the rows that a live tail has not shown yet.
type Follower struct {
	store *Store
	q     *Query
	most  int
	shown map[uint64]shown // by what the row says: its stream, time and fields
}

// shown are the rows that say the same, and were shown.
type shown struct {
	at int64
	n  int
}

// CanFollow says why a query cannot be followed; nil when it can be.
func CanFollow(q *Query) error {
	switch {
	case !q.CanLiveTail():
		return errors.New("it counts, sorts or limits lines; one that is followed only finds them")
	case !q.CanReturnLastNResults():
		return errors.New("it leaves out or changes _time, by which lines are followed: add _time to its fields")
	}
	return nil
}

// NewFollower follows a query, which has to be one that can be: see CanFollow. A turn yields at most so many rows.
func NewFollower(store *Store, q *Query, most int) *Follower {
	return &Follower{store: store, q: q, most: most, shown: map[uint64]shown{}}
}

// Turn returns the rows of a time, in order, that no turn before has returned; write makes
// of the i-th row of some columns what is returned. A turn has to look a little further
// back than the last one ended: rows become readable up to a second after their time, and
// some come late, in any order and with times that others of their stream have too. No
// turn may begin before the one before did: what was shown of earlier times is forgotten.
func (f *Follower) Turn(ctx context.Context, start, end time.Time, write func(columns []Column, i int) []byte) ([][]byte, error) {
	type row struct {
		at   int64
		text []byte
	}
	q := f.q.CloneWithTimeFilter(end.UnixNano(), start.UnixNano(), end.UnixNano())
	there := map[uint64]shown{}
	var rows []row
	err := f.store.Blocks(ctx, q, func(columns []Column) bool {
		times := columnOf(columns, "_time")
		for i := range columns[0].Values {
			if times == nil || len(rows) >= f.most {
				return false
			}
			at, err := time.Parse(time.RFC3339Nano, times[i])
			if err != nil {
				continue
			}
			key := keyOf(columns, i)
			x := shown{at.UnixNano(), there[key].n + 1}
			there[key] = x
			if x.n <= f.shown[key].n {
				continue
			}
			rows = append(rows, row{x.at, slices.Clip(write(columns, i))})
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	for key, x := range there {
		if x.n > f.shown[key].n {
			f.shown[key] = x
		}
	}
	for key, x := range f.shown {
		if x.at < start.UnixNano() {
			delete(f.shown, key)
		}
	}
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(a.at, b.at) })
	out := make([][]byte, len(rows))
	for i, r := range rows {
		out[i] = r.text
	}
	return out, nil
}

// keyOf is the hash of a row. A field without a value is as one that is not there.
func keyOf(columns []Column, i int) uint64 {
	var d xxhash.Digest
	d.Reset()
	for _, c := range columns {
		if v := c.Values[i]; v != "" {
			_, _ = d.WriteString(c.Name)
			_, _ = d.Write([]byte{0xff})
			_, _ = d.WriteString(v)
			_, _ = d.Write([]byte{0xff})
		}
	}
	return d.Sum64()
}

func columnOf(columns []Column, name string) []string {
	for _, c := range columns {
		if c.Name == name {
			return c.Values
		}
	}
	return nil
}
