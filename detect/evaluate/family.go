package evaluate

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/evenkeel/evenkeel/detect/window"
)

// selector finds series: those of a metric whose labels match, of a fixed time before.
type selector struct {
	name     string
	matchers []*labels.Matcher
	offset   int64 // milliseconds; negative of the time after
}

// family is the series that one selector finds and all windows that are asked of them.
// Selectors that find some of the same series, because they say the same and more, are of
// the same family: errors of a service are of the family of its requests.
type family struct {
	selector
	spec   window.Spec
	sels   []*selection
	leaves []*leaf

	// The rest is for those of a Live: where the values come from, and which were fetched.
	live  *Live
	of    *states
	user  *user
	plain []*leaf      // whose values are fetched
	sums  []*aggregate // those of one leaf, fetched without its own values
	// The time of the last fetch, how often series had come and gone by then, what was wrong,
	// and how often the states were ahead, of late.
	fetched, shapes int64
	wrong           error
	behind          int
}

// selection is one selector within a family.
type selection struct {
	more []*labels.Matcher // what it asks beyond the family
	rows []*tracked        // of a Live: its series, in the order of their labels
	full *shape            // their labels
	bare *shape            // the same without names, if somebody needs it
	// needsBare is set when a leaf does.
	needsBare bool
}

func (s *selection) matches(ls labels.Labels) bool {
	for _, m := range s.more {
		if !m.Matches(ls.Get(m.Name)) {
			return false
		}
	}
	return true
}

// arrange puts leaves into families.
func arrange(leaves []*leaf, tail int64) []*family {
	sorted := slices.Clone(leaves)
	slices.SortStableFunc(sorted, func(a, b *leaf) int { return cmp.Compare(len(a.matchers), len(b.matchers)) })
	by := map[string][]*family{}
	var out []*family
	for _, l := range sorted {
		var f *family
		for _, g := range by[l.name] {
			if g.offset == l.offset && includes(l.matchers, g.matchers) {
				f = g
				break
			}
		}
		if f == nil {
			f = &family{selector: selector{l.name, l.matchers, l.offset}, spec: window.Spec{Tail: tail, Lookback: lookback.Milliseconds()}}
			by[l.name] = append(by[l.name], f)
			out = append(out, f)
		}
		f.add(l)
	}
	for _, f := range out {
		slices.SortFunc(f.spec.Windows, func(a, b window.Window) int { return cmp.Compare(a.Length, b.Length) })
		for _, l := range f.leaves {
			if l.fn != window.None {
				l.win = f.spec.Index(l.length)
				sums, _, _ := l.fn.Needs(l.length, f.spec.Tail)
				w := &f.spec.Windows[l.win]
				w.Sums = w.Sums || sums
			}
		}
	}
	return out
}

// add takes a leaf and its window.
func (f *family) add(l *leaf) {
	f.take(l)
	if l.fn == window.None {
		return
	}
	if f.spec.Index(l.length) < 0 {
		f.spec.Windows = append(f.spec.Windows, window.Window{Length: l.length})
	}
	if _, walks, _ := l.fn.Needs(l.length, f.spec.Tail); walks {
		f.spec.Tail = max(f.spec.Tail, l.length)
	}
}

// take takes a leaf whose window is there.
func (f *family) take(l *leaf) {
	l.family = f
	f.leaves = append(f.leaves, l)
	more := without(l.matchers, f.matchers)
	at := slices.IndexFunc(f.sels, func(s *selection) bool { return includes(s.more, more) && includes(more, s.more) })
	if at < 0 {
		at = len(f.sels)
		f.sels = append(f.sels, &selection{more: more, full: &shape{}, bare: &shape{}})
	}
	l.sel = f.sels[at]
}

func sameMatcher(a, b *labels.Matcher) bool {
	return a.Type == b.Type && a.Name == b.Name && a.Value == b.Value
}

// includes says whether all of the second are among the first.
func includes(all, some []*labels.Matcher) bool { return len(without(some, all)) == 0 }

func without(all, some []*labels.Matcher) []*labels.Matcher {
	var out []*labels.Matcher
	for _, m := range all {
		if !slices.ContainsFunc(some, func(o *labels.Matcher) bool { return sameMatcher(m, o) }) {
			out = append(out, m)
		}
	}
	return out
}

func (f *selector) matches(ls labels.Labels) bool {
	for _, m := range f.matchers {
		if !m.Matches(ls.Get(m.Name)) {
			return false
		}
	}
	return true
}

func (f *selector) String() string {
	var b strings.Builder
	b.WriteString(f.name)
	n := 0
	for _, m := range f.matchers {
		if m.Name == labels.MetricName {
			continue
		}
		b.WriteString([]string{"{", ", "}[min(n, 1)])
		b.WriteString(m.String())
		n++
	}
	if n > 0 {
		b.WriteString("}")
	}
	return b.String()
}

// key says what the selector finds.
func (f *selector) key() string {
	texts := make([]string, 0, len(f.matchers))
	for _, m := range f.matchers {
		texts = append(texts, m.String())
	}
	slices.Sort(texts)
	return strconv.FormatInt(f.offset, 10) + "\xff" + strings.Join(slices.Compact(texts), "\xff")
}

// anchor is the label by which those who want to know of a series are found.
func (f *selector) anchor() (labels.Label, bool) {
	for _, m := range f.matchers {
		if m.Type == labels.MatchEqual && m.Name != labels.MetricName && m.Value != "" {
			return labels.Label{Name: m.Name, Value: m.Value}, true
		}
	}
	return labels.Label{}, false
}
