package backtest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	amconfig "github.com/prometheus/alertmanager/config"
	"github.com/prometheus/prometheus/storage"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
)

// Options of Run.
type Options struct {
	History storage.Queryable
	Oldest  time.Time // of the samples; zero when not known
	From    time.Time
	To      time.Time
	// Step is the shortest time between two evaluations; 0 chooses one for the length.
	// Groups with a longer interval keep it.
	Step time.Duration
	// Changed are the rules to judge; Today are those they would replace, nil for none.
	Changed, Today []Group
	// Workspace has the routing, the rota and the owners; nil for nobody.
	Workspace *declare.Workspace
	Incidents []Incident
	Labelled  []Labelled // alerts on record of which it is known what became of them
	Data      string     // what the history is, in words
	Draw      bool       // keep what fired alerts look at, for charts
	Reach     bool       // find what the alerts' comparisons reached
	// Progress is told how many rules are done; may be nil.
	Progress func(done, total int)
}

// Result is what rules would have done.
type Result struct {
	From        time.Time  `json:"from"`
	To          time.Time  `json:"to"`
	StepSeconds float64    `json:"step_seconds"`
	TookMS      int64      `json:"took_ms"`
	Data        string     `json:"data,omitempty"`
	Changed     Side       `json:"changed"`
	Today       *Side      `json:"today"` // null where there is nothing beside
	Rules       []Compared `json:"rules"` // each alert of either side
	Incidents   []Caught   `json:"incidents"`
	Labelled    []Judged   `json:"labelled"` // alerts on record with an outcome
}

// Side is what one set of rules would have done.
type Side struct {
	Summary Summary `json:"summary"`
	Alerts  []Alert `json:"alerts"`
	Pages   []Page  `json:"notifications"` // pages and tickets
}

// Alert is one alerting rule. Rules of one name are told apart by what they declare.
type Alert struct {
	Name          string            `json:"name"`
	Group         string            `json:"group"`
	File          string            `json:"file"`
	Expr          string            `json:"expr"`
	For           string            `json:"for,omitempty"`
	Severity      detect.Severity   `json:"severity"`
	Labels        map[string]string `json:"labels,omitempty"` // declared
	Firings       []Firing          `json:"firings"`
	FiringSeconds float64           `json:"firing_seconds"`
	Flaps         int               `json:"flaps"`  // fired again within 15 minutes of its end
	Pages         int               `json:"pages"`  // notifications of severity page it was in
	Errors        int               `json:"errors"` // evaluations that failed
	Error         string            `json:"error,omitempty"`
	Drawing       *Drawing          `json:"-"` // when asked for, of alerts that fired
	Reached       []Reached         `json:"-"` // when asked for
	Held          bool              `json:"-"` // its expression has had a result, pending or firing
}

// Summary counts.
type Summary struct {
	Alerts        int      `json:"alerts"`
	Firings       int      `json:"firings"`
	FiringSeconds float64  `json:"firing_seconds"`
	Flaps         int      `json:"flaps"`
	Pages         int      `json:"pages"`
	Tickets       int      `json:"tickets"` // notifications that are not pages
	PagesPerWeek  float64  `json:"pages_per_week"`
	PagesAtNight  int      `json:"pages_at_night"`
	Unreached     int      `json:"pages_to_nobody"` // nobody had the duty
	People        []Duty   `json:"people"`
	Precision     *float64 `json:"precision"` // pages that an outcome or an incident on record justifies; null where none is known
	Caught        int      `json:"incidents_caught"`
	Missed        int      `json:"incidents_missed"`
	Useful        int      `json:"useful_told"` // alerts labelled useful that would be told again
	UsefulLost    int      `json:"useful_missed"`
	Useless       int      `json:"useless_told"` // alerts labelled useless that would be told again
	UselessQuiet  int      `json:"useless_avoided"`
}

// Duty is what one person would have got.
type Duty struct {
	Person declare.PersonID `json:"person"`
	Pages  int              `json:"pages"`
	Night  int              `json:"at_night"`
}

