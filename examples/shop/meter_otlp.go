package shop

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strconv"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/metric"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
)

// sent is what a service sends by OTLP over HTTP, once a second, with the
// OpenTelemetry SDK. The names are those that the scraped services use, so that
// one query fits all.
type sent struct {
	provider *sdk.MeterProvider
	service  attribute.KeyValue
	requests metric.Int64Counter
	duration metric.Float64Histogram
	results  metric.Int64Counter
}

// newSent sends to base + /v1/metrics; to nobody when base is "". Each process is
// an instance of its own, so that an old one's last words and a new one's first
// never mix in one series.
func newSent(ctx context.Context, base, service, version string, log *slog.Logger) (*sent, error) {
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("cannot send metrics", "err", err) }))
	options := []sdk.Option{sdk.WithResource(resource.NewSchemaless(
		attribute.String("service.name", service),
		attribute.String("service.version", version),
		attribute.String("service.instance.id", fmt.Sprintf("%s-%d", service, os.Getpid())),
	))}
	if base != "" {
		to, err := url.JoinPath(base, "/v1/metrics")
		if err != nil {
			return nil, fmt.Errorf("cannot send metrics to %q: %w", base, err)
		}
		exporter, err := otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpointURL(to), otlpmetrichttp.WithTimeout(2*time.Second),
			otlpmetrichttp.WithRetry(otlpmetrichttp.RetryConfig{Enabled: false})) // the next second's totals say it all again
		if err != nil {
			return nil, fmt.Errorf("cannot send metrics to %q: %w", base, err)
		}
		options = append(options, sdk.WithReader(sdk.NewPeriodicReader(exporter, sdk.WithInterval(time.Second), sdk.WithTimeout(3*time.Second))))
	}
	s := &sent{provider: sdk.NewMeterProvider(options...), service: attribute.String("service", service)}
	m := s.provider.Meter("shop")
	var err error
	if s.requests, err = m.Int64Counter("http_server_requests_total", metric.WithDescription("Requests answered.")); err != nil {
		return nil, err
	}
	if s.duration, err = m.Float64Histogram("http_server_request_duration_seconds", metric.WithUnit("s"),
		metric.WithDescription("Time from a request's first line to its answer."),
		metric.WithExplicitBucketBoundaries(durationBuckets...)); err != nil {
		return nil, err
	}
	if s.results, err = m.Int64Counter("payments_authorisations_total", metric.WithDescription("Authorisations by result.")); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *sent) labels(r route, code int) metric.MeasurementOption {
	return metric.WithAttributes(s.service, attribute.String("route", r.path), attribute.String("method", r.method),
		attribute.String("code", strconv.Itoa(code)))
}

func (s *sent) expect(r route) {
	for _, code := range r.codes {
		s.requests.Add(context.Background(), 0, s.labels(r, code))
	}
}

func (s *sent) answered(r route, code int, took time.Duration) {
	ctx := context.Background() // a caller that went away is counted too
	s.requests.Add(ctx, 1, s.labels(r, code))
	s.duration.Record(ctx, took.Seconds(), metric.WithAttributes(s.service, attribute.String("route", r.path), attribute.String("method", r.method)))
}

// countResults counts from 0 and returns what counts one.
func (s *sent) countResults(results ...string) func(result string) {
	add := func(result string, n int64) {
		s.results.Add(context.Background(), n, metric.WithAttributes(s.service, attribute.String("result", result)))
	}
	for _, r := range results {
		add(r, 0)
	}
	return func(result string) { add(result, 1) }
}

// flush sends what there is now. A failure is logged, and the next second sends
// the totals again.
func (s *sent) flush(within time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	if err := s.provider.ForceFlush(ctx); err != nil {
		otel.Handle(err)
	}
}

// stop sends the last totals and ends.
func (s *sent) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := s.provider.Shutdown(ctx); err != nil {
		otel.Handle(err)
	}
}
