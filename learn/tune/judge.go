package tune

import (
	"time"

	"github.com/evenkeel/evenkeel/detect/backtest"
	"github.com/evenkeel/evenkeel/respond"
)

// RuleVerdict is what a replay says of a proposal: the same samples under the rule as it is
// and as it would be.
type RuleVerdict struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// PagesToday and PagesThen are notifications of the alert that page.
	PagesToday int `json:"pages_today"`
	PagesThen  int `json:"pages_then"`
	PagesSaved int `json:"pages_saved"`
	// FiringsToday and FiringsThen are how often it fires.
	FiringsToday int `json:"firings_today"`
	FiringsThen  int `json:"firings_then"`
	// Lost are episodes on record to which action was taken, which the rule as it is
	// finds in the replay and the changed one does not.
	Lost []int64 `json:"detections_lost"`
	// LaterSeconds is the longest delay of a detection that stays.
	LaterSeconds float64 `json:"later_seconds"`
	// Unseen are such episodes that the replay does not find at all: their samples are
	// not kept any more, or were not kept as the rules saw them.
	Unseen int `json:"unseen"`
}

// near is how far a replay may be off an episode on record.
const near = 2 * time.Minute

// Judge compares the two sides of a replay for one alert.
func Judge(r *backtest.Result, name string, at RulePlace, episodes []respond.Episode) RuleVerdict {
	v := RuleVerdict{From: r.From, To: r.To, Lost: []int64{}}
	var today, then []backtest.Firing
	of := func(s *backtest.Side) (fired []backtest.Firing, pages int) {
		if s == nil {
			return nil, 0
		}
		for _, a := range s.Alerts {
			if a.Name == name && a.File == at.File && a.Group == at.Group {
				fired, pages = append(fired, a.Firings...), pages+a.Pages
			}
		}
		return fired, pages
	}
	today, v.PagesToday = of(r.Today)
	then, v.PagesThen = of(&r.Changed)
	v.FiringsToday, v.FiringsThen, v.PagesSaved = len(today), len(then), v.PagesToday-v.PagesThen
	for _, e := range episodes {
		if e.Outcome != respond.ActionTaken || e.Opened.Before(r.From) || e.Opened.After(r.To) {
			continue
		}
		was := covering(today, e)
		if was == nil {
			v.Unseen++
			continue
		}
		is := covering(then, e)
		if is == nil {
			v.Lost = append(v.Lost, e.Finding)
			continue
		}
		v.LaterSeconds = max(v.LaterSeconds, is.Fired.Sub(was.Fired).Seconds())
	}
	return v
}

// covering is the firing that an episode on record was.
func covering(fired []backtest.Firing, e respond.Episode) *backtest.Firing {
	for i, f := range fired {
		end := e.Resolved
		if end.IsZero() {
			end = e.Opened.Add(time.Hour)
		}
		if f.Fired.After(end.Add(near)) || !f.Resolved.IsZero() && f.Resolved.Before(e.Opened.Add(-near)) {
			continue
		}
		same := true
		for k, v := range f.Labels {
			if l, ok := e.Labels[k]; ok && l != v && k != "alertname" && k != "severity" {
				same = false
			}
		}
		if same {
			return &fired[i]
		}
	}
	return nil
}
