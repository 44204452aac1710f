package suspect

import (
	"hash/maphash"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"
)

// surge is a log pattern that is new since the onset, or comes much more often.
type surge struct {
	resource string
	example  string
	severity string
	count    int     // since the onset
	usual    float64 // how many were to be expected
	z        float64
	at       int64    // the first since the onset
	until    int64    // the last
	about    []string // other resources that the record names
}

// ended is the silence after which a pattern is over.
const ended = 5 * time.Minute

// severity weighs what a record says of itself.
func severity(s, body string) float64 {
	switch l := strings.ToLower(s); {
	case strings.HasPrefix(l, "fatal"), strings.HasPrefix(l, "crit"), strings.HasPrefix(l, "emerg"), strings.HasPrefix(l, "alert"), strings.HasPrefix(l, "panic"), strings.HasPrefix(l, "err"):
		return 1
	case strings.HasPrefix(l, "warn"):
		return 0.6
	case l == "":
		b := strings.ToLower(body)
		for _, w := range []string{"error", "fail", "exception", "panic", "fatal", "refused", "timeout", "timed out", "oom"} {
			if strings.Contains(b, w) {
				return 0.8
			}
		}
	}
	return 0.2
}

var seed = maphash.MakeSeed()

// template is a hash of the words of a record that do not vary: those without digits.
// Records of one pattern differ in numbers, names of pods, quoted text.
func template(body string) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	words := 0
	for w := range strings.FieldsFuncSeq(body, func(r rune) bool {
		return unicode.IsSpace(r) || strings.ContainsRune(`=:,;()[]{}"'<>|`, r)
	}) {
		if words++; words > 40 {
			break
		}
		if strings.ContainsAny(w, "0123456789") || len(w) > 40 {
			continue
		}
		h.WriteString(strings.ToLower(w))
		h.WriteByte(' ')
	}
	return h.Sum64()
}

// surges compares the records since the onset with those of the quiet window.
func surges(logs []Log, w window, name func(string) string, known map[string]bool) []surge {
	type key struct {
		resource string
		template uint64
	}
	type tally struct {
		surge
		before int
		weight float64
	}
	var quiet, active float64 // lengths
	var seenQuiet bool
	if len(logs) == 0 {
		return nil
	}
	first, last := logs[0].At.UnixMilli(), logs[0].At.UnixMilli()
	for _, l := range logs {
		first, last = min(first, l.At.UnixMilli()), max(last, l.At.UnixMilli())
	}
	for _, q := range w.quiet { // only while anything was written down
		quiet += float64(max(0, min(q[1], last)-max(q[0], first)))
	}
	active = float64(max(1, min(w.end, last+1)-max(w.earliest, first)))
	all := map[key]*tally{}
	var order []key
	for _, l := range logs {
		t := l.At.UnixMilli()
		inQuiet := slices.ContainsFunc(w.quiet, func(q [2]int64) bool { return t >= q[0] && t < q[1] })
		inCase := t >= w.earliest && t < w.end
		if !inQuiet && !inCase {
			continue
		}
		seenQuiet = seenQuiet || inQuiet
		k := key{name(l.Resource), template(l.Body)}
		x := all[k]
		if x == nil {
			x = &tally{surge: surge{resource: k.resource, example: l.Body, severity: l.Severity}, weight: severity(l.Severity, l.Body)}
			all[k] = x
			order = append(order, k)
		}
		if inCase {
			if x.count == 0 || t < x.at {
				x.at = t
			}
			x.count++
			x.until = max(x.until, t)
		} else {
			x.before++
		}
	}
	var out []surge
	for _, k := range order {
		x := all[k]
		if x.count == 0 {
			continue
		}
		x.usual = 0
		if quiet > 0 {
			x.usual = float64(x.before) * active / quiet
		}
		z := (float64(x.count) - x.usual) / math.Sqrt(x.usual+1)
		weight := x.weight
		if !seenQuiet { // nothing to compare with: only what it says of itself counts
			if weight < 0.6 {
				continue
			}
		}
		if x.before == 0 && weight >= 0.6 {
			z = math.Max(z, 2*still) // a new error: one is enough to be told
		}
		if silence := last - x.until; silence > ended.Milliseconds() && silence > 2*(x.until-x.at) {
			z *= 0.3 // it came and went, and others have gone on writing since
		}
		x.z = math.Min(z, 40) * weight
		if x.z <= still || float64(x.count) < 2*x.usual {
			continue
		}
		body := strings.ToLower(x.example)
		for r := range known {
			if p := plainer(r); r != x.resource && mentions(body, p[len(p)-1]) {
				x.about = append(x.about, r)
			}
		}
		slices.Sort(x.about)
		out = append(out, x.surge)
	}
	slices.SortStableFunc(out, func(a, b surge) int { return cmpDown(a.z, b.z) })
	return out
}

// onsetOfLogs is when the complaints began that still go on at the end; the end where
// there are none. 0 without records.
func onsetOfLogs(logs []Log) int64 {
	type run struct{ first, last int64 }
	patterns := map[uint64]run{}
	var end int64
	for _, l := range logs {
		t := l.At.UnixMilli()
		end = max(end, t)
		if severity(l.Severity, l.Body) < 0.6 {
			continue
		}
		k := template(l.Resource + " " + l.Body)
		r, ok := patterns[k]
		if !ok {
			r = run{t, t}
		}
		patterns[k] = run{min(r.first, t), max(r.last, t)}
	}
	onset := end
	for _, r := range patterns {
		if silence := end - r.last; silence <= ended.Milliseconds() || silence <= 2*(r.last-r.first) {
			onset = min(onset, r.first)
		}
	}
	return onset
}

// mentions says that a text has a name as a word of its own.
func mentions(text, name string) bool {
	if len(name) < 3 {
		return false
	}
	letter := func(i int) bool {
		return i >= 0 && i < len(text) && (text[i] >= 'a' && text[i] <= 'z' || text[i] >= '0' && text[i] <= '9')
	}
	for from := 0; ; {
		i := strings.Index(text[from:], name)
		if i < 0 {
			return false
		}
		i += from
		if !letter(i-1) && !letter(i+len(name)) {
			return true
		}
		from = i + 1
	}
}

func cmpDown(a, b float64) int {
	switch {
	case a > b:
		return -1
	case a < b:
		return 1
	}
	return 0
}
