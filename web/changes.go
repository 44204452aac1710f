package web

import (
	"cmp"
	"errors"
	"math"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/act/change"
	"github.com/evenkeel/evenkeel/act/verify"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond"
)

func changeURL(id string) string { return "/changes/" + url.PathEscape(id) }

type changesView struct {
	Page
	Service, Kind, Text, Range string
	Services                   []*declare.Service
	Kinds                      []act.ChangeKind
	Hygiene                    string // mean of those shown, "" when none can be told
	Days                       []changeDay
	Pager                      pager
	Form                       act.Change // as typed
	Open                       bool       // the form is open
}

// changeDay is the changes that began on one day, UTC.
type changeDay struct {
	Day     string
	Changes []act.Change
}

func (s *site) changes(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	q := r.URL.Query()
	form := act.Change{Service: declare.ServiceID(q.Get("service"))}
	return s.showChanges(w, r, me, http.StatusOK, "", form)
}

func (s *site) showChanges(w http.ResponseWriter, r *http.Request, me act.Identity, status int, problem string, form act.Change) error {
	q := r.URL.Query()
	v := changesView{
		Page: s.page(r, me, "Changes", "changes"), Services: s.Workspace().Services, Kinds: act.Kinds,
		Service: q.Get("service"), Kind: q.Get("kind"), Text: q.Get("q"), Range: q.Get("range"), Form: form, Open: q.Has("new") || problem != "",
	}
	v.Problem = problem
	f := act.ChangeFilter{Service: declare.ServiceID(v.Service), Kind: act.ChangeKind(v.Kind), Text: v.Text, Limit: perPage + 1, Offset: pageOf(r)}
	if span, ok := rangeOf(v.Range, 0); ok {
		f.From = s.Now().Add(-span)
	}
	found, err := s.Changes.List(r.Context(), f)
	if err != nil {
		return err
	}
	shown := found[:min(len(found), perPage)]
	sum, told := 0.0, 0
	for _, c := range shown {
		if h := s.Hygiene(c, s.Now()); h.Score >= 0 {
			sum, told = sum+h.Score, told+1
		}
		day := c.StartedAt.UTC().Format("Monday, 2 January 2006")
		if n := len(v.Days); n == 0 || v.Days[n-1].Day != day {
			v.Days = append(v.Days, changeDay{Day: day})
		}
		last := &v.Days[len(v.Days)-1]
		last.Changes = append(last.Changes, c)
	}
	if told > 0 {
		v.Hygiene = percent(math.Round(100*sum/float64(told)) / 100)
	}
	v.Pager = newPager(v.Here, f.Offset, len(shown), -1, len(found) > perPage)
	s.render(w, status, "changes", v)
	return nil
}

func (s *site) recordChange(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	if err := form(r); err != nil {
		return err
	}
	now := s.Now()
	get := func(key string) string { return strings.TrimSpace(r.PostFormValue(key)) }
	c := act.Change{
		Kind: act.ChangeKind(cmp.Or(get("kind"), "deploy")), Summary: get("summary"), Service: declare.ServiceID(get("service")),
		Actor: cmp.Or(get("actor"), string(me.Person)), Source: "page", From: get("from"), To: get("to"), URL: get("url"), StartedAt: now, EndedAt: now,
		Evidence: act.Evidence{Rollback: get("rollback")},
	}
	for r := range strings.SplitSeq(get("reviewers"), ",") {
		if r = strings.TrimSpace(r); r != "" {
			c.Evidence.Reviewers = append(c.Evidence.Reviewers, r)
		}
	}
	var err error
	if at := get("started_at"); at != "" {
		if c.StartedAt, err = time.Parse("2006-01-02T15:04", at); err != nil {
			if c.StartedAt, err = time.Parse("2006-01-02T15:04:05", at); err != nil {
				err = &act.InvalidError{Field: "when", Got: at, Want: "a time as 2006-01-02T15:04 (UTC)"}
			}
		}
		c.EndedAt = c.StartedAt
	}
	if err == nil && c.Summary == "" {
		err = &act.InvalidError{Field: "summary", Want: "what was changed, in a few words"}
	}
	if err == nil && c.URL != "" && (!safeLink(c.URL) || strings.HasPrefix(c.URL, "/")) {
		err = &act.InvalidError{Field: "link", Got: c.URL, Want: "an address that begins with https:// or http://"}
	}
	if err == nil {
		c, err = s.Changes.Record(r.Context(), now, me.Actor(), c)
	}
	if err != nil {
		if message, theirs := said(err); theirs {
			status, _, _, _ := explainError(err)
			return s.showChanges(w, r, me, status, message, c)
		}
		return err
	}
	return after(w, r, changeURL(c.ID), "recorded")
}

type changeView struct {
	Page
	Change   act.Change
	Unknown  string // that the catalogue does not know its service, "" when it does
	Hygiene  act.Hygiene
	Verified *verify.Verification // nil where nothing was measured
	Charts   []*Chart
	Blamed   []respond.Incident // incidents that have it among their suspects
	Timeline []journal.Fact
	SafeURL  bool
}

func (s *site) change(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	ctx, now, ws := r.Context(), s.Now(), s.Workspace()
	c, err := s.Changes.Get(ctx, r.PathValue("id"))
	if err != nil {
		return err
	}
	v := changeView{Page: s.page(r, me, c.Summary, "changes"), Change: c, Unknown: change.Unknown(ws, c.Service), Hygiene: s.Hygiene(c, now), SafeURL: safeLink(c.URL) && !strings.HasPrefix(c.URL, "/")}
	from, to := c.StartedAt.Add(-20*time.Minute).Truncate(time.Second), c.StartedAt.Add(40*time.Minute).Truncate(time.Second)
	if to.After(now) {
		to = now.Truncate(time.Second)
	}
	for _, o := range ws.ObjectivesOf(c.Service) {
		chart := s.chart(ctx, "burn-"+string(o.Name), "Burn rate of "+string(o.Name), "times", objectiveExpr(seriesBurn, o.Name), from, to)
		if len(chart.Series) == 1 {
			chart.Series[0].Label = "Burn rate"
		}
		chart.Marks = []ChartMark{{At: float64(c.StartedAt.Unix()), Label: c.Summary, URL: changeURL(c.ID)}}
		chart.Limits = []ChartLimit{{1, "1×: the budget ends with the window"}}
		v.Charts = append(v.Charts, chart)
	}
	switch found, err := s.Verification(ctx, c.ID); {
	case err == nil:
		v.Verified = &found
	case !errors.Is(err, act.ErrNotFound):
		return err
	}
	incidents, err := s.Incidents.List(ctx, respond.IncidentFilter{Limit: 200})
	if err != nil {
		return err
	}
	for _, i := range incidents {
		for _, su := range i.Suspects {
			if su.Change == c.ID {
				v.Blamed = append(v.Blamed, i)
				break
			}
		}
	}
	if v.Timeline, err = s.timeline(ctx, journal.MakeRef("change", c.ID)); err != nil {
		return err
	}
	return s.show(w, "change", v)
}
