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

// Rows compares the rows that a filter in LogsQL finds in a time with all others of that
// time, and with all of the four times as long before. Of each it looks at 10,000.
func Rows(ctx context.Context, store *logs.Store, filter string, from, to, now time.Time) (*Result, error) {
	read := func(text string) (*Counter, error) {
		c := &Counter{}
		q, err := logs.ParseQuery(text+fmt.Sprintf(" | limit %d", compared), now)
		if err != nil {
			return c, err
		}
		var fields []Field
		return c, store.Each(ctx, q, func(row logs.Row) bool {
			fields = fields[:0]
			for _, f := range row.Fields {
				if !skipped[f.Name] {
					fields = append(fields, Field{Name: strings.Clone(f.Name), Value: strings.Clone(f.Value)})
				}
			}
			c.Add(fields)
			return true
		})
	}
	here := logs.Within(from, to) + "(" + filter + ")"
	selected, err := read(here)
	if err != nil {
		return nil, err
	}
	baseline, err := read(logs.Within(from.Add(-4*to.Sub(from)), to) + "* !(" + here + ")")
	if err != nil {
		return nil, err
	}
	out := &Result{Selected: selected.Rows, Baseline: baseline.Rows, Differences: []Difference{}}
	out.Differences = append(out.Differences, Rank(selected, baseline)...)
	return out, nil
}
