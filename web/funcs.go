package web

import (
	"fmt"
	"html/template"
	"math"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
)

// functions are what templates may call.
var functions = template.FuncMap{
	"mark":     mark,
	"sign":     sign,
	"risk":     riskMark,
	"bar":      budgetBar,
	"stamp":    stamp,
	"clock":    clock,
	"ago":      ago,
	"span":     span,
	"dur":      duration,
	"seconds":  func(s float64) string { return duration(time.Duration(s * float64(time.Second))) },
	"prom":     promDuration,
	"num":      number,
	"pct":      percent,
	"count":    count,
	"times":    burnTimes,
	"query":    queryURL,
	"queryAt":  queryAtURL,
	"actor":    func(a journal.Actor) string { return a.Name() },
	"kindMark": kindMark,
	"markdown": func(s string) template.HTML { return markdown([]byte(s)) },
	"svg":      (*Chart).SVG,
	"join":     join,
	"list":     func(v ...any) []any { return v },
	"dict":     dict,
	"param":    func(u string, kv ...string) string { return withQuery(u, kv...) },
	"lines":    func(s string) int { return 1 + strings.Count(strings.TrimRight(s, "\n"), "\n") },
	"until":    func(t, now time.Time) string { return duration(t.Sub(now)) },
	"add":      func(a, b int) int { return a + b },
	"hundred":  func(share float64) float64 { return share * 100 },
	"took":     took,
	"look":     lookInto,
	"severity": severityMark,
	"traceURL": traceURL,
}

// linking are the functions that link a service where it has a page.
func linking(known func(declare.ServiceID) bool) template.FuncMap {
	is := func(id any) bool { return known(declare.ServiceID(fmt.Sprint(id))) }
	return template.FuncMap{
		"known": is,
		"service": func(id any) template.HTML {
			name := template.HTMLEscapeString(fmt.Sprint(id))
			switch {
			case name == "":
				return `<span class="none">–</span>`
			case !is(id):
				return template.HTML(name) //nolint:gosec // escaped
			}
			//nolint:gosec // a name of the catalogue, escaped
			return template.HTML(`<a href="/services/` + template.HTMLEscapeString(url.PathEscape(fmt.Sprint(id))) + `">` + name + `</a>`)
		},
		"ref": func(r journal.Ref) Link {
			l := refLink(r)
			if kind, id := r.Split(); kind == "service" && !is(id) {
				l.URL = ""
			}
			return l
		},
	}
}

// join takes a list of any string type: identities are types of their own.
func join(list any, sep string) string {
	v := reflect.ValueOf(list)
	words := make([]string, v.Len())
	for i := range words {
		words[i] = v.Index(i).String()
	}
	return strings.Join(words, sep)
}

func dict(kv ...any) (map[string]any, error) {
	if len(kv)%2 != 0 {
		return nil, fmt.Errorf("cannot make a dict of %d values", len(kv))
	}
	m := map[string]any{}
	for i := 0; i < len(kv); i += 2 {
		key, ok := kv[i].(string)
		if !ok {
			return nil, fmt.Errorf("cannot make a dict with the key %v", kv[i])
		}
		m[key] = kv[i+1]
	}
	return m, nil
}

// stamp is a moment in full, in UTC as everything that is compared at night.
func stamp(t time.Time) template.HTML {
	if t.IsZero() {
		return `<span class="none">never</span>`
	}
	return moment(t, t.UTC().Format("2006-01-02 15:04:05"), "")
}

// clock is a moment of today or yesterday, short.
func clock(t, now time.Time) template.HTML {
	if t.IsZero() {
		return `<span class="none">–</span>`
	}
	layout := "15:04:05"
	if t.UTC().YearDay() != now.UTC().YearDay() || t.UTC().Year() != now.UTC().Year() {
		layout = "01-02 15:04"
	}
	return moment(t, t.UTC().Format(layout), "")
}

// ago is how long something is past; the script keeps it right on an open page.
func ago(t, now time.Time) template.HTML {
	if t.IsZero() {
		return `<span class="none">never</span>`
	}
	return moment(t, duration(now.Sub(t)), "ago")
}

func moment(t time.Time, text, kind string) template.HTML {
	attr := ""
	if kind != "" {
		attr = ` data-` + kind
	}
	//nolint:gosec // times and our own words only
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s UTC"%s>%s</time>`,
		t.UTC().Format(time.RFC3339Nano), t.UTC().Format("2006-01-02 15:04:05"), attr, text))
}

// span is the time between two moments, "" when one is missing.
func span(from, to time.Time) string {
	if from.IsZero() || to.IsZero() {
		return ""
	}
	return duration(to.Sub(from))
}

