package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/detect/evaluate"
	"github.com/evenkeel/evenkeel/detect/rule"
)

// someRules are of every kind: whole, in parts, left, failing, not evaluated yet; and so
// many that they take two pages.
func someRules() ([]rule.Rule, map[string]*evaluate.Explanation) {
	how := map[string]*evaluate.Explanation{} // by name
	explained := func(name string, x *evaluate.Explanation) *evaluate.Summary {
		how[name] = x
		return &evaluate.Summary{Incremental: x.Incremental, Left: x.Left, Bytes: x.Bytes}
	}

	window := func(w string) evaluate.Part {
		return evaluate.Part{Expr: `rate(http_requests_total{code=~"5.."}[` + w + `])`, How: "window", Incremental: true, Series: 40, Bytes: 12_345}
	}
	sum := func(w string) evaluate.Part {
		return evaluate.Part{Expr: `sum(rate(http_requests_total{code=~"5.."}[` + w + `]))`, How: "aggregation", Incremental: true, Series: 1, Seconds: 2.1e-6, Parts: []evaluate.Part{window(w)}}
	}
	engine := evaluate.Part{Expr: `max_over_time(sum(rate(http_requests_total[5m]))[1h:1m])`, How: "engine", Why: "the inner engine evaluates max_over_time of a subquery", Series: 1, Seconds: 0.031}
	out := []rule.Rule{
		{
			File: "objectives", Group: "checkout-availability", Name: "ErrorBudgetBurn", Alert: true, Expr: sum("1h").Expr + " > 0.01 and " + sum("5m").Expr + " > 0.01", Interval: time.Second,
			Health: "ok", State: "firing", Active: 1, At: night.Add(-time.Second), Took: 41 * time.Microsecond,
			Summary: explained("ErrorBudgetBurn", &evaluate.Explanation{Incremental: "all", Series: 1, Seconds: 9e-6, Bytes: 24_690, Part: evaluate.Part{How: "operation", Incremental: true, Expr: "and", Series: 1, Seconds: 9e-6, Parts: []evaluate.Part{sum("1h"), sum("5m")}}}),
		},
		{
			File: "rules/checkout.yml", Group: "checkout", Name: "checkout:errors:peak", Expr: engine.Expr + " / " + sum("5m").Expr, Interval: time.Minute, Health: "ok", At: night.Add(-20 * time.Second), Took: 32 * time.Millisecond,
			Summary: explained("checkout:errors:peak", &evaluate.Explanation{Incremental: "some", Series: 1, Seconds: 0.031, Bytes: 1 << 21, Part: evaluate.Part{How: "operation", Incremental: true, Expr: "a / b", Series: 1, Seconds: 0.031, Parts: []evaluate.Part{engine, sum("5m")}}}),
		},
		{
			File: "rules/checkout.yml", Group: "checkout", Name: "Ambiguous", Alert: true, Expr: `a / b`, Interval: 200 * time.Millisecond, Health: "err", Error: "found duplicate series <b>for</b> the match group", State: "inactive",
			Summary: explained("Ambiguous", &evaluate.Explanation{Incremental: "none", Left: "ambiguous labels", Part: evaluate.Part{How: "operation", Incremental: true, Expr: "a / b"}}),
		},
		{
			File: "rules/checkout.yml", Group: "checkout", Name: "TooMuch", Expr: `sum(c)`, Interval: time.Minute, Health: "ok", At: night.Add(-20 * time.Second), Took: 2 * time.Second,
			Summary: explained("TooMuch", &evaluate.Explanation{Incremental: "none", Left: evaluate.LeftLimit, Seconds: 2, Part: evaluate.Part{How: "aggregation", Incremental: true, Expr: "sum(c)"}}),
		},
		{File: "rules/checkout.yml", Group: "checkout", Name: "New", Alert: true, Expr: "vector(1)", Interval: time.Second, Health: "unknown", State: "inactive"},
	}
	for i := range 60 {
		out = append(out, rule.Rule{File: "rules/many.yml", Group: "many", Name: fmt.Sprintf("many:%02d", i), Expr: "up", Interval: time.Minute, Health: "ok"})
	}
	return append(out, out[1]), how
}

func init() {
	entries = append(entries, "/rules?order=memory", "/rules?text=nothing", "/rules/rule?file=x&group=y&name=z")
}

func TestRulesPages(t *testing.T) {
	e := busy(t)
	h := e.handler()
	f := func(path string, code int, want ...string) string {
		t.Helper()
		res := get(t, h, e, "alice", path)
		text := body(t, res)
		if res.StatusCode != code {
			t.Fatalf("%s: %s, expected %d", path, res.Status, code)
		}
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s does not say %q", path, w)
			}
		}
		return text
	}
	f("/rules", http.StatusOK, "ErrorBudgetBurn", "incremental", "in parts", "1 are kept up to date", "2 in parts; 2 are read in full", "offset=50", "1 rule reads every sample each time")
	if text := f("/rules?order=memory", http.StatusOK); strings.Index(text, "checkout:errors:peak") > strings.Index(text, "ErrorBudgetBurn") {
		t.Error("what takes most memory does not come first")
	}
	f("/rules?text=NEW", http.StatusOK, "not evaluated yet")
	f("/rules?text=nothing", http.StatusOK, "No rule matches")
	if text := f("/rules?text=errors:peak", http.StatusOK); strings.Count(text, "name=checkout%3Aerrors%3Apeak\"") != 1 || !strings.Contains(text, "name=checkout%3Aerrors%3Apeak&amp;n=1\"") {
		t.Error("two rules of the same name have not a link each")
	}
	f("/rules?offset=9999", http.StatusOK)
	of := func(file, group, name string) string {
		return "/rules/rule?" + url.Values{"file": {file}, "group": {group}, "name": {name}}.Encode()
	}
	f(of("rules/checkout.yml", "checkout", "checkout:errors:peak"), http.StatusOK, "Prometheus&#39; engine", "31 ms", "max_over_time of a subquery", "Ambiguous")
	f(of("rules/checkout.yml", "checkout", "checkout:errors:peak")+"&n=1", http.StatusOK, "2 MiB")
	f(of("rules/checkout.yml", "checkout", "Ambiguous"), http.StatusOK, "ambiguous labels", "&lt;b&gt;for&lt;/b&gt;")
	f(of("rules/checkout.yml", "checkout", "New"), http.StatusOK, "not evaluated yet")
	f(of("rules/checkout.yml", "checkout", "checkout:errors:peak")+"&n=7", http.StatusNotFound)
	f(of("rules/nowhere.yml", "checkout", "New"), http.StatusNotFound)
}
