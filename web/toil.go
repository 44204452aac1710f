package web

import (
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/common/model"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/learn/toil"
)

type toilView struct {
	Page
	Report toil.Report
	Off    bool
}

func (s *site) toil(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	v := toilView{Page: s.page(r, me, "Toil", "toil"), Off: s.Toil == nil}
	if !v.Off {
		var err error
		if v.Report, err = s.Toil(r.Context(), s.Now().AddDate(0, 0, -30), s.Now()); err != nil {
			return err
		}
	}
	return s.show(w, "toil", v)
}

func (s *site) logToil(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	if err := form(r); err != nil {
		return err
	}
	d, err := model.ParseDuration(r.PostFormValue("duration"))
	if err != nil || s.LogToil == nil {
		return &act.InvalidError{Field: "duration", Got: r.PostFormValue("duration"), Want: "a time as 20m or 1h"}
	}
	team := declare.TeamID("")
	if p := s.Workspace().Person(me.Person); p != nil && len(p.Teams) > 0 {
		team = p.Teams[0]
	}
	if team == "" {
		return &act.InvalidError{Field: "team", Want: "a person who is in a team of the catalogue"}
	}
	if _, err := s.LogToil(r.Context(), s.Now(), me.Person, team, time.Duration(d), r.PostFormValue("text")); err != nil {
		return err
	}
	return after(w, r, "/toil", "toil")
}

func init() {
	acts["toil"] = "Logged."
	functions["hours"] = func(minutes float64) string { return fmt.Sprintf("%.1f", minutes/60) }
	functions["minutes"] = minutes
}

// minutes are whole ones.
func minutes(m float64) string {
	if m > 0 && m < 1 {
		return "< 1"
	}
	return fmt.Sprintf("%.0f", m)
}
