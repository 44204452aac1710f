package app

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/observe/logs"
	"github.com/evenkeel/evenkeel/observe/overview"
)

// labelValues are the values of a label in a time, of the series that a selector finds;
// all series when it is "".
func (a *App) labelValues(ctx context.Context, label, selector string, from, to time.Time) ([]string, error) {
	var matchers []*labels.Matcher
	if selector != "" {
		var err error
		if matchers, err = parser.NewParser(parser.Options{}).ParseMetricSelector(selector); err != nil {
			return nil, fmt.Errorf("cannot read selector %q: %w", selector, err)
		}
	}
	q, err := a.metrics.Querier(from.UnixMilli(), to.UnixMilli())
	if err != nil {
		return nil, fmt.Errorf("cannot read labels: %w", err)
	}
	defer q.Close()
	values, _, err := q.LabelValues(ctx, label, nil, matchers...)
	if err != nil {
		return nil, fmt.Errorf("cannot read the values of label %q: %w", label, err)
	}
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = string([]byte(v)) // the store's memory ends with the querier
	}
	return out, nil
}

// recent is how far back a service's telemetry counts for its overview.
const recent = time.Hour

// overview is the dashboard that a service has without a file.
func (a *App) overview(ctx context.Context, svc *declare.Service, now time.Time) (*declare.Dashboard, error) {
	return overview.Generate(ctx, a.ws(), svc, overview.Look{
		Series: func(ctx context.Context, selector string) (bool, error) {
			names, err := a.labelValues(ctx, labels.MetricName, selector, now.Add(-recent), now)
			return len(names) > 0, err
		},
		Lines: func(ctx context.Context, filter string) (bool, error) {
			q, err := logs.ParseQuery(filter+" | limit 1", now)
			if err != nil {
				return false, err
			}
			q.AddTimeFilter(now.Add(-recent).UnixNano(), now.UnixNano())
			any := false
			err = a.logs.Each(ctx, q, func(logs.Row) bool { any = true; return false })
			return any, err
		},
	})
}
