package otlp

import (
	"fmt"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/evenkeel/evenkeel/observe"
)

// pruned is what was taken out of a request before it was converted.
type pruned map[string]*struct {
	points  int
	refusal *observe.Refusal
}

func (p pruned) add(reason, got, want string, n int) {
	if p[reason] == nil {
		p[reason] = &struct {
			points  int
			refusal *observe.Refusal
		}{refusal: &observe.Refusal{Reason: reason, Got: got, Want: want}}
	}
	p[reason].points += n
}

// prune takes out data points of delta temporality, and those outside the times that
// the store takes, in Unix milliseconds. The converter writes target_info for all the
// time between the first and the last point of a resource: one point of 1970 would be
// millions of samples.
func prune(md pmetric.Metrics, oldest, newest int64) pruned {
	out := pruned{}
	outside := func(at pcommon.Timestamp) bool {
		ms := int64(at / 1e6)
		switch {
		case ms > newest:
			out.add("future", fmt.Sprintf("time %d ms", ms), fmt.Sprintf("at most %d ms (limits.future)", newest), 1)
		case ms < oldest:
			out.add("too_old", fmt.Sprintf("time %d ms", ms), fmt.Sprintf("at least %d ms (metrics.out_of_order)", oldest), 1)
		default:
			return false
		}
		return true
	}
	delta := func(t pmetric.AggregationTemporality, n int) bool {
		if t != pmetric.AggregationTemporalityDelta {
			return false
		}
		out.add("delta", "delta temporality", "cumulative: set OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=cumulative", n)
		return true
	}
	for _, rm := range md.ResourceMetrics().All() {
		for _, sm := range rm.ScopeMetrics().All() {
			sm.Metrics().RemoveIf(func(m pmetric.Metric) bool {
				switch m.Type() {
				case pmetric.MetricTypeGauge:
					m.Gauge().DataPoints().RemoveIf(func(p pmetric.NumberDataPoint) bool { return outside(p.Timestamp()) })
				case pmetric.MetricTypeSum:
					points := m.Sum().DataPoints()
					if delta(m.Sum().AggregationTemporality(), points.Len()) {
						return true
					}
					points.RemoveIf(func(p pmetric.NumberDataPoint) bool { return outside(p.Timestamp()) })
				case pmetric.MetricTypeHistogram:
					points := m.Histogram().DataPoints()
					if delta(m.Histogram().AggregationTemporality(), points.Len()) {
						return true
					}
					points.RemoveIf(func(p pmetric.HistogramDataPoint) bool { return outside(p.Timestamp()) })
				case pmetric.MetricTypeExponentialHistogram:
					points := m.ExponentialHistogram().DataPoints()
					if delta(m.ExponentialHistogram().AggregationTemporality(), points.Len()) {
						return true
					}
					points.RemoveIf(func(p pmetric.ExponentialHistogramDataPoint) bool { return outside(p.Timestamp()) })
				case pmetric.MetricTypeSummary:
					m.Summary().DataPoints().RemoveIf(func(p pmetric.SummaryDataPoint) bool { return outside(p.Timestamp()) })
				}
				return false
			})
		}
	}
	return out
}
