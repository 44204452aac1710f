package backtest

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	amconfig "github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/inhibit"
	"github.com/prometheus/alertmanager/timeinterval"
	"github.com/prometheus/common/model"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
)

// Page is a notification that would have reached a receiver.
type Page struct {
	At       time.Time         `json:"at"`
	Receiver string            `json:"receiver"`
	Severity detect.Severity   `json:"severity"` // the worst of its alerts
	Why      string            `json:"why"`      // new, more (alerts in a group already told), repeat
	Alerts   []string          `json:"alerts"`   // names
	Count    int               `json:"count"`    // of alerts that fire in it
	Service  declare.ServiceID `json:"service,omitempty"`
	Team     declare.TeamID    `json:"team,omitempty"`
	Person   declare.PersonID  `json:"person,omitempty"` // who has the duty then
	Local    string            `json:"local"`            // day and hour where the rota is kept
	Night    bool              `json:"night"`            // 22:00 to 07:00 there
	True     *bool             `json:"true"`             // an outcome or an incident on record justifies it; null when none is on record at all

	firings []*Firing
}

// people says who answers for what.
type people struct {
	w *declare.Workspace // may be nil
}

func (p people) team(ls map[string]string) declare.TeamID {
	if p.w != nil {
		if s := p.w.Service(declare.ServiceID(ls["service"])); s != nil {
			return s.Owner
		}
	}
	return declare.TeamID(ls["team"])
}

// onCall is who has the duty of a team, and the time where its rota is kept.
func (p people) onCall(team declare.TeamID, at time.Time) (declare.PersonID, time.Time) {
	if p.w != nil {
		for _, s := range p.w.Schedules {
			if s.Team == team {
				if who := s.OnCall(at); who != "" {
					return who, at.In(s.Location)
				}
			}
		}
	}
	return "", at.UTC()
}

// inhibitors answers whether an alert is inhibited.
type inhibitors struct {
	rules   []*inhibit.InhibitRule
	sources []map[string][]*Firing // a rule, by the labels that must be equal
	to      time.Time
}

func labelSet(ls map[string]string) model.LabelSet {
	out := make(model.LabelSet, len(ls))
	for k, v := range ls {
		out[model.LabelName(k)] = model.LabelValue(v)
	}
	return out
}

func equal(names map[model.LabelName]struct{}, ls map[string]string) string {
	var b strings.Builder
	for _, n := range slices.Sorted(maps.Keys(names)) {
		fmt.Fprintf(&b, "%q", ls[string(n)])
	}
	return b.String()
}

func newInhibitors(cfg *amconfig.Config, all []*Firing, to time.Time) *inhibitors {
	out := &inhibitors{to: to}
	for _, r := range cfg.InhibitRules {
		rule := inhibit.NewInhibitRule(r)
		by := map[string][]*Firing{}
		for _, f := range all {
			if rule.SourceMatchers.Matches(labelSet(f.Labels)) {
				k := equal(rule.Equal, f.Labels)
				by[k] = append(by[k], f)
			}
		}
		out.rules, out.sources = append(out.rules, rule), append(out.sources, by)
	}
	return out
}

func (x *inhibitors) inhibited(f *Firing, at time.Time) bool {
	set := labelSet(f.Labels)
	for i, r := range x.rules {
		if !r.TargetMatchers.Matches(set) {
			continue
		}
		both := r.SourceMatchers.Matches(set)
		for _, s := range x.sources[i][equal(r.Equal, f.Labels)] {
			if s.Fired.After(at) || !s.ends(x.to).After(at) {
				continue
			}
			// As in Alertmanager, what is both does not inhibit what is both.
			if both && r.TargetMatchers.Matches(labelSet(s.Labels)) {
				continue
			}
			return true
		}
	}
	return false
}

