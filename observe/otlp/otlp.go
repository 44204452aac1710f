// Package otlp receives OpenTelemetry metrics and logs: OTLP/HTTP with protobuf or JSON, and
// OTLP/gRPC.
//
// In: an export request, hostile. Out: samples through the guarded door, named the
// way Prometheus names OpenTelemetry's metrics. Promise: an answer without partial
// success means that every point is in the write-ahead log.
package otlp

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/storage/remote/otlptranslator/prometheusremotewrite"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"

	"github.com/evenkeel/evenkeel/observe"
	"github.com/evenkeel/evenkeel/observe/metrics"
)

const receiver = "otlp"

// Receiver stores export requests, whatever they came by.
type Receiver struct {
	store      *metrics.Store
	door       *metrics.Door
	converters sync.Pool
	settings   prometheusremotewrite.Settings
}

// New makes a receiver. The resource attributes service.name, service.version and
// deployment.environment.name become labels of every series, so that a version can
// be seen in a query; the others go to target_info, as in Prometheus.
func New(store *metrics.Store) *Receiver {
	return &Receiver{
		store: store,
		door:  store.Guarded(receiver, false),
		converters: sync.Pool{New: func() any {
			return prometheusremotewrite.NewPrometheusConverter(nil)
		}},
		settings: prometheusremotewrite.Settings{
			AddMetricSuffixes: true,
			LookbackDelta:     lookback,
			PromoteResourceAttributes: prometheusremotewrite.NewPromoteResourceAttributes(promconfig.OTLPConfig{
				PromoteResourceAttributes: []string{"service.name", "service.version", "deployment.environment.name"},
			}),
			LabelNameUnderscoreSanitization: true,
		},
	}
}

const lookback = 5 * 60 * 1e9 // of the query engine, in nanoseconds

// export stores one request. The response tells of partial success; the error is a
// failure of ours, after which the sender should try again.
func (r *Receiver) export(ctx context.Context, md pmetric.Metrics, source string) (pmetricotlp.ExportResponse, error) {
	resp := pmetricotlp.NewExportResponse()
	refuse := func(n int64, text string) {
		ps := resp.PartialSuccess()
		ps.SetRejectedDataPoints(ps.RejectedDataPoints() + n)
		if ps.ErrorMessage() != "" {
			text = ps.ErrorMessage() + "; " + text
		}
		ps.SetErrorMessage(text)
	}
	points := int64(md.DataPointCount())
	if limit := r.store.Limits().SamplesPerWrite; points > int64(limit) {
		r.store.Refused(receiver, "limit_samples")
		refuse(points, fmt.Sprintf("got %d data points, expected at most %d (limits.samples_per_write)", points, limit))
		return resp, nil
	}
	if r.store.Limits().SamplesPerSource > 0 {
		if refusal := r.store.Share(time.Now(), source, int(points)); refusal != nil {
			r.store.RefusedMany(receiver, refusal.Reason, int(points))
			return resp, refusal
		}
	}
	guard := r.door.Begin(ctx)
	for reason, p := range prune(md, guard.Oldest(), guard.Newest()) {
		r.store.RefusedMany(receiver, reason, p.points)
		refuse(int64(p.points), fmt.Sprintf("%d data points: %v", p.points, p.refusal))
	}
	convErr := r.convert(ctx, guard, md)
	if ctx.Err() != nil {
		_ = guard.Rollback()
		return resp, ctx.Err()
	}
	if err := guard.Commit(); err != nil {
		return resp, err
	}
	if convErr != nil { // some metrics' fault: the others were stored
		r.store.Refused(receiver, "malformed")
		refuse(1, convErr.Error())
	}
	if n, why := guard.Refused(); n > 0 {
		refuse(int64(n), texts(why))
	}
	// A histogram is one data point and many samples.
	resp.PartialSuccess().SetRejectedDataPoints(min(points, resp.PartialSuccess().RejectedDataPoints()))
	return resp, nil
}

// convert appends what is in a request. Its error tells of metrics that cannot be
// converted; the others were appended.
func (r *Receiver) convert(ctx context.Context, guard *metrics.Guard, md pmetric.Metrics) (err error) {
	conv, _ := r.converters.Get().(*prometheusremotewrite.PrometheusConverter)
	defer func() {
		if p := recover(); p != nil { // the converter trusts lengths; it is not used again
			err = fmt.Errorf("a metric that cannot be converted: %v", p)
			return
		}
		conv.Reset(nil)
		r.converters.Put(conv)
	}()
	conv.Reset(guard)
	_, err = conv.FromMetrics(ctx, md, r.settings)
	return err
}

func texts(why []*observe.Refusal) string {
	lines := make([]string, 0, 3)
	for _, r := range why {
		if lines = append(lines, r.Error()); len(lines) == 3 {
			break
		}
	}
	return strings.Join(lines, "; ")
}
