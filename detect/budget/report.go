package budget

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect/objective"
)

// Report is how a budget stands.
type Report struct {
	Objective declare.ObjectiveName `json:"objective"`
	At        time.Time             `json:"at"`
	From      time.Time             `json:"from" doc:"The period's beginning."`
	End       time.Time             `json:"end,omitzero" doc:"Of a calendar period; absent for a rolling window."`
	Target    float64               `json:"target"`
	Unit      string                `json:"unit" doc:"What is counted: events, slices, evaluations or seconds."`
	Bad       float64               `json:"bad"`
	All       float64               `json:"all"`
	Spent     *float64              `json:"spent" doc:"Share of the budget that is spent; null without data."`
	Burns     []Burn                `json:"burns"`
	Forecast  *Forecast             `json:"forecast" doc:"From the shortest window that is seen well enough, while it burns above 1; otherwise from the longest. Null without data."`
	Forecasts []Forecast            `json:"forecasts" doc:"From each window, shortest first."`
	Causes    []Breakdown           `json:"causes"`
	Past      []Slot                `json:"-"` // for a picture
}

// Burn is the rate over one window, and the condition that looks at it.
type Burn struct {
	Window   string   `json:"window"`
	Seconds  float64  `json:"seconds"`
	Rate     *float64 `json:"rate" doc:"1 ends with the period; null without data."`
	Severity string   `json:"severity,omitempty" doc:"page or ticket, where a condition has it as its long window."`
	Factor   float64  `json:"factor,omitempty" doc:"Of that condition."`
	Short    string   `json:"short,omitempty" doc:"Its short window."`
	Holds    bool     `json:"holds" doc:"Both windows are above the factor."`
}

// Change is one that may have had an impact.
type Change struct {
	ID, Title string
	Service   declare.ServiceID
	From, To  time.Time // To: zero while it goes on
}

// Options of New.
type Options struct {
	Ranges func(ctx context.Context, exprs []string, from, to time.Time, step time.Duration) ([]promql.Matrix, error)
	Query  func(ctx context.Context, expr string, at time.Time) (promql.Vector, error)
	// Causes are what happened to an objective's service and what it depends on, with the
	// time of its impact. Optional.
	Causes func(ctx context.Context, o *declare.Objective, from, to time.Time) ([]Cause, error)
	// Changes are those of the service and of what it depends on, whose impact the samples
	// tell. Optional.
	Changes func(ctx context.Context, o *declare.Objective, from, to time.Time) ([]Change, error)
}

// Book makes reports, and remembers what cannot change any more.
type Book struct {
	o  Options
	mu sync.Mutex
	// kept is by name; what is kept for a declaration that is no longer in use is left.
	kept map[declare.ObjectiveName]*kept
}

// kept is what is known of the past of one objective.
type kept struct {
	mu    sync.Mutex
	of    *declare.Objective
	past  *past
	bads  map[[2]int64]float64 // of closed stretches, in Unix milliseconds
	given *Report
}

// New makes a Book.
func New(o Options) *Book { return &Book{o: o, kept: map[declare.ObjectiveName]*kept{}} }

const (
	pastSlots   = 120
	recentSlots = 60
	maxKept     = 1000             // stretches of an objective
	settled     = 10 * time.Minute // after which a stretch is not looked at again
	reach       = 15 * time.Minute // an impact that begins so long after a change may be its
	maxImpact   = 5000             // points of the walk along the error ratio
)

// Report says how the budget of an objective stands. Samples are spacing apart.
func (b *Book) Report(ctx context.Context, o *declare.Objective, spacing time.Duration, now time.Time) (*Report, error) {
	b.mu.Lock()
	k := b.kept[o.Name]
	if k == nil || k.of != o {
		k = &kept{of: o, bads: map[[2]int64]float64{}}
		b.kept[o.Name] = k
	}
	b.mu.Unlock()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.given != nil && now.Sub(k.given.At) < spacing && !now.Before(k.given.At) {
		return k.given, nil
	}
	r, err := b.report(ctx, k, o, spacing, now)
	if err != nil {
		return nil, fmt.Errorf("cannot account for the budget of %q: %w", o.Name, err)
	}
	k.given = r
	return r, nil
}

func (b *Book) report(ctx context.Context, k *kept, o *declare.Objective, spacing time.Duration, now time.Time) (*Report, error) {
	from, end := objective.Period(o.Window, now)
	r := &Report{Objective: o.Name, At: now.UTC(), From: from.UTC(), Target: o.Target, Burns: []Burn{}, Forecasts: []Forecast{}, Causes: []Breakdown{}}
	if o.Window.Calendar {
		r.End = end.UTC()
	}
	_, _, r.Unit = objective.Tally(o, time.Minute)
	open, err := b.look(ctx, k, r, o, spacing, now)
	if err != nil {
		return nil, err
	}
	if err := b.burns(ctx, r, o, spacing, now); err != nil {
		return nil, err
	}
	if r.Spent == nil {
		return r, nil
	}
	r.forecasts(o, k.past, open, spacing)
	return r, b.attribute(ctx, k, r, o, spacing, now)
}

