// Package contrast says what is different about some rows: which fields and values are
// over-represented in a selection, of spans or of log lines, beside a baseline.
//
// In: both as rows of fields, at most as many as the caller lets in. Out: differences,
// ranked, that are unlikely to be chance. Promise: a field that is another one in every
// row, as an ID is, is none; neither is one that looks the same in both.
package contrast

import (
	"cmp"
	"math"
	"slices"
	"strconv"
)

// Field is one value of a row.
type Field struct{ Name, Value string }

// Difference is a value of a field, or a range of numbers, that stands out.
type Difference struct {
	Field    string  `json:"field"`
	Value    string  `json:"value"` // of numbers a range, as ≥ 250
	Selected float64 `json:"selected"`
	Baseline float64 `json:"baseline"` // shares of the rows
	Rows     int     `json:"rows"`     // of the selection that have it
	Score    float64 `json:"score"`    // how much the shares differ, less what may be chance
}

const (
	most     = 50    // differences that are told
	distinct = 2_000 // values of a field that are counted; beyond it is an ID
	// sure is how many standard errors a difference is lessened by. Of a thousand looks at
	// values that do not differ, less than one then tells of a difference.
	sure = 3.8
)

// Counter counts the fields of rows.
type Counter struct {
	Rows   int
	fields map[string]*column
}

type column struct {
	rows    int
	values  map[string]int
	numbers []float64
	many    bool // too many values to count each
}

// Add counts a row. A field that comes twice in it counts once for each value.
func (c *Counter) Add(row []Field) {
	c.Rows++
	if c.fields == nil {
		c.fields = map[string]*column{}
	}
	for _, f := range row {
		col := c.fields[f.Name]
		if col == nil {
			col = &column{values: map[string]int{}}
			c.fields[f.Name] = col
		}
		col.rows++
		if v, err := strconv.ParseFloat(f.Value, 64); err == nil && !math.IsNaN(v) && !math.IsInf(v, 0) {
			col.numbers = append(col.numbers, v)
		}
		if _, ok := col.values[f.Value]; !ok && len(col.values) >= distinct {
			col.many = true
			continue
		}
		col.values[f.Value]++
	}
}

// Rank compares what was counted.
func Rank(selected, baseline *Counter) []Difference {
	if selected.Rows == 0 || baseline.Rows == 0 {
		return nil
	}
	var out []Difference
	empty := &column{}
	for name, s := range selected.fields {
		b := baseline.fields[name]
		if b == nil {
			b = empty
		}
		out = append(out, byRange(name, s, b, selected.Rows, baseline.Rows)...)
		if s.many || len(s.values) > 10 && len(s.values)*2 > s.rows { // an ID, or nearly
			continue
		}
		for v, n := range s.values {
			if d, ok := differ(n, selected.Rows, b.values[v], baseline.Rows); ok {
				d.Field, d.Value = name, v
				out = append(out, d)
			}
		}
	}
	slices.SortFunc(out, func(a, b Difference) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.Field, b.Field), cmp.Compare(a.Value, b.Value))
	})
	return out[:min(len(out), most)]
}

// differ says whether a share is larger in the selection than chance explains: the lower
// bound of the difference of two proportions, with Agresti and Caffo's two successes and
// two failures added, which holds for small counts too.
func differ(n, of, m, from int) (Difference, bool) {
	p, q := float64(n)/float64(of), float64(m)/float64(from)
	p1, n1 := (float64(n)+1)/(float64(of)+2), float64(of)+2
	q1, n2 := (float64(m)+1)/(float64(from)+2), float64(from)+2
	low := p1 - q1 - sure*math.Sqrt(p1*(1-p1)/n1+q1*(1-q1)/n2)
	return Difference{Selected: p, Baseline: q, Rows: n, Score: low}, low > 0
}

// byRange compares numbers: the bound, above or below which the shares differ most.
func byRange(name string, s, b *column, of, from int) []Difference {
	if len(s.numbers)*10 < s.rows*9 || len(s.values) < 8 || len(b.numbers) < 8 {
		return nil
	}
	all := slices.Concat(s.numbers, b.numbers)
	slices.Sort(all)
	slices.Sort(s.numbers)
	slices.Sort(b.numbers)
	var best Difference
	for i := 1; i < 20; i++ {
		bound := all[len(all)*i/20]
		sBelow, _ := slices.BinarySearch(s.numbers, bound)
		bBelow, _ := slices.BinarySearch(b.numbers, bound)
		text := strconv.FormatFloat(bound, 'g', 6, 64)
		if d, ok := differ(len(s.numbers)-sBelow, of, len(b.numbers)-bBelow, from); ok && d.Score > best.Score {
			best, best.Value = d, "≥ "+text
		}
		if d, ok := differ(sBelow, of, bBelow, from); ok && d.Score > best.Score {
			best, best.Value = d, "< "+text
		}
	}
	if best.Score == 0 {
		return nil
	}
	best.Field = name
	return []Difference{best}
}
