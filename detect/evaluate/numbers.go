package evaluate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql"
)

// numbers is what the engine exports about itself.
type numbers struct {
	turn      atomic.Int64
	evaluated prometheus.Counter
	left      *prometheus.CounterVec
	loaded    prometheus.Counter
	mended    prometheus.Counter
	checked   prometheus.Counter
	differ    prometheus.Counter
	worst     prometheus.Gauge
	worstSeen float64 // under Incremental.mu
}

func newNumbers(r prometheus.Registerer, e *Incremental) *numbers {
	f := promauto.With(r)
	counter := func(name, help string) prometheus.Counter {
		return f.NewCounter(prometheus.CounterOpts{Name: "evenkeel_evaluate_" + name, Help: help})
	}
	gauge := func(name, help string, v func() float64) {
		f.NewGaugeFunc(prometheus.GaugeOpts{Name: "evenkeel_evaluate_" + name, Help: help}, v)
	}
	gauge("state_bytes", "Memory of the windows that are kept between evaluations.", func() float64 { return float64(e.used.Load()) })
	gauge("state_limit_bytes", "Memory that these windows may take.", func() float64 { return float64(e.opts.StateLimit) })
	if r != nil {
		r.MustRegister(kept{e})
	}
	return &numbers{
		evaluated: counter("incremental_total", "Evaluations from windows that moved on."),
		left: f.NewCounterVec(prometheus.CounterOpts{Name: "evenkeel_evaluate_left_total",
			Help: "Evaluations left to Prometheus' engine, by reason."}, []string{"reason"}),
		loaded:  counter("loaded_samples_total", "Samples read from the store to build windows."),
		mended:  counter("mended_total", "Series whose windows were built again after a late sample or a deletion."),
		checked: counter("checked_total", "Evaluations compared with Prometheus' engine."),
		differ:  counter("differences_total", "Compared evaluations that were not the same to 1e-9."),
		worst: f.NewGauge(prometheus.GaugeOpts{Name: "evenkeel_evaluate_worst_difference_ratio",
			Help: "The largest relative difference to Prometheus' engine since the start."}),
	}
}

// LeftLimit is what Explanation.Left says of an expression for whose windows there is no
// memory.
const LeftLimit = "limit on state"

// reason is a label for an error that ends an evaluation here.
func reason(err error) string {
	for _, known := range []struct {
		err  error
		name string
	}{{errAmbiguous, "ambiguous labels"}, {errHistogram, "native histograms"}, {errUnsure, "uncertain sums"},
		{errLimit, LeftLimit}, {errTied, "equal values"}, {errParameter, "parameter out of range"}, {errCells, "too many values"}, {errPast, "time before the last"}} {
		if errors.Is(err, known.err) {
			return known.name
		}
	}
	return "error"
}

// State is what is kept of the series of one selector.
type State struct {
	Live    string // whose; of several, the first one's and how many more there are
	Shared  int    // how many look at it
	Series  int
	Select  string
	Windows []time.Duration
	// For each window the bytes that are its own.
	WindowBytes []int64
	Bytes       int64
	Loaded      bool
	Wrong       string // why nothing is kept
}

// States lists what is kept, the most costly first.
func (e *Incremental) States() []State {
	var out []State
	for _, s := range e.everything() {
		is := State{Live: s.names(), Shared: len(s.who()), Select: s.String()}
		if s.loading.Load() {
			out = append(out, is)
			continue
		}
		s.mu.Lock()
		is.Series, is.Bytes, is.Loaded = len(s.series), s.bytes, s.loaded
		if s.wrong != nil {
			is.Wrong, is.Loaded = s.wrong.Error(), true
		}
		for i, w := range s.spec.Windows {
			is.Windows = append(is.Windows, time.Duration(w.Length)*time.Millisecond)
			own := int64(s.spec.WindowBytes(i))
			for _, row := range s.series {
				own += int64(row.WindowBytes(i))
			}
			is.WindowBytes = append(is.WindowBytes, own)
		}
		s.mu.Unlock()
		out = append(out, is)
	}
	slices.SortFunc(out, func(a, b State) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), strings.Compare(a.Live, b.Live), strings.Compare(a.Select, b.Select))
	})
	return out
}

// kept exports what is kept now.
type kept struct{ e *Incremental }

var (
	seriesDesc  = prometheus.NewDesc("evenkeel_evaluate_series", "Series of which windows are kept.", nil, nil)
	windowsDesc = prometheus.NewDesc("evenkeel_evaluate_windows", "Windows that are kept, by length: of each series one.", []string{"window"}, nil)
	bytesDesc   = prometheus.NewDesc("evenkeel_evaluate_window_bytes", "Memory of windows, by length, beside what the windows of a series share.", []string{"window"}, nil)
	sharedDesc  = prometheus.NewDesc("evenkeel_evaluate_shared_bytes", "Memory that the windows of a series share: its labels, its newest samples, its resets.", nil, nil)
	eachDesc    = prometheus.NewDesc("evenkeel_evaluate_bytes_per_series", "Memory of a series with all of its windows, on average.", nil, nil)
	loadingDesc = prometheus.NewDesc("evenkeel_evaluate_loading", "Groups of series whose windows have not been read from the store yet.", nil, nil)
	usesDesc    = prometheus.NewDesc("evenkeel_evaluate_group_uses", "How often groups of series are looked at: by two groups of rules twice, for the memory of one.", nil, nil)
	groupsDesc  = prometheus.NewDesc("evenkeel_evaluate_groups", "Groups of series of which windows are kept, or are to be.", nil, nil)
)

