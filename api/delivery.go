package api

import (
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/learn/delivery"
)

type deliveryQuery struct {
	Service declare.ServiceID `query:"service"`
	Team    declare.TeamID    `query:"team" doc:"Of all services that the team owns."`
	From    time.Time         `query:"from" doc:"30 days before to when absent."`
	To      time.Time         `query:"to" doc:"Now when absent."`
}

func (s *server) delivery(c *call, q deliveryQuery) (delivery.Report, error) {
	if s.Delivery == nil {
		return delivery.Report{}, unknown("part", "delivery", "This server measures no delivery.")
	}
	if q.To.IsZero() {
		q.To = c.now
	}
	if q.From.IsZero() {
		q.From = q.To.AddDate(0, 0, -30)
	}
	if !q.From.Before(q.To) || q.To.Sub(q.From) > 5*366*24*time.Hour {
		return delivery.Report{}, invalid("from", q.From.Format(time.RFC3339), "a time before to, at most 5 years")
	}
	w := s.Workspace()
	if q.Service != "" && w.Service(q.Service) == nil {
		return delivery.Report{}, unknown("service", string(q.Service), "GET "+Root+"/services lists them.")
	}
	services := []declare.ServiceID{}
	for _, svc := range w.Services {
		if (q.Service == "" || svc.ID == q.Service) && (q.Team == "" || svc.Owner == q.Team) {
			services = append(services, svc.ID)
		}
	}
	if q.Team != "" && w.Team(q.Team) == nil {
		return delivery.Report{}, unknown("team", string(q.Team), "GET "+Root+"/teams lists them: "+strings.TrimSpace(string(q.Team))+" is none.")
	}
	if q.Service == "" && q.Team == "" {
		services = nil
	}
	return s.Delivery(c.Context(), services, q.From, q.To)
}
