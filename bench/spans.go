//go:build bench

package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

const (
	tracesPerBatch = 125
	spansPerTrace  = 8
)

// spanBatch is an OTLP request as a collector sends it, and the IDs of its traces.
func spanBatch(r *rand.Rand, at time.Time) (body []byte, ids []string, err error) {
	services := []string{"storefront", "cart", "checkout", "payments", "stock", "mail"}
	td := ptrace.NewTraces()
	scopes := map[string]ptrace.ScopeSpans{}
	for i, s := range services {
		rs := td.ResourceSpans().AppendEmpty()
		a := rs.Resource().Attributes()
		a.PutStr("service.name", s)
		a.PutStr("service.version", "1.4.2")
		a.PutStr("k8s.namespace.name", "shop")
		a.PutStr("k8s.pod.name", fmt.Sprintf("%s-6c9d-%d", s, i))
		a.PutStr("host.name", fmt.Sprintf("node-%d", i%3))
		scope := rs.ScopeSpans().AppendEmpty()
		scope.Scope().SetName("otelhttp")
		scopes[s] = scope
	}
	for range tracesPerBatch {
		var id pcommon.TraceID
		for i := range id {
			id[i] = byte(r.Uint32())
		}
		ids = append(ids, fmt.Sprintf("%x", id[:]))
		var parent pcommon.SpanID
		start := at.Add(time.Duration(r.IntN(1000)) * time.Millisecond)
		for k := range spansPerTrace {
			service := services[(k*5+r.IntN(2))%len(services)]
			sp := scopes[service].Spans().AppendEmpty()
			var own pcommon.SpanID
			for i := range own {
				own[i] = byte(r.Uint32())
			}
			sp.SetTraceID(id)
			sp.SetSpanID(own)
			sp.SetParentSpanID(parent)
			route := fmt.Sprintf("/%s/%d", service, k)
			sp.SetName("GET " + route)
			sp.SetKind([]ptrace.SpanKind{ptrace.SpanKindServer, ptrace.SpanKindClient}[k%2])
			from := start.Add(time.Duration(k) * time.Millisecond)
			sp.SetStartTimestamp(pcommon.NewTimestampFromTime(from))
			sp.SetEndTimestamp(pcommon.NewTimestampFromTime(from.Add(time.Duration(1+r.IntN(200)) * time.Millisecond)))
			a := sp.Attributes()
			a.PutStr("http.request.method", "GET")
			a.PutStr("http.route", route)
			a.PutStr("url.path", fmt.Sprintf("/%s/%d", service, r.IntN(1e6)))
			a.PutInt("http.response.status_code", int64(200+r.IntN(4)*100))
			a.PutStr("client.address", fmt.Sprintf("10.%d.%d.%d", r.IntN(256), r.IntN(256), r.IntN(256)))
			a.PutStr("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64)")
			if r.IntN(20) == 0 {
				sp.Status().SetCode(ptrace.StatusCodeError)
				e := sp.Events().AppendEmpty()
				e.SetName("exception")
				e.SetTimestamp(sp.EndTimestamp())
				e.Attributes().PutStr("exception.message", fmt.Sprintf("cannot reach %s: connection refused", service))
			}
			parent = own
		}
	}
	body, err = (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
	return body, ids, err
}

// spanServer is one side: where it takes spans, where it answers, and where it keeps them.
type spanServer struct {
	name, in, api, data string
	*process
}

// jaeger runs Jaeger with its own embedded store, Badger, on disk.
func (b *bench) jaeger(ctx context.Context, dir string) (*spanServer, error) {
	binary, err := b.peer("jaeger")
	if err != nil {
		return nil, err
	}
	var addrs [5]string
	for i := range addrs {
		if addrs[i], err = free(); err != nil {
			return nil, err
		}
	}
	data := filepath.Join(dir, "badger")
	config := filepath.Join(dir, "jaeger.yml")
	if err := os.WriteFile(config, fmt.Appendf(nil, `
service:
  extensions: [jaeger_storage, jaeger_query, healthcheckv2]
  pipelines:
    traces: {receivers: [otlp], processors: [batch], exporters: [jaeger_storage_exporter]}
  telemetry: {metrics: {level: none}, logs: {level: error}}
extensions:
  healthcheckv2: {use_v2: true, http: {endpoint: %q}}
  jaeger_query:
    storage: {traces: kept}
    http: {endpoint: %q}
    grpc: {endpoint: %q}
  jaeger_storage:
    backends:
      kept: {badger: {directories: {keys: %q, values: %q}, ephemeral: false, ttl: {spans: 168h}}}
receivers:
  otlp: {protocols: {http: {endpoint: %q}, grpc: {endpoint: %q}}}
processors: {batch: {}}
exporters: {jaeger_storage_exporter: {trace_storage: kept}}
`, addrs[0], addrs[1], addrs[2], data, data, addrs[3], addrs[4]), 0o600); err != nil {
		return nil, err
	}
	p, err := b.start(ctx, binary, addrs[0], "/status", "--config", config)
	if err != nil {
		return nil, err
	}
	return &spanServer{name: "Jaeger", in: "http://" + addrs[3] + "/v1/traces", api: "http://" + addrs[1] + "/api/traces/", data: data, process: p}, nil
}

func (b *bench) ourSpans(ctx context.Context, dir string) (*spanServer, error) {
	p, err := b.evenkeelIn(ctx, dir)
	if err != nil {
		return nil, err
	}
	return &spanServer{name: "Evenkeel", in: p.url + "/v1/traces", api: p.url + "/jaeger/api/traces/", data: filepath.Join(dir, "data", "traces", "data"), process: p}, nil
}

// spans pushes one stream of spans to our server and to Jaeger.
func (b *bench) spans(ctx context.Context) error {
	r := rand.New(rand.NewPCG(3, 4))
	from := time.Now().Add(-30 * time.Minute)
	var bodies [][]byte
	var ids []string
	size64 := 0
	for i := range b.SpanBatches {
		body, some, err := spanBatch(r, from.Add(time.Duration(i)*time.Second))
		if err != nil {
			return err
		}
		bodies, size64 = append(bodies, body), size64+len(body)
		if i%max(b.SpanBatches/10, 1) == 0 || i == b.SpanBatches-1 {
			ids = append(ids, some[len(some)-1])
		}
	}
	n := float64(b.SpanBatches * tracesPerBatch * spansPerTrace)
	var cpu, disk Pairs // theirs to ours
	for pair := range b.Pairs {
		c, d, err := b.pushSpans(ctx, b.ourSpans, bodies, ids)
		if err != nil {
			return err
		}
		pc, pd, err := b.pushSpans(ctx, b.jaeger, bodies, ids)
		if err != nil {
			return err
		}
		cpu.Add(c/n, pc/n)
		disk.Add(d/n, pd/n)
		b.say("  pair %d: ours %s a span, Jaeger's %s", pair+1, seconds(c/n), seconds(pc/n))
	}
	b.Section("Spans")
	b.Text("%d requests of %s spans by OTLP over HTTP (%.0f MiB), one after the other, on a fresh server each; the time of both until the traces can be read whole and for eight seconds more. Ours writes ahead, and makes request, error and duration series and the graph of services while it takes them in. Jaeger keeps them in Badger, the store that it embeds; it acknowledges before it stores.", b.SpanBatches, thousands(tracesPerBatch*spansPerTrace), float64(size64)/(1<<20))
	b.Table(
		[]string{"", "Evenkeel", "Jaeger", "theirs, times ours"},
		[]string{"CPU a span", seconds(median(cpu.Ours)), seconds(median(cpu.Theirs)), cpu.times()},
		[]string{"spans a CPU second", number(1 / median(cpu.Ours)), number(1 / median(cpu.Theirs)), ""},
		[]string{"bytes on disk a span", size(median(disk.Ours)), size(median(disk.Theirs)), disk.times()},
	)
	ratio, _, _ := cpu.Ratio()
	b.Goal("span ingest: Jaeger's CPU, times ours", ratio, false, 1, "")
	ratio, _, _ = disk.Ratio()
	b.Goal("spans: Jaeger's bytes on disk, times ours", ratio, false, 1, "")
	return nil
}

// pushSpans measures one server: CPU seconds and bytes on disk. It fails unless the
// traces that are asked for can be read whole.
func (b *bench) pushSpans(ctx context.Context, start func(context.Context, string) (*spanServer, error), bodies [][]byte, ids []string) (cpu, disk float64, err error) {
	dir, err := os.MkdirTemp(b.dir, "spans-")
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s, err := start(ctx, dir)
	if err != nil {
		return 0, 0, err
	}
	running := true
	defer func() {
		if running {
			s.stop()
		}
	}()
	cpu, err = s.measure(func() error {
		for _, body := range bodies {
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.in, bytes.NewReader(body))
			if err != nil {
				return err
			}
			req.Header.Set("Content-Type", "application/x-protobuf")
			if err := do(req, nil); err != nil {
				return err
			}
		}
		for _, id := range ids {
			if err := s.whole(ctx, id); err != nil {
				return err
			}
		}
		return pause(ctx, 8*time.Second)
	})
	if err != nil {
		return 0, 0, err
	}
	running = false
	s.stop()
	disk, err = folderSize(s.data)
	return cpu, disk, err
}

// whole waits until a trace can be read with all of its spans.
func (s *spanServer) whole(ctx context.Context, id string) error {
	for deadline := time.Now().Add(time.Minute); ; {
		var answer struct {
			Data []struct{ Spans []struct{ SpanID string } }
		}
		err := get(ctx, s.api+id, &answer)
		if err == nil && len(answer.Data) == 1 && len(answer.Data[0].Spans) == spansPerTrace {
			return nil
		}
		if err != nil && !strings.Contains(err.Error(), "404") || time.Now().After(deadline) {
			return fmt.Errorf("%s does not have trace %s whole: %w", s.name, id, err)
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}
