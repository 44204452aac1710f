// Package toil counts the minutes that go into work which a machine could do, and says
// what to automate first.
//
// In: spans of work, from runs, requests, alerts and a log. Out: minutes and ratio of
// each team, and a ranked backlog with its payback. Promise: it is pure; a minute of one
// person is counted once, however many things it went into; results are of teams and
// tasks, never of a person.
package toil

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/declare"
)

// Span is work of one person on one task. Who it was only serves to count overlaps once.
type Span struct {
	Team   declare.TeamID
	Person declare.PersonID
	From   time.Time
	To     time.Time
	Task   string
	Source string // run, request, alert, log
	Known  bool   // a runbook exists already: less is left to automate
}

// Team is how much of a team's time goes into toil.
type Team struct {
	Team    declare.TeamID `json:"team"`
	Minutes float64        `json:"minutes"`
	Ratio   float64        `json:"ratio" doc:"Of the working time of its people; -1 where nobody is in it."`
	N       int            `json:"n" doc:"Spans that it comes from."`
}

// Task is one line of the backlog.
type Task struct {
	Task    string         `json:"task"`
	Team    declare.TeamID `json:"team"`
	Source  string         `json:"source"`
	N       int            `json:"n"`
	Minutes float64        `json:"minutes" doc:"In the time that was asked for, overlaps shared out."`
	Monthly float64        `json:"minutes_a_month"`
	Effort  float64        `json:"effort_hours" doc:"Assumed: 8 hours where a runbook is there, 24 where none is."`
	Payback float64        `json:"payback_months" doc:"After how many months the effort is earned back; -1 for never."`
}

// Earned says in words when the effort of automating a task is earned back.
func (t Task) Earned() string {
	switch {
	case t.Payback < 0:
		return "never"
	case t.Payback > 120:
		return "more than 10 years"
	case t.Payback > 24:
		return fmt.Sprintf("%.0f years", t.Payback/12)
	}
	return fmt.Sprintf("%.1f months", t.Payback)
}

// Report is both.
type Report struct {
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	Teams   []Team    `json:"teams"`
	Backlog []Task    `json:"backlog" doc:"What pays back soonest first."`
}

// The assumed effort of automating a task, in hours, and the working week.
const (
	effortKnown = 8.0
	effortNew   = 24.0
	weekHours   = 40.0
	month       = 30 * 24 * time.Hour
)

// Make counts [from, to). size is how many people are in a team.
func Make(spans []Span, from, to time.Time, size func(declare.TeamID) int) Report {
	r := Report{From: from.UTC(), To: to.UTC(), Teams: []Team{}, Backlog: []Task{}}
	type key struct {
		team declare.TeamID
		task string
	}
	teams := map[declare.TeamID]*Team{}
	tasks := map[key]*Task{}
	people := map[declare.PersonID][]Span{}
	for _, s := range spans {
		if s.From.Before(from) {
			s.From = from
		}
		if s.To.After(to) {
			s.To = to
		}
		if !s.From.Before(s.To) {
			continue
		}
		people[s.Person] = append(people[s.Person], s)
		t := teams[s.Team]
		if t == nil {
			t = &Team{Team: s.Team}
			teams[s.Team] = t
		}
		t.N++
		k := tasks[key{s.Team, s.Task}]
		if k == nil {
			k = &Task{Task: s.Task, Team: s.Team, Source: s.Source, Effort: effortNew}
			tasks[key{s.Team, s.Task}] = k
		}
		if k.N++; s.Known {
			k.Effort = effortKnown
		}
	}
	for _, list := range people {
		for _, part := range shares(list) {
			teams[part.Team].Minutes += part.minutes
			tasks[key{part.Team, part.Task}].Minutes += part.minutes
		}
	}
	weeks := to.Sub(from).Hours() / (7 * 24)
	for _, t := range teams {
		t.Ratio = -1
		if n := size(t.Team); n > 0 && weeks > 0 {
			t.Ratio = t.Minutes / 60 / (float64(n) * weeks * weekHours)
		}
		r.Teams = append(r.Teams, *t)
	}
	for _, k := range tasks {
		k.Monthly = k.Minutes * float64(month) / float64(to.Sub(from))
		k.Payback = -1
		if k.Monthly > 0 {
			k.Payback = k.Effort * 60 / k.Monthly
		}
		r.Backlog = append(r.Backlog, *k)
	}
	slices.SortFunc(r.Teams, func(a, b Team) int { return cmp.Or(cmp.Compare(b.Minutes, a.Minutes), cmp.Compare(a.Team, b.Team)) })
	slices.SortFunc(r.Backlog, func(a, b Task) int {
		return cmp.Or(cmp.Compare(a.Payback, b.Payback), cmp.Compare(b.Minutes, a.Minutes), cmp.Compare(a.Task, b.Task))
	})
	return r
}

type part struct {
	Span
	minutes float64
}

// shares cuts one person's time where spans begin and end, and shares each piece out
// among the spans that it lies in.
func shares(list []Span) []part {
	var cuts []time.Time
	for _, s := range list {
		cuts = append(cuts, s.From, s.To)
	}
	slices.SortFunc(cuts, time.Time.Compare)
	cuts = slices.CompactFunc(cuts, time.Time.Equal)
	out := make([]part, len(list))
	for i, s := range list {
		out[i].Span = s
	}
	for i := 0; i+1 < len(cuts); i++ {
		var in []int
		for j, s := range list {
			if !s.From.After(cuts[i]) && !s.To.Before(cuts[i+1]) {
				in = append(in, j)
			}
		}
		for _, j := range in {
			out[j].minutes += cuts[i+1].Sub(cuts[i]).Minutes() / float64(len(in))
		}
	}
	return out
}
