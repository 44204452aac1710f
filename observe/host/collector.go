package host

import (
	"context"
	"log/slog"
	"math"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"

	"github.com/evenkeel/evenkeel/observe/metrics"
)

// Collector writes what a Gatherer has into the store at an interval.
type Collector struct {
	Job      string
	Instance string
	Gatherer prometheus.Gatherer
	Interval time.Duration
	Store    *metrics.Store
	Logger   *slog.Logger
}

// Run collects until ctx ends.
func (c *Collector) Run(ctx context.Context) error {
	door := c.Store.Guarded("host", false)
	last := map[uint64]labels.Labels{}
	tick := time.NewTicker(c.Interval)
	defer tick.Stop()
	for {
		last = c.collect(ctx, door, time.Now(), last)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// collect writes one round and returns the series that it wrote.
func (c *Collector) collect(ctx context.Context, door *metrics.Door, now time.Time, last map[uint64]labels.Labels) map[uint64]labels.Labels {
	families, err := c.Gatherer.Gather()
	up := 1.0
	if err != nil {
		// Gather returns what it could; a part that failed must not hide the rest.
		c.Logger.Warn("cannot collect all metrics", "job", c.Job, "err", err)
		if len(families) == 0 {
			up = 0
		}
	}
	g := door.Begin(ctx)
	seen := make(map[uint64]labels.Labels, len(last))
	b := labels.NewBuilder(labels.EmptyLabels())
	put := func(name string, m *dto.Metric, v float64, extra ...string) {
		b.Reset(labels.EmptyLabels())
		for _, l := range m.GetLabel() {
			name := l.GetName()
			if name == "job" || name == "instance" {
				name = "exported_" + name // as of a scraped target
			}
			b.Set(name, l.GetValue())
		}
		for i := 0; i+1 < len(extra); i += 2 {
			b.Set(extra[i], extra[i+1])
		}
		b.Set(labels.MetricName, name)
		b.Set("job", c.Job)
		b.Set("instance", c.Instance)
		ls := b.Labels()
		seen[ls.Hash()] = ls
		// An error is the store's, and Commit returns it.
		_, _ = g.Append(0, ls, 0, now.UnixMilli(), v, nil, nil, storage.AOptions{})
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			write(f, m, put)
		}
	}
	put("up", &dto.Metric{}, up)
	for hash, ls := range last {
		if _, still := seen[hash]; !still {
			_, _ = g.Append(0, ls, 0, now.UnixMilli(), math.Float64frombits(value.StaleNaN), nil, nil, storage.AOptions{})
		}
	}
	if err := g.Commit(); err != nil {
		c.Logger.Error("cannot store metrics", "job", c.Job, "err", err)
	}
	return seen
}

func write(f *dto.MetricFamily, m *dto.Metric, put func(name string, m *dto.Metric, v float64, extra ...string)) {
	name := f.GetName()
	switch f.GetType() {
	case dto.MetricType_COUNTER:
		put(name, m, m.GetCounter().GetValue())
	case dto.MetricType_GAUGE:
		put(name, m, m.GetGauge().GetValue())
	case dto.MetricType_SUMMARY:
		for _, q := range m.GetSummary().GetQuantile() {
			put(name, m, q.GetValue(), "quantile", number(q.GetQuantile()))
		}
		put(name+"_sum", m, m.GetSummary().GetSampleSum())
		put(name+"_count", m, float64(m.GetSummary().GetSampleCount()))
	case dto.MetricType_HISTOGRAM:
		h := m.GetHistogram()
		inf := false
		for _, bk := range h.GetBucket() {
			put(name+"_bucket", m, float64(bk.GetCumulativeCount()), "le", number(bk.GetUpperBound()))
			inf = inf || math.IsInf(bk.GetUpperBound(), 1)
		}
		if !inf && len(h.GetBucket()) > 0 {
			put(name+"_bucket", m, float64(h.GetSampleCount()), "le", "+Inf")
		}
		put(name+"_sum", m, h.GetSampleSum())
		put(name+"_count", m, float64(h.GetSampleCount()))
	default:
		put(name, m, m.GetUntyped().GetValue())
	}
}

func number(f float64) string {
	if math.IsInf(f, 1) {
		return "+Inf"
	}
	s := strconv.FormatFloat(f, 'g', -1, 64)
	if f == math.Trunc(f) && !math.IsInf(f, 0) && math.Abs(f) < 1e15 {
		return strconv.FormatFloat(f, 'f', 1, 64) // as Prometheus writes le="1.0"
	}
	return s
}
