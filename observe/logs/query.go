package logs

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"github.com/evenkeel/evenkeel/observe"
)

// Query is a parsed LogsQL query. It is used once: running it may change it.
type Query = logstorage.Query

// ParseQuery parses LogsQL; relative times are before now.
func ParseQuery(text string, now time.Time) (_ *Query, err error) {
	if len(text) > maxQueryBytes {
		return nil, &observe.Refusal{Status: 413, Reason: "too_large", Where: "query", Want: fmt.Sprintf("at most %d bytes", maxQueryBytes)}
	}
	defer func() { // the parser trusts its own optimiser
		if p := recover(); p != nil {
			err = fmt.Errorf("cannot parse the query %q: %v", text, p)
		}
	}()
	q, err := logstorage.ParseQueryAtTimestamp(text, now.UnixNano())
	if err != nil {
		return nil, fmt.Errorf("cannot parse the query: %w", err)
	}
	return q, nil
}

const maxQueryBytes = 64 << 10

// Within is a filter in LogsQL on the time of rows, both ends included.
func Within(from, to time.Time) string {
	const layout = "2006-01-02T15:04:05.000000000Z"
	return "_time:[" + from.UTC().Format(layout) + "," + to.UTC().Format(layout) + "] "
}

// ValueWithHits is a value and in how many rows it is.
type ValueWithHits = logstorage.ValueWithHits

// Column is a field of several rows.
type Column = logstorage.BlockColumn

// Blocks runs a query and calls f with blocks of rows, one at a time: columns of equal
// length, valid during the call, by name unless the query itself orders them. When f returns false the query ends.
func (s *Store) Blocks(ctx context.Context, q *Query, f func([]Column) bool) error {
	sorted := !q.IsFixedOutputFieldsOrder()
	return s.blocks(ctx, q, func(db *logstorage.DataBlock) bool { return f(db.GetColumns(sorted)) })
}

func (s *Store) blocks(ctx context.Context, q *Query, f func(*logstorage.DataBlock) bool) error {
	if plain, offset, limit := q.GetLastNResultsQuery(); plain != nil && offset == 0 && sliceable(plain) {
		return s.newest(ctx, plain, limit, f)
	}
	return s.run(ctx, q, f)
}

func (s *Store) run(ctx context.Context, q *Query, f func(*logstorage.DataBlock) bool) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var mu sync.Mutex
	stopped := false
	qctx := logstorage.NewQueryContext(ctx, &logstorage.QueryStats{}, []logstorage.TenantID{{}}, q, false, nil)
	err := s.engine.RunQuery(qctx, func(_ uint, db *logstorage.DataBlock) {
		mu.Lock()
		defer mu.Unlock()
		if stopped || db.RowsCount() == 0 {
			return
		}
		if !f(db) {
			stopped = true
			cancel(errEnough)
		}
	})
	if stopped {
		return nil
	}
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return err
}

var errEnough = fmt.Errorf("enough rows")

// Each runs a query and calls f with each row, in no particular order unless the query
// sorts. The row is valid during the call; it has no fields without a value. Time is 0
// when the query gives none. When f returns false the query ends.
func (s *Store) Each(ctx context.Context, q *Query, f func(Row) bool) error {
	var times []int64
	var fields []Field
	return s.blocks(ctx, q, func(db *logstorage.DataBlock) bool {
		var ok bool
		times, ok = db.GetTimestamps(times[:0])
		columns := db.GetColumns(false)
		for i := range db.RowsCount() {
			row := Row{}
			if ok {
				row.Time = times[i]
			}
			fields = fields[:0]
			for _, c := range columns {
				v := c.Values[i]
				switch {
				case v == "":
				case c.Name == "_time" && ok, c.Name == "_stream", c.Name == "_stream_id":
				case c.Name == "_msg":
					fields = append(fields, Field{Name: "", Value: v})
				default:
					fields = append(fields, Field{Name: c.Name, Value: v})
				}
			}
			row.Fields = fields
			if !f(row) {
				return false
			}
		}
		return true
	})
}

func (s *Store) context(ctx context.Context, q *Query) *logstorage.QueryContext {
	return logstorage.NewQueryContext(ctx, &logstorage.QueryStats{}, []logstorage.TenantID{{}}, q, false, nil)
}

// FieldNames are the fields that the query's rows have. Filter restricts the names.
func (s *Store) FieldNames(ctx context.Context, q *Query, filter string) ([]ValueWithHits, error) {
	return s.engine.GetFieldNames(s.context(ctx, q), filter)
}

// FieldValues are the values of a field, at most limit of them.
func (s *Store) FieldValues(ctx context.Context, q *Query, field, filter string, limit uint64) ([]ValueWithHits, error) {
	return s.engine.GetFieldValues(s.context(ctx, q), field, filter, limit)
}

// StreamFieldNames are the fields that streams have.
func (s *Store) StreamFieldNames(ctx context.Context, q *Query, filter string) ([]ValueWithHits, error) {
	return s.engine.GetStreamFieldNames(s.context(ctx, q), filter)
}

// StreamFieldValues are the values that a field has in streams.
func (s *Store) StreamFieldValues(ctx context.Context, q *Query, field, filter string, limit uint64) ([]ValueWithHits, error) {
	return s.engine.GetStreamFieldValues(s.context(ctx, q), field, filter, limit)
}

// Streams are the streams with rows that the query finds.
func (s *Store) Streams(ctx context.Context, q *Query, limit uint64) ([]ValueWithHits, error) {
	return s.engine.GetStreams(s.context(ctx, q), limit)
}

// StreamIDs are the same by their IDs.
func (s *Store) StreamIDs(ctx context.Context, q *Query, limit uint64) ([]ValueWithHits, error) {
	return s.engine.GetStreamIDs(s.context(ctx, q), limit)
}
