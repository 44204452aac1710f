//go:build bench

package bench

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
)

// ticking is the state of the row about ticks.
type ticking struct {
	*bench
	db         *tsdb.DB
	live       *live
	objectives []Objective
	ratios     [][]string // by objective
	alerts     [][]string
	at         time.Time

	engine   *promql.Engine
	main     *subject // eight ratios and two alerts of each objective
	long     *subject // the ratio over the longest window alone
	short    *subject // over the shortest alone
	got      [][]result
	groups   []*rules.Group
	recorded []storage.SeriesRef
	victoria *process
	unsent   []scraped // to VictoriaMetrics

	// What was measured: seconds of CPU per objective and tick, one value a pair.
	feed, eight, both             []float64
	raw, sloth, shortcut, average Pairs
	vi                            Pairs
	flatOurs, flatEngine          Pairs // the shortest window, the longest
	rawSame, slothSame, slothLast Difference
	cut                           map[bool]map[time.Duration]*Difference // what the short cut gets wrong, by kind of traffic
	viWindow                      map[time.Duration]*Difference
	examples                      [][]string
}

// ticks is the cost of keeping objectives evaluated, beside the ways that there are.
func (b *bench) ticks(ctx context.Context) (err error) {
	from, err := b.samples(ctx)
	if err != nil {
		return err
	}
	recorded, err := b.recorded(ctx)
	if err != nil {
		return err
	}
	t := &ticking{bench: b, objectives: b.Objectives(), engine: engine(), at: b.End(), cut: map[bool]map[time.Duration]*Difference{true: {}, false: {}}, viWindow: map[time.Duration]*Difference{}}
	if t.db, err = b.open(from, recorded); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.db.Close()) }()
	if t.live, err = b.live(t.db); err != nil {
		return err
	}
	for _, o := range t.objectives {
		t.ratios = append(t.ratios, o.Ratios())
		t.alerts = append(t.alerts, o.Alerts(func(w time.Duration) string { return "(" + o.Ratio(w) + ")" }))
	}
	t.got, t.recorded = values(len(t.objectives), len(Windows)), make([]storage.SeriesRef, len(t.objectives))
	if !b.Alone {
		if t.victoria, err = b.victoria(ctx); err != nil {
			b.say("without VictoriaMetrics: %v", err)
			b.Missed("VictoriaMetrics with its cache on", "VictoriaMetrics did not run here, see what the run printed")
		} else {
			defer t.victoria.stop()
		}
	}
	if err := t.load(ctx); err != nil {
		return err
	}
	for pair := range b.Pairs + 1 { // the first warms up
		if err := t.pair(ctx, pair == 0); err != nil {
			return err
		}
	}
	if !b.Alone {
		t.report()
	}
	return errors.Join(t.restarts(ctx), t.limit(ctx))
}

// load starts everything that keeps something between ticks.
func (t *ticking) load(ctx context.Context) (err error) {
	last := len(Windows) - 1
	if t.main, err = follow(t.db, t.objectives, func(o Objective) []string {
		return append(o.Ratios(), o.Alerts(func(w time.Duration) string { return "(" + o.Ratio(w) + ")" })...)
	}); err != nil {
		return err
	}
	if t.long, err = follow(t.db, t.objectives, func(o Objective) []string { return []string{o.Ratio(Windows[last])} }); err != nil {
		return err
	}
	if t.short, err = follow(t.db, t.objectives, func(o Objective) []string { return []string{o.Ratio(Windows[0])} }); err != nil {
		return err
	}
	m := rules.NewManager(&rules.ManagerOptions{
		Context: ctx, AppendableV2: t.db, Queryable: t.db, QueryFunc: rules.EngineQueryFunc(t.engine, t.db), NotifyFunc: func(context.Context, string, ...*rules.Alert) {},
		Logger: slog.New(slog.DiscardHandler), ConcurrentEvalsEnabled: true, MaxConcurrentEvals: 4, Parser: parser.NewParser(parser.Options{}),
		DefaultRuleQueryOffset: func() time.Duration { return 0 },
	})
	for _, o := range t.objectives[:t.Raw] {
		file := filepath.Join(t.dir, o.id()+".yml")
		if err := os.WriteFile(file, []byte(SlothRules(o)), 0o644); err != nil {
			return err
		}
		groups, errs := m.LoadGroups(time.Minute, labels.EmptyLabels(), "", nil, false, file)
		if len(errs) > 0 {
			return errors.Join(errs...)
		}
		for _, kind := range []string{"sli-recordings", "meta-recordings", "alerts"} {
			g := groups[rules.GroupKey(file, "sloth-slo-"+kind+"-"+o.id())]
			if g == nil {
				return fmt.Errorf("no group of %s in %q", kind, file)
			}
			t.groups = append(t.groups, g)
		}
	}
	return nil
}

