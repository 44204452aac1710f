package workspace

import (
	"path"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/oncall"
)

// freeze puts calendars into the freezes of the gate that name them: each event is a time
// of the freeze. One that is named by a URL is noted: whoever runs schedules reads it,
// again and again.
func (p *parts) freeze() {
	for _, c := range p.freezes {
		f := &p.w.Gate.Freezes[c.Freeze]
		if oncall.IsURL(c.At.String()) {
			if oncall.Followed(c.At) {
				f.Feed, f.Location, f.Unread = c.At.String(), c.Location, true
			}
			continue
		}
		name := path.Join("policies", path.Clean("/"+c.At.String()))
		data, ok := p.calendars[name]
		if !ok {
			c.At.Problem(c.At.Text(), "an .ics file in the folder policies, or an https URL", "")
			continue
		}
		events, err := oncall.ReadCalendar(data, c.Location)
		if err != nil {
			c.At.Problem(c.At.Text(), "a calendar that can be read", err.Error())
			continue
		}
		for _, e := range events {
			f.Events = append(f.Events, declare.Holiday{Name: e.Summary, From: e.From, To: e.To})
		}
	}
}
