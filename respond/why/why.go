// Package why says why something paged a person, or did not: every decision on the
// way of a finding, in order, each with the setting that made it; and the same asked
// in advance, for labels and a time.
//
// In: the workspace, silences, open findings, and what is on record. Out: a trace or a
// forecast. Promise: it decides nothing itself. Routes, inhibition, silences and time
// intervals are matched by Alertmanager's own matchers, who is on call by the
// schedules' own function; it is pure.
package why

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	amconfig "github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/inhibit"
	"github.com/prometheus/alertmanager/pkg/labels"
	"github.com/prometheus/common/model"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/respond"
)

// Outcome is what a decision did.
type Outcome string

// The outcomes.
const (
	Passed  Outcome = "passed"  // it went on
	Stopped Outcome = "stopped" // it ended here: nobody is told because of this
	Waits   Outcome = "waits"   // not decided yet
	Nothing Outcome = "nothing" // there was nothing to decide
)

// Step is one decision.
type Step struct {
	Stage   string    `json:"stage"` // evaluated, for, silenced, inhibited, routed, grouped, muted, incident, escalated, on call, delivered, acknowledged
	Outcome Outcome   `json:"outcome"`
	Text    string    `json:"text"`
	Setting string    `json:"setting,omitempty"` // what decided: file and place, or who
	At      time.Time `json:"at,omitzero"`
}

// Silence mutes what all its matchers match.
type Silence struct {
	ID, By, Comment string
	Matchers        []string
	From, To        time.Time
}

// Routing is what decides where a finding goes.
type Routing struct {
	Config   *amconfig.Config
	Silences []Silence
	Open     []detect.Finding // that may inhibit
	AsOf     time.Time        // since when this configuration was in force, where it is on record
}

// Way is one route that takes a finding.
type Way struct {
	Receiver     string        `json:"receiver"`
	Integrations []string      `json:"integrations"` // of the receiver; none: it tells nobody
	Route        string        `json:"route"`        // its place in routing.yml
	Group        string        `json:"group"`        // what it is grouped by
	Wait         time.Duration `json:"wait"`         // before the first message of a group
	Repeat       time.Duration `json:"repeat"`
	MutedBy      string        `json:"muted_by,omitempty"` // the time interval that mutes it then
}

func labelSet(l map[string]string) model.LabelSet {
	out := make(model.LabelSet, len(l))
	for k, v := range l {
		out[model.LabelName(k)] = model.LabelValue(v)
	}
	return out
}

// Ways are the routes that take labels at a time, as the dispatcher matches them.
func Ways(cfg *amconfig.Config, l map[string]string, at time.Time) []Way {
	set := labelSet(l)
	var walk func(r *dispatch.Route, place string) []Way
	walk = func(r *dispatch.Route, place string) []Way {
		if !r.Matchers.Matches(set) {
			return nil
		}
		var all []Way
		for i, child := range r.Routes {
			found := walk(child, fmt.Sprintf("%s.routes[%d]", place, i))
			all = append(all, found...)
			if found != nil && !child.Continue {
				break
			}
		}
		if len(all) > 0 {
			return all
		}
		o := r.RouteOpts
		w := Way{Receiver: o.Receiver, Route: place + matchersText(r.Matchers), Group: groupText(&o, l), Wait: o.GroupWait, Repeat: o.RepeatInterval, Integrations: integrations(cfg, o.Receiver), MutedBy: mutedBy(cfg, &o, at)}
		return []Way{w}
	}
	return walk(dispatch.NewRoute(cfg.Route, nil), "route")
}

func matchersText(m labels.Matchers) string {
	if len(m) == 0 {
		return ""
	}
	return " " + m.String()
}

func groupText(o *dispatch.RouteOpts, l map[string]string) string {
	var out []string
	for k, v := range l {
		if _, by := o.GroupBy[model.LabelName(k)]; by || o.GroupByAll {
			out = append(out, k+"="+v)
		}
	}
	slices.Sort(out)
	if len(out) == 0 {
		return "one group"
	}
	return strings.Join(out, ", ")
}

// integrations are the kinds of a receiver's configurations: webhook, email, …
func integrations(cfg *amconfig.Config, name string) []string {
	out := []string{}
	for _, r := range cfg.Receivers {
		if r.Name != name {
			continue
		}
		v := reflect.ValueOf(r)
		for i := range v.NumField() {
			if kind, ok := strings.CutSuffix(v.Type().Field(i).Name, "Configs"); ok && v.Field(i).Kind() == reflect.Slice && v.Field(i).Len() > 0 {
				out = append(out, strings.ToLower(kind))
			}
		}
	}
	return out
}

// mutedBy is the time interval that keeps a route quiet at a time, "" for none.
func mutedBy(cfg *amconfig.Config, o *dispatch.RouteOpts, at time.Time) string {
	in := func(name string) bool {
		for _, ti := range cfg.TimeIntervals {
			for _, t := range ti.TimeIntervals {
				if ti.Name == name && t.ContainsTime(at.UTC()) {
					return true
				}
			}
		}
		for _, ti := range cfg.MuteTimeIntervals {
			for _, t := range ti.TimeIntervals {
				if ti.Name == name && t.ContainsTime(at.UTC()) {
					return true
				}
			}
		}
		return false
	}
	for _, name := range o.MuteTimeIntervals {
		if in(name) {
			return "mute_time_intervals: " + name
		}
	}
	if len(o.ActiveTimeIntervals) > 0 && !slices.ContainsFunc(o.ActiveTimeIntervals, in) {
		return "active_time_intervals: " + strings.Join(o.ActiveTimeIntervals, ", ")
	}
	return ""
}

