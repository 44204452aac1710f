package web

import (
	"encoding/json"
	"fmt"
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

// TestPagesAreShort: lines may have 256 KiB, and a page shows 200 of them.
func TestPagesAreShort(t *testing.T) {
	for _, unit := range []string{"x", "é", "日", "\xff", "😀"} {
		long := strings.Repeat(unit, 1+100_000/len(unit))
		l := lineOf(logs.Row{Fields: []logs.Field{{Value: long}, {Name: "stack", Value: long}, {Name: "short", Value: unit}}})
		for _, got := range []string{l.Message, l.Fields[0].Value} {
			shown, rest, cut := strings.Cut(got, "… (and ")
			if !cut || len(shown) > mostLegible || len(shown) < mostLegible-4 || !strings.HasPrefix(long, shown) || len(shown)%len(unit) != 0 {
				t.Errorf("%q: %d bytes are shown, %s", unit, len(shown), rest)
			}
			if want := fmt.Sprintf("%d bytes more", len(long)-len(shown)); !strings.Contains(rest, want) {
				t.Errorf("got %q, expected %q", rest, want)
			}
		}
		if l.Fields[1].Value != unit {
			t.Errorf("a short value: %q", l.Fields[1].Value)
		}
	}
	many := logs.Row{}
	for i := range 12 {
		many.Fields = append(many.Fields, logs.Field{Name: fmt.Sprint("f", i), Value: strings.Repeat("x", 100_000)})
	}
	if l := lineOf(many); len(l.Message) > mostLegible+100 {
		t.Errorf("a line without a message: %d bytes", len(l.Message))
	}
}
