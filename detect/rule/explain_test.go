package rule_test

import (
	"strings"
	"testing"
	"time"
)

// TestRulesAreIncrementalHoweverTheyAreWritten: the manager asks what PromQL makes of an
// expression, not its text.
func TestRulesAreIncrementalHoweverTheyAreWritten(t *testing.T) {
	const rules = `groups:
  - name: written
    rules:
      - record: a
        expr: |
          sum( rate(depth{service = "checkout" }[ 1m ]) )   by  (service)
            / on(service)
          sum(rate(depth[1m]))by(service)
      - record: b
        expr: topk(1,rate(depth[1m]))
      - record: c
        expr: max_over_time(depth[1m:10s]) + on (service) sum by (service) (rate(depth[1m]))
`
	in(t, rules, func(x *room) {
		x.set(`depth{service="checkout"}`, 3)
		x.after(2 * time.Minute)
		all := x.r.Rules()
		if len(all) < 3 {
			x.t.Fatalf("%d rules, expected these two and some that are built in", len(all))
		}
		found := map[string]string{}
		for _, r := range all {
			e := x.r.Explanation(x.t.Context(), r.File, r.Group, r.Expr)
			if e == nil {
				x.t.Fatalf("%s is not explained", r.Name)
			}
			if s := r.Summary; s == nil || s.Incremental != e.Incremental || s.Left != e.Left || s.Bytes != e.Bytes || !s.At.Equal(e.At) {
				x.t.Errorf("%s: the list says %+v, the explanation %+v", r.Name, s, e)
			}
			if r.Group != "written" {
				continue
			}
			found[r.Name] = e.Incremental
			if e.Bytes == 0 || e.At.IsZero() || e.Left != "" || r.Health != "ok" || r.Took <= 0 && r.At.IsZero() {
				x.t.Errorf("%s: %+v", r.Name, e)
			}
			if r.Name == "a" && (e.Part.How != "operation" || len(e.Part.Parts) != 2 || e.Part.Parts[0].Parts[0].How != "window") {
				x.t.Errorf("parts of a: %+v", e.Part)
			}
			if r.Name == "b" && (e.Part.How != "aggregation" || !e.Part.Incremental || !strings.Contains(e.Part.Why, "groups")) {
				x.t.Errorf("parts of b: %+v", e.Part)
			}
			if p := e.Part.Parts[0]; r.Name == "c" && (p.How != "engine" || !strings.Contains(p.Why, "subquery")) {
				x.t.Errorf("parts of c: %+v", e.Part)
			}
		}
		if found["a"] != "all" || found["b"] != "all" || found["c"] != "some" {
			x.t.Errorf("got %v, expected all of a and of b, and some of c", found)
		}
	})
}

// TestGroupsKeepPrometheusSemantics: rules see what those before them in the group have
// just recorded; an offset moves the whole evaluation back; a limit fails the rule that
// exceeds it and no other.
func TestGroupsKeepPrometheusSemantics(t *testing.T) {
	const rules = `groups:
  - name: order
    rules:
      - record: first
        expr: sum(depth)
      - record: second
        expr: first * 2
  - name: behind
    query_offset: 1m
    rules:
      - record: behind
        expr: sum(depth)
  - name: limited
    limit: 1
    rules:
      - record: many
        expr: depth
      - record: one
        expr: sum(depth)
  - name: seldom
    interval: 1m
    rules:
      - record: at
        expr: time()
`
	in(t, rules, func(x *room) {
		x.set(`depth{instance="a"}`, 1)
		x.set(`depth{instance="b"}`, 2)
		x.after(3 * time.Minute)
		x.set(`depth{instance="a"}`, 10)
		x.after(30 * time.Second)
		for expr, want := range map[string]float64{"first": 12, "second": 24, "behind": 3, "one": 12, `count(many) or vector(0)`: 0} {
			if v := x.value(expr); v != want {
				x.t.Errorf("%s is %g, expected %g", expr, v, want)
			}
		}
		x.after(time.Minute)
		if v := x.value("behind"); v != 12 {
			x.t.Errorf("behind is %g a minute later, expected 12", v)
		}
		if n := x.value("count_over_time(at[10m])"); n < 4 || n > 6 {
			x.t.Errorf("a group of a minute was evaluated %g times in four and a half", n)
		}
		for _, r := range x.r.Rules() {
			failed := r.Name == "many"
			if failed != (r.Health == "err") || failed && !strings.Contains(r.Error, "limit of 1") {
				x.t.Errorf("%s is %s: %s", r.Name, r.Health, r.Error)
			}
		}
	})
}
