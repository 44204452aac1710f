package web

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect/budget"
)

// account is a budget's report in each of its states: one that burns, one that is spent,
// one that lasts, one without data.
func (e *estate) account(_ context.Context, o *declare.Objective, now time.Time) (*budget.Report, error) {
	if e.budgetErr != nil {
		return nil, e.budgetErr
	}
	r := &budget.Report{Objective: o.Name, At: now, From: now.Add(-o.Window.Length), Target: o.Target, Unit: "events", Bad: 18_231, All: 2_412_004}
	if o.Window.Calendar {
		r.From, r.End = now.Add(-o.Window.Length/3), now.Add(o.Window.Length*2/3)
	}
	left := e.values("", seriesRemaining, map[string]string{"objective": string(o.Name)}, now)
	if math.IsNaN(left) {
		return r, nil
	}
	spent, rate := 1-left, e.values("", seriesBurn, map[string]string{"objective": string(o.Name)}, now)
	r.Spent = &spent
	for _, w := range []string{"5m", "30m", "1h", "6h", "3d"} {
		b := budget.Burn{Window: w}
		if w != "3d" {
			b.Rate = &rate
		}
		if w == "1h" {
			b.Severity, b.Factor, b.Short, b.Holds = "page", 14.4, "5m", rate > 14.4
		}
		r.Burns = append(r.Burns, b)
	}
	f := budget.Forecast{Window: "1h", Rate: rate, Low: rate * 0.8, High: rate * 1.3, Sure: true, Horizon: now.Add(o.Window.Length)}
	if rate > 1 {
		f.Expected.At, f.Earliest.At, f.Latest.At = now.Add(9*time.Hour), now.Add(7*time.Hour), now.Add(13*time.Hour)
	}
	if left <= 0 {
		f.Expected.At, f.Expected.Spent = now, true
	}
	r.Forecast, r.Forecasts = &f, []budget.Forecast{f, {Window: "3d", Rate: 0.4, Horizon: f.Horizon}}
	if len(e.incidents) == 0 {
		r.Causes = []budget.Breakdown{{By: budget.ByIncident, Shares: []budget.Share{{Name: budget.Unattributed, Spent: spent}}}}
		return r, nil
	}
	r.Causes = []budget.Breakdown{
		{By: budget.ByIncident, Shares: []budget.Share{
			{Name: "incident/7", Title: "Checkout fails one order in forty <b>", From: now.Add(-22 * time.Minute), To: now, Bad: 12_400, Spent: spent * 0.7},
			{Name: budget.Unattributed, Bad: 5_831, Spent: spent * 0.3},
		}},
		{By: budget.ByChange, Shares: []budget.Share{{Name: "change/c-142", Title: "checkout 1.4.2", Bad: 12_400, Spent: spent * 0.7}, {Name: budget.Unattributed, Bad: 5_831, Spent: spent * 0.3}}},
		{By: budget.ByDependency, Shares: []budget.Share{{Name: budget.Unattributed, Bad: 18_231, Spent: spent}}},
	}
	return r, nil
}

func TestObjectivePage(t *testing.T) {
	e := busy(t)
	h := e.handler()
	f := func(at string, want ...string) {
		t.Helper()
		res := get(t, h, e, "alice", at)
		text := body(t, res)
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", at, res.Status)
		}
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s does not say %q", at, w)
			}
		}
		if strings.Contains(text, "forty <b>") {
			t.Errorf("%s: a title comes unescaped", at)
		}
	}
	f("/objectives", "checkout-availability", "payments-availability")
	f("/objectives/checkout-availability", "runs out in 9h", "in 7h at the earliest, and in 13h at the latest", "page: it holds", `href="/incidents/7"`, `href="/changes/c-142"`, "unattributed", `data-chart="budget"`, "earliest", "latest", "events")
	if res := get(t, h, e, "alice", "/objectives/nowhere"); res.StatusCode != http.StatusNotFound {
		t.Errorf("an unknown objective: %s", res.Status)
	}
	e.budgetErr = errors.New("the store is closed")
	f("/objectives/checkout-availability", "the store is closed")
	if strings.Contains(e.logs.String(), "level=ERROR") {
		t.Errorf("the log has errors:\n%s", e.logs.String())
	}
}
