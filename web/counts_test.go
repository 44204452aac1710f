package web

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/observe/logs"
)

// TestEveryLineIsInTheChart: whatever the time of the page, and with it the step, the
// chart counts as many lines as there are.
func TestEveryLineIsInTheChart(t *testing.T) {
	e := fixtures["busy"](t)
	h := e.handler()
	for _, span := range []time.Duration{5 * time.Minute, 14 * time.Minute, 15*time.Minute + time.Second, 23 * time.Minute, time.Hour, 111 * time.Minute} {
		from, to := night.Add(-span), night
		q, err := logs.ParseQuery(`service.name:payments | stats count() n`, night)
		if err != nil {
			t.Fatal(err)
		}
		q.AddTimeFilter(from.UnixNano(), to.UnixNano())
		var want float64
		if err := e.lines.Each(t.Context(), q, func(row logs.Row) bool {
			return json.Unmarshal([]byte(row.Field("n")), &want) == nil
		}); err != nil || want == 0 {
			t.Fatalf("%s: %v lines, %v", span, want, err)
		}
		res := get(t, h, e, "alice", "/explore?"+url.Values{"logs": {"service.name:payments"}, "from": {from.Format(time.RFC3339)}, "to": {to.Format(time.RFC3339)}}.Encode())
		text := body(t, res)
		_, text, found := strings.Cut(text, `id="chart-lines">`)
		text, _, _ = strings.Cut(text, "</script>")
		var chart struct {
			Series []struct{ Values []float64 }
		}
		if err := json.Unmarshal([]byte(text), &chart); err != nil || !found || res.StatusCode != http.StatusOK {
			t.Fatalf("%s: no chart of lines: %d %v %s", span, res.StatusCode, err, text)
		}
		var got float64
		for _, s := range chart.Series {
			for _, v := range s.Values {
				got += v
			}
		}
		if got != want {
			t.Errorf("in %s: the chart has %v lines, expected %v", span, got, want)
		}
	}
}