func (kept) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{seriesDesc, windowsDesc, bytesDesc, sharedDesc, eachDesc, loadingDesc, groupsDesc, usesDesc} {
		to <- d
	}
}

func (k kept) Collect(to chan<- prometheus.Metric) {
	windows, bytes := map[string]float64{}, map[string]float64{}
	var series, all, own, loading, groups, uses float64
	for _, s := range k.e.States() {
		groups++
		uses += float64(s.Shared)
		if !s.Loaded {
			loading++
		}
		series += float64(s.Series)
		all += float64(s.Bytes)
		for i, w := range s.Windows {
			name := model.Duration(w).String()
			windows[name] += float64(s.Series)
			bytes[name] += float64(s.WindowBytes[i])
			own += float64(s.WindowBytes[i])
		}
	}
	gauge := func(d *prometheus.Desc, v float64, l ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, l...)
	}
	gauge(seriesDesc, series)
	gauge(loadingDesc, loading)
	gauge(groupsDesc, groups)
	gauge(usesDesc, uses)
	gauge(sharedDesc, max(0, all-own))
	gauge(eachDesc, all/max(1, series))
	for name := range windows {
		gauge(windowsDesc, windows[name], name)
		gauge(bytesDesc, bytes[name], name)
	}
}

// Progress says how many groups of series have their windows, of how many, and how many
// samples were read for it: what there is to say while a server gets ready.
func (e *Incremental) Progress() (ready, all int, samples int64) {
	for _, s := range e.States() {
		all++
		if s.Loaded {
			ready++
		}
	}
	return ready, all, e.samples.Load()
}

// tooMuch says that some states have no room, how many series they had got to, and who takes
// most beside them. The caller holds their lock.
func (e *Incremental) tooMuch(s *states, series int, bytes int64) {
	go func() { // States takes that lock
		var most []string
		for _, s := range e.States()[:min(3, len(e.States()))] {
			most = append(most, fmt.Sprintf("%s of %s: %d series, %d MiB", s.Select, s.Live, s.Series, s.Bytes>>20))
		}
		e.opts.Logger.Warn("the limit on the state of windows is reached: the engine reads every sample instead", "of", s.names(), "series", s.String(),
			"count", series, "mib", bytes>>20, "limit_mib", e.opts.StateLimit>>20, "most", strings.Join(most, "; "))
	}()
}

// compare holds a result against the inner engine's, when the last comparison was cheap
// enough or long enough ago: they take at most a hundredth of the time.
func (e *Incremental) compare(ctx context.Context, l *Live, expr string, at time.Time, got promql.Vector) {
	e.mu.Lock()
	early := time.Now().Before(e.check)
	e.mu.Unlock()
	if early {
		return
	}
	start := time.Now()
	want, err := e.Prometheus.Query(ctx, expr, at)
	took := time.Since(start)
	if err != nil {
		return
	}
	d := Difference(got, want)
	if d > 1e-9 {
		// A sample may have come in between.
		again, err := l.query(ctx, l.prog.roots[expr], at.UnixMilli(), false)
		if err != nil {
			return
		}
		if d = min(d, Difference(again, want)); d > 1e-9 {
			if want, err = e.Prometheus.Query(ctx, expr, at); err != nil {
				return
			}
			d = Difference(again, want)
		}
	}
	e.metrics.checked.Inc()
	if d > 1e-9 {
		e.metrics.differ.Inc()
		e.opts.Logger.Error("an evaluation differs from Prometheus' engine", "of", l.name, "expr", expr, "at", at.UTC(), "difference", d)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.check = time.Now().Add(100 * took)
	if d > e.metrics.worstSeen {
		e.metrics.worstSeen = d
		e.metrics.worst.Set(d)
	}
}

// Difference is the largest relative difference between the values of two vectors, in
// whatever order; infinite when they do not have the same series.
func Difference(a, b promql.Vector) float64 {
	if len(a) != len(b) {
		return math.Inf(1)
	}
	by := make(map[string]float64, len(a))
	for _, s := range a {
		by[s.Metric.String()] = s.F
	}
	worst := 0.0
	for _, s := range b {
		v, ok := by[s.Metric.String()]
		if !ok {
			return math.Inf(1)
		}
		worst = max(worst, apart(v, s.F))
	}
	return worst
}

// apart is the relative difference of two values.
func apart(a, b float64) float64 {
	switch {
	case a == b || math.IsNaN(a) && math.IsNaN(b):
		return 0
	case math.IsNaN(a) || math.IsNaN(b) || math.IsInf(a, 0) || math.IsInf(b, 0):
		return math.Inf(1)
	}
	return math.Abs(a-b) / math.Max(math.Abs(a), math.Abs(b))
}
