package metrics

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/observe"
)

// drops are the rules that keep series out of the store.
type drops []dropRule

type dropRule struct {
	matchers []*labels.Matcher
	dropped  prometheus.Counter
}

// SetDrops replaces the rules, after the workspace has changed. A sample of a series that
// a rule matches is acknowledged, counted under the rule's name and not stored, whoever
// sent it; what is stored stays.
func (s *Store) SetDrops(rules []declare.SeriesDrop) error {
	out := make(drops, 0, len(rules))
	for _, r := range rules {
		ms, err := parser.NewParser(parser.Options{}).ParseMetricSelector(r.Match)
		if err != nil {
			return fmt.Errorf("cannot apply the rule %q: %w", r.Name, err)
		}
		out = append(out, dropRule{ms, s.dropped.WithLabelValues(r.Name)})
	}
	s.drops.Store(&out)
	return nil
}

// drop says whether a series is kept out, and counts.
func (d drops) drop(ls labels.Labels) bool {
	for i := range d {
		if matches(d[i].matchers, ls) {
			d[i].dropped.Inc()
			return true
		}
	}
	return false
}

func matches(ms []*labels.Matcher, ls labels.Labels) bool {
	for _, m := range ms {
		if !m.Matches(ls.Get(m.Name)) {
			return false
		}
	}
	return true
}

// Share takes n samples of what a sender may send a second (limits.samples_per_source);
// nil when it may. Others are not affected by one that sends more.
func (s *Store) Share(now time.Time, sender string, n int) *observe.Refusal {
	return s.quota.Take(now, sender, int64(n), s.Limits().SamplesPerSource, "samples", "limits.samples_per_source")
}
