package bench

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// Scrape is how far the samples of a series are apart.
const Scrape = 15 * time.Second

// Begin is the time of the first samples: fixed, so that every run has the same bytes.
var Begin = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// Windows are those of an objective of 30 days, shortest first.
var Windows = []time.Duration{
	5 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour, 24 * time.Hour, 72 * time.Hour, 720 * time.Hour,
}

// Data is made-up telemetry of some services: two pods each, which count good and bad
// requests, so four counters a service. Half of the services have mild traffic (four to
// one between day and night), half have bursts of thirty times the usual. Pods restart,
// services fall silent for up to an hour (half of them with stale markers), scrapes are
// missed, some are late by milliseconds.
type Data struct {
	Services, Days int
}

// End is the time after the last stored sample. Counters go on behind it, for live ones.
func (d Data) End() time.Time { return Begin.AddDate(0, 0, d.Days) }

// Samples is about how many there are.
func (d Data) Samples() int { return d.Services * 4 * d.Days * int(24*time.Hour/Scrape) }

// Service is the name of the i-th.
func Service(i int) string { return fmt.Sprintf("svc-%03d", i) }

// Bursty says which kind of traffic the i-th service has.
func Bursty(i int) bool { return i%2 == 1 }

const (
	day     = int64(24 * time.Hour / time.Millisecond)
	minute  = int64(time.Minute / time.Millisecond)
	scrape  = int64(Scrape / time.Millisecond)
	horizon = 3 * day // how much longer than the stored data the weather is known
)

// random is xorshift64: the same numbers wherever and whenever it runs.
type random uint64

func (r *random) next() uint64 {
	x := uint64(*r)
	x ^= x << 13
	x ^= x >> 7
	x ^= x << 17
	*r = random(x)
	return x
}

// float is in [0, 1).
func (r *random) float() float64 { return float64(r.next()>>11) / (1 << 53) }

// between is log-uniform.
func (r *random) between(a, b float64) float64 { return a * math.Exp(r.float()*math.Log(b/a)) }

func seeded(a, b int) random {
	r := random(uint64(a+1)*0x9E3779B97F4A7C15 ^ uint64(b+1)*0xC2B2AE3D27D4EB4F | 1)
	for range 8 {
		r.next()
	}
	return r
}

// regime is a stretch of time with one traffic and one share of errors.
type regime struct {
	from           int64
	factor, errors float64
}

// service is what its counters share.
type service struct {
	regimes []regime
	waves   bool    // day and night
	phase   float64 // of the day
	gaps    [][2]int64
	marked  bool // gaps begin with stale markers
	jitter  int64
}

func newService(i int, until int64) *service {
	r := seeded(i, 0)
	s := &service{waves: !Bursty(i), phase: r.float() * 2 * math.Pi, marked: i%4 < 2}
	if i%5 == 4 {
		s.jitter = 20
	}
	begin := Begin.UnixMilli()
	quiet, busy := r.between(1e-4, 1e-2), r.between(1e-4, 1e-2)
	if !Bursty(i) {
		quiet = r.between(1e-4, 1e-3)
	}
	s.regimes = append(s.regimes, regime{begin, 1, quiet})
	if Bursty(i) { // three bursts a day
		for t := begin; t < until; {
			t += int64(r.float() * float64(day) * 2 / 3)
			length := int64(r.between(5, 120)) * minute
			s.regimes = append(s.regimes, regime{t, 30, busy}, regime{t + length, 1, quiet})
			t += length
		}
	}
	for t := begin; t < until; { // eight incidents a month
		t += int64(r.float() * float64(day) * 2 * 30 / 8)
		s.incident(t, t+int64(r.between(5, 60))*minute, r.between(0.02, 0.5))
	}
	for t := begin; t < until; { // an outage of the telemetry every four days
		t += int64(r.float() * 8 * float64(day))
		length := int64(r.between(1, 60)) * minute
		s.gaps = append(s.gaps, [2]int64{t, t + length})
		t += length
	}
	return s
}

// incident raises the share of errors from one time to another, whatever the traffic is.
func (s *service) incident(from, to int64, errors float64) {
	at := func(t int64) regime {
		k, _ := slices.BinarySearchFunc(s.regimes, t+1, func(g regime, t int64) int { return int(min(max(g.from-t, -1), 1)) })
		return s.regimes[k-1]
	}
	before, after := at(from), at(to)
	before.from, before.errors, after.from = from, errors, to
	var out []regime
	for _, g := range s.regimes {
		switch {
		case g.from < from || g.from > to:
			out = append(out, g)
		case g.from > from && g.from < to:
			g.errors = errors
			out = append(out, g)
		}
	}
	out = append(out, before, after)
	slices.SortStableFunc(out, func(a, b regime) int { return int(min(max(a.from-b.from, -1), 1)) })
	s.regimes = out
}

// Counter is one series. It can only be read once, from the beginning on.
type Counter struct {
	Labels  labels.Labels
	Service int

	svc    *service
	bad    bool
	rate   float64 // of all requests of the pod, per scrape
	resets []int64
	missed uint64 // seed of the scrapes that are missed, the same for the pod's counters
	r      random
	t      int64   // of the next sample
	v      float64 // of the last
	at     int     // regime
	reset  int
	gap    int
}

