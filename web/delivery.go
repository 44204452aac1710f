package web

import (
	"net/http"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/learn/delivery"
)

type deliveryView struct {
	Page
	Service, Team, Range string
	Services             []*declare.Service
	Teams                []*declare.Team
	Report               delivery.Report
	Off                  bool
}

// maxRecords is how many records a measure shows on the page; the API has all.
const maxRecords = 50

func (s *site) delivery(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	q, ws := r.URL.Query(), s.Workspace()
	v := deliveryView{Page: s.page(r, me, "Delivery", "delivery"), Service: q.Get("service"), Team: q.Get("team"), Range: q.Get("range"), Services: ws.Services, Teams: ws.Teams, Off: s.Delivery == nil}
	span, ok := rangeOf(v.Range, 0)
	if !ok {
		v.Range, span = "30d", 30*24*time.Hour
	}
	var services []declare.ServiceID
	if v.Service != "" || v.Team != "" {
		services = []declare.ServiceID{}
	}
	for _, svc := range ws.Services {
		if services != nil && (v.Service == "" || string(svc.ID) == v.Service) && (v.Team == "" || string(svc.Owner) == v.Team) {
			services = append(services, svc.ID)
		}
	}
	if !v.Off {
		var err error
		if v.Report, err = s.Delivery(r.Context(), services, s.Now().Add(-span), s.Now()); err != nil {
			return err
		}
	}
	return s.show(w, "delivery", v)
}

// Shown is a measure's value in words.
func measure(m delivery.Measure, v *float64) string {
	switch {
	case v == nil:
		return "–"
	case m.Unit == "share":
		return percent(*v)
	case m.Unit == "seconds":
		return duration(time.Duration(*v * float64(time.Second)))
	}
	return number(*v)
}

func init() {
	functions["measure"] = measure
	functions["seconds"] = func(v float64) string { return duration(time.Duration(v * float64(time.Second))) }
	functions["first"] = func(list []delivery.Record) []delivery.Record { return list[:min(len(list), maxRecords)] }
}
