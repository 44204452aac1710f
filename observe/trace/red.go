package trace

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"github.com/evenkeel/evenkeel/observe/metrics"
)

// The series that are made of spans, with the names that Tempo and the Collector's
// connectors gave them, so that their dashboards show something.
const (
	CallsTotal   = "traces_spanmetrics_calls_total"              // by service, span_name, span_kind, status_code
	Latency      = "traces_spanmetrics_latency"                  // a classic histogram in seconds, by service, span_name, span_kind
	GraphTotal   = "traces_service_graph_request_total"          // by client, server
	GraphFailed  = "traces_service_graph_request_failed_total"   // the same
	GraphLatency = "traces_service_graph_request_server_seconds" // a classic histogram, the same
)

// bounds are those of latency buckets, in seconds.
var bounds = []float64{.002, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}

const (
	maxSeries  = 5_000            // kinds of span that have series of their own; others share one a service
	other      = "(other)"        // the span_name of the rest
	flushEvery = 2 * time.Second  // what has changed is written
	repeat     = time.Minute      // what has not is written again, so that queries find it
	forget     = 15 * time.Minute // after so long without a span its series end
)

// Red makes request, error and duration series of spans as they come in, and the graph
// of who calls whom. Counters begin at zero when the process does, with a start time, so
// that rate and increase count the first span too.
type Red struct {
	door *metrics.Door
	log  *slog.Logger

	mu    sync.Mutex
	ops   map[operation]*counted
	edges map[edge]*counted
	pairs pairs
}

type operation struct {
	service, name string
	kind          Kind
}

// edge is a call from one service to another.
type edge struct{ client, server string }

// counted are the counters of an operation or an edge.
type counted struct {
	began         time.Time
	changed, told time.Time
	status        [3]uint64 // unset, ok, error
	buckets       []uint64  // one more than bounds; not cumulative
	sum           float64
	examples      []example // one a bucket, the last
	refs          map[string]storage.SeriesRef
}

type example struct {
	trace, span string
	seconds     float64
	at          int64 // Unix milliseconds; 0: there is none
}

// NewRed makes one that writes to the metrics store.
func NewRed(store *metrics.Store, log *slog.Logger) *Red {
	return &Red{
		door: store.Guarded("spans", false), log: log,
		ops: map[operation]*counted{}, edges: map[edge]*counted{}, pairs: pairs{waiting: map[spanID]call{}},
	}
}

// seen is what counts of a span.
type seen struct {
	operation
	id, parent   spanID
	peer         string
	failed, fine bool
	start        int64
	took         int64
}

type spanID struct{ trace, span string }

// peers are attributes that name who was called, when nobody there sends spans.
var peers = []string{"peer.service", "db.system.name", "db.system", "messaging.system", "rpc.service", "server.address"}

func sightOf(s *Span) seen {
	out := seen{
		operation: operation{s.Service, s.Name, s.Kind}, id: spanID{s.TraceID, s.SpanID}, failed: s.Status == Error, fine: s.Status == OK, start: s.Start, took: s.Duration,
	}
	if s.ParentID != "" {
		out.parent = spanID{s.TraceID, s.ParentID}
	}
	if s.Kind == Client || s.Kind == Producer {
		for _, key := range peers {
			if a, ok := find(s.Attrs, key); ok && a.Value != "" {
				out.peer = a.Value
				break
			}
		}
	}
	return out
}

func (r *Red) see(all []seen) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range all {
		s := &all[i]
		op := s.operation
		c := r.ops[op]
		if c == nil {
			if len(r.ops) >= maxSeries {
				op.name = other
			}
			if c = r.ops[op]; c == nil {
				c = newCounted(now)
				r.ops[op] = c
			}
		}
		c.count(s, now)
		if call, ok := r.pairs.match(s, now); ok {
			r.call(call, now)
		}
	}
}

// call counts a call between services.
func (r *Red) call(c call, now time.Time) {
	if c.client == "" || c.server == "" || c.client == c.server {
		return
	}
	e := edge{c.client, c.server}
	n := r.edges[e]
	if n == nil {
		if len(r.edges) >= maxSeries {
			return
		}
		n = newCounted(now)
		r.edges[e] = n
	}
	n.count(&c.seen, now)
}

func newCounted(now time.Time) *counted {
	return &counted{began: now.Add(-time.Millisecond), buckets: make([]uint64, len(bounds)+1), examples: make([]example, len(bounds)+1), refs: map[string]storage.SeriesRef{}}
}

