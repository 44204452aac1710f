package host_test

import (
	"context"
	"log/slog"
	"math"
	"os"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"

	"github.com/evenkeel/evenkeel/declare/settings"
	"github.com/evenkeel/evenkeel/observe/host"
	"github.com/evenkeel/evenkeel/observe/metrics"
)

var discard = slog.New(slog.DiscardHandler)

func open(t *testing.T) *metrics.Store {
	t.Helper()
	store, err := metrics.Open(metrics.Options{Dir: t.TempDir(), Settings: settings.Default(), Logger: discard, Registerer: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

// last is the newest value of each series of a metric.
func last(t *testing.T, store *metrics.Store, name string) map[string]float64 {
	t.Helper()
	q, err := store.Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	out := map[string]float64{}
	for set := q.Select(context.Background(), false, nil, labels.MustNewMatcher(labels.MatchEqual, "__name__", name)); set.Next(); {
		for it := set.At().Iterator(nil); it.Next() != 0; {
			_, out[set.At().Labels().String()] = it.At()
		}
	}
	return out
}

func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !so(); {
		if time.Now().After(deadline) {
			t.Fatalf("not in 20 s: %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func run(t *testing.T, c *host.Collector) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestThisMachine: node_exporter's names, with what the kernel says.
func TestThisMachine(t *testing.T) {
	if _, err := os.Stat("/proc/meminfo"); err != nil {
		t.Fatal("expected a Linux machine: ", err)
	}
	gatherer, err := host.Registry(discard)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := host.Registry(discard); err != nil {
		t.Fatalf("a second time: %v", err)
	}
	store := open(t)
	run(t, &host.Collector{Job: "node", Instance: "here", Gatherer: gatherer, Interval: time.Hour, Store: store, Logger: discard})
	eventually(t, "up", func() bool { return last(t, store, "up")[`{__name__="up", instance="here", job="node"}`] == 1 })
	f := func(name string, least float64) {
		t.Helper()
		got := last(t, store, name)
		if len(got) == 0 {
			t.Errorf("%s is not there", name)
		}
		for ls, v := range got {
			if v < least {
				t.Errorf("%s is %v, expected at least %v", ls, v, least)
			}
		}
	}
	f("node_memory_MemTotal_bytes", 1<<20)
	f("node_cpu_seconds_total", 0)
	f("node_load1", 0)
	f("node_filesystem_size_bytes", 0)
	f("node_boot_time_seconds", 1e9)
	f("node_uname_info", 1)
	f("node_network_receive_bytes_total", 0)
	f("node_disk_reads_completed_total", 0)
}

// TestOwnMetrics: each kind of metric, and the end of a series that vanished.
func TestOwnMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	counter := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "c"}, []string{"job"})
	histogram := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "h", Buckets: []float64{1, 2.5}})
	summary := prometheus.NewSummary(prometheus.SummaryOpts{Name: "s", Objectives: map[float64]float64{0.5: 0.1}})
	reg.MustRegister(counter, histogram, summary)
	counter.WithLabelValues("own").Add(3)
	histogram.Observe(2)
	summary.Observe(7)
	store := open(t)
	run(t, &host.Collector{Job: "evenkeel", Instance: "i", Gatherer: reg, Interval: 20 * time.Millisecond, Store: store, Logger: discard})

	f := func(name, ls string, want float64) {
		t.Helper()
		eventually(t, ls, func() bool { v, ok := last(t, store, name)[ls]; return ok && v == want })
	}
	f("c", `{__name__="c", exported_job="own", instance="i", job="evenkeel"}`, 3)
	f("h_bucket", `{__name__="h_bucket", instance="i", job="evenkeel", le="1.0"}`, 0)
	f("h_bucket", `{__name__="h_bucket", instance="i", job="evenkeel", le="2.5"}`, 1)
	f("h_bucket", `{__name__="h_bucket", instance="i", job="evenkeel", le="+Inf"}`, 1)
	f("h_sum", `{__name__="h_sum", instance="i", job="evenkeel"}`, 2)
	f("s", `{__name__="s", instance="i", job="evenkeel", quantile="0.5"}`, 7)
	f("s_count", `{__name__="s_count", instance="i", job="evenkeel"}`, 1)

	counter.Reset()
	eventually(t, "a staleness marker", func() bool {
		for _, v := range last(t, store, "c") {
			return value.IsStaleNaN(v)
		}
		return false
	})
	counter.WithLabelValues("own").Add(1)
	f("c", `{__name__="c", exported_job="own", instance="i", job="evenkeel"}`, 1)
}
