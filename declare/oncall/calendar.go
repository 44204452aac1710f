package oncall

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	ical "github.com/arran4/golang-ical"
	"github.com/teambition/rrule-go"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

// The bounds of one calendar.
const (
	maxEvents  = 20_000 // after recurring ones are written out
	maxYears   = 15     // how far a recurring event is written out
	maxEventIn = 5_000  // components of the file
)

// Event is one time of a calendar.
type Event struct {
	UID      string // of all times of a recurring event; "" where the file gives none
	Summary  string
	Emails   []string // of attendees
	From, To time.Time
}

// ReadCalendar reads the events of an iCalendar file (RFC 5545), in order of time.
// Recurring ones are written out, for 15 years. Times without a zone are of loc.
func ReadCalendar(data []byte, loc *time.Location) (out []Event, err error) {
	defer func() {
		if e := recover(); e != nil { // of the parser
			out, err = nil, fmt.Errorf("cannot read calendar: %v", e)
		}
	}()
	if len(data) > yamldoc.MaxBytes {
		return nil, fmt.Errorf("cannot read calendar: %d bytes, expected at most %d", len(data), yamldoc.MaxBytes)
	}
	if n := bytes.Count(bytes.ToUpper(data), []byte("BEGIN:")); n > maxEventIn {
		return nil, fmt.Errorf("cannot read calendar: %d components, expected at most %d", n, maxEventIn)
	}
	if !bytes.Contains(data, []byte("BEGIN:VCALENDAR")) {
		return nil, errors.New("cannot read calendar: expected BEGIN:VCALENDAR")
	}
	cal, err := ical.ParseCalendar(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("cannot read calendar: %w", err)
	}
	moved := map[string][]time.Time{} // by UID: instances that an event of their own replaces
	for _, e := range cal.Events() {
		if p := e.GetProperty(ical.ComponentPropertyRecurrenceId); p != nil {
			if t, _, err := when(p, loc); err == nil {
				moved[e.Id()] = append(moved[e.Id()], t)
			}
		}
	}
	for i, e := range cal.Events() {
		if p := e.GetProperty(ical.ComponentPropertyStatus); p != nil && strings.EqualFold(p.Value, "CANCELLED") {
			continue
		}
		found, err := event(e, loc, moved)
		if err != nil {
			return nil, fmt.Errorf("cannot read event %d: %w", i+1, err)
		}
		if out = append(out, found...); len(out) > maxEvents {
			return nil, fmt.Errorf("cannot read calendar: more than %d events", maxEvents)
		}
	}
	slices.SortStableFunc(out, func(a, b Event) int { return a.From.Compare(b.From) })
	return out, nil
}

func event(e *ical.VEvent, loc *time.Location, moved map[string][]time.Time) ([]Event, error) {
	start := e.GetProperty(ical.ComponentPropertyDtStart)
	if start == nil {
		return nil, fmt.Errorf("expected DTSTART")
	}
	from, day, err := when(start, loc)
	if err != nil {
		return nil, err
	}
	long := time.Duration(0)
	if day {
		long = 24 * time.Hour
	}
	if p := e.GetProperty(ical.ComponentPropertyDtEnd); p != nil {
		to, _, err := when(p, loc)
		if err != nil {
			return nil, err
		}
		long = to.Sub(from)
	} else if p := e.GetProperty(ical.ComponentPropertyDuration); p != nil {
		if long, err = duration(p.Value); err != nil {
			return nil, err
		}
	}
	if long <= 0 || long > 366*24*time.Hour {
		return nil, fmt.Errorf("lasts %s, expected more than none and at most a year", long)
	}
	out := Event{UID: e.Id()}
	if p := e.GetProperty(ical.ComponentPropertySummary); p != nil {
		out.Summary = p.Value
	}
	for _, a := range e.Attendees() {
		out.Emails = append(out.Emails, strings.ToLower(strings.TrimSpace(a.Email())))
	}
	starts, err := starts(e, from)
	if err != nil {
		return nil, err
	}
	var gone []time.Time
	if e.GetProperty(ical.ComponentPropertyRecurrenceId) == nil {
		gone = moved[e.Id()]
	}
	for _, p := range e.GetProperties(ical.ComponentPropertyExdate) {
		for _, text := range strings.Split(p.Value, ",") {
			one := *p
			one.Value = text
			t, _, err := when(&one, loc)
			if err != nil {
				return nil, err
			}
			gone = append(gone, t)
		}
	}
	var all []Event
	for _, s := range starts {
		if slices.ContainsFunc(gone, s.Equal) {
			continue
		}
		x := out
		x.From, x.To = s.UTC(), s.Add(long).UTC()
		if day { // whole days, also those of 23 and 25 hours
			l := s.In(from.Location())
			x.To = declare.Wall(from.Location(), l.Year(), l.Month(), l.Day()+int((long+12*time.Hour)/(24*time.Hour)), 0, 0)
		}
		all = append(all, x)
	}
	return all, nil
}

