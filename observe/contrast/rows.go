package contrast

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/observe/logs"
)

// compared is how many rows of each side are looked at.
const compared = 10_000

// Result is a comparison of what a filter finds with what it does not find.
type Result struct {
	Selected    int          `json:"selected"` // rows that were looked at
	Baseline    int          `json:"baseline"`
	Differences []Difference `json:"differences"`
}

// skipped are fields of rows that tell each apart, or repeat others.
var skipped = map[string]bool{
	"": true, "trace_id": true, "span_id": true, "parent_id": true, "types": true, "events": true, "links": true, "dropped": true, "observed_time": true,
}

// Selection are rows that are compared with others.
type Selection struct {
	Filter string // LogsQL that finds them, and perhaps more
	// Others finds what they are compared with, and perhaps some of them; "" for all that
	// the filter does not find.
	Others string
	// Keep says which rows are meant exactly; may be nil: all that the filter finds.
	Keep func(row logs.Row) bool
}

// Rows compares the selected rows of a time with all others of that time, and with all of
// the four times as long before. Of each it looks at 10,000.
func Rows(ctx context.Context, store *logs.Store, of Selection, from, to, now time.Time) (*Result, error) {
	read := func(text string, keep func(row logs.Row) bool) (*Counter, error) {
		c := &Counter{}
		if keep == nil {
			text += fmt.Sprintf(" | limit %d", compared)
		}
		q, err := logs.ParseQuery(text, now)
		if err != nil {
			return c, err
		}
		var fields []Field
		return c, store.Each(ctx, q, func(row logs.Row) bool {
			if keep != nil && !keep(row) {
				return true
			}
			fields = fields[:0]
			for _, f := range row.Fields {
				if !skipped[f.Name] {
					fields = append(fields, Field{Name: strings.Clone(f.Name), Value: strings.Clone(f.Value)})
				}
			}
			c.Add(fields)
			return c.Rows < compared
		})
	}
	here := logs.Within(from, to) + "(" + of.Filter + ")"
	selected, err := read(here, of.Keep)
	if err != nil {
		return nil, err
	}
	others := logs.Within(from.Add(-4*to.Sub(from)), to)
	var rest func(row logs.Row) bool
	if of.Others == "" {
		others += "* !(" + here + ")"
	} else {
		others += "(" + of.Others + ")"
		rest = func(row logs.Row) bool { return of.Keep == nil || !of.Keep(row) }
	}
	baseline, err := read(others, rest)
	if err != nil {
		return nil, err
	}
	out := &Result{Selected: selected.Rows, Baseline: baseline.Rows, Differences: []Difference{}}
	out.Differences = append(out.Differences, Rank(selected, baseline)...)
	return out, nil
}
