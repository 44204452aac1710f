package app

import (
	"slices"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/respond"
)

func TestWhoSpentTheBudget(t *testing.T) {
	from := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	at := func(hours int) time.Time { return from.Add(time.Duration(hours) * time.Hour) }
	own, needs := []declare.ServiceID{"checkout"}, map[declare.ServiceID]bool{"payments": true}
	deploy := respond.Suspect{Rank: 1, Change: "c-1", Service: "payments", Score: 0.9}
	weak := respond.Suspect{Rank: 1, Change: "c-2", Service: "checkout", Score: 0.3}
	clocks := respond.Clocks{Impact: at(9), Detected: at(10), Mitigated: at(12), Resolved: at(20)}
	incident := func(service declare.ServiceID, all []declare.ServiceID, suspects ...respond.Suspect) respond.Incident {
		return respond.Incident{Number: 7, Title: "It fails", Service: service, Services: all, Suspects: suspects, Clocks: clocks}
	}
	f := func(i respond.Incident, want ...string) {
		t.Helper()
		var got []string
		for _, c := range blame(i, own, needs, from, at(100)) {
			got = append(got, string(c.By)+" "+c.Name)
			if c.From.Before(at(9)) || c.To.After(at(100)) || !c.From.Before(c.To) {
				t.Errorf("%s from %s to %s", c.Name, c.From, c.To)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, expected %q", got, want)
		}
	}
	both := []declare.ServiceID{"checkout", "payments"}
	f(incident("checkout", both[:1]), "incident incident/7")
	f(incident("checkout", both[:1], weak), "incident incident/7")
	f(incident("checkout", both[:1], deploy), "incident incident/7", "change change/c-1", "dependency service/payments")
	f(incident("payments", both), "incident incident/7", "dependency service/payments")
	f(incident("payments", both[1:], deploy), "dependency service/payments") // it hurt the dependency alone
	f(incident("search", []declare.ServiceID{"search"}, weak))
	rejected, confirmed := deploy, weak
	rejected.Decision = &respond.SuspectDecision{Verdict: respond.Rejected}
	confirmed.Decision = &respond.SuspectDecision{Verdict: respond.Confirmed}
	f(incident("checkout", both[:1], rejected, weak), "incident incident/7")
	f(incident("checkout", both[:1], deploy, confirmed), "incident incident/7", "change change/c-2")
	merged := incident("checkout", both[:1], deploy)
	merged.Status = respond.Merged
	f(merged)
	clocks = respond.Clocks{Detected: at(10)}
	f(incident("checkout", both[:1]), "incident incident/7") // it goes on
	clocks = respond.Clocks{Detected: at(-20), Resolved: at(-10)}
	f(incident("checkout", both[:1])) // before the period
}