// starts are the beginnings of an event, several where it recurs.
func starts(e *ical.VEvent, from time.Time) ([]time.Time, error) {
	p := e.GetProperty(ical.ComponentPropertyRrule)
	if p == nil {
		return []time.Time{from}, nil
	}
	option, err := rrule.StrToROptionInLocation(p.Value, from.Location())
	if err != nil {
		return nil, fmt.Errorf("RRULE: %w", err)
	}
	switch option.Freq {
	case rrule.DAILY, rrule.WEEKLY, rrule.MONTHLY, rrule.YEARLY:
	default:
		return nil, fmt.Errorf("RRULE: got FREQ=%s, expected DAILY, WEEKLY, MONTHLY or YEARLY", option.Freq)
	}
	option.Dtstart = from
	if end := from.AddDate(maxYears, 0, 0); option.Until.IsZero() || option.Until.After(end) {
		option.Until = end
	}
	rule, err := rrule.NewRRule(*option)
	if err != nil {
		return nil, fmt.Errorf("RRULE: %w", err)
	}
	var out []time.Time
	next := rule.Iterator()
	for t, ok := next(); ok; t, ok = next() {
		if out = append(out, t); len(out) > maxEvents {
			return nil, fmt.Errorf("RRULE: more than %d times", maxEvents)
		}
	}
	return out, nil
}

// when reads a DATE or DATE-TIME, and says whether it is a whole day.
func when(p *ical.IANAProperty, loc *time.Location) (t time.Time, day bool, err error) {
	if tz := p.ICalParameters["TZID"]; len(tz) == 1 {
		if loc, err = time.LoadLocation(tz[0]); err != nil || tz[0] == "Local" {
			return t, false, fmt.Errorf("got the time zone %q, expected one of the IANA database", tz[0])
		}
	}
	text := strings.TrimSpace(p.Value)
	for _, layout := range []string{"20060102T150405Z", "20060102T150405", "20060102"} {
		shown, err := time.Parse(layout, text)
		if err != nil {
			continue
		}
		if strings.HasSuffix(layout, "Z") {
			return shown, false, nil
		}
		y, m, d := shown.Date()
		return declare.Wall(loc, y, m, d, shown.Hour()*60+shown.Minute(), shown.Second()).In(loc), len(layout) == 8, nil
	}
	return t, false, fmt.Errorf("got the time %q, expected one as 20260105T090000Z", yamldoc.Cut(text))
}

// duration reads P1D, PT12H30M and their like.
func duration(text string) (time.Duration, error) {
	rest, ok := strings.CutPrefix(strings.ToUpper(strings.TrimSpace(text)), "P")
	var sum time.Duration
	n, digits := time.Duration(0), 0
	units := map[rune]time.Duration{'W': 7 * 24 * time.Hour, 'D': 24 * time.Hour, 'H': time.Hour, 'M': time.Minute, 'S': time.Second}
	for _, c := range rest {
		switch unit := units[c]; {
		case c >= '0' && c <= '9' && digits < 6:
			n, digits = n*10+time.Duration(c-'0'), digits+1
		case c == 'T':
		case unit > 0 && digits > 0:
			sum += n * unit
			n, digits = 0, 0
		default:
			ok = false
		}
	}
	if !ok || digits > 0 || sum <= 0 || sum > 366*24*time.Hour {
		return 0, fmt.Errorf("got the duration %q, expected one as PT12H", yamldoc.Cut(text))
	}
	return sum, nil
}