// silencedBy are the silences that cover labels at a time.
func silencedBy(all []Silence, l map[string]string, at time.Time) []Silence {
	set := labelSet(l)
	var out []Silence
	for _, s := range all {
		if at.Before(s.From) || !at.Before(s.To) {
			continue
		}
		matched := len(s.Matchers) > 0
		for _, text := range s.Matchers {
			m, err := labels.ParseMatcher(text)
			matched = matched && err == nil && m.Matches(string(set[model.LabelName(m.Name)]))
		}
		if matched {
			out = append(out, s)
		}
	}
	return out
}

// inhibitedBy is the rule, and the open finding, that inhibit labels; -1 for none.
func inhibitedBy(cfg *amconfig.Config, open []detect.Finding, l map[string]string) (rule int, by detect.Finding) {
	target := labelSet(l)
	for i, r := range cfg.InhibitRules {
		ir := inhibit.NewInhibitRule(r)
		if !ir.TargetMatchers.Matches(target) {
			continue
		}
		for _, f := range open {
			source := labelSet(f.Labels)
			if !f.Open() || !ir.SourceMatchers.Matches(source) || source.Equal(target) {
				continue
			}
			if ir.TargetMatchers.Matches(source) && ir.SourceMatchers.Matches(target) {
				continue // two that match both sides do not inhibit each other
			}
			same := true
			for name := range ir.Equal {
				same = same && source[name] == target[name]
			}
			if same {
				return i, f
			}
		}
	}
	return -1, detect.Finding{}
}

// decisions are those of the routing at a time, and whether it was stopped.
func decisions(r Routing, l map[string]string, at time.Time) (steps []Step, ways []Way, stopped bool) {
	if found := silencedBy(r.Silences, l, at); len(found) > 0 {
		stopped = true
		for _, s := range found {
			steps = append(steps, Step{Stage: "silenced", Outcome: Stopped, Text: fmt.Sprintf("silenced by %s until %s: %s", s.By, s.To.UTC().Format("2006-01-02 15:04 MST"), s.Comment), Setting: "silence " + s.ID + " {" + strings.Join(s.Matchers, ", ") + "}", At: s.From})
		}
	} else {
		steps = append(steps, Step{Stage: "silenced", Outcome: Passed, Text: "no silence covers it"})
	}
	if i, f := inhibitedBy(r.Config, r.Open, l); i >= 0 {
		stopped = true
		steps = append(steps, Step{Stage: "inhibited", Outcome: Stopped, Text: fmt.Sprintf("inhibited by finding %d (%s), which is open", f.ID, f.Title()), Setting: fmt.Sprintf("routing.yml: inhibit_rules[%d]", i)})
	} else {
		steps = append(steps, Step{Stage: "inhibited", Outcome: Passed, Text: "nothing that is open inhibits it"})
	}
	ways = Ways(r.Config, l, at)
	for _, w := range ways {
		told := "tells by " + strings.Join(w.Integrations, ", ")
		outcome := Passed
		if len(w.Integrations) == 0 {
			told, outcome = "has nothing to tell by: it waits on the pages", Nothing
		}
		steps = append(steps, Step{Stage: "routed", Outcome: outcome, Text: fmt.Sprintf("goes to receiver %s, which %s", w.Receiver, told), Setting: "routing.yml: " + w.Route})
		steps = append(steps, Step{Stage: "grouped", Outcome: Passed, Text: fmt.Sprintf("grouped by %s; the first message after %s, again every %s", w.Group, w.Wait, w.Repeat), Setting: "routing.yml: " + w.Route})
		if w.MutedBy != "" {
			steps = append(steps, Step{Stage: "muted", Outcome: Stopped, Text: "receiver " + w.Receiver + " is not told at this time", Setting: "routing.yml: " + w.MutedBy})
		} else {
			steps = append(steps, Step{Stage: "muted", Outcome: Passed, Text: "no time interval mutes receiver " + w.Receiver})
		}
	}
	return steps, ways, stopped
}

// Declared says where the rule or objective behind a finding is written, and its for.
func Declared(w *declare.Workspace, f *detect.Finding) (place string, hold time.Duration, held bool) {
	if o := w.Objective(f.Objective); o != nil {
		return o.Pos.String(), 0, false
	}
	for _, file := range w.RuleFiles {
		for _, g := range file.Groups.Groups {
			for _, r := range g.Rules {
				if r.Alert == f.Name && r.Alert != "" {
					place = fmt.Sprintf("%s: group %s", file.Path, g.Name)
					for n, line := range strings.Split(string(file.Source), "\n") {
						if strings.Trim(strings.TrimPrefix(strings.TrimLeft(line, " -"), "alert:"), ` "'`) == f.Name && strings.Contains(line, "alert:") {
							return fmt.Sprintf("%s:%d", file.Path, n+1), time.Duration(r.For), true
						}
					}
					return place, time.Duration(r.For), true
				}
			}
		}
	}
	return "", 0, false
}

// policySetting names what chose an escalation policy.
func policySetting(e *declare.Escalation) string {
	return fmt.Sprintf("%s: escalation %s", e.Pos, e.Name)
}

// Incident is what is on record of a finding's incident.
type Incident struct {
	respond.Incident
	Escalation *respond.Escalation
	Deliveries []respond.Delivery
	Sent       []respond.Notification // by receivers
}
