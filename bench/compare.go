package bench

import (
	"fmt"
	"math"
	"slices"

	"github.com/prometheus/prometheus/promql"
)

// Difference is what a comparison of two outputs has found.
type Difference struct {
	Values    int     // compared
	Same      int     // of them bit for bit
	Missing   int     // present in one only
	Max       float64 // the largest relative difference
	relatives []float64
}

// Value compares two numbers; ok says whether each is there.
func (d *Difference) Value(got float64, gotOK bool, want float64, wantOK bool) {
	if !gotOK && !wantOK {
		return
	}
	d.Values++
	if gotOK != wantOK {
		d.Missing++
		return
	}
	r := 0.0
	if math.Float64bits(got) == math.Float64bits(want) || math.IsNaN(got) && math.IsNaN(want) {
		d.Same++
	} else {
		r = math.Abs(got-want) / max(math.Abs(got), math.Abs(want))
		if math.IsNaN(r) || math.IsInf(r, 0) {
			r = math.Inf(1)
		}
	}
	d.Max = max(d.Max, r)
	d.relatives = append(d.relatives, r)
}

// Quantile of the relative differences.
func (d *Difference) Quantile(q float64) float64 { return quantile(d.relatives, q) }

// Equal says whether nothing is missing and nothing differs by more than the tolerance.
func (d *Difference) Equal(tolerance float64) bool {
	return d.Values > 0 && d.Missing == 0 && d.Max <= tolerance
}

func (d *Difference) String() string {
	if d.Values == 0 {
		return "nothing to compare"
	}
	s := fmt.Sprintf("%s values, %s", thousands(d.Values), share(d.Same, d.Values)+" the same bits")
	if d.Max > 0 {
		s += fmt.Sprintf(", largest relative difference %.2g", d.Max)
	}
	if d.Missing > 0 {
		s += fmt.Sprintf(", %s there in one only", thousands(d.Missing))
	}
	return s
}

func share(n, of int) string {
	if n == of {
		return "all"
	}
	return fmt.Sprintf("%.2f %%", math.Floor(float64(n)/float64(of)*1e4)/100)
}

// Matrix compares the results of a range query that has one series at most. Steps where
// either has no value, or NaN for none, are told apart.
func (d *Difference) Matrix(got, want promql.Matrix) {
	a, b := points(got), points(want)
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].T < b[0].T:
			d.Value(a[0].F, true, 0, false)
			a = a[1:]
		case len(a) == 0 || b[0].T < a[0].T:
			d.Value(0, false, b[0].F, true)
			b = b[1:]
		default:
			d.Value(a[0].F, true, b[0].F, true)
			a, b = a[1:], b[1:]
		}
	}
}

func points(m promql.Matrix) []promql.FPoint {
	if len(m) == 0 {
		return nil
	}
	return m[0].Floats
}

// Pairs are measurements of two things that were made in turn.
type Pairs struct {
	Ours, Theirs []float64
}

// Add one pair, in whatever unit, per the same work.
func (p *Pairs) Add(ours, theirs float64) {
	p.Ours, p.Theirs = append(p.Ours, ours), append(p.Theirs, theirs)
}

// Ratio is theirs to ours: the median of the pairs, the least and the largest.
func (p *Pairs) Ratio() (median, least, most float64) {
	var r []float64
	for i := range p.Ours {
		r = append(r, p.Theirs[i]/p.Ours[i])
	}
	return quantile(r, 0.5), quantile(r, 0), quantile(r, 1)
}

// Crosses says whether some pairs have it the other way round: then nothing is shown.
func (p *Pairs) Crosses() bool {
	_, least, most := p.Ratio()
	return least <= 1 && most >= 1
}

// quantile is an element of the values: the one below which q of them are. It is NaN when
// there are none.
func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	v := slices.Sorted(slices.Values(values))
	return v[min(int(q*float64(len(v))), len(v)-1)]
}
