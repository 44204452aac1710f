package budget

import (
	"context"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/declare"
)

// past is what was seen of an objective, in slots of several lengths: the longer a window,
// the longer its slots. A slot is asked for once, when it has settled. What came since is put
// together from shorter ones, so that only the last minutes are asked for again.
type past struct {
	levels []level               // shortest slots first; each length is a multiple of the one before
	of     map[time.Duration]int // the level of each window
}

// level is slots of one length, one after the other.
type level struct {
	slot time.Duration
	keep time.Duration // how far back they reach
	end  time.Time     // of the newest
	seen []draw        // oldest first
}

// newPast makes room for windows, shortest first, the last of which is the period. base is
// the shortest slot that holds samples.
func newPast(windows []time.Duration, base time.Duration) *past {
	p := &past{of: map[time.Duration]int{}}
	for i, w := range windows {
		slots := time.Duration(recentSlots)
		if i == len(windows)-1 {
			slots = pastSlots
		}
		slot := max((w / slots).Truncate(time.Second), base)
		if n := len(p.levels); n > 0 {
			last := &p.levels[n-1]
			slot = (slot + last.slot - 1) / last.slot * last.slot
			if slot == last.slot {
				last.keep, p.of[w] = w, n-1
				continue
			}
			last.keep = max(last.keep, settled+slot+last.slot) // a longer slot that has not settled is put together from these
		}
		p.of[w] = len(p.levels)
		p.levels = append(p.levels, level{slot: slot, keep: w})
	}
	return p
}

func (p *past) same(o *past) bool {
	return slices.EqualFunc(p.levels, o.levels, func(a, b level) bool { return a.slot == b.slot && a.keep == b.keep })
}

// advance asks for what has settled since. The period began at from.
func (p *past) advance(ctx context.Context, b *Book, o *declare.Objective, from, now time.Time) error {
	for i := range p.levels {
		l := &p.levels[i]
		oldest := now.Add(-l.keep)
		if i == len(p.levels)-1 {
			oldest = from
		}
		next, last := oldest.Truncate(l.slot).Add(l.slot), now.Add(-settled).Truncate(l.slot)
		if n := int(next.Sub(l.end.Add(-time.Duration(len(l.seen)-1)*l.slot)) / l.slot); n >= len(l.seen) || l.end.After(last) { // or the clock went back
			l.seen, l.end = nil, next.Add(-l.slot)
		} else {
			if n > 0 {
				l.seen = slices.Clone(l.seen[n:])
			}
			next = l.end.Add(l.slot)
		}
		if next.After(last) {
			continue
		}
		more, err := b.slots(ctx, o, l.slot, next, last)
		if err != nil {
			return err
		}
		for _, s := range more {
			l.seen = append(l.seen, draw{s.Bad, s.All})
		}
		l.end = last
	}
	return nil
}

// open is what has not settled even in the shortest slots. The last one ends now: it is
// longer than the others.
func (p *past) open(ctx context.Context, b *Book, o *declare.Objective, base time.Duration, now time.Time) (out []Slot, err error) {
	l := &p.levels[0]
	edge := max(int64(now.Sub(l.end)/l.slot)-1, 0) // slots before the last one
	begin := l.end.Add(time.Duration(edge) * l.slot)
	if edge > 0 {
		if out, err = b.slots(ctx, o, l.slot, l.end.Add(l.slot), begin); err != nil {
			return nil, err
		}
	}
	if rest := now.Sub(begin).Truncate(time.Second); rest >= base {
		more, err := b.slots(ctx, o, rest, now, now)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	return out, nil
}

// since are the slots of a window from a time on, the newest of them put together from shorter
// ones and from what is open.
func (p *past) since(window time.Duration, from time.Time, open []Slot) (out []Slot) {
	i := p.of[window]
	var edge time.Time
	for k := i; k >= 0; k-- {
		l := &p.levels[k]
		for n, d := range l.seen {
			to := l.end.Add(-time.Duration(len(l.seen)-1-n) * l.slot)
			out = with(out, Slot{From: to.Add(-l.slot).UTC(), To: to.UTC(), Bad: d.bad, All: d.all}, p.levels[i].slot, edge, from)
		}
		if l.end.After(edge) {
			edge = l.end
		}
	}
	for _, s := range open {
		out = with(out, s, p.levels[i].slot, edge, from)
	}
	return out
}

// with adds a slot, or a part of one, that lies behind an edge and ends after a time.
func with(to []Slot, s Slot, length time.Duration, edge, from time.Time) []Slot {
	if s.From.Before(edge) || !s.To.After(from) {
		return to
	}
	if n := len(to); n > 0 && !s.From.Truncate(length).After(to[n-1].From) {
		last := &to[n-1]
		last.To, last.Bad, last.All = s.To, last.Bad+s.Bad, last.All+s.All
		return to
	}
	return append(to, s)
}
