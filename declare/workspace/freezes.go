package workspace

import (
	"path"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/oncall"
)

// freeze puts calendars into the freezes of the gate that name them: each event is a time
// of the freeze.
func (p *parts) freeze() {
	for _, c := range p.freezes {
		name := path.Join("policies", path.Clean("/"+c.At.String()))
		data, ok := p.calendars[name]
		if !ok {
			c.At.Problem(c.At.Text(), "an .ics file in the folder policies", "")
			continue
		}
		events, err := oncall.ReadCalendar(data, c.Location)
		if err != nil {
			c.At.Problem(c.At.Text(), "a calendar that can be read", err.Error())
			continue
		}
		f := &p.w.Gate.Freezes[c.Freeze]
		for _, e := range events {
			f.Events = append(f.Events, declare.Holiday{Name: e.Summary, From: e.From, To: e.To})
		}
	}
}
