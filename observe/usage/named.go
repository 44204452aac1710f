package usage

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// metric is one name, and when a query or a rule named it.
type metric struct {
	First  time.Time `json:"first,omitzero"` // when it was first stored; zero: not yet
	Last   time.Time `json:"last,omitzero"`
	Used   time.Time `json:"used,omitzero"`
	Series int       `json:"series,omitempty"`
}

const (
	maxMetrics = 100_000
	// A service is told of series that nobody asks for when they are this many, and this
	// share of its own.
	idleSeries, idleShare = 1000, 0.5
	idleNames             = 3 // so many are named
)

// Names says whether a pattern for names of metrics names any: one that fits whatever
// there is does not.
func Names(pattern *regexp.Regexp) bool { return !pattern.MatchString("no metric has this name") }

// Named says that a query or a rule names metrics, by their names or by patterns.
func (l *Ledger) Named(names []string, patterns []*regexp.Regexp, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range names {
		m := l.metrics[n]
		if m == nil {
			if len(l.metrics) >= maxMetrics {
				continue
			}
			m = &metric{}
			l.metrics[strings.Clone(n)] = m
		}
		m.Used = now
	}
	for _, p := range patterns {
		if !Names(p) {
			continue
		}
		for n, m := range l.metrics {
			if p.MatchString(n) {
				m.Used = now
			}
		}
	}
}

// Stores says how many series each metric has now. What has had none, and was not named,
// for 30 days is forgotten.
func (l *Ledger) Stores(series map[string]int, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for n := range series {
		m := l.metrics[n]
		if m == nil {
			if len(l.metrics) >= maxMetrics {
				continue
			}
			m = &metric{}
			l.metrics[strings.Clone(n)] = m
		}
		if m.First.IsZero() {
			m.First = now
		}
		m.Last = now
	}
	for n, m := range l.metrics {
		m.Series = series[n]
		if now.Sub(m.Last) >= unused && now.Sub(m.Used) >= unused {
			delete(l.metrics, n)
		}
	}
}

// idle says whether a metric has been there for 30 days and nothing has named it.
func (l *Ledger) idle(name string, now time.Time) bool {
	m := l.metrics[name]
	return m != nil && !m.First.IsZero() && now.Sub(m.First) >= unused && now.Sub(m.Used) >= unused
}

// Metric is a name that nothing has named for 30 days.
type Metric struct {
	Name   string
	Series int
}

// Idle are the metrics that no query and no rule has named for 30 days, those with most
// series first.
func (l *Ledger) Idle(now time.Time) []Metric {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := []Metric{}
	for n, m := range l.metrics {
		if m.Series > 0 && l.idle(n, now) {
			out = append(out, Metric{n, m.Series})
		}
	}
	slices.SortFunc(out, largest)
	return out
}

func largest(a, b Metric) int {
	return cmp.Or(cmp.Compare(b.Series, a.Series), cmp.Compare(a.Name, b.Name))
}

// IdleOf says, in words, that most series of a service are of metrics that nothing has
// named for 30 days; series are its own, by metric.
func (l *Ledger) IdleOf(service string, series map[string]int, now time.Time) (why string, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	all, n := 0, 0
	var names []Metric
	for name, count := range series {
		all += count
		if l.idle(name, now) {
			n += count
			names = append(names, Metric{name, count})
		}
	}
	if n < idleSeries || float64(n) < idleShare*float64(all) {
		return "", false
	}
	slices.SortFunc(names, largest)
	var most []string
	for _, m := range names[:min(len(names), idleNames)] {
		most = append(most, fmt.Sprintf("%s (%d)", m.Name, m.Series))
	}
	return fmt.Sprintf("no query and no rule has named %d of the %d series of %s for 30 days, of %d metrics: most are of %s", n, all, service, len(names), strings.Join(most, ", ")), true
}

// metricsOf copies what is saved of metrics.
func (l *Ledger) metricsOf() map[string]metric {
	out := make(map[string]metric, len(l.metrics))
	for n, m := range maps.All(l.metrics) {
		out[n] = *m
	}
	return out
}
