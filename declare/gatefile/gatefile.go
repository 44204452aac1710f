// Package gatefile reads policies/gate.yml: error budget policy, freezes, windows.
//
// In: the file. Out: the policy, the names that it refers to, and Problems. Times
// without an offset are those of the timezone that the file names, else UTC.
package gatefile

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

// Name is the file's place in a workspace.
const Name = "policies/gate.yml"

// Default is what holds where nothing is declared.
func Default() declare.GatePolicy {
	p := declare.GatePolicy{Override: "lead", Within: time.Hour}
	p.Verify.Window, p.Verify.Rollback = 10*time.Minute, "offer"
	return p
}

// Calendar is a freeze whose times are those of a calendar.
type Calendar struct {
	At       yamldoc.Node // names it
	Freeze   int          // of the policy
	Location *time.Location
}

// Read reads the policy, and which of its freezes a calendar is to fill.
func Read(file string, data []byte, sink *declare.Problems) (declare.GatePolicy, []yamldoc.Reference, []Calendar) {
	p := Default()
	d, ok := yamldoc.One(file, data, sink)
	if !ok {
		return p, nil, nil
	}
	r := &reader{loc: time.UTC}
	d.Only("timezone", "budget", "freezes", "windows", "override", "concurrent", "verify")
	if tz := d.Field("timezone"); !tz.Missing() {
		r.loc = zone(tz, r.loc)
	}
	if o := d.Field("override"); !o.Missing() {
		o.Only("level")
		if l := o.Field("level"); !l.Missing() {
			p.Override = declare.LevelName(l.String())
		}
	}
	c := d.Field("concurrent")
	c.Only("within")
	length(c.Field("within"), &p.Within)
	v := d.Field("verify")
	v.Only("window", "rollback")
	length(v.Field("window"), &p.Verify.Window)
	if n := v.Field("rollback"); !n.Missing() {
		if p.Verify.Rollback = n.String(); p.Verify.Rollback != "offer" && p.Verify.Rollback != "start" {
			n.Problem(n.Text(), "offer or start", yamldoc.Suggest(n.Text(), []string{"offer", "start"}))
		}
	}
	for _, n := range d.Field("budget").List() {
		p.Budget = append(p.Budget, r.budget(n))
	}
	slices.SortStableFunc(p.Budget, func(a, b declare.BudgetRule) int { return cmp.Compare(a.Below, b.Below) })
	seen := map[string]bool{}
	for _, n := range d.Field("freezes").List() {
		f := r.freeze(n, len(p.Freezes))
		if seen[f.Name] {
			n.Field("name").Problem(f.Name, "each freeze once", "")
		}
		seen[f.Name] = true
		p.Freezes = append(p.Freezes, f)
	}
	for _, n := range d.Field("windows").List() {
		p.Windows = append(p.Windows, r.window(n))
	}
	return p, r.references, r.calendars
}

type reader struct {
	loc        *time.Location
	references []yamldoc.Reference
	calendars  []Calendar
}

func zone(n yamldoc.Node, otherwise *time.Location) *time.Location {
	loc, err := time.LoadLocation(n.String())
	if err != nil || n.Text() == "Local" {
		n.Problem(n.Text(), "a time zone of the IANA database, as Europe/Vienna", "")
		return otherwise
	}
	return loc
}

func length(n yamldoc.Node, into *time.Duration) {
	d, ok := n.Duration()
	switch {
	case !ok:
	case d < time.Minute || d > 24*time.Hour:
		n.Problem(n.Text(), "a duration from 1m to 1d", "")
	default:
		*into = d
	}
}

// share reads 25% or 0.25.
func share(n yamldoc.Node) float64 {
	text, percent := strings.CutSuffix(strings.TrimSpace(n.Required("a share of the budget as 25%")), "%")
	v, err := strconv.ParseFloat(text, 64)
	if percent {
		v /= 100
	}
	if err != nil || !(v >= 0 && v <= 1) {
		if !n.Missing() {
			n.Problem(n.Text(), "a share of the budget as 25%", "")
		}
		return 0
	}
	return v
}

func risk(n yamldoc.Node, otherwise declare.Risk) declare.Risk {
	if n.Missing() {
		return otherwise
	}
	r := declare.Risk(n.String())
	if r.Rank() < 0 {
		n.Problem(n.Text(), "none, low, medium or high", yamldoc.Suggest(n.Text(), []string{"none", "low", "medium", "high"}))
		return otherwise
	}
	return r
}

var kindForm = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)

func kinds(n yamldoc.Node) []string {
	var out []string
	for _, k := range n.List() {
		if !kindForm.MatchString(k.String()) {
			k.Problem(k.Text(), "a kind of change as deploy, rollback or config", "")
		}
		out = append(out, k.String())
	}
	return out
}