// Counters of all services, in the order of their labels.
func (d Data) Counters() []*Counter {
	var out []*Counter
	until := d.End().UnixMilli() + horizon
	for i := range d.Services {
		s := newService(i, until)
		for pod := range 2 {
			r := seeded(i, 1+pod)
			offset := int64(r.float() * float64(scrape))
			rate := r.between(20, 3000) // 1.3 to 200 requests a second
			var resets []int64
			for t := Begin.UnixMilli(); t < until; {
				t += int64((0.05 + r.float()*6) * float64(day))
				resets = append(resets, t)
			}
			missed := r.next()
			for _, code := range []string{"200", "500"} {
				out = append(out, &Counter{
					Labels:  labels.FromStrings("__name__", "http_requests_total", "code", code, "job", "api", "pod", fmt.Sprintf("%s-%d", Service(i), pod), "service", Service(i)),
					Service: i, svc: s, bad: code == "500", rate: rate, resets: resets, missed: missed, r: random(r.next() | 1), t: Begin.UnixMilli() + offset,
				})
			}
		}
	}
	slices.SortFunc(out, func(a, b *Counter) int { return labels.Compare(a.Labels, b.Labels) })
	return out
}

var stale = math.Float64frombits(value.StaleNaN)

// Emit gives the samples before a time, in Unix milliseconds, that were not given before.
func (c *Counter) Emit(until int64, f func(t int64, v float64) error) error {
	for c.t < until {
		t := c.t
		c.t += scrape
		for c.at+1 < len(c.svc.regimes) && c.svc.regimes[c.at+1].from <= t {
			c.at++
		}
		if c.reset < len(c.resets) && t >= c.resets[c.reset] {
			c.reset++
			c.v = 0
		}
		g := &c.svc.regimes[c.at]
		share := g.errors
		if !c.bad {
			share = 1 - share
		}
		n := c.rate * share * g.factor
		if c.svc.waves {
			n *= 1 + 0.6*math.Sin(float64(t%day)/float64(day)*2*math.Pi+c.svc.phase)
		}
		n *= 0.5 + c.r.float()
		c.v += math.Floor(n + c.r.float())

		for c.gap < len(c.svc.gaps) && t >= c.svc.gaps[c.gap][1] {
			c.gap++
		}
		if c.gap < len(c.svc.gaps) && t >= c.svc.gaps[c.gap][0] {
			if c.svc.marked && t-scrape < c.svc.gaps[c.gap][0] {
				if err := f(t, stale); err != nil {
					return err
				}
			}
			continue
		}
		x := (uint64(t) ^ c.missed) * 0x9E3779B97F4A7C15
		if x>>54 == 0 { // one in 1,024
			continue
		}
		if c.svc.jitter > 0 {
			t += int64(x>>32)%(2*c.svc.jitter) - c.svc.jitter
			t = max(t, c.t-scrape-c.svc.jitter, Begin.UnixMilli())
			t = min(t, until-1)
		}
		if err := f(t, c.v); err != nil {
			return err
		}
	}
	return nil
}

// blockLength is what Prometheus itself compacts a month to, in milliseconds.
const blockLength = 54 * 3600_000

// Write stores the samples as blocks in a folder. The series are those of the counters,
// which are read up to End.
func (d Data) Write(ctx context.Context, dir string, progress func(part, of int)) error {
	from, end := Begin.UnixMilli(), d.End().UnixMilli()
	counters := d.Counters()
	parts := int((end - from + blockLength - 1) / blockLength)
	for i := range parts {
		progress(i, parts)
		to := min(from+int64(i+1)*blockLength, end)
		err := WriteBlock(ctx, dir, func(app func() storage.AppenderV2) error {
			for _, c := range counters {
				a, ref := app(), storage.SeriesRef(0)
				err := c.Emit(to, func(t int64, v float64) (err error) {
					ref, err = a.Append(ref, c.Labels, 0, t, v, nil, nil, storage.AOptions{})
					return err
				})
				if err != nil {
					return errors.Join(err, a.Rollback())
				}
				if err := a.Commit(); err != nil {
					return err
				}
			}
			return ctx.Err()
		})
		if err != nil {
			return fmt.Errorf("cannot write block %d of %d: %w", i+1, parts, err)
		}
	}
	return nil
}

// WriteBlock makes one block of what is appended. Its chunks are of the kind that is
// the fastest to read, for everybody.
func WriteBlock(ctx context.Context, dir string, fill func(app func() storage.AppenderV2) error) (err error) {
	logger := slog.New(slog.DiscardHandler)
	scratch, err := os.MkdirTemp(dir, "writing-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	opts := tsdb.DefaultHeadOptions()
	opts.ChunkRange, opts.ChunkDirRoot = 1000*day, scratch
	opts.FloatChunkEncoding.Store(uint32(chunkenc.EncXOR2))
	head, err := tsdb.NewHead(nil, logger, nil, nil, opts, tsdb.NewHeadStats())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, head.Close()) }()
	if err := head.Init(math.MinInt64); err != nil {
		return err
	}
	if err := fill(func() storage.AppenderV2 { return head.AppenderV2(ctx) }); err != nil {
		return err
	}
	c, err := tsdb.NewLeveledCompactor(ctx, nil, logger, []int64{1000 * day}, chunkenc.NewPool(), nil)
	if err != nil {
		return err
	}
	_, err = c.Write(dir, head, head.MinTime(), head.MaxTime()+1, nil)
	return err
}
