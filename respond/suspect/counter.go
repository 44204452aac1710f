package suspect

import "strings"

// uncount turns a counter that was written down as it is exposed, always rising but for
// restarts, into what it rose by each second. What only has a counter's name, because
// somebody took its rate already, falls as often as it rises and stays as it is.
func (s *Signal) uncount() {
	const enough, resets = 8, 0.02 // samples; share of steps that may be restarts
	n := len(s.Values)
	if n < enough || !isCounter(s.Metric) {
		return
	}
	rises, falls := 0, 0
	for i := 1; i < n; i++ {
		switch d := s.Values[i] - s.Values[i-1]; {
		case d > 0:
			rises++
		case d < 0 && (s.Values[i] > s.Values[i-1]/2 || s.Values[i] < 0): // a restart begins anew
			return
		case d < 0:
			falls++
		}
	}
	if rises == 0 || float64(falls) > max(1, resets*float64(n)) {
		return
	}
	far := 5 * spacing(s.Times)
	times, values := make([]int64, 0, n), make([]float64, 0, n)
	for i := 1; i < n; i++ {
		took, d := s.Times[i]-s.Times[i-1], s.Values[i]-s.Values[i-1]
		if took > far { // over a gap nobody knows when it rose
			continue
		}
		if d < 0 {
			d = s.Values[i]
		}
		times, values = append(times, s.Times[i]), append(values, d*1000/float64(took))
	}
	s.Times, s.Values = times, values
}

// isCounter says that a metric has the name of a counter.
func isCounter(metric string) bool {
	name, _, _ := strings.Cut(metric, "{")
	w := words(name)
	if len(w) == 0 {
		return false
	}
	switch w[len(w)-1] {
	case "total", "count", "sum", "counter":
		return true
	}
	return false
}
