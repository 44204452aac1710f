package suspect

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/observe/pattern"
)

// surge is a log pattern that is new since the onset, comes much more often, or is missing.
type surge struct {
	resource string
	example  string
	severity string
	count    int     // since the onset
	usual    float64 // how many were to be expected
	z        float64
	gone     bool     // it is missing
	at       int64    // the first since the onset
	about    []string // other resources that the record names
}

// ended is the silence after which a pattern is over.
const ended = 5 * time.Minute

// severity weighs what a record says of itself.
func severity(s, body string) float64 {
	l := strings.ToLower(strings.TrimSpace(s))
	if n, err := strconv.Atoi(l); err == nil {
		l = "" // up to 8 it may be syslog's number as well as OpenTelemetry's: the text has to tell
		if n > 8 {
			l = [...]string{"trace", "debug", "info", "warn", "error", "fatal"}[min((n-1)/4, 5)]
		}
	}
	switch {
	case strings.HasPrefix(l, "fatal"), strings.HasPrefix(l, "crit"), strings.HasPrefix(l, "emerg"), strings.HasPrefix(l, "alert"), strings.HasPrefix(l, "panic"), strings.HasPrefix(l, "err"):
		return 1
	case strings.HasPrefix(l, "warn"):
		return 0.6
	case l == "":
		if alarming(body) {
			return 0.8
		}
	}
	return 0.2
}

// alarming says that a text tells of a failure, by its words.
func alarming(body string) bool {
	b := strings.ToLower(body)
	for _, w := range []string{"error", "fail", "exception", "panic", "fatal", "refused", "timeout", "timed out", "oom"} {
		before, _, found := strings.Cut(b, w)
		if !found {
			continue
		}
		last := before[strings.LastIndexAny(strings.TrimRight(before, " "), " ,;:=([")+1:]
		switch strings.TrimSpace(last) {
		case "no", "0", "zero", "without", "any": // "no errors"
		default:
			return true
		}
	}
	return false
}

// mined is the template of each record, found among the records of its resource.
func mined(logs []Log, name func(string) string) []*pattern.Template {
	miners := map[string]*pattern.Miner{}
	out := make([]*pattern.Template, len(logs))
	for i, l := range logs {
		r := name(l.Resource)
		m := miners[r]
		if m == nil {
			m = pattern.NewMiner()
			miners[r] = m
		}
		out[i] = m.Add(l.Body)
	}
	for i := range out { // two may have become one since
		out[i] = out[i].Canonical()
	}
	return out
}

// stream is what one resource wrote of one template.
type stream struct {
	surge
	weight float64
	quiet  []int64 // times
	during []int64
}

// surges compares the records since the onset with those of the quiet window: templates
// that are new, come more often, or are missing while the resource goes on writing.
func surges(logs []Log, w window, name func(string) string, known map[string]bool) []surge {
	if len(logs) == 0 {
		return nil
	}
	first, last := logs[0].At.UnixMilli(), logs[0].At.UnixMilli()
	for _, l := range logs {
		first, last = min(first, l.At.UnixMilli()), max(last, l.At.UnixMilli())
	}
	quiet := heardFor(logs, w)
	type key struct {
		resource string
		template *pattern.Template
	}
	all := map[key]*stream{}
	var order []*stream
	of := map[string][]*stream{} // of each resource
	var heard bool
	for i, t := range mined(logs, name) {
		l := &logs[i]
		at := l.At.UnixMilli()
		inQuiet := slices.ContainsFunc(w.quiet, func(q [2]int64) bool { return at >= q[0] && at < q[1] })
		if inCase := at >= w.earliest && at < w.end; !inQuiet && !inCase {
			continue
		}
		k := key{name(l.Resource), t}
		x := all[k]
		if x == nil {
			x = &stream{surge: surge{resource: k.resource, example: l.Body, severity: l.Severity}, weight: severity(l.Severity, l.Body)}
			all[k] = x
			order, of[k.resource] = append(order, x), append(of[k.resource], x)
		}
		if inQuiet {
			heard = true
			x.quiet = append(x.quiet, at)
		} else {
			x.during = append(x.during, at)
		}
	}
	for _, x := range order {
		slices.Sort(x.quiet)
		slices.Sort(x.during)
	}
	parts, pieces := spans(w, first, last), pieces(w, first, last)
	busy := map[string][]float64{}
	for r, all := range of {
		for _, span := range pieces {
			busy[r] = append(busy[r], activity(all, span, quiet))
		}
	}
	var out []surge
	for _, x := range order {
		if !heard && x.weight < 0.6 { // nothing to compare with: only what it says of itself counts
			continue
		}
		for _, span := range parts {
			x.compare(span, quiet, w, last)
		}
		for i, span := range pieces {
			x.missing(span, quiet, w, busy[x.resource][i])
		}
		if x.z <= still {
			continue
		}
		body := strings.ToLower(x.example)
		for r := range known {
			if p := plainer(r); r != x.resource && !x.gone && mentions(body, p[len(p)-1]) {
				x.about = append(x.about, r)
			}
		}
		slices.Sort(x.about)
		out = append(out, x.surge)
	}
	slices.SortStableFunc(out, func(a, b surge) int { return cmpDown(a.z, b.z) })
	return out
}

// heardFor is how long of the quiet window anything was written down, in milliseconds:
// a pause that is long for a break counts not.
func heardFor(logs []Log, w window) int64 {
	var sum int64
	for _, q := range w.quiet {
		times := []int64{q[0], q[1]}
		for _, l := range logs {
			if t := l.At.UnixMilli(); t >= q[0] && t < q[1] {
				times = append(times, t)
			}
		}
		slices.Sort(times)
		for i := 1; i < len(times); i++ {
			if gap := times[i] - times[i-1]; gap <= breakGap.Milliseconds() {
				sum += gap
			}
		}
	}
	return sum
}

