package oncall

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

func (r *reader) layer(l yamldoc.Node, s *declare.Schedule) declare.Layer {
	l.Only("name", "start", "end", "every", "timezone", "people", "restrictions", "holidays", "calendar")
	layer := declare.Layer{Name: l.Field("name").String()}
	if tz := l.Field("timezone"); !tz.Missing() {
		layer.Location = location(tz, s.Location)
	}
	loc := s.Location
	if layer.Location != nil {
		loc = layer.Location
	}
	for _, x := range l.Field("restrictions").List() {
		layer.Only = append(layer.Only, restriction(x))
	}
	if h := l.Field("holidays"); !h.Missing() {
		layer.Holidays = declare.HolidayUse(h.String())
		if layer.Holidays != declare.HolidaysSkip && layer.Holidays != declare.HolidaysOnly {
			h.Problem(h.Text(), "skip (the layer does not count on holidays) or only (it counts on them alone)", yamldoc.Suggest(h.Text(), []string{"skip", "only"}))
		}
	}
	if c := l.Field("calendar"); !c.Missing() {
		for _, key := range []string{"start", "every", "people"} {
			if n := l.Field(key); !n.Missing() {
				n.Problem(n.Text(), "calendar or "+key+", not both", "")
			}
		}
		r.Calendars = append(r.Calendars, Calendar{At: c, Schedule: s, Layer: len(s.Layers)})
		return layer
	}
	layer.Every = turn(l.Field("every"))
	layer.Start = at(l.Field("start"), loc)
	layer.End = optional(l.Field("end"), loc)
	if !layer.End.IsZero() && !layer.Start.Before(layer.End) {
		l.Field("end").Problem(l.Field("end").Text(), "a time after start", "")
	}
	for _, p := range l.Field("people").List() {
		layer.People = append(layer.People, r.person(p))
	}
	if len(layer.People) == 0 {
		l.Field("people").Problem("", "at least one person", "")
	}
	return layer
}

var length = regexp.MustCompile(`^([1-9][0-9]{0,3})([hdw])$`)

// turn reads how long one person has the duty.
func turn(n yamldoc.Node) declare.Turn {
	const want = "daily, weekly, or a length as 12h, 3d or 2w"
	text := n.Required(want)
	m := length.FindStringSubmatch(text)
	switch {
	case text == "daily":
		return declare.Daily
	case text == "weekly":
		return declare.Weekly
	case m != nil:
		k, _ := strconv.Atoi(m[1]) // the expression lets only numbers through
		return map[string]declare.Turn{"h": {Hours: k}, "d": {Days: k}, "w": {Days: 7 * k}}[m[2]]
	case text != "":
		n.Problem(text, want, yamldoc.Suggest(text, []string{"daily", "weekly"}))
	}
	return declare.Turn{}
}

var weekdays = map[string]time.Weekday{
	"sun": time.Sunday, "mon": time.Monday, "tue": time.Tuesday, "wed": time.Wednesday, "thu": time.Thursday, "fri": time.Friday, "sat": time.Saturday,
}

// restriction reads {days: [mon-fri], from: "09:00", to: "17:00"}; without days it is
// every day, without times the whole day.
func restriction(n yamldoc.Node) declare.Restriction {
	n.Only("days", "from", "to")
	w := declare.Restriction{From: minute(n.Field("from"), 0), To: minute(n.Field("to"), 24*60)}
	days := n.Field("days")
	if days.Missing() {
		w.Days = [7]bool{true, true, true, true, true, true, true}
		return w
	}
	list := days.List()
	for _, d := range list {
		first, last, several := strings.Cut(strings.ToLower(d.String()), "-")
		from, ok1 := weekdays[strings.TrimSpace(first)]
		to, ok2 := weekdays[strings.TrimSpace(last)]
		if !several {
			to, ok2 = from, ok1
		}
		if !ok1 || !ok2 {
			d.Problem(d.Text(), "a day as mon, or days as mon-fri", "")
			continue
		}
		for k := from; ; k = (k + 1) % 7 {
			w.Days[k] = true
			if k == to {
				break
			}
		}
	}
	if len(list) == 0 {
		days.Problem("", "at least one day", "")
	}
	return w
}

func minute(n yamldoc.Node, fallback int) int {
	if n.Missing() {
		return fallback
	}
	text := n.String()
	if text == "24:00" {
		return 24 * 60
	}
	t, err := time.Parse("15:04", text)
	if err != nil {
		n.Problem(n.Text(), `a time of day as "09:00", in quotes`, "")
		return fallback
	}
	return t.Hour()*60 + t.Minute()
}