// duration is a time span in at most two units.
func duration(d time.Duration) string {
	sign := ""
	if d < 0 {
		sign, d = "−", -d
	}
	d = d.Round(time.Second)
	s := int64(d / time.Second)
	switch {
	case s < 60:
		return fmt.Sprintf("%s%ds", sign, s)
	case s < 3600:
		return trimZero(fmt.Sprintf("%s%dm %ds", sign, s/60, s%60))
	case s < 86400:
		return trimZero(fmt.Sprintf("%s%dh %dm", sign, s/3600, s%3600/60))
	}
	return trimZero(fmt.Sprintf("%s%dd %dh", sign, s/86400, s%86400/3600))
}

func trimZero(s string) string {
	if head, tail, ok := strings.Cut(s, " "); ok && tail[0] == '0' {
		return head
	}
	return s
}

func promDuration(d time.Duration) string { return model.Duration(d).String() }

// number is a value with as many digits as carry meaning.
func number(v float64) string {
	a := math.Abs(v)
	switch {
	case math.IsNaN(v):
		return "no data"
	case math.IsInf(v, 0):
		return map[bool]string{true: "∞", false: "−∞"}[v > 0]
	case a >= 1e6 || a != 0 && a < 1e-4:
		return strconv.FormatFloat(v, 'g', 4, 64)
	case a >= 1000 || a == math.Trunc(a):
		return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64)
	case a >= 1:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// count is a number of things, in whole ones, a thousand apart.
func count(v float64) string {
	if math.IsNaN(v) || math.Abs(v) >= 1e15 {
		return number(v)
	}
	text := strconv.FormatFloat(math.Round(v), 'f', 0, 64)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "\u202f" + text[i:]
	}
	return text
}

// percent is a share in [0,1] as per cent, with more digits near to one.
func percent(v float64) string {
	switch {
	case math.IsNaN(v):
		return "no data"
	case math.IsInf(v, 0):
		return number(v) + " %"
	}
	s := strconv.FormatFloat(v*100, 'f', 4, 64)
	if a := math.Abs(v); a < 0.99 || a > 1 {
		s = strconv.FormatFloat(v*100, 'f', 1, 64)
	}
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s + " %"
}

// burnTimes is a burn rate: 1× uses up the budget exactly at the window's end.
func burnTimes(v float64) string {
	if math.IsNaN(v) {
		return "no data"
	}
	switch a := math.Abs(v); {
	case a >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64) + "×"
	case a >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64) + "×"
	}
	return strconv.FormatFloat(v, 'f', 2, 64) + "×"
}

// queryURL is the explorer with a query.
func queryURL(expr string) string { return "/explore?expr=" + url.QueryEscape(expr) }

// queryAtURL is the explorer with a query over a past time.
func queryAtURL(expr string, from, to time.Time) string {
	return withQuery("/explore", "expr", expr, "from", from.UTC().Format(time.RFC3339), "to", to.UTC().Format(time.RFC3339))
}

// withQuery sets parameters of an address; an empty value removes one. What an act
// said is not carried on.
func withQuery(address string, kv ...string) string {
	path, _, _ := strings.Cut(address, "?")
	q := queryOf(address)
	for i := 0; i+1 < len(kv); i += 2 {
		if kv[i+1] == "" {
			q.Del(kv[i])
		} else {
			q.Set(kv[i], kv[i+1])
		}
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// queryOf are the parameters of an address, without what an act said.
func queryOf(address string) url.Values {
	_, raw, _ := strings.Cut(address, "?")
	q, err := url.ParseQuery(raw)
	if err != nil {
		q = url.Values{}
	}
	q.Del("done")
	return q
}

// Link is a text that leads somewhere; URL "" where there is no page.
type Link struct{ Text, URL string }

// refLink is where the noun of a fact is shown.
func refLink(r journal.Ref) Link {
	kind, id := r.Split()
	esc := url.PathEscape(id)
	l := Link{Text: kind + " " + id}
	switch kind {
	case "incident":
		l = Link{"#" + id, "/incidents/" + esc}
	case "finding":
		l.URL = "/findings/" + esc
	case "service":
		l = Link{id, "/services/" + esc}
	case "request":
		l.URL = "/requests/" + esc
	case "run":
		l.URL = "/runs/" + esc
	case "change":
		l.URL = "/changes/" + esc
	case "runbook":
		l.URL = "/runbooks/" + esc
	case "review":
		l.URL = "/incidents/" + esc + "/review"
	case "silence":
		l.URL = "/silences"
	case "view":
		l.URL = "/views"
	case "workspace":
		l = Link{"workspace", "/workspace"}
	case "objective":
		l = Link{id, "/objectives/" + esc}
	}
	return l
}

func resourceLabel(id declare.ResourceID) (kind, name string) {
	parts := strings.Split(string(id), "/")
	return parts[0], parts[len(parts)-1]
}