// Fill puts calendars into the schedules that name them. files finds an .ics file by
// its name in the folder; who finds a person by an email address or a name.
func Fill(calendars []Calendar, files func(name string) ([]byte, bool), who func(text string) declare.PersonID) {
	for _, c := range calendars {
		if IsURL(c.At.String()) {
			c.follow()
			continue
		}
		name := path.Join("oncall", path.Clean("/"+c.At.String()))
		data, ok := files(name)
		if !ok || path.Ext(name) != ".ics" {
			c.At.Problem(c.At.Text(), "an .ics file in the folder oncall, or an https URL", "")
			continue
		}
		loc := c.Schedule.Location
		if c.Layer >= 0 && c.Schedule.Layers[c.Layer].Location != nil {
			loc = c.Schedule.Layers[c.Layer].Location
		}
		events, err := ReadCalendar(data, loc)
		if err != nil {
			c.At.Problem(c.At.Text(), "a calendar that can be read", err.Error())
			continue
		}
		if c.Layer < 0 {
			for _, e := range events {
				c.Schedule.Holidays = append(c.Schedule.Holidays, declare.Holiday{Name: e.Summary, From: e.From, To: e.To})
			}
			continue
		}
		for _, e := range events {
			p := e.Person(who)
			if p == "" {
				c.At.Problem(c.At.Text(), "events of people of the catalogue: by the address of an attendee, or a name as the summary",
					fmt.Sprintf("nobody is %q, from %s", yamldoc.Cut(e.Summary), e.From.Format("2006-01-02 15:04")))
				break
			}
			l := &c.Schedule.Layers[c.Layer]
			l.Events = append(l.Events, declare.Override{Person: p, From: e.From, To: e.To})
		}
	}
}

// maxURL is the length of a calendar's URL in bytes.
const maxURL = 2000

// IsURL says whether a calendar is named by a URL, and not as a file.
func IsURL(text string) bool {
	scheme, _, ok := strings.Cut(text, "://")
	return ok && slices.Contains([]string{"http", "https", "webcal"}, strings.ToLower(scheme))
}

// Followed says whether a calendar that is named by a URL can be followed; else that is a
// problem.
func Followed(at yamldoc.Node) bool {
	u, err := url.Parse(at.String())
	if err != nil || u.Host == "" || len(at.String()) > maxURL {
		at.Problem(yamldoc.Cut(at.Text()), "a URL as https://calendar.example.org/cover.ics", "")
		return false
	}
	return true
}

// follow notes the URL of a calendar: whoever runs the schedule reads it, again and again.
func (c Calendar) follow() {
	if !Followed(c.At) {
		return
	}
	if c.Layer < 0 {
		c.Schedule.Feeds = append(c.Schedule.Feeds, c.At.String())
		return
	}
	c.Schedule.Layers[c.Layer].Feed = c.At.String()
}

// Person is whose event it is: the first attendee that is known, else the one that
// the summary names.
func (e Event) Person(who func(text string) declare.PersonID) declare.PersonID {
	for _, m := range e.Emails {
		if p := who(m); p != "" {
			return p
		}
	}
	return who(strings.TrimSpace(e.Summary))
}

// Who returns a finder of people for Fill and Person.
func Who(people []*declare.Person) func(text string) declare.PersonID {
	return func(text string) declare.PersonID {
		if text == "" {
			return ""
		}
		for _, p := range people {
			if strings.EqualFold(text, string(p.ID)) || strings.EqualFold(text, p.Email) || strings.EqualFold(text, p.Name) {
				return p.ID
			}
		}
		return ""
	}
}
