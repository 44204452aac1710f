package backtest

import (
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/declare"
)

// Labelled is an alert on record of which it is known what became of it.
type Labelled struct {
	Finding  int64             `json:"finding"`
	Alert    string            `json:"alert"`
	Service  declare.ServiceID `json:"service,omitempty"`
	Labels   map[string]string `json:"-"`
	Opened   time.Time         `json:"opened"`
	Resolved time.Time         `json:"resolved,omitzero"`
	Outcome  string            `json:"outcome"`
	Inferred bool              `json:"inferred,omitempty"` // nobody has said so
	Useful   bool              `json:"useful"`             // something had to be done
}

// Judged says what the sides would have made of it: of a useful one, the first alert of
// its service that is told then; of another, itself.
type Judged struct {
	Labelled
	Changed *Lead `json:"changed"` // null: nobody is told
	Today   *Lead `json:"today"`
}

// same says whether a firing is of the alert on record: by what tells alerts of one name
// apart, and at its time.
func (l *Labelled) same(f *Firing, to time.Time) bool {
	for _, name := range []string{"alertname", "service", "objective"} {
		if f.Labels[name] != l.Labels[name] {
			return false
		}
	}
	return l.during(f, to)
}

func (l *Labelled) during(f *Firing, to time.Time) bool {
	until := l.Resolved
	if until.IsZero() {
		until = to
	}
	return !f.ends(to).Before(l.Opened.Add(-explained)) && !f.Fired.After(until)
}

// judge says whether a page was worth it: by the outcomes of its alerts where there are
// some, otherwise by the incidents; nil where nothing is on record.
func (o *Options) judge(p *Page) *bool {
	known, useful := false, false
	for _, f := range p.firings {
		for i := range o.Labelled {
			if l := &o.Labelled[i]; l.same(f, o.To) {
				known, useful = true, useful || l.Useful
			}
		}
	}
	switch {
	case known:
		return &useful
	case len(o.Incidents) == 0:
		return nil
	}
	explained := slices.ContainsFunc(p.firings, func(f *Firing) bool {
		return slices.ContainsFunc(o.Incidents, func(i Incident) bool { return !i.False && i.explains(f, o.To) })
	})
	return &explained
}

// label says what the sides make of the alerts on record.
func (r *Result) label(o Options) {
	for _, l := range o.Labelled {
		if l.Opened.Before(o.From) || l.Opened.After(o.To) {
			continue
		}
		j := Judged{Labelled: l, Changed: r.Changed.told(&l, o.To)}
		r.Changed.Summary.labelled(&l, j.Changed)
		if r.Today != nil {
			j.Today = r.Today.told(&l, o.To)
			r.Today.Summary.labelled(&l, j.Today)
		}
		r.Labelled = append(r.Labelled, j)
	}
}

func (s *Summary) labelled(l *Labelled, lead *Lead) {
	switch {
	case l.Useful && lead != nil:
		s.Useful++
	case l.Useful:
		s.UsefulLost++
	case lead != nil:
		s.Useless++
	default:
		s.UselessQuiet++
	}
}

// told is the first notification that somebody would have got in an alert's place.
func (s *Side) told(l *Labelled, to time.Time) *Lead {
	var first *Lead
	for _, p := range s.Pages {
		for _, f := range p.firings {
			if f.Labels["service"] != l.Labels["service"] || !l.during(f, to) || !l.Useful && !l.same(f, to) {
				continue
			}
			if first == nil || f.Fired.Before(first.Fired) {
				first = &Lead{Alert: f.Labels["alertname"], Fired: f.Fired, Seconds: l.Opened.Sub(f.Fired).Seconds()}
			}
		}
	}
	return first
}

// LostAlerts are useful alerts that today's rules tell somebody of, and the changed don't.
func (r *Result) LostAlerts() []Judged {
	var out []Judged
	for _, j := range r.Labelled {
		if j.Useful && j.Today != nil && j.Changed == nil {
			out = append(out, j)
		}
	}
	return out
}

// Verdict says what the changed rules would have made of it.
func (j Judged) Verdict() string {
	switch {
	case j.Useful && j.Today != nil && j.Changed == nil:
		return "lost"
	case !j.Useful && j.Changed == nil:
		return "quiet"
	}
	return j.Changed.String()
}

// Word is the outcome, and whether anybody has said so.
func (l Labelled) Word() string {
	if l.Inferred {
		return l.Outcome + " (inferred)"
	}
	return l.Outcome
}