// step moves the time on and stores what was scraped until then. It is not measured. Full
// chunks of the head go to their file, as the store's own loop has them each minute.
func (t *ticking) step(ctx context.Context) ([]scraped, error) {
	t.at = t.at.Add(time.Minute)
	samples, err := t.live.until(ctx, t.at)
	t.db.ForceHeadMMap()
	t.unsent = append(t.unsent, samples...)
	return samples, err
}

// record stores the ratios over five minutes as a recording rule would have.
func (t *ticking) record(ctx context.Context) error {
	app := t.db.AppenderV2(ctx)
	for i, o := range t.objectives {
		if t.got[i][0].ok {
			ref, err := app.Append(t.recorded[i], o.series(Windows[0]), 0, t.at.UnixMilli(), t.got[i][0].f, nil, nil, storage.AOptions{})
			if err != nil {
				return errors.Join(err, app.Rollback())
			}
			t.recorded[i] = ref
		}
	}
	return app.Commit()
}

// pair lets each contender do its part once: A, B, A, B, and so on over the pairs.
func (t *ticking) pair(ctx context.Context, warm bool) error {
	objectives, last := float64(len(t.objectives)), len(Windows)-1
	alerts, one := values(len(t.objectives), 2), values(len(t.objectives), 1)
	oneOf := func(w int) [][]string {
		var out [][]string
		for i := range t.objectives {
			out = append(out, t.ratios[i][w:w+1])
		}
		return out
	}
	longest, shortest := oneOf(last), oneOf(0)

	// Ours: every tick. The three subjects see the same samples, one after the other.
	var feed, eight, two, long, short float64
	var times []time.Time
	err := t.profiled("ticks", func() error {
		for range t.Ticks {
			samples, err := t.step(ctx)
			if err != nil {
				return err
			}
			times = append(times, t.at)
			// Not with measure: a tick is too short for a collection before each.
			a := self()
			if err := t.live.append(ctx, t.main.feed, samples, false); err != nil {
				return err
			}
			b := self()
			if err := t.main.ask(ctx, t.ratios, t.at, t.got); err != nil {
				return err
			}
			c := self()
			if err := t.main.ask(ctx, t.alerts, t.at, alerts); err != nil {
				return err
			}
			d := self()
			feed, eight, two = feed+b-a, eight+c-b, two+d-c
			a = self()
			if err := errors.Join(t.live.append(ctx, t.long.feed, samples, false), t.long.ask(ctx, longest, t.at, one)); err != nil {
				return err
			}
			b = self()
			if err := errors.Join(t.live.append(ctx, t.short.feed, samples, false), t.short.ask(ctx, shortest, t.at, one)); err != nil {
				return err
			}
			c = self()
			long, short = long+b-a, short+c-b
			if err := t.record(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	per := objectives * float64(t.Ticks)
	feed, eight, two, long, short = feed/per, eight/per, two/per, long/per, short/per
	if t.Alone {
		t.say("  ours %s, %s of it to take in, %s with alerts; shortest window alone %s, longest %s", seconds(feed+eight), seconds(feed), seconds(feed+eight+two), seconds(short), seconds(long))
		t.eight = append(t.eight, feed+eight)
		return nil
	}

	// The raw expressions on Prometheus' engine.
	raw := values(t.Raw, len(Windows))
	byWindow := make([]float64, len(Windows))
	for w := range Windows {
		cpu, err := measure(func() error {
			for i := range raw {
				v, err := instant(ctx, t.engine, t.db, t.ratios[i][w], t.at)
				if err != nil {
					return err
				}
				raw[i][w] = single(v)
			}
			return nil
		})
		if err != nil {
			return err
		}
		byWindow[w] = cpu / float64(t.Raw)
	}

	// The rules that Sloth generates, run by Prometheus' rule manager.
	sloth, err := measure(func() error {
		for _, g := range t.groups {
			g.Eval(ctx, t.at)
		}
		return nil
	})
	if err != nil {
		return err
	}
	sloth /= float64(t.Raw)

	// All windows from the recorded ratio over five minutes: as Sloth writes it, and in
	// the shortest way.
	recorded := values(t.Raw, len(Windows))
	fromRecorded := func(expr func(Objective, time.Duration) string) (float64, error) {
		cpu, err := measure(func() error {
			for i, o := range t.objectives[:t.Raw] {
				for k, w := range Windows {
					e := o.Ratio(w)
					if k > 0 {
						e = expr(o, w)
					}
					v, err := instant(ctx, t.engine, t.db, e, t.at)
					if err != nil {
						return err
					}
					recorded[i][k] = single(v)
				}
			}
			return nil
		})
		return cpu / float64(t.Raw), err
	}
	average, err := fromRecorded(func(o Objective, w time.Duration) string {
		return fmt.Sprintf("avg_over_time(%s[%s])", o.Recorded(Windows[0]), span(w))
	})
	if err != nil {
		return err
	}
	shortcut, err := fromRecorded(Objective.FromRecorded)
	if err != nil {
		return err
	}

	victoria, viValues, err := t.askVictoria(ctx, times)
	if err != nil {
		return err
	}
	t.say("  ours %s and %s with alerts, raw %s, Sloth %s, recorded %s, VictoriaMetrics %s", seconds(feed+eight), seconds(feed+eight+two), seconds(sum(byWindow)), seconds(sloth), seconds(shortcut), seconds(victoria))
	if warm {
		return nil
	}
	t.feed, t.eight, t.both = append(t.feed, feed), append(t.eight, feed+eight), append(t.both, feed+eight+two)
	t.raw.Add(feed+eight, sum(byWindow))
	t.sloth.Add(feed+eight+two, sloth)
	t.shortcut.Add(feed+eight, shortcut)
	t.average.Add(feed+eight, average)
	if t.victoria != nil {
		t.vi.Add(feed+eight, victoria)
	}
	t.flatOurs.Add(short, long)
	t.flatEngine.Add(byWindow[0], byWindow[last])
	t.rawSame.all(t.got[:t.Raw], raw)
	return t.compare(ctx, recorded, viValues)
}

// askVictoria sends what it has not seen and asks it at the last ticks of a pair, one
// after the other, so that its cache can do its work.
func (t *ticking) askVictoria(ctx context.Context, times []time.Time) (float64, [][]result, error) {
	if t.victoria == nil {
		return math.NaN(), nil, nil
	}
	if err := t.victoria.add(ctx, t.live, t.unsent); err != nil {
		return 0, nil, err
	}
	t.unsent = nil
	out := values(t.Victoria, len(Windows))
	times = times[len(times)-min(len(times), 31):]
	ask := func(times []time.Time) error {
		for _, at := range times {
			for i := range out {
				for k := range Windows {
					v, err := t.victoria.query(ctx, t.ratios[i][k], at, false)
					if err != nil {
						return err
					}
					out[i][k] = v
				}
			}
		}
		return nil
	}
	if err := ask(times[:1]); err != nil {
		return 0, nil, err
	}
	cpu, err := t.victoria.measure(func() error { return ask(times[1:]) })
	return cpu / float64(t.Victoria*(len(times)-1)), out, err
}

// compare looks at what the others have computed at the last tick.
func (t *ticking) compare(ctx context.Context, recorded, victoria [][]result) error {
	last := len(Windows) - 1
	for i, o := range t.objectives[:t.Raw] {
		for k, w := range Windows {
			v, err := instant(ctx, t.engine, t.db, o.Recorded(w), t.at)
			if err != nil {
				return err
			}
			d := &t.slothSame
			if k == last {
				d = &t.slothLast
			}
			theirs := single(v)
			d.Value(theirs.f, theirs.ok, t.got[i][k].f, t.got[i][k].ok)
		}
	}
	for i := range recorded {
		for k, w := range Windows[1:] {
			d := t.cut[Bursty(i)][w]
			if d == nil {
				d = &Difference{}
				t.cut[Bursty(i)][w] = d
			}
			d.Error(recorded[i][k+1], t.got[i][k+1])
		}
	}
	for i := range victoria {
		for k, w := range Windows {
			d := t.viWindow[w]
			if d == nil {
				d = &Difference{}
				t.viWindow[w] = d
			}
			d.Error(victoria[i][k], t.got[i][k])
		}
	}
	t.examples = nil
	for i := range min(4, t.Raw, len(victoria)) {
		kind := "mild"
		if Bursty(i) {
			kind = "bursts"
		}
		t.examples = append(t.examples, []string{Service(i), kind, ratio(t.got[i][last]), ratio(recorded[i][last]), ratio(victoria[i][last])})
	}
	return nil
}

// Error adds how far a value is off, relative to what it should be.
func (d *Difference) Error(got, want result) {
	if !got.ok || !want.ok || want.f == 0 {
		if got.ok != want.ok {
			d.Missing++
		}
		return
	}
	d.Values++
	r := math.Abs(got.f-want.f) / math.Abs(want.f)
	d.Max = max(d.Max, r)
	d.relatives = append(d.relatives, r)
}

func (t *ticking) report() {
	last := len(Windows) - 1
	t.Section("The cost of a tick")
	t.Text("CPU for each objective and tick of a minute. Ours holds everything: taking in the samples (%s of it), moving the windows on, evaluating. The state of each way is warm. An objective is the ratio of the summed rates of bad and of all requests over the eight windows; with alerts, also the conditions of the page and of the ticket.", seconds(median(t.feed)))
	ours := func(v []float64) string { return seconds(median(v)) }
	table := [][]string{{"way", "CPU per objective and tick", "times ours", "output beside ours"},
		{"Evenkeel, eight windows", ours(t.eight), "1", ""},
		{"Evenkeel, eight windows and two alerts", ours(t.both), "", ""},
		{"the same eight expressions on Prometheus' engine", ours(t.raw.Theirs), t.raw.times(), t.rawSame.String()},
		{"the 17 rules that Sloth generates, in Prometheus' rule manager (beside ours with alerts)", ours(t.sloth.Theirs), t.sloth.times(), "up to " + span(Windows[last-1]) + ": " + t.slothSame.String()},
		{"every window from the recorded ratio over 5m, as Sloth writes it", ours(t.shortcut.Theirs), t.shortcut.times(), "see below"},
		{"the same by avg_over_time", ours(t.average.Theirs), t.average.times(), "see below"},
	}
	if t.victoria != nil {
		table = append(table, []string{"VictoriaMetrics, instant-rollup cache on, over HTTP", ours(t.vi.Theirs), t.vi.times(), "see below"})
	}
	t.Table(table...)
	t.Text("On Prometheus' engine: %d objectives, one tick a pair. Sloth's rules: recorded ratios up to %s are read from the raw series, %s by its short cut. VictoriaMetrics: %d objectives, up to 30 ticks in a row a pair, CPU of its own process with the HTTP server in it.", t.Raw, span(Windows[last-1]), span(Windows[last]), t.Victoria)
	r, _, _ := t.raw.Ratio()
	t.Goal("raw expressions on promql.Engine, CPU for an objective and tick, times ours", r, false, 3000, "")
	r, _, _ = t.sloth.Ratio()
	t.Goal("Prometheus with Sloth's rules, times ours", r, false, 500, "")
	r, _, _ = t.shortcut.Ratio()
	t.Goal("every window from a recorded 5m ratio, times ours", r, false, 150, "")
	if t.victoria != nil {
		r, _, _ = t.vi.Ratio()
		t.Goal("VictoriaMetrics with its cache, times ours", r, false, 150, "")
	}
	if !t.rawSame.Equal(0) {
		t.Missed("the same numbers as promql.Engine", t.rawSame.String())
	} else {
		t.Goal("values that are not promql.Engine's bit for bit", float64(t.rawSame.Values-t.rawSame.Same), true, 0, "")
	}

	t.Section("A long window beside a short one")
	m, least, most := t.flatOurs.Ratio()
	e, _, _ := t.flatEngine.Ratio()
	t.Text("A tick of the %s ratio alone costs %s for an objective, of the %s ratio %s: %s × (%s to %s). On Prometheus' engine it is %s beside %s: %s ×.", span(Windows[0]), ours(t.flatOurs.Ours), span(Windows[last]), ours(t.flatOurs.Theirs), number(m), number(least), number(most), ours(t.flatEngine.Ours), ours(t.flatEngine.Theirs), number(e))
	t.Goal("a tick of a "+span(Windows[last])+" window, times one of "+span(Windows[0]), m, true, 2, "")

	t.Section("What the short cuts get wrong")
	t.Text("The relative error of the average of recorded 5m ratios, which is not the ratio of the sums, and of VictoriaMetrics, whose rate is not extrapolated; against PromQL's own number, which is ours.")
	table = [][]string{{"window", "recorded, mild traffic: median, 90 %, worst", "recorded, bursts: median, 90 %, worst", "VictoriaMetrics: median, 90 %, worst"}}
	for _, w := range Windows[1:] {
		table = append(table, []string{span(w), errors3(t.cut[false][w]), errors3(t.cut[true][w]), errors3(t.viWindow[w])})
	}
	t.Table(table...)
	if len(t.examples) > 0 {
		t.Text("Some error ratios over %s:", span(Windows[last]))
		t.Table(append([][]string{{"service", "traffic", "PromQL, Evenkeel", "average of 5m ratios", "VictoriaMetrics"}}, t.examples...)...)
	}
}

func errors3(d *Difference) string {
	if d == nil || d.Values == 0 {
		return ""
	}
	p := func(f float64) string { return number(math.Round(f*1e6)/1e4) + " %" }
	return fmt.Sprintf("%s, %s, %s", p(d.Quantile(0.5)), p(d.Quantile(0.9)), p(d.Max))
}

func ratio(r result) string {
	if !r.ok {
		return "none"
	}
	return fmt.Sprintf("%.6f", r.f)
}

func sum(v []float64) float64 {
	var s float64
	for _, f := range v {
		s += f
	}
	return s
}