// Incident is one on record.
type Incident struct {
	Number   int64               `json:"number"`
	Title    string              `json:"title"`
	Services []declare.ServiceID `json:"services"`
	Impact   time.Time           `json:"impact,omitzero"` // users began to suffer
	Detected time.Time           `json:"detected"`
	Resolved time.Time           `json:"resolved,omitzero"`
	False    bool                `json:"false,omitempty"` // it turned out to be nothing
}

// Caught says what the sides would have made of an incident.
type Caught struct {
	Incident
	Changed *Lead `json:"changed"` // null: not caught
	Today   *Lead `json:"today"`
}

// Lead is the first paging alert of an incident.
type Lead struct {
	Alert   string    `json:"alert"`
	Fired   time.Time `json:"fired"`
	Seconds float64   `json:"lead_seconds"` // before the detection on record; negative: after
}

// Compared is an alert of both sides, or of one.
type Compared struct {
	Name    string            `json:"name"`
	Labels  map[string]string `json:"labels,omitempty"` // declared
	File    string            `json:"file"`
	Changed *Counts           `json:"changed"` // null: it is gone
	Today   *Counts           `json:"today"`   // null: it is new
}

// Counts are of one alert.
type Counts struct {
	Firings       int     `json:"firings"`
	FiringSeconds float64 `json:"firing_seconds"`
	Flaps         int     `json:"flaps"`
	Pages         int     `json:"pages"`
	Error         string  `json:"error,omitempty"`
}

const (
	flapping  = 15 * time.Minute
	explained = 30 * time.Minute // an alert so long before an incident is of it
	maxTicks  = 1_000_000
	wanted    = 43_200 // ticks: 30 days at 60 seconds
)

// step chooses the time between evaluations: as fine as the workspace evaluates, and
// coarser over a long time.
func step(length time.Duration, w *declare.Workspace) time.Duration {
	finest := 15 * time.Second
	if w != nil && w.Settings.Evaluation.Spacing > 0 {
		finest = max(w.Settings.Evaluation.Spacing.Round(time.Second), time.Second)
	}
	for _, d := range []time.Duration{finest, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute} {
		if d >= finest && length/d <= wanted {
			return d
		}
	}
	return time.Hour
}

// Run replays.
func Run(ctx context.Context, o Options) (*Result, error) {
	start := time.Now()
	if !o.From.Before(o.To) {
		return nil, fmt.Errorf("cannot replay from %s to %s: expected the end after the beginning", o.From.Format(time.RFC3339), o.To.Format(time.RFC3339))
	}
	if o.Step == 0 {
		o.Step = step(o.To.Sub(o.From), o.Workspace)
	}
	if o.Step < time.Second || o.To.Sub(o.From)/o.Step > maxTicks {
		return nil, fmt.Errorf("cannot replay every %s: expected at least 1s, and at most %d steps", o.Step, maxTicks)
	}
	changed := jobs(arrange(o.Changed, o.Step))
	var today []*job
	if o.Today != nil {
		today = jobs(arrange(o.Today, o.Step))
	}
	total, done := 0, 0
	byKey := map[string]*replayed{}
	for _, j := range slices.Concat(changed, today) {
		if k := j.key(); byKey[k] == nil {
			byKey[k] = &replayed{}
			total += len(j.nodes)
		}
	}
	clear(byKey)
	side := func(list []*job) (*Side, error) {
		s := &Side{Alerts: []Alert{}, Pages: []Page{}}
		for _, j := range list {
			k := j.key()
			r := byKey[k]
			if r == nil {
				var err error
				if r, err = j.replay(ctx, o.History, o.Oldest, o.From, o.To, &o); err != nil {
					if ctx.Err() != nil {
						return nil, ctx.Err()
					}
					r = &replayed{errors: map[*node]failed{}}
					for _, n := range j.nodes {
						r.fail(n, err)
					}
				}
				r.nodes = j.nodes
				byKey[k] = r
				if done += len(j.nodes); o.Progress != nil {
					o.Progress(done, total)
				}
			}
			s.Alerts = append(s.Alerts, r.list(o.To)...)
		}
		s.finish(o)
		return s, nil
	}
	out := &Result{From: o.From, To: o.To, StepSeconds: o.Step.Seconds(), Data: o.Data, Rules: []Compared{}, Incidents: []Caught{}, Labelled: []Judged{}}
	s, err := side(changed)
	if err != nil {
		return nil, err
	}
	out.Changed = *s
	if o.Today != nil {
		if out.Today, err = side(today); err != nil {
			return nil, err
		}
	}
	out.compare(o)
	out.TookMS = time.Since(start).Milliseconds()
	return out, nil
}

