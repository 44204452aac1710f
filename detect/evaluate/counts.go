package evaluate

import (
	"errors"
	"math"
	"strconv"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/evenkeel/evenkeel/detect/window"
)

// errCells is returned when count_values over many steps would have too many rows.
var errCells = errors.New("too many different values over time")

// counts is count_values: how many rows of a group have the same value, which becomes a
// label.
type counts struct {
	state
	grouping
	of    node
	label string
	in    *shape
	seen  []float64 // of each row the value that it had last
	to    []int32   // and the row of the result that it counts for
	out   rower
	shape *shape // the rows of out when the last result was made
}

func (c *counts) eval(e *env) (vector, error) {
	in, err := e.eval(c.of)
	if err != nil {
		return in, err
	}
	n := in.n
	if c.in != in.shape || len(c.out.rows) > 2*len(in.rows)+64 {
		*c = counts{state: c.state, grouping: c.grouping, of: c.of, label: c.label, in: in.shape}
		c.seen, c.to = make([]float64, len(in.rows)), make([]int32, len(in.rows))
		for i := range c.seen {
			c.seen[i] = window.Gone
		}
	}
	row := make([]int32, 0, len(in.vals))
	for i := range in.rows {
		for _, v := range in.row(i) {
			if window.IsGone(v) {
				row = append(row, -1)
				continue
			}
			if math.Float64bits(v) != math.Float64bits(c.seen[i]) {
				c.seen[i] = v
				c.to[i], _ = c.out.row(c.group(in.rows[i], v))
			}
			row = append(row, c.to[i])
		}
		if n > 1 && len(c.out.rows)*n > maxCells {
			c.in = nil
			return in, errCells
		}
	}
	if c.shape == nil || len(c.shape.rows) != len(c.out.rows) {
		c.shape = &shape{c.out.rows[:len(c.out.rows):len(c.out.rows)]}
	}
	out := emptied(c.room, c.shape, n)
	c.room = out.vals
	for at, g := range row {
		if g < 0 {
			continue
		}
		to := &out.vals[int(g)*n+at%n]
		if window.IsGone(*to) {
			*to = 0
		}
		*to++
	}
	return out, nil
}

// group returns the labels for which a value of a series counts.
func (c *counts) group(ls labels.Labels, v float64) labels.Labels {
	return c.grouping.of(labels.NewBuilder(ls).Set(c.label, strconv.FormatFloat(v, 'f', -1, 64)).Labels())
}
