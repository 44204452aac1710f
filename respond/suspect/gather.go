package suspect

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// Store is where metrics are read: the embedded one or any other.
type Store interface {
	Querier(mint, maxt int64) (storage.Querier, error)
}

const (
	maxSeries = 5000 // of one case
	cells     = 720  // of the time axis, for each
)

// Gather reads the signals of some resources from a metrics store. names maps what the
// labels service and job say to the resource it is. Counters become rates, histograms
// and summaries means, and of counters that tell outcomes apart the share that
// succeeds. Series of one metric and resource are joined: rates add up, gauges are
// averaged. The second result says that there were more series than one case reads.
func Gather(ctx context.Context, store Store, names map[string]string, from, to time.Time) ([]Signal, bool, error) {
	q, err := store.Querier(from.UnixMilli(), to.UnixMilli())
	if err != nil {
		return nil, false, fmt.Errorf("cannot read metrics: %w", err)
	}
	defer q.Close()
	g := gatherer{from: from.UnixMilli(), step: max((to.UnixMilli()-from.UnixMilli())/cells, 1000), series: map[seriesKey]*joined{}}
	g.cells = int((to.UnixMilli()-from.UnixMilli())/g.step) + 1
	var quoted []string
	for n := range names {
		quoted = append(quoted, regexp.QuoteMeta(n))
	}
	slices.Sort(quoted)
	any := strings.Join(quoted, "|")
	read := 0
	for _, by := range [][]*labels.Matcher{
		{labels.MustNewMatcher(labels.MatchRegexp, "service", any)},
		{labels.MustNewMatcher(labels.MatchEqual, "service", ""), labels.MustNewMatcher(labels.MatchRegexp, "job", any)},
	} {
		set := q.Select(ctx, false, nil, by...)
		for set.Next() {
			l := set.At().Labels()
			name := l.Get(labels.MetricName)
			if ignored(name) {
				continue
			}
			if read++; read > maxSeries {
				return g.signals(), true, nil
			}
			resource := names[l.Get("service")]
			if resource == "" {
				resource = names[l.Get("job")]
			}
			if err := g.add(resource, name, l, set.At().Iterator(nil)); err != nil {
				return nil, false, fmt.Errorf("cannot read metrics of %s: %w", resource, err)
			}
		}
		if err := set.Err(); err != nil {
			return nil, false, fmt.Errorf("cannot read metrics: %w", err)
		}
	}
	return g.signals(), false, nil
}

// ignored are series that say nothing of a cause: buckets, facts about a build, what
// the scraper and the alerts write themselves, the inner life of Go's allocator, and
// what a process tells of its whole machine.
func ignored(name string) bool {
	for _, s := range []string{"_bucket", "_info", "_created", "_timestamp_seconds", "_start_time_seconds"} {
		if strings.HasSuffix(name, s) {
			return true
		}
	}
	for _, p := range []string{"ALERTS", "scrape_", "promhttp_", "process_network_", "process_virtual_memory_", "process_max_", "go_memstats_", "go_sched_", "go_gc_", "go_godebug_", "go_cgo_", "go_cpu_", "slo:", "slo_"} {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return name == ""
}

type seriesKey struct{ resource, metric string }

// joined is the sum of the series of one key, by cell.
type joined struct {
	sum    []float64
	n      []int
	mean   bool
	failed []float64 // of a counter that tells outcomes apart
}

type gatherer struct {
	from, step int64
	cells      int
	series     map[seriesKey]*joined
	order      []seriesKey
}

func (g *gatherer) of(k seriesKey) *joined {
	j := g.series[k]
	if j == nil {
		j = &joined{sum: make([]float64, g.cells), n: make([]int, g.cells)}
		g.series[k] = j
		g.order = append(g.order, k)
	}
	return j
}

// add reads one series into the cells: the last sample of each, for a counter the
// increase since the last one before.
func (g *gatherer) add(resource, name string, l labels.Labels, it chunkenc.Iterator) error {
	counter := strings.HasSuffix(name, "_total") || strings.HasSuffix(name, "_count") || strings.HasSuffix(name, "_sum")
	j := g.of(seriesKey{resource, name})
	j.mean = !counter
	bad := counter && failedOutcome(l)
	if bad && j.failed == nil {
		j.failed = make([]float64, g.cells)
	}
	cell, value, seen := -1, 0.0, false // the last cell and its last value
	before, beforeAt, first := 0.0, int64(0), true
	var lastAt int64
	flush := func() {
		if !seen {
			return
		}
		v := value
		if counter {
			if first {
				before, beforeAt, first = value, lastAt, false
				return
			}
			if v -= before; v < 0 { // a reset
				v = value
			}
			gap := float64(lastAt-beforeAt) / 1000
			before, beforeAt = value, lastAt
			if gap <= 0 {
				return
			}
			v /= gap
			if bad {
				j.failed[cell] += v
			}
		}
		j.sum[cell] += v
		j.n[cell]++
	}
	for t := it.Next(); t != chunkenc.ValNone; t = it.Next() {
		if t != chunkenc.ValFloat {
			continue
		}
		at, v := it.At()
		if v != v { // stale, or no number
			continue
		}
		if c := int((at - g.from) / g.step); c != cell {
			flush()
			cell, seen = c, c >= 0 && c < g.cells
		}
		value, lastAt = v, at
	}
	flush()
	return it.Err()
}

// failedOutcome says that the labels of a counter tell of a failure.
func failedOutcome(l labels.Labels) bool {
	for _, name := range []string{"code", "status", "status_code", "http_status_code", "http_response_status_code", "grpc_code", "result", "outcome"} {
		switch v := strings.ToLower(l.Get(name)); {
		case v == "":
		case len(v) == 3 && v[0] == '5', v == "5xx", strings.Contains(v, "err"), strings.Contains(v, "fail"),
			v == "internal", v == "unavailable", v == "deadlineexceeded", v == "unknown", v == "dataloss":
			return true
		}
	}
	return false
}

// signals turns the cells into signals.
func (g *gatherer) signals() []Signal {
	var out []Signal
	for _, k := range g.order {
		j := g.series[k]
		base, isSum := strings.CutSuffix(k.metric, "_sum")
		s := Signal{Resource: k.resource, Metric: k.metric}
		ok := Signal{Resource: k.resource, Metric: k.metric + " that succeed", class: "availability"}
		var count *joined
		if isSum {
			count = g.series[seriesKey{k.resource, base + "_count"}]
			s.Metric = base + " mean"
		}
		for c := range g.cells {
			if j.n[c] == 0 {
				continue
			}
			at, v := g.from+int64(c)*g.step, j.sum[c]
			switch {
			case isSum && (count == nil || count.sum[c] == 0):
				continue // nothing was asked: no mean
			case isSum:
				v /= count.sum[c]
			case j.mean:
				v /= float64(j.n[c])
			}
			s.Times, s.Values = append(s.Times, at), append(s.Values, v)
			if j.failed != nil && v > 0 {
				ok.Times, ok.Values = append(ok.Times, at), append(ok.Values, 1-min(j.failed[c]/v, 1))
			}
		}
		for _, x := range []Signal{s, ok} {
			if len(x.Times) > 0 {
				out = append(out, x)
			}
		}
	}
	return out
}
