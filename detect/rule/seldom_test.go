package rule_test

import (
	"strings"
	"testing"
	"time"
)

// TestARuleThatFailsIsLoggedOnceAMinute, not at each evaluation, and one rule does not hide
// another.
func TestARuleThatFailsIsLoggedOnceAMinute(t *testing.T) {
	const rules = `groups:
  - name: broken
    interval: 1s
    rules:
      - record: one
        expr: depth * on () depth
      - record: other
        expr: depth + on () depth
`
	in(t, rules, func(x *room) {
		x.set(`depth{instance="a"}`, 1)
		x.set(`depth{instance="b"}`, 2)
		x.after(150 * time.Second)
		for _, name := range []string{"one", "other"} {
			n := 0
			for line := range strings.Lines(x.log.String()) {
				if strings.Contains(line, "Evaluating rule failed") && strings.Contains(line, "name="+name+" ") && strings.Contains(line, "many-to-many") {
					n++
				}
			}
			if n != 2 && n != 3 {
				x.t.Errorf("%s failed all the time and is %d times in the log in two and a half minutes, expected once a minute", name, n)
			}
		}
		for _, r := range x.r.Rules() {
			if r.Group == "broken" && !strings.Contains(r.Error, "many-to-many") {
				x.t.Errorf("%s: error %q, expected what the engine says", r.Name, r.Error)
			}
		}
	})
}
