package web

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/act/change"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/learn/delivery"
)

// delivery measures the fixtures' changes as the real one does.
func (e *estate) delivery(_ context.Context, services []declare.ServiceID, from, to time.Time) (delivery.Report, error) {
	in := delivery.Input{Production: change.Production, Repository: func(string) declare.ServiceID { return "" }}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.changes {
		if services == nil || slices.Contains(services, c.Service) {
			in.Changes = append(in.Changes, c)
		}
	}
	for _, i := range e.incidents {
		if len(i.Suspects) > 0 {
			in.Outages = append(in.Outages, delivery.Outage{Number: int64(i.Number), Change: i.Suspects[0].Change, Began: i.Clocks.Detected, Mitigated: i.Clocks.Mitigated})
		}
	}
	return delivery.Make(in, from, to), nil
}

func TestTheDeliveryPage(t *testing.T) {
	e := busy(t)
	h := e.handler()
	f := func(target string, want ...string) {
		t.Helper()
		text := body(t, get(t, h, e, "alice", target))
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s: %q is missing", target, w)
			}
		}
	}
	f("/delivery", "deployment frequency", "lead time", "change failure rate", "failed-deployment recovery time", "rework", "first suspect of incident #7", "Lead times need commits")
	f("/delivery?service=nothing&range=7d", "None in this time")
	f("/delivery?service=nothing&team=shop&range=abc", "deployment frequency")
}