func (c *counted) count(s *seen, now time.Time) {
	seconds := float64(s.took) / 1e9
	i, _ := slices.BinarySearch(bounds, seconds)
	c.buckets[i]++
	c.sum += seconds
	switch {
	case s.failed:
		c.status[2]++
	case s.fine:
		c.status[1]++
	default:
		c.status[0]++
	}
	c.examples[i] = example{s.id.trace, s.id.span, seconds, now.UnixMilli()}
	c.changed = now
}

// Run writes the series until ctx ends, and once more then.
func (r *Red) Run(ctx context.Context) error {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			r.write(context.WithoutCancel(ctx), time.Now())
			return nil
		case now := <-tick.C:
			r.write(ctx, now)
		}
	}
}

// Flush writes what has changed now. For tests and the end of a batch of old spans.
func (r *Red) Flush(ctx context.Context) { r.write(ctx, time.Now()) }

func (r *Red) write(ctx context.Context, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.pairs.expire(now) {
		r.call(c, now)
	}
	g := r.door.Begin(ctx)
	w := writer{g: g, now: now.UnixMilli()}
	for op, c := range r.ops {
		if !c.due(now) {
			if now.Sub(c.changed) > forget {
				delete(r.ops, op)
			}
			continue
		}
		base := []string{"service", op.service, "span_name", op.name, "span_kind", "SPAN_KIND_" + kindName(op.kind)}
		for i, code := range []string{"UNSET", "OK", "ERROR"} {
			if c.status[i] > 0 {
				w.put(c, float64(c.status[i]), append(base[:len(base):len(base)], labels.MetricName, CallsTotal, "status_code", "STATUS_CODE_"+code))
			}
		}
		w.histogram(c, Latency, base)
		c.told = now
	}
	for e, c := range r.edges {
		if !c.due(now) {
			if now.Sub(c.changed) > forget {
				delete(r.edges, e)
			}
			continue
		}
		base := []string{"client", e.client, "server", e.server}
		w.put(c, float64(c.status[0]+c.status[1]+c.status[2]), append(base[:len(base):len(base)], labels.MetricName, GraphTotal))
		w.put(c, float64(c.status[2]), append(base[:len(base):len(base)], labels.MetricName, GraphFailed))
		w.histogram(c, GraphLatency, base)
		c.told = now
	}
	if err := g.Commit(); err != nil {
		r.log.Error("cannot store the series of spans", "err", err)
	}
}

// due says whether there is something to write: new spans, or a value that queries
// would soon no longer find.
func (c *counted) due(now time.Time) bool {
	return !c.changed.Before(c.told) || now.Sub(c.told) >= repeat && now.Sub(c.changed) <= forget
}

func kindName(k Kind) string {
	switch k {
	case Server:
		return "SERVER"
	case Client:
		return "CLIENT"
	case Producer:
		return "PRODUCER"
	case Consumer:
		return "CONSUMER"
	case Internal:
		return "INTERNAL"
	}
	return "UNSPECIFIED"
}

type writer struct {
	g   *metrics.Guard
	now int64
}

// put appends a counter; a failure of the store ends in Commit's error.
func (w *writer) put(c *counted, v float64, pairs []string) (storage.SeriesRef, labels.Labels) {
	ls := labels.FromStrings(pairs...)
	key := ls.String()
	ref, err := w.g.Append(c.refs[key], ls, c.began.UnixMilli(), w.now, v, nil, nil, storage.AOptions{})
	if err == nil {
		c.refs[key] = ref
	}
	return ref, ls
}

func (w *writer) histogram(c *counted, name string, base []string) {
	total := uint64(0)
	for i, n := range c.buckets {
		total += n
		le := "+Inf"
		if i < len(bounds) {
			le = strconv.FormatFloat(bounds[i], 'g', -1, 64)
		}
		ref, ls := w.put(c, float64(total), append(base[:len(base):len(base)], labels.MetricName, name+"_bucket", labels.BucketLabel, le))
		if e := c.examples[i]; e.at > max(0, c.told.UnixMilli()) && ref != 0 {
			_, _ = w.g.AppendExemplars(ref, ls, []exemplar.Exemplar{{Labels: labels.FromStrings("trace_id", e.trace, "span_id", e.span), Value: e.seconds, Ts: e.at, HasTs: true}})
		}
	}
	w.put(c, float64(total), append(base[:len(base):len(base)], labels.MetricName, name+"_count"))
	w.put(c, c.sum, append(base[:len(base):len(base)], labels.MetricName, name+"_sum"))
}
