package shop

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// telemetry sends a service's spans and log lines by OTLP over HTTP.
type telemetry struct {
	tracer trace.Tracer
	spans  *sdktrace.TracerProvider // nil: nobody takes them
	lines  chan logLine
	done   chan struct{}
}

// logLine is a log line on its way.
type logLine struct {
	at      time.Time
	level   slog.Level
	message string
	attrs   []slog.Attr
	span    trace.SpanContext
}

// carrier is how a trace goes on from one service to the next: the W3C's traceparent.
var carrier = propagation.TraceContext{}

// silent is telemetry that nobody takes.
var silent = &telemetry{tracer: noop.NewTracerProvider().Tracer("shop")}

// newTelemetry sends to base + /v1/traces and /v1/logs; to nobody when base is "".
func newTelemetry(ctx context.Context, base, service, version string) (*telemetry, error) {
	if base == "" {
		return silent, nil
	}
	t := &telemetry{}
	to, err := url.JoinPath(base, "/v1/traces")
	if err != nil {
		return nil, fmt.Errorf("cannot send traces to %q: %w", base, err)
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(to), otlptracehttp.WithTimeout(2*time.Second), otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: false}))
	if err != nil {
		return nil, fmt.Errorf("cannot send traces to %q: %w", base, err)
	}
	who := []attribute.KeyValue{
		attribute.String("service.name", service), attribute.String("service.version", version),
		attribute.String("service.instance.id", fmt.Sprintf("%s-%d", service, os.Getpid())),
	}
	t.spans = sdktrace.NewTracerProvider(sdktrace.WithResource(resource.NewSchemaless(who...)), sdktrace.WithBatcher(exporter, sdktrace.WithBatchTimeout(500*time.Millisecond)))
	t.tracer = t.spans.Tracer("shop")
	if to, err = url.JoinPath(base, "/v1/logs"); err != nil {
		return nil, fmt.Errorf("cannot send logs to %q: %w", base, err)
	}
	t.lines, t.done = make(chan logLine, 1000), make(chan struct{})
	go t.sendLines(to, who)
	return t, nil
}

// stop sends what is left.
func (t *telemetry) stop() {
	if t.spans == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_ = t.spans.Shutdown(ctx) // who does not answer now has no use for them
	close(t.lines)
	<-t.done
}

// begin begins the span of a request that came in.
func (t *telemetry) begin(r *http.Request, on route) (*http.Request, trace.Span) {
	ctx := carrier.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	ctx, span := t.tracer.Start(ctx, on.method+" "+on.path, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
		attribute.String("http.request.method", r.Method), attribute.String("http.route", on.path), attribute.String("url.path", r.URL.Path)))
	return r.WithContext(ctx), span
}

// end ends it. What went wrong on our side is an error, and a line.
func (t *telemetry) end(ctx context.Context, span trace.Span, on route, code int, said string) {
	span.SetAttributes(attribute.Int("http.response.status_code", code))
	if code >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, said)
		t.say(ctx, slog.LevelError, fmt.Sprintf("%s %s failed with %d: %s", on.method, on.path, code, said))
	}
	span.End()
}

// call is a request to another service, with a span of its own.
func (t *telemetry) call(ctx context.Context, target string, req *http.Request) (*http.Request, func(code int, err error)) {
	ctx, span := t.tracer.Start(ctx, req.Method+" "+target, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		attribute.String("http.request.method", req.Method), attribute.String("peer.service", target), attribute.String("url.path", req.URL.Path)))
	req = req.WithContext(ctx)
	carrier.Inject(ctx, propagation.HeaderCarrier(req.Header))
	return req, func(code int, err error) {
		if code != 0 {
			span.SetAttributes(attribute.Int("http.response.status_code", code))
		}
		switch {
		case err != nil:
			span.SetStatus(codes.Error, err.Error())
			t.say(ctx, slog.LevelWarn, fmt.Sprintf("cannot ask %s: %v", target, err))
		case code >= http.StatusBadRequest:
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}

// wrong marks the span that the context is in: it answers, and something is wrong.
func (t *telemetry) wrong(ctx context.Context, err error) {
	span := trace.SpanFromContext(ctx)
	span.RecordError(err)
	span.SetStatus(codes.Error, err.Error())
	t.say(ctx, slog.LevelError, err.Error())
}

// say sends a line. When nobody takes lines fast enough it is left out: a service must
// not wait for its logs.
func (t *telemetry) say(ctx context.Context, level slog.Level, message string, attrs ...slog.Attr) {
	if t.lines == nil {
		return
	}
	select {
	case t.lines <- logLine{at: time.Now(), level: level, message: message, attrs: attrs, span: trace.SpanContextFromContext(ctx)}:
	default:
	}
}

func (t *telemetry) sendLines(to string, who []attribute.KeyValue) {
	defer close(t.done)
	client := &http.Client{Timeout: 2 * time.Second}
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	var waiting []logLine
	for open := true; open; {
		select {
		case l, ok := <-t.lines:
			if open = ok; ok {
				waiting = append(waiting, l)
				continue
			}
		case <-tick.C:
		}
		if len(waiting) == 0 {
			continue
		}
		body, err := export(waiting, who)
		waiting = waiting[:0]
		if err != nil {
			continue
		}
		res, err := client.Post(to, "application/x-protobuf", bytes.NewReader(body))
		if err == nil {
			drainBody(res.Body)
			_ = res.Body.Close()
		}
	}
}

func export(lines []logLine, who []attribute.KeyValue) ([]byte, error) {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	for _, a := range who {
		rl.Resource().Attributes().PutStr(string(a.Key), a.Value.AsString())
	}
	records := rl.ScopeLogs().AppendEmpty().LogRecords()
	for _, l := range lines {
		r := records.AppendEmpty()
		r.SetTimestamp(pcommon.NewTimestampFromTime(l.at))
		r.SetSeverityText(l.level.String())
		r.SetSeverityNumber(plog.SeverityNumber(int(l.level) + 9)) // slog's levels are four apart, as OpenTelemetry's are
		r.Body().SetStr(l.message)
		for _, a := range l.attrs {
			r.Attributes().PutStr(a.Key, a.Value.String())
		}
		if l.span.IsValid() {
			r.SetTraceID(pcommon.TraceID(l.span.TraceID()))
			r.SetSpanID(pcommon.SpanID(l.span.SpanID()))
		}
	}
	return plogotlp.NewExportRequestFromLogs(ld).MarshalProto()
}