// list are the alerts of a job as they are told.
func (r *replayed) list(to time.Time) []Alert {
	var out []Alert
	for _, n := range r.nodes {
		if n.Alert == "" {
			continue
		}
		a := Alert{
			Name: n.Alert, Group: n.group.Name, File: n.group.File, Expr: n.Expr, Severity: detect.SeverityOf(n.labels["severity"]),
			Labels: n.labels, Firings: slices.Clone(r.alerts[n]), Errors: r.errors[n].n, Error: r.errors[n].why, Drawing: r.drawings[n], Reached: r.reached[n], Held: r.held[n],
		}
		if n.For > 0 {
			a.For = n.For.String()
		}
		if a.Firings == nil {
			a.Firings = []Firing{}
		}
		// Where what it needs cannot be made, it cannot fire.
		for _, d := range r.nodes {
			if f := r.errors[d]; a.Error == "" && f.n > 0 && d.Record != "" {
				a.Errors, a.Error = f.n, fmt.Sprintf("record %s: %s", d.Record, f.why)
			}
		}
		ended := map[string]time.Time{}
		for i := range a.Firings {
			f := &a.Firings[i]
			a.FiringSeconds += f.ends(to).Sub(f.Fired).Seconds()
			if e, before := ended[f.key()]; before && f.Fired.Sub(e) <= flapping {
				a.Flaps++
			}
			ended[f.key()] = f.ends(to)
		}
		out = append(out, a)
	}
	return out
}

// finish follows the firings to people and counts.
func (s *Side) finish(o Options) {
	var all []*Firing
	of := map[*Firing]*Alert{}
	for i := range s.Alerts {
		a := &s.Alerts[i]
		s.Summary.Alerts++
		s.Summary.Firings += len(a.Firings)
		s.Summary.FiringSeconds += a.FiringSeconds
		s.Summary.Flaps += a.Flaps
		for k := range a.Firings {
			all = append(all, &a.Firings[k])
			of[&a.Firings[k]] = a
		}
	}
	slices.SortStableFunc(all, func(a, b *Firing) int { return a.Fired.Compare(b.Fired) })
	cfg := everybody()
	if o.Workspace != nil && o.Workspace.Routing != nil {
		cfg = o.Workspace.Routing
	}
	for _, p := range notify(cfg, all, people{o.Workspace}, o.To) {
		if p.At.Before(o.From) {
			continue
		}
		if p.Severity == detect.Page {
			p.True = o.judge(&p)
		}
		for _, f := range p.firings {
			if p.Severity == detect.Page {
				of[f].Pages++
			}
		}
		s.Pages = append(s.Pages, p)
	}
	s.Summary.count(s.Pages, o)
}

func (s *Summary) count(pages []Page, o Options) {
	who := map[declare.PersonID]*Duty{}
	right, judged := 0, 0
	for _, p := range pages {
		if p.Severity != detect.Page {
			s.Tickets++
			continue
		}
		s.Pages++
		if p.Night {
			s.PagesAtNight++
		}
		if p.Person == "" {
			s.Unreached++
		} else {
			if who[p.Person] == nil {
				who[p.Person] = &Duty{Person: p.Person}
			}
			who[p.Person].Pages++
			if p.Night {
				who[p.Person].Night++
			}
		}
		if p.True != nil {
			if judged++; *p.True {
				right++
			}
		}
	}
	s.People = []Duty{}
	for _, d := range who {
		s.People = append(s.People, *d)
	}
	slices.SortFunc(s.People, func(a, b Duty) int {
		if a.Pages != b.Pages {
			return b.Pages - a.Pages
		}
		return strings.Compare(string(a.Person), string(b.Person))
	})
	s.PagesPerWeek = float64(s.Pages) / (o.To.Sub(o.From).Hours() / (24 * 7))
	if judged > 0 {
		v := float64(right) / float64(judged)
		s.Precision = &v
	}
}

