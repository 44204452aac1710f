package usage

import "fmt"

// Spread is how many series a service has, and which of their labels has most values.
type Spread struct {
	Service string
	Series  int
	Label   string
	Values  int
}

const (
	wideSeries = 10_000
	wideShare  = 0.1 // of the limit on series
)

// Wide says whether a service has too many series because of one label, and that in
// words. Limit is how many series there may be of all.
func (s Spread) Wide(limit int) (why string, ok bool) {
	if s.Series < min(wideSeries, int(wideShare*float64(limit))) || s.Values < s.Series/4 {
		return "", false
	}
	return fmt.Sprintf("%s has %d series, because the label %q has %d values: with %d series of all (limits.active_series) new ones are refused", s.Service, s.Series, s.Label, s.Values, limit), true
}