// look sums up the period in slots. It returns what has not settled yet.
func (b *Book) look(ctx context.Context, k *kept, r *Report, o *declare.Objective, spacing time.Duration, now time.Time) (open []Slot, err error) {
	shortest := max(4*spacing, 2*o.SliceWindow, time.Second) // what a slot must be to hold samples
	windows := slices.DeleteFunc(objective.Windows(o, spacing), func(w time.Duration) bool { return w >= o.Window.Length })
	if p := newPast(append(windows, o.Window.Length), shortest); k.past == nil || !k.past.same(p) {
		k.past = p
	}
	if err := k.past.advance(ctx, b, o, r.From, now); err != nil {
		return nil, err
	}
	if open, err = k.past.open(ctx, b, o, shortest, now); err != nil {
		return nil, err
	}
	r.Past = k.past.since(o.Window.Length, r.From, open)
	if len(r.Past) > 0 && r.Past[0].From.Before(r.From) { // only what lies in the period
		s := &r.Past[0]
		share := s.To.Sub(r.From).Seconds() / s.To.Sub(s.From).Seconds()
		s.From, s.Bad, s.All = r.From, s.Bad*share, s.All*share
	}
	for _, s := range r.Past {
		r.Bad, r.All = r.Bad+s.Bad, r.All+s.All
	}
	return open, nil
}

func (r *Report) span() time.Duration { return r.At.Sub(r.From) }

// slots tallies slots of one length whose ends lie from one time to another.
func (b *Book) slots(ctx context.Context, o *declare.Objective, slot time.Duration, first, last time.Time) ([]Slot, error) {
	badExpr, allExpr, _ := objective.Tally(o, slot)
	m, err := b.o.Ranges(ctx, []string{badExpr, allExpr}, first, last, slot)
	if err != nil {
		return nil, err
	}
	values := func(m promql.Matrix) map[int64]float64 {
		out := map[int64]float64{}
		for _, s := range m {
			for _, p := range s.Floats {
				if !math.IsNaN(p.F) && !math.IsInf(p.F, 0) {
					out[p.T] = p.F
				}
			}
		}
		return out
	}
	bad, all := values(m[0]), values(m[1])
	var out []Slot
	for at := first; !at.After(last); at = at.Add(slot) {
		out = append(out, Slot{From: at.Add(-slot).UTC(), To: at.UTC(), Bad: max(bad[at.UnixMilli()], 0), All: max(all[at.UnixMilli()], 0)})
	}
	return out, nil
}

// burns reads the rates, and what is spent.
func (b *Book) burns(ctx context.Context, r *Report, o *declare.Objective, spacing time.Duration, now time.Time) error {
	v, err := b.o.Query(ctx, objective.PeriodBurn(o), now)
	if err != nil {
		return err
	}
	for _, s := range v {
		if f := s.F; !math.IsNaN(f) && (r.Spent == nil || f > *r.Spent) {
			r.Spent = &f
		}
	}
	conditions := objective.Burns(o, spacing)
	windows := objective.Windows(o, spacing)
	if !o.Window.Calendar && !slices.Contains(windows, o.Window.Length) {
		windows = append(windows, o.Window.Length)
	}
	rates := map[time.Duration]float64{}
	for _, w := range windows {
		v, err := b.o.Query(ctx, objective.Burning(o, w), now)
		if err != nil {
			return err
		}
		if len(v) > 0 && !math.IsNaN(v[0].F) {
			rates[w] = v[0].F
		}
	}
	for _, w := range windows {
		burn := Burn{Window: model.Duration(w).String(), Seconds: w.Seconds()}
		if v, known := rates[w]; known {
			burn.Rate = &v
		}
		for _, c := range conditions {
			if c.Long == w && burn.Severity == "" && o.PartOf == "" {
				burn.Severity, burn.Factor, burn.Short = c.Severity, c.Factor, model.Duration(c.Short).String()
				burn.Holds = rates[c.Long] > c.Factor && rates[c.Short] > c.Factor
			}
		}
		r.Burns = append(r.Burns, burn)
	}
	return nil
}

// forecasts carries on what each window has seen. The report's own is from the shortest
// one that is seen well enough, while it burns too fast over it and still does now;
// otherwise from the longest: what goes on now is told at once, and a quiet hour does
// not make a bad week good.
func (r *Report) forecasts(o *declare.Objective, p *past, open []Slot, spacing time.Duration) {
	for _, w := range objective.Windows(o, spacing) {
		recent := p.since(min(w, o.Window.Length), r.At.Add(-w), open)
		f := Predict(Sight{Now: r.At, Budget: o.Budget(), From: r.From, End: r.End, Past: r.Past, Recent: recent})
		f.Window = model.Duration(w).String()
		if *r.Spent >= 1 { // by the rule's own number, whatever the slots say
			at := Outlook{At: r.At, Spent: true}
			f.Expected, f.Earliest, f.Latest = at, at, at
		}
		r.Forecasts = append(r.Forecasts, f)
	}
	if len(r.Forecasts) == 0 {
		return
	}
	f := r.Forecasts[len(r.Forecasts)-1]
	if r.Forecasts[0].Rate > 1 {
		if i := slices.IndexFunc(r.Forecasts, func(f Forecast) bool { return f.Sure && f.Rate > 1 }); i >= 0 {
			f = r.Forecasts[i]
		}
	}
	r.Forecast = &f
}
