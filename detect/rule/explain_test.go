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
`
	in(t, rules, func(x *room) {
		x.set(`depth{service="checkout"}`, 3)
		x.after(2 * time.Minute)
		all := x.r.Rules(x.t.Context())
		if len(all) < 3 {
			x.t.Fatalf("%d rules, expected these two and some that are built in", len(all))
		}
		found := map[string]string{}
		for _, r := range all {
			e := r.Explanation
			if e == nil {
				x.t.Fatalf("%s is not explained", r.Name)
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
			if r.Name == "b" && !strings.Contains(e.Part.Why, "topk") {
				x.t.Errorf("parts of b: %+v", e.Part)
			}
		}
		if found["a"] != "all" || found["b"] != "some" {
			x.t.Errorf("got %v, expected all of a and some of b", found)
		}
	})
}