// everybody is a routing for rules without one: each alert is told by itself.
func everybody() *amconfig.Config {
	cfg, err := amconfig.Load("route: {receiver: somebody, group_by: [...], group_wait: 0s}\nreceivers: [{name: somebody, webhook_configs: [{url: 'http://localhost'}]}]\n")
	if err != nil {
		panic(err) // it is the same each time
	}
	return cfg
}

// explains says whether an alert may be of an incident: of its services, and at its time.
func (i *Incident) explains(f *Firing, to time.Time) bool {
	if s := declare.ServiceID(f.Labels["service"]); !slices.Contains(i.Services, s) {
		return false
	}
	from, until := i.Detected, i.Resolved
	if !i.Impact.IsZero() && i.Impact.Before(from) {
		from = i.Impact
	}
	if until.IsZero() {
		until = to
	}
	return !f.ends(to).Before(from.Add(-explained)) && !f.Fired.After(until)
}

// compare puts the sides beside each other.
func (r *Result) compare(o Options) {
	counts := func(a *Alert) *Counts {
		return &Counts{Firings: len(a.Firings), FiringSeconds: a.FiringSeconds, Flaps: a.Flaps, Pages: a.Pages, Error: a.Error}
	}
	at := map[string][]int{}
	key := func(a *Alert) string {
		return fmt.Sprintf("%q %q %q %q %q", a.Group, a.Name, a.Labels["severity"], a.Labels["service"], a.Labels["objective"])
	}
	for i := range r.Changed.Alerts {
		a := &r.Changed.Alerts[i]
		at[key(a)] = append(at[key(a)], len(r.Rules))
		r.Rules = append(r.Rules, Compared{Name: a.Name, Labels: a.Labels, File: a.File, Changed: counts(a)})
	}
	if r.Today != nil {
		for i := range r.Today.Alerts {
			a := &r.Today.Alerts[i]
			if rows := at[key(a)]; len(rows) > 0 {
				r.Rules[rows[0]].Today = counts(a)
				at[key(a)] = rows[1:]
				continue
			}
			r.Rules = append(r.Rules, Compared{Name: a.Name, Labels: a.Labels, File: a.File, Today: counts(a)})
		}
	}
	for _, i := range o.Incidents {
		if i.False || i.Detected.Before(o.From) || i.Detected.After(o.To) {
			continue
		}
		c := Caught{Incident: i, Changed: r.Changed.lead(&i, o.To)}
		r.Changed.Summary.caught(c.Changed)
		if r.Today != nil {
			c.Today = r.Today.lead(&i, o.To)
			r.Today.Summary.caught(c.Today)
		}
		r.Incidents = append(r.Incidents, c)
	}
	r.label(o)
}

func (s *Summary) caught(l *Lead) {
	if l == nil {
		s.Missed++
	} else {
		s.Caught++
	}
}

// lead is the first alert that would have paged for an incident.
func (s *Side) lead(i *Incident, to time.Time) *Lead {
	var first *Lead
	for _, p := range s.Pages {
		if p.Severity != detect.Page {
			continue
		}
		for _, f := range p.firings {
			if detect.SeverityOf(f.Labels["severity"]) != detect.Page || !i.explains(f, to) {
				continue
			}
			if first == nil || f.Fired.Before(first.Fired) {
				first = &Lead{Alert: f.Labels["alertname"], Fired: f.Fired, Seconds: i.Detected.Sub(f.Fired).Seconds()}
			}
		}
	}
	return first
}
