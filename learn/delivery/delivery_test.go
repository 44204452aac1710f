package delivery

import (
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
)

var monday = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

func at(day, hour int) time.Time {
	return monday.AddDate(0, 0, day).Add(time.Duration(hour) * time.Hour)
}

func TestMake(t *testing.T) {
	dep := func(id string, kind act.ChangeKind, day, hour int, from, to string) act.Change {
		return act.Change{ID: id, Kind: kind, Service: "checkout", From: from, To: to, StartedAt: at(day, hour), EndedAt: at(day, hour).Add(10 * time.Minute), Evidence: act.Evidence{Repository: "acme/checkout"}}
	}
	d := []act.Change{
		dep("d0", act.Deploy, -1, 12, "0", "1"), // before: only what the next one follows
		dep("d1", act.Deploy, 0, 12, "1", "2"),
		dep("d2", act.Deploy, 1, 12, "2", "3"),   // rolled back
		dep("r2", act.Rollback, 1, 13, "3", "2"), // of d2
		dep("d3", act.Deploy, 1, 15, "2", "4"),   // suspect of an incident that was mitigated
		dep("d4", act.Deploy, 1, 18, "4", "5"),   // repairs d3
		dep("d5", act.Deploy, 2, 9, "5", "6"),    // failed, and nothing came after it
	}
	d[6].Verdict = "failed"
	staging := dep("s1", act.Deploy, 0, 10, "1", "2")
	staging.Evidence.Environment = "staging"
	later := dep("l1", act.Deploy, 9, 10, "6", "7")
	in := Input{
		Changes: append(d, staging, later, act.Change{ID: "f1", Kind: act.Flag, Service: "checkout", StartedAt: at(0, 1)}),
		Merges: []act.Merge{
			{ID: "#1", Repository: "acme/checkout", CommittedAt: at(-1, 12), CreatedAt: at(-1, 14), ReviewedAt: at(0, 6), MergedAt: at(0, 8)},
			{ID: "#2", Repository: "acme/checkout", CommittedAt: at(0, 20), MergedAt: at(1, 6)},
			{ID: "#3", Repository: "acme/other", CommittedAt: at(0, 20), MergedAt: at(1, 6)},
			{ID: "#4", Repository: "acme/checkout", CommittedAt: at(1, 13), MergedAt: at(1, 14)},
		},
		Outages:    []Outage{{Number: 7, Change: "d3", Began: at(1, 15).Add(15 * time.Minute), Mitigated: at(1, 16)}},
		Repository: func(string) declare.ServiceID { return "" },
		Production: func(env string) bool { return env == "" },
	}
	r := Make(in, at(0, 0), at(5, 0))
	by := map[string]Measure{}
	for _, m := range append(r.Measures, r.Stages...) {
		by[m.Name] = m
	}
	f := func(name string, n int, value, median, p90 float64) {
		t.Helper()
		m := by[name]
		near := func(p *float64, want float64) bool {
			return want < 0 && p == nil || p != nil && want >= 0 && *p > want-1e-9 && *p < want+1e-9
		}
		if m.N != n || !near(m.Value, value) || !near(m.Median, median) || !near(m.P90, p90) || len(m.Records) != n {
			show := func(p *float64) any {
				if p == nil {
					return nil
				}
				return *p
			}
			t.Errorf("%s: got n=%d value=%v median=%v p90=%v, %d records, want %d %g %g %g: %+v", name, m.N, show(m.Value), show(m.Median), show(m.P90), len(m.Records), n, value, median, p90, m.Records)
		}
	}
	const h = 3600.0
	f(Frequency, 5, 1, 1, 2.2) // 1, 3, 1, 0, 0 deploys a day
	f(LeadTime, 3, 16*h+600, 16*h+600, 22.4*h+600)
	f(Failures, 5, 0.6, -1, -1)               // d2, d3, d5
	f(Recovery, 2, 0.875*h, 0.875*h, 0.975*h) // d2: 1 h; d3: 45 min
	f(Rework, 6, 1.0/3, -1, -1)               // r2, d4
	f("coding", 1, 2*h, 2*h, 2*h)
	f("waiting for a review", 1, 16*h, 16*h, 16*h)
	f("review", 1, 2*h, 2*h, 2*h)
	for _, rec := range by[Failures].Records {
		if rec.Change == "d3" && rec.Incident != 7 || rec.Counts && rec.Why == "" {
			t.Errorf("got %+v", rec)
		}
	}
	empty := Make(Input{Repository: in.Repository, Production: in.Production}, at(0, 0), at(7, 0))
	for _, m := range empty.Measures {
		if m.N != 0 || m.Records == nil || m.Name != Frequency && m.Value != nil {
			t.Errorf("nothing, and yet: %+v", m)
		}
	}
}

func TestQuantile(t *testing.T) {
	f := func(q, want float64, v ...float64) {
		t.Helper()
		if got := Quantile(v, q); got == nil || *got != want {
			t.Errorf("%v: got %v, want %g", v, got, want)
		}
	}
	f(0.5, 2, 3, 1, 2)
	f(0.5, 2.5, 4, 1, 2, 3)
	f(0.9, 7, 7)
	if Quantile(nil, 0.5) != nil {
		t.Error("of nothing there is no median")
	}
}
