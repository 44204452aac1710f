package budget

import (
	"context"
	"math"
	"time"

	"github.com/prometheus/prometheus/promql"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect/objective"
)

// attribute divides what is spent by each kind of cause.
func (b *Book) attribute(ctx context.Context, k *kept, r *Report, o *declare.Objective, spacing time.Duration, now time.Time) error {
	causes, err := b.causes(ctx, r, o, spacing, now)
	if err != nil {
		return err
	}
	l := Ledger{Bad: r.Bad, Spent: *r.Spent}
	least := max(4*spacing, o.SliceWindow)
	for _, by := range []By{ByIncident, ByChange, ByDependency} {
		stretches := Divide(causes, by, r.From, r.At, least)
		bad := make([]float64, len(stretches))
		for i, s := range stretches {
			if s.Cause < 0 {
				continue
			}
			if bad[i], err = b.bad(ctx, k, o, s, now); err != nil {
				return err
			}
		}
		r.Causes = append(r.Causes, Attribute(l, causes, by, stretches, bad))
	}
	if o.Composite() {
		parts, err := b.parts(ctx, o, l, now)
		if err != nil {
			return err
		}
		r.Causes = append(r.Causes, parts)
	}
	return nil
}

// bad is what was bad in a stretch. Once it has been over for a while it is kept.
func (b *Book) bad(ctx context.Context, k *kept, o *declare.Objective, s Stretch, now time.Time) (float64, error) {
	key := [2]int64{s.From.UnixMilli(), s.To.UnixMilli()}
	if v, known := k.bads[key]; known {
		return v, nil
	}
	to := s.To
	if o.SliceWindow > 0 { // the slice that the end lies in is recorded when it ends
		to = sooner(to.Add(o.SliceWindow), now)
	}
	length := to.Sub(s.From).Round(time.Second)
	if length < time.Second {
		return 0, nil
	}
	expr, _, _ := objective.Tally(o, length)
	v, err := b.o.Query(ctx, expr, to)
	if err != nil {
		return 0, err
	}
	out := 0.0
	if len(v) > 0 && !math.IsNaN(v[0].F) {
		out = v[0].F
	}
	if now.Sub(to) > settled {
		if len(k.bads) >= maxKept {
			clear(k.bads)
		}
		k.bads[key] = out
	}
	return out, nil
}

// causes are what was told, and the impacts that began with a change.
func (b *Book) causes(ctx context.Context, r *Report, o *declare.Objective, spacing time.Duration, now time.Time) ([]Cause, error) {
	var out []Cause
	if b.o.Causes != nil {
		var err error
		if out, err = b.o.Causes(ctx, o, r.From, now); err != nil {
			return nil, err
		}
	}
	if b.o.Changes == nil {
		return out, nil
	}
	changes, err := b.o.Changes(ctx, o, r.From.Add(-reach), now)
	if err != nil || len(changes) == 0 {
		return out, err
	}
	window := objective.Windows(o, spacing)[0]
	step := max(spacing, (r.span()/maxImpact).Truncate(time.Second)+time.Second)
	m, err := b.o.Ranges(ctx, []string{objective.Expressions(o, spacing).ErrorRatio}, r.From, now, step)
	if err != nil {
		return nil, err
	}
	impacts := Impacts(points(m[0]), objective.Allowed(o), max(window, 3*step))
	return append(out, Begun(impacts, changes, o.Service, window)...), nil
}

func points(m promql.Matrix) []Point {
	if len(m) == 0 {
		return nil
	}
	var out []Point
	for _, p := range m[0].Floats {
		out = append(out, Point{At: time.UnixMilli(p.T).UTC(), Value: p.F})
	}
	return out
}

// Begun gives each impact to the change that began last before it: to the change, and
// to its service, where that is another. What is bad is seen over a window, so an impact
// ends a window before it seems to.
func Begun(impacts [][2]time.Time, changes []Change, own declare.ServiceID, window time.Duration) []Cause {
	var out []Cause
	for _, i := range impacts {
		var by *Change
		for k := range changes {
			c := &changes[k]
			end := c.From
			if c.To.After(end) {
				end = c.To
			}
			if c.From.After(i[0]) || i[0].Sub(end) > reach {
				continue
			}
			if by == nil || c.From.After(by.From) {
				by = c
			}
		}
		if by == nil {
			continue
		}
		to := later(i[1].Add(-window), i[0])
		if !to.After(i[0]) {
			to = i[1]
		}
		from := later(by.From, i[0].Add(-window)) // the ratio is late by up to its window
		out = append(out, Cause{By: ByChange, Name: "change/" + by.ID, Title: by.Title, From: from, To: to})
		if by.Service != own && by.Service != "" {
			out = append(out, Cause{By: ByDependency, Name: "service/" + string(by.Service), Title: string(by.Service), From: from, To: to})
		}
	}
	return out
}

// parts divides what a composite has spent by its parts: each by its weight and its own
// error ratio. Where all must hold, several may be bad in one slice, and share it so.
func (b *Book) parts(ctx context.Context, o *declare.Objective, l Ledger, now time.Time) (Breakdown, error) {
	out := Breakdown{By: ByPart, Shares: []Share{}}
	sum, spent := 0.0, max(l.Spent, 0)
	for _, p := range o.Parts {
		v, err := b.o.Query(ctx, objective.PeriodBurn(p.Objective), now)
		if err != nil {
			return out, err
		}
		s := Share{Name: "objective/" + string(p.Objective.Name), Title: p.Objective.Title}
		if len(v) > 0 && v[0].F > 0 {
			s.Spent = v[0].F * p.Objective.Budget() * p.Weight
			sum += s.Spent
		}
		out.Shares = append(out.Shares, s)
	}
	for i := range out.Shares {
		if sum > 0 {
			part := out.Shares[i].Spent / sum
			out.Shares[i].Spent, out.Shares[i].Bad = spent*part, l.Bad*part
		}
	}
	rest := Share{Name: Unattributed}
	if sum == 0 {
		rest.Spent, rest.Bad = spent, l.Bad
	}
	out.Shares = append(out.Shares, rest)
	return out, nil
}