// spans are the parts of the incident that are compared: detection may be late, and
// what broke may have recovered before the end.
func spans(w window, first, last int64) [][2]int64 {
	end := min(w.end, last+1)
	out := [][2]int64{{max(w.earliest, first), end}}
	if from := max(w.onset-earlyBy.Milliseconds(), w.earliest); from > out[0][0] && from < end {
		out = append(out, [2]int64{from, end})
		if soon := w.onset + shortly.Milliseconds(); soon < end {
			out = append(out, [2]int64{from, soon})
		}
	}
	return out
}

// pieces of the incident in which something may be missing for a while.
func pieces(w window, first, last int64) [][2]int64 {
	const length, step = 2 * time.Minute, time.Minute
	var out [][2]int64
	end := min(w.end, last+1)
	for from := max(w.earliest, first); from+length.Milliseconds() <= end; from += step.Milliseconds() {
		out = append(out, [2]int64{from, from + length.Milliseconds()})
	}
	return out
}

// shortly is how long some faults last.
const shortly = 4 * time.Minute

// compare takes a span of the incident where the template came more often than usual.
func (x *stream) compare(span [2]int64, quiet int64, w window, last int64) {
	lo, hi := within(x.during, span)
	n := hi - lo
	length := max(span[1]-span[0], 1)
	if n == 0 {
		return
	}
	usual := 0.0
	if quiet > 0 {
		usual = float64(len(x.quiet)) * float64(length) / float64(quiet)
	}
	z := (float64(n) - usual) / math.Sqrt(usual+1) / x.bursts(length, w)
	weight := x.weight
	if len(x.quiet) == 0 {
		if weight < 0.6 && alarming(x.example) { // whatever level it is written at
			weight = 0.6
		}
		if weight >= 0.6 { // a new error: one is enough to be told
			z = math.Max(z, 2*still)
		} else { // whatever it says, it was never said before
			weight = 0.3
		}
	}
	if until := x.during[hi-1]; last-until > ended.Milliseconds() && last-until > 2*(until-x.during[lo]) {
		z *= 0.3 // it came and went, and others have gone on writing since
	}
	if z = math.Min(z, 40) * weight; z <= x.z || float64(n) < 2*usual {
		return
	}
	x.z, x.count, x.usual, x.gone, x.at = z, n, usual, false, x.during[lo]
}

// activity is how much of what a resource usually does it still does: the share of the
// template that keeps up best, of those that are common.
func activity(all []*stream, span [2]int64, quiet int64) float64 {
	const common = 20
	most := 0.0
	for _, x := range all {
		if len(x.quiet) < common || quiet <= 0 {
			continue
		}
		lo, hi := within(x.during, span)
		most = math.Max(most, float64(hi-lo)*float64(quiet)/(float64(len(x.quiet))*float64(max(span[1]-span[0], 1))))
	}
	return math.Min(most, 1)
}

// missing takes a span of the incident where the template is missing, though its
// resource goes on with other things: work is no longer done. Where all is written less,
// as when there is less to do, nothing is missing.
func (x *stream) missing(span [2]int64, quiet int64, w window, activity float64) {
	const least, weight = 8, 0.6
	length := max(span[1]-span[0], 1)
	if quiet <= 0 {
		return
	}
	lo, hi := within(x.during, span)
	n := float64(hi - lo)
	usual := float64(len(x.quiet)) * float64(length) / float64(quiet) * activity
	if usual < least || n > 0.3*usual {
		return
	}
	z := math.Min((usual-n)/math.Sqrt(usual)/x.bursts(length, w), 40) * weight
	if z <= x.z {
		return
	}
	x.z, x.count, x.usual, x.gone, x.at = z, hi-lo, usual, true, span[0]
}

// bursts is how much more than chance the quiet counts of as long a time vary, as a
// factor of deviations.
func (x *stream) bursts(length int64, w window) float64 {
	var counts []float64
	for _, q := range w.quiet {
		for from := q[0]; from+length <= q[1] && len(counts) < 100; from += length {
			lo, hi := within(x.quiet, [2]int64{from, from + length})
			counts = append(counts, float64(hi-lo))
		}
	}
	if len(counts) < 3 {
		return 1
	}
	mean, sum := 0.0, 0.0
	for _, c := range counts {
		mean += c / float64(len(counts))
	}
	for _, c := range counts {
		sum += (c - mean) * (c - mean)
	}
	if mean == 0 {
		return 1
	}
	return math.Max(1, math.Sqrt(sum/float64(len(counts)-1)/mean))
}

// within are the indices of the times that lie in a span.
func within(times []int64, span [2]int64) (int, int) {
	lo, _ := slices.BinarySearch(times, span[0])
	hi, _ := slices.BinarySearch(times, span[1])
	return lo, max(lo, hi)
}

// onsetOfLogs is when the complaints began that still go on at the end; the end where
// there are none. 0 without records.
func onsetOfLogs(logs []Log) int64 {
	type run struct{ first, last int64 }
	patterns := map[*pattern.Template]run{}
	var end int64
	templates := mined(logs, func(s string) string { return s })
	for i, l := range logs {
		t := l.At.UnixMilli()
		end = max(end, t)
		if severity(l.Severity, l.Body) < 0.6 {
			continue
		}
		k := templates[i]
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
