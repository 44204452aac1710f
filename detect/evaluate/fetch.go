package evaluate

import (
	"context"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/evenkeel/evenkeel/detect/window"
)

// bring moves the states of a family on to the time t, or finds that they are good for it,
// and fetches the values of all its leaves, if there is anything new: others may move the
// states on at any time afterwards. It says whether there was.
func (f *family) bring(ctx context.Context, t, oldest int64) (fetched bool, err error) {
	if f.fetched == t && !f.user.news.Load() {
		return false, nil
	}
	s := f.of
	crowd := s.e.crowd()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mover = f.user
	f.user.news.Store(false) // before what has arrived is collected: later news are news
	if err := s.reach(ctx, t, oldest); err != nil {
		f.user.news.Store(true)
		return false, err
	}
	s.bound(t-f.offset, f.shapes != s.shapes, crowd)
	if now := t - f.offset; f.fetched == t && f.user.low > now {
		return false, nil
	} else if s.wrong == nil && now < s.since {
		f.behind++
		f.user.news.Store(true)
		return false, errPast
	}
	if f.behind > 0 && s.at == t-f.offset {
		f.behind--
	}
	f.list()
	f.wrong = s.wrong
	if f.wrong == nil {
		for _, n := range f.plain {
			n.fetch(t)
		}
		for _, a := range f.sums {
			a.fetch(&f.live.env, t)
		}
	}
	f.fetched, f.user.low = t, farAway
	return true, nil
}

// again calls fetch, if the states are still good for the time of the last fetch.
func (f *family) again(t int64, fetch func()) {
	s := f.of
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := t - f.offset; s.loaded && s.wrong == nil && now >= s.since && now <= s.at && f.shapes == s.shapes {
		fetch()
	}
}

// list lists the series of each selection anew, if some came or went.
func (f *family) list() {
	s := f.of
	if f.shapes == s.shapes {
		return
	}
	f.shapes = s.shapes
	f.live.plans.clear()
	for _, sel := range f.sels {
		sel.rows = nil
		full := make([]labels.Labels, 0, len(sel.full.rows))
		var bare []labels.Labels
		for _, row := range s.series {
			if sel.matches(row.Labels) {
				sel.rows = append(sel.rows, row)
				full = append(full, row.Labels)
				if sel.needsBare {
					bare = append(bare, dropName(row.Labels))
				}
			}
		}
		sel.full, sel.bare = &shape{full}, &shape{bare}
	}
}

// rows are what a leaf's values are of.
func (n *leaf) rows() *shape {
	if n.bare {
		return n.sel.bare
	}
	return n.sel.full
}

// fetch takes a leaf's values at the time t from the states, whose lock the caller holds.
func (n *leaf) fetch(t int64) {
	out := sized(n.room, n.rows(), 1)
	n.room, n.now, n.err = out.vals, out, nil
	t -= n.offset
	if n.fn == window.None {
		for i, row := range n.sel.rows {
			v, ok := row.Current(t)
			switch {
			case !ok:
				v = window.Gone
			case n.stamp:
				v = float64(row.LastT()) / 1000
			}
			out.vals[i] = v
		}
		return
	}
	for i, row := range n.sel.rows {
		v, ok, sure := row.Value(n.fn, n.win, t, n.param)
		if !sure {
			n.err = errUnsure
			return
		}
		if !ok {
			v = window.Gone
		}
		out.vals[i] = v
	}
}

// fetch aggregates a leaf's values without keeping them. The caller holds the lock of the
// states.
func (a *aggregate) fetch(e *env, t int64) {
	n := a.leaf
	a.err = nil
	acc := a.prepare(e, n.rows(), 1)
	t -= n.offset
	for i, g := range a.groups.row {
		v, ok, sure := n.sel.rows[i].Value(n.fn, n.win, t, n.param)
		if !sure {
			a.err = errUnsure
			return
		}
		if ok {
			acc[g].add(a.op, v)
		}
	}
	a.now = a.results(acc, 1)
}