// notify follows firings through the routing as Alertmanager's dispatcher would: a group
// waits, then is looked at again and again. Silences are not considered.
func notify(cfg *amconfig.Config, all []*Firing, who people, to time.Time) []Page {
	root := dispatch.NewRoute(cfg.Route, nil)
	reaches := map[string]bool{}
	for _, r := range cfg.Receivers {
		reaches[r.Name] = integrations(r)
	}
	intervals := map[string][]timeinterval.TimeInterval{}
	for _, ti := range cfg.MuteTimeIntervals {
		intervals[ti.Name] = ti.TimeIntervals
	}
	for _, ti := range cfg.TimeIntervals {
		intervals[ti.Name] = ti.TimeIntervals
	}
	in := newInhibitors(cfg, all, to)
	times := timeinterval.NewIntervener(intervals)
	type group struct {
		route  *dispatch.Route
		alerts []*Firing
	}
	groups := map[string]*group{}
	var order []string
	for _, f := range all {
		set := labelSet(f.Labels)
		for _, r := range root.Match(set) {
			if !reaches[r.RouteOpts.Receiver] {
				continue
			}
			k := r.ID() + groupKey(&r.RouteOpts, f.Labels)
			if groups[k] == nil {
				groups[k] = &group{route: r}
				order = append(order, k)
			}
			groups[k].alerts = append(groups[k].alerts, f)
		}
	}
	var out []Page
	for _, k := range order {
		g := groups[k]
		slices.SortStableFunc(g.alerts, func(a, b *Firing) int { return a.Fired.Compare(b.Fired) })
		muted := func(at time.Time) bool {
			o := g.route.RouteOpts
			if m, _, err := times.Mutes(o.MuteTimeIntervals, at); err == nil && m {
				return true
			}
			if len(o.ActiveTimeIntervals) == 0 {
				return false
			}
			active, _, err := times.Mutes(o.ActiveTimeIntervals, at)
			return err == nil && !active
		}
		out = append(out, flushes(&g.route.RouteOpts, g.alerts, in, muted, who, to)...)
	}
	slices.SortStableFunc(out, func(a, b Page) int { return a.At.Compare(b.At) })
	return out
}

// integrations says whether a receiver reaches anybody.
func integrations(r amconfig.Receiver) bool {
	v := reflect.ValueOf(r)
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.Slice && f.Len() > 0 {
			return true
		}
	}
	return false
}

func groupKey(o *dispatch.RouteOpts, ls map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(ls)) {
		if _, by := o.GroupBy[model.LabelName(name)]; by || o.GroupByAll {
			fmt.Fprintf(&b, "%q=%q", name, ls[name])
		}
	}
	return b.String()
}

// flushes are the notifications of one group of alerts, sorted by when they fired.
func flushes(o *dispatch.RouteOpts, alerts []*Firing, in *inhibitors, muted func(time.Time) bool, who people, to time.Time) []Page {
	var out []Page
	var sent, at time.Time
	var open []*Firing
	told := map[string]bool{} // the alerts that the last notification said fire
	next := 0                 // the first alert that has not begun
	for next < len(alerts) || len(open) > 0 {
		if len(open) == 0 { // the group is made anew
			at = alerts[next].Fired.Add(o.GroupWait)
		} else {
			at = at.Add(max(o.GroupInterval, time.Second))
		}
		if at.After(to) {
			break
		}
		for next < len(alerts) && !alerts[next].Fired.After(at) {
			open = append(open, alerts[next])
			next++
		}
		open = slices.DeleteFunc(open, func(f *Firing) bool { return !f.Resolved.IsZero() && !f.Resolved.After(at) })
		if muted(at) {
			continue
		}
		var firing []*Firing
		why := ""
		for _, f := range open {
			if in.inhibited(f, at) {
				continue
			}
			firing = append(firing, f)
			if !told[f.key()] {
				why = "new"
			}
		}
		switch {
		case why != "" && len(told) > 0:
			why = "more"
		case why == "" && len(firing) > 0 && at.Sub(sent) >= o.RepeatInterval:
			why = "repeat"
		}
		if why != "" {
			sent = at
			out = append(out, page(at, o.Receiver, why, firing, who))
		}
		if why != "" || len(firing) == 0 {
			clear(told)
			for _, f := range firing {
				told[f.key()] = true
			}
		}
	}
	return out
}

// key is the alert that a firing is one of.
func (f *Firing) key() string {
	if f.id == "" {
		f.id = groupKey(&dispatch.RouteOpts{GroupByAll: true}, f.Labels)
	}
	return f.id
}

func page(at time.Time, receiver, why string, firing []*Firing, who people) Page {
	p := Page{At: at, Receiver: receiver, Why: why, Count: len(firing), firings: firing, Severity: detect.Info}
	rank := map[detect.Severity]int{detect.Info: 0, detect.Ticket: 1, detect.Page: 2}
	first := firing[0]
	for _, f := range firing {
		if s := detect.SeverityOf(f.Labels["severity"]); rank[s] > rank[p.Severity] {
			p.Severity, first = s, f
		}
		if name := f.Labels["alertname"]; !slices.Contains(p.Alerts, name) {
			p.Alerts = append(p.Alerts, name)
		}
	}
	slices.Sort(p.Alerts)
	p.Service, p.Team = declare.ServiceID(first.Labels["service"]), who.team(first.Labels)
	person, local := who.onCall(p.Team, at)
	p.Person, p.Local = person, local.Format("Mon 2006-01-02 15:04 MST")
	p.Night = local.Hour() >= 22 || local.Hour() < 7
	return p
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
