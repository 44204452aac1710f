package web

import (
	"encoding/json"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// MaxPoints is how many points a chart has at most in each series: about one a
// pixel. MaxSeries is how many series it draws.
const (
	MaxPoints = 600
	MaxSeries = 20
)

// Chart is what is drawn: on the server as SVG, and by the script with uPlot from
// the same data.
type Chart struct {
	ID     string       `json:"-"`
	Title  string       `json:"title"`
	Unit   string       `json:"unit"` // see unit
	From   int64        `json:"from"` // Unix seconds
	To     int64        `json:"to"`
	X      []float64    `json:"x"` // Unix seconds, ascending
	Series []ChartLine  `json:"series"`
	Limits []ChartLimit `json:"limits,omitempty"`
	Marks  []ChartMark  `json:"marks,omitempty"`
	Shades []ChartShade `json:"shades,omitempty"`
	Dots   bool         `json:"dots,omitempty"`  // each value stands for itself: no line between them
	Stack  bool         `json:"stack,omitempty"` // each line begins on the one before it
	Min    *float64     `json:"min,omitempty"`
	Max    *float64     `json:"max,omitempty"`
	More   int          `json:"-"` // series that are not drawn
	Expr   string       `json:"-"` // the query that made it
	Error  string       `json:"-"` // why there is nothing to draw
}

// ChartLine is one series; its values stand beside Chart.X, nil for a gap.
type ChartLine struct {
	Label  string    `json:"label"`
	Values []Reading `json:"values"`
	// Look is the explorer with what lies behind the line, without a time; "" for none.
	Look string `json:"look,omitempty"`
}

// Reading is a value that JSON can carry: NaN and infinities are null, a gap.
type Reading float64

// MarshalJSON implements json.Marshaler.
func (r Reading) MarshalJSON() ([]byte, error) {
	f := float64(r)
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return []byte("null"), nil
	}
	return json.Marshal(f)
}

// ChartLimit is a level that means something, as the target.
type ChartLimit struct {
	Value float64 `json:"value"`
	Label string  `json:"label"`
}

// ChartMark is a change or another moment that is drawn on the chart.
type ChartMark struct {
	At    float64 `json:"at"` // Unix seconds
	Label string  `json:"label"`
	URL   string  `json:"url"`
	Far   bool    `json:"far,omitempty"` // on something that the service depends on
}

// ChartShade is a time that is painted, as that of the impact.
type ChartShade struct {
	From  float64 `json:"from"`
	To    float64 `json:"to"`
	Label string  `json:"label"`
}

// Empty says whether there is nothing to draw.
func (c *Chart) Empty() bool {
	for _, s := range c.Series {
		for _, v := range s.Values {
			if !math.IsNaN(float64(v)) {
				return false
			}
		}
	}
	return true
}

// FromTime and ToTime are the chart's edges.
func (c *Chart) FromTime() time.Time { return time.Unix(c.From, 0) }

// ToTime is the right edge.
func (c *Chart) ToTime() time.Time { return time.Unix(c.To, 0) }

// stepFor is the resolution at which a time span has MaxPoints points or fewer, in
// whole seconds, at least the wish.
func stepFor(span, wish time.Duration) time.Duration {
	least := time.Duration(math.Ceil(span.Seconds()/(MaxPoints-1))) * time.Second
	return max(wish, least, time.Second)
}

// newChart lines series up on one grid of times. Values between two grid points
// count for the nearest; where several do, the one furthest from zero stays, so
// that a spike survives.
func newChart(series []Series, from, to time.Time, step time.Duration) *Chart {
	c := &Chart{From: from.Unix(), To: to.Unix()}
	n := min(int(to.Sub(from)/step)+1, MaxPoints)
	if n < 1 {
		n = 1
	}
	if n == MaxPoints {
		step = to.Sub(from) / time.Duration(n-1)
	}
	for i := range n {
		c.X = append(c.X, float64(from.Add(time.Duration(i)*step).UnixMilli())/1000)
	}
	shared := commonLabels(series)
	for i, s := range series {
		if i == MaxSeries {
			c.More = len(series) - MaxSeries
			break
		}
		line := ChartLine{Label: seriesLabel(s.Labels, shared), Values: make([]Reading, n)}
		for j := range line.Values {
			line.Values[j] = Reading(math.NaN())
		}
		for _, p := range s.Points {
			j := int(math.Round(float64(p.At.Sub(from)) / float64(step)))
			if j < 0 || j >= n {
				continue
			}
			if old := float64(line.Values[j]); math.IsNaN(old) || math.Abs(p.Value) > math.Abs(old) {
				line.Values[j] = Reading(p.Value)
			}
		}
		c.Series = append(c.Series, line)
	}
	return c
}

// trim moves the left edge to where data begins, when more than half would be
// empty: a fresh server has only minutes to show.
func (c *Chart) trim() {
	first := len(c.X)
	for _, s := range c.Series {
		if i := slices.IndexFunc(s.Values, func(v Reading) bool { return !math.IsNaN(float64(v)) }); i >= 0 {
			first = min(first, i)
		}
	}
	if first < len(c.X)/2 || first == len(c.X) {
		return
	}
	first = max(0, first-(len(c.X)-first)/20)
	c.X = c.X[first:]
	c.From = int64(c.X[0])
	for i := range c.Series {
		c.Series[i].Values = c.Series[i].Values[first:]
	}
}

// commonLabels are those that all series share: they tell nothing apart.
func commonLabels(series []Series) map[string]string {
	if len(series) < 2 {
		return nil
	}
	shared := map[string]string{}
	for k, v := range series[0].Labels {
		shared[k] = v
	}
	for _, s := range series[1:] {
		for k, v := range shared {
			if s.Labels[k] != v {
				delete(shared, k)
			}
		}
	}
	return shared
}

// seriesLabel writes labels as PromQL does, without those that all share.
func seriesLabel(labels, without map[string]string) string {
	var parts []string
	name := ""
	for k, v := range labels {
		if _, shared := without[k]; shared {
			continue
		}
		if k == "__name__" {
			name = v
			continue
		}
		parts = append(parts, k+"="+strconv.Quote(v))
	}
	sort.Strings(parts)
	switch {
	case len(parts) > 0:
		return name + "{" + strings.Join(parts, ", ") + "}"
	case name != "":
		return name
	}
	return "value"
}