func (r *reader) services(n yamldoc.Node) []declare.ServiceID {
	var out []declare.ServiceID
	for _, s := range n.List() {
		if name := s.Required("a service"); name != "" {
			out = append(out, declare.ServiceID(name))
			r.references = append(r.references, yamldoc.Reference{Kind: "service", Name: name, At: s})
		}
	}
	return out
}

func (r *reader) budget(n yamldoc.Node) declare.BudgetRule {
	n.Only("below", "kinds", "risk", "why")
	return declare.BudgetRule{Below: share(n.Field("below")), Kinds: kinds(n.Field("kinds")), Risk: risk(n.Field("risk"), declare.RiskNone), Why: n.Field("why").String(), Pos: n.Pos()}
}

func (r *reader) freeze(n yamldoc.Node, index int) declare.Freeze {
	n.Only("name", "from", "to", "calendar", "why", "services", "kinds", "overrides", "timezone")
	loc := r.loc
	if tz := n.Field("timezone"); !tz.Missing() {
		loc = zone(tz, loc)
	}
	f := declare.Freeze{
		Name: n.Field("name").Required("the freeze's name"), Why: n.Field("why").String(),
		Services: r.services(n.Field("services")), Kinds: kinds(n.Field("kinds")), Pos: n.Pos(),
	}
	if c := n.Field("calendar"); c.Missing() {
		f.From, f.To = at(n.Field("from"), loc, true), at(n.Field("to"), loc, true)
	} else {
		for _, key := range []string{"from", "to"} {
			if other := n.Field(key); !other.Missing() {
				other.Problem(other.Text(), "calendar or from and to, not both", "")
			}
		}
		r.calendars = append(r.calendars, Calendar{c, index, loc})
	}
	if !f.From.IsZero() && !f.To.IsZero() && !f.From.Before(f.To) {
		n.Field("to").Problem(n.Field("to").Text(), "a time after from", "")
	}
	for _, o := range n.Field("overrides").List() {
		o.Only("by", "until", "services", "why")
		over := declare.FreezeOverride{By: declare.PersonID(o.Field("by").Required("who decided it")), Until: at(o.Field("until"), loc, false), Services: r.services(o.Field("services")), Why: o.Field("why").Required("why it may go all the same")}
		if over.By != "" {
			r.references = append(r.references, yamldoc.Reference{Kind: "person", Name: string(over.By), At: o.Field("by")})
		}
		f.Overrides = append(f.Overrides, over)
	}
	return f
}

func at(n yamldoc.Node, loc *time.Location, needed bool) time.Time {
	if n.Missing() && !needed {
		return time.Time{}
	}
	text := n.Required("a time as 2026-12-20 or 2026-12-20T18:00")
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02", time.RFC3339} {
		if t, err := time.ParseInLocation(layout, text, loc); err == nil {
			return t
		}
	}
	if text != "" {
		n.Problem(text, "a time as 2026-12-20 or 2026-12-20T18:00", "")
	}
	return time.Time{}
}

var dayNames = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

func (r *reader) window(n yamldoc.Node) declare.ChangeWindow {
	n.Only("name", "days", "from", "to", "timezone", "services", "kinds", "risk")
	w := declare.ChangeWindow{
		Name: n.Field("name").Required("the window's name"), Location: r.loc, From: clock(n.Field("from")), To: clock(n.Field("to")),
		Services: r.services(n.Field("services")), Kinds: kinds(n.Field("kinds")), Risk: risk(n.Field("risk"), declare.RiskLow), Pos: n.Pos(),
	}
	if tz := n.Field("timezone"); !tz.Missing() {
		w.Location = zone(tz, w.Location)
	}
	if w.From >= w.To {
		n.Field("to").Problem(n.Field("to").Text(), "a time of day after from", "")
	}
	for _, d := range n.Field("days").List() {
		i := slices.Index(dayNames, strings.ToLower(d.String()))
		if i < 0 {
			d.Problem(d.Text(), "one of "+strings.Join(dayNames, ", "), yamldoc.Suggest(d.Text(), dayNames))
			continue
		}
		w.Days = append(w.Days, time.Weekday(i))
	}
	if len(w.Days) == 0 {
		n.Field("days").Problem("", "at least one day", "")
	}
	return w
}

// clock reads a time of day; 24:00 is the day's end.
func clock(n yamldoc.Node) time.Duration {
	text := n.Required("a time of day as 08:00")
	if text == "24:00" {
		return 24 * time.Hour
	}
	t, err := time.Parse("15:04", text)
	if err != nil {
		if text != "" {
			n.Problem(text, "a time of day as 08:00", "")
		}
		return 0
	}
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute
}
