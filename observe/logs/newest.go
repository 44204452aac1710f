package logs

import (
	"context"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
)

// A query for the newest so many rows is asked of one time after the other, from the end back,
// until there are as many: the engine would otherwise read every row of the whole time to
// sort it. How long a time is follows from how many rows there are in it, which costs next to
// nothing to count, whatever the query looks for among them. What the engine sorts at once
// stays small too: it refuses what would take more memory than it gives to one query.
const (
	firstSlice = int64(time.Second)
	leastSlice = int64(time.Millisecond)
	sliceRows  = 10_000 // of the first times
	sliceFinds = 5_000  // as many rows should be found in one
	grow       = 4
)

// sliceable says whether a query finds the same rows when it is asked of one time after the
// other. A query within it would be asked of those times too.
func sliceable(q *Query) bool {
	text := q.String()
	if strings.Contains(text, "options(") {
		return false
	}
	if !strings.Contains(text, "|") { // a query within another has a pipe, and so has what joins them
		return true
	}
	for _, word := range []string{"in(", "contains_", "join", "union"} {
		if strings.Contains(text, word) {
			return false
		}
	}
	return true
}

// newest runs a query for the newest most rows, whose part without the sorting is plain.
// Write is called with their blocks, newest first; it returns false when it has enough.
func (s *Store) newest(ctx context.Context, plain *Query, most uint64, write func(*logstorage.DataBlock) bool) error {
	all, err := logstorage.ParseQueryAtTimestamp("* | count() rows", plain.GetTimestamp())
	if err != nil {
		return err
	}
	begin, end := plain.GetFilterTimeRange()
	now := s.o.Now()
	hi := min(end, now.Add(24*time.Hour).UnixNano()) // nothing is stored beyond
	least := max(begin, now.Add(-s.o.Retention-48*time.Hour).UnixNano())
	left, rows, slice := int64(min(most, math.MaxInt32)), int64(sliceRows), firstSlice
	for left > 0 && hi >= least {
		lo := min(hi, max(now.UnixNano(), begin)) - slice // the future is one slice
		if lo <= least {
			lo = begin
		}
		n, err := s.countIn(ctx, all, lo, hi)
		if err != nil {
			return err
		}
		if n > rows && slice > leastSlice {
			slice = max(leastSlice, slice/grow)
			continue
		}
		found, more := int64(0), true
		if n > 0 {
			q := plain.CloneWithTimeFilter(plain.GetTimestamp(), lo, hi)
			q.AddPipeSortByTimeDesc()
			q.AddPipeOffsetLimit(0, uint64(left))
			if err := s.run(ctx, q, func(db *logstorage.DataBlock) bool {
				found += int64(db.RowsCount())
				more = write(db)
				return more
			}); err != nil {
				return err
			}
		}
		if !more || lo == begin {
			return nil
		}
		left -= found
		switch { // rare ones are looked for among more at once
		case n == 0:
		case found == 0:
			rows *= grow
		default:
			rows = max(sliceRows, min(rows*grow, 2*n*min(left, sliceFinds)/found))
		}
		if hi = lo - 1; n < rows/grow && slice < math.MaxInt64/(2*grow) {
			slice *= grow
		}
	}
	return nil
}

// countIn counts the rows of a time.
func (s *Store) countIn(ctx context.Context, all *Query, lo, hi int64) (n int64, err error) {
	err = s.run(ctx, all.CloneWithTimeFilter(all.GetTimestamp(), lo, hi), func(db *logstorage.DataBlock) bool {
		for _, c := range db.GetColumns(false) {
			if c.Name == "rows" && len(c.Values) > 0 {
				n, err = strconv.ParseInt(c.Values[0], 10, 64)
			}
		}
		return err == nil
	})
	return n, err
}
