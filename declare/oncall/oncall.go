// Package oncall reads oncall/*.yml: who has the duty for which team, and when.
//
// In: one file. Out: its schedules, the names that they refer to, and Problems. Times
// without an offset are the schedule's own local times.
package oncall

import (
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

// Read reads the schedules of one file.
func Read(file string, data []byte, sink *declare.Problems) ([]*declare.Schedule, []yamldoc.Reference) {
	var (
		out []*declare.Schedule
		r   reader
	)
	for _, doc := range yamldoc.Read(file, data, sink) {
		doc.Only("schedules")
		for _, n := range doc.Field("schedules").List() {
			out = append(out, r.schedule(n))
		}
	}
	return out, r.references
}

type reader struct{ references []yamldoc.Reference }

func (r *reader) name(kind string, at yamldoc.Node, what string) string {
	name := at.Required(what)
	if name != "" {
		r.references = append(r.references, yamldoc.Reference{Kind: kind, Name: name, At: at})
	}
	return name
}

func (r *reader) schedule(n yamldoc.Node) *declare.Schedule {
	n.Only("name", "team", "timezone", "layers", "overrides")
	s := &declare.Schedule{
		Name: n.Field("name").Required("the schedule's name"), Team: declare.TeamID(r.name("team", n.Field("team"), "a team")),
		Location: time.UTC, Pos: n.Field("name").Pos(),
	}
	if tz := n.Field("timezone"); !tz.Missing() {
		loc, err := time.LoadLocation(tz.String())
		if err != nil || tz.Text() == "Local" { // Local is another zone on each machine
			tz.Problem(tz.Text(), "a time zone of the IANA database, as Europe/Vienna", "")
		} else {
			s.Location = loc
		}
	}
	layers := n.Field("layers").List()
	if len(layers) == 0 {
		n.Field("layers").Problem("", "at least one layer", "")
	}
	for _, l := range layers {
		l.Only("start", "every", "people")
		layer := declare.Layer{Every: declare.Rotation(l.Field("every").Required("daily or weekly")), Start: at(l.Field("start"), s.Location)}
		if layer.Every != declare.Daily && layer.Every != declare.Weekly && layer.Every != "" {
			l.Field("every").Problem(l.Field("every").Text(), "daily or weekly", yamldoc.Suggest(l.Field("every").Text(), []string{"daily", "weekly"}))
		}
		for _, p := range l.Field("people").List() {
			layer.People = append(layer.People, declare.PersonID(r.name("person", p, "a person")))
		}
		if len(layer.People) == 0 {
			l.Field("people").Problem("", "at least one person", "")
		}
		s.Layers = append(s.Layers, layer)
	}
	for _, o := range n.Field("overrides").List() {
		o.Only("person", "from", "to")
		over := declare.Override{Person: declare.PersonID(r.name("person", o.Field("person"), "a person")), From: at(o.Field("from"), s.Location), To: at(o.Field("to"), s.Location)}
		if !over.From.IsZero() && !over.To.IsZero() && !over.From.Before(over.To) {
			o.Field("to").Problem(o.Field("to").Text(), "a time after from", "")
		}
		s.Overrides = append(s.Overrides, over)
	}
	return s
}

func at(n yamldoc.Node, loc *time.Location) time.Time {
	text := n.Required("a time as 2026-01-05T09:00")
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02", time.RFC3339} {
		if t, err := time.ParseInLocation(layout, text, loc); err == nil {
			return t
		}
	}
	if text != "" {
		n.Problem(text, "a time as 2026-01-05T09:00", "")
	}
	return time.Time{}
}
