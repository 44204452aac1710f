package app

import (
	"context"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/act/change"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/learn/delivery"
	"github.com/evenkeel/evenkeel/respond"
)

// delivery measures how the changes of some services reached users; nil for all.
func (a *App) delivery(ctx context.Context, services []declare.ServiceID, from, to time.Time) (delivery.Report, error) {
	if services != nil && len(services) == 0 {
		services = []declare.ServiceID{""} // a team without a service has no changes
	}
	in := delivery.Input{
		Production: change.Production,
		Repository: func(repo string) declare.ServiceID { return a.serviceNamed("github", repo) },
	}
	for _, kind := range []act.ChangeKind{act.Deploy, act.Rollback} {
		// Earlier ones tell what the first ones followed.
		found, err := a.changes.List(ctx, act.ChangeFilter{Services: services, Kind: kind, From: from.AddDate(0, 0, -30), To: to, Limit: 100_000})
		if err != nil {
			return delivery.Report{}, err
		}
		in.Changes = append(in.Changes, found...)
	}
	var err error
	if in.Merges, err = a.changes.Merges(ctx, from.AddDate(0, 0, -60), to); err != nil {
		return delivery.Report{}, err
	}
	incidents, err := a.incidents.List(ctx, respond.IncidentFilter{Limit: 10_000})
	if err != nil {
		return delivery.Report{}, err
	}
	for _, i := range incidents {
		if len(i.Suspects) == 0 || i.Clocks.Detected.Before(from) {
			continue
		}
		began := i.Clocks.Impact
		if began.IsZero() {
			began = i.Clocks.Detected
		}
		in.Outages = append(in.Outages, delivery.Outage{Number: int64(i.Number), Change: i.Suspects[0].Change, Began: began, Mitigated: i.Clocks.Mitigated})
	}
	return delivery.Make(in, from, to), nil
}
