package suspect

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
)

// TestCountersAreReadAsRates reads the same case as rates and as counters.
func TestCountersAreReadAsRates(t *testing.T) {
	e := newEstate(7)
	e.move("pay", "cpu_usage", onset, 3)
	file := func(counted bool) string {
		var b strings.Builder
		b.WriteString("time,resource,metric,value\n")
		for _, s := range e.c.Signals {
			sum := 1e6
			for i, v := range s.Values {
				switch {
				case i == 200: // it restarts
					sum = 0
				case counted:
					sum += v * 15
				}
				if counted {
					v = sum
				}
				fmt.Fprintf(&b, "%d,%s,%s_total,%g\n", s.Times[i]/1000, s.Resource, s.Metric, v)
			}
		}
		return b.String()
	}
	about := fmt.Sprintf(`{"onset": %d}`, onset.Unix())
	for _, counted := range []bool{false, true} {
		c, err := Read(fstest.MapFS{"metrics.csv": {Data: []byte(file(counted))}, "case.json": {Data: []byte(about)}})
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range c.Signals {
			if want := len(e.c.Signals[i].Times); counted != (len(s.Times) == want-1) {
				t.Errorf("counted %v: %s has %d samples of %d", counted, s.Metric, len(s.Times), want)
			}
		}
		if r := Rank(c); len(r.Suspects) != 1 || r.Suspects[0].Resource != "pay" {
			t.Errorf("counted %v: got %v, expected pay alone", counted, blamed(r))
		}
	}
}
