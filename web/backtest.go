package web

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/promql"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/rulefile"
	"github.com/evenkeel/evenkeel/detect/backtest"
)

// backtestView is what rules would have done.
type backtestView struct {
	Page
	File   string // the rule file that is edited; "" for what is in force
	Files  []string
	Rules  string
	Range  string
	Ranges []string
	Result *backtest.Result
	Cards  []backtestCard
	Woken  []backtest.Page // that page somebody
	// MoreWoken are not listed.
	MoreWoken int
	Took      time.Duration
	Broken    string
}

// backtestCard is an alert that fired.
type backtestCard struct {
	*backtest.Alert
	Chart *Chart
	Rows  []backtestRow
	More  int // firings that are not listed
}

type backtestRow struct {
	*backtest.Firing
	Labels, Length string
}

const (
	maxCards   = 30
	maxFirings = 20
	maxWoken   = 50
)

var backtestRanges = []string{"1h", "6h", "1d", "7d", "30d"}

// backtest is the form.
func (s *site) backtest(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	v := s.backtestForm(r, me)
	v.File = r.URL.Query().Get("file")
	for _, f := range s.Workspace().RuleFiles {
		if f.Path == v.File {
			v.Rules = string(f.Source)
		}
	}
	return s.show(w, "backtest", v)
}

func (s *site) backtestForm(r *http.Request, me act.Identity) backtestView {
	v := backtestView{Page: s.page(r, me, "Backtest", "backtest"), Ranges: backtestRanges, Range: "30d"}
	for _, f := range s.Workspace().RuleFiles {
		v.Files = append(v.Files, f.Path)
	}
	return v
}

// runBacktest replays what was asked for.
func (s *site) runBacktest(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	if err := form(r); err != nil {
		return err
	}
	v := s.backtestForm(r, me)
	v.File, v.Rules, v.Range = r.PostForm.Get("file"), strings.ReplaceAll(r.PostForm.Get("rules"), "\r\n", "\n"), r.PostForm.Get("range")
	refuse := func(why string) error {
		v.Broken = why
		s.render(w, http.StatusUnprocessableEntity, "backtest", v)
		return nil
	}
	span, known := rangeOf(v.Range, 30*24*time.Hour)
	switch {
	case s.Replay == nil:
		return refuse("This server keeps no samples.")
	case !known:
		v.Range = "30d"
	}
	now, ws := s.Now(), s.Workspace()
	o := backtest.Options{From: now.Add(-span), To: now, Workspace: ws, Draw: true}
	o.Changed = backtest.Declared(ws, now)
	tried := v.File
	if strings.TrimSpace(v.Rules) != "" {
		if tried == "" {
			tried = "rules/tried.yml"
		}
		var problems declare.Problems
		rf, _ := rulefile.Read(tried, []byte(v.Rules), &problems)
		for _, p := range problems.Errors() {
			return refuse(p.Error())
		}
		o.Today = o.Changed
		o.Changed = backtest.Replace(o.Changed, []*declare.RuleFile{rf})
	}
	result, err := s.Replay(r.Context(), o)
	if err != nil {
		return refuse("It cannot be replayed: " + err.Error())
	}
	v.Result, v.Took = result, time.Duration(result.TookMS)*time.Millisecond
	v.Woken, v.MoreWoken = result.Changed.Woken(maxWoken)
	alerts := make([]*backtest.Alert, len(result.Changed.Alerts))
	for i := range alerts {
		alerts[i] = &result.Changed.Alerts[i]
	}
	if o.Today != nil { // those of the file that is tried come first
		slices.SortStableFunc(alerts, func(a, b *backtest.Alert) int {
			switch x, y := a.File == tried, b.File == tried; {
			case x == y:
				return 0
			case x:
				return -1
			}
			return 1
		})
	}
	for _, a := range alerts {
		if len(a.Firings) > 0 && len(v.Cards) < maxCards {
			v.Cards = append(v.Cards, card(a, result.From, result.To))
		}
	}
	return s.show(w, "backtest", v)
}

// card draws an alert's firings over what it looks at.
func card(a *backtest.Alert, from, to time.Time) backtestCard {
	c := backtestCard{Alert: a}
	var series []Series
	step := time.Minute
	if d := a.Drawing; d != nil {
		step = d.Step
		for _, one := range d.Series {
			series = append(series, ofMatrix(one))
		}
	}
	c.Chart = newChart(series, from, to, stepFor(to.Sub(from), step))
	c.Chart.ID = "fired-" + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, a.Group+"-"+a.Name+"-"+string(a.Severity))
	c.Chart.Title = a.Expr
	if d := a.Drawing; d != nil {
		c.Chart.Title = d.Expr
		if d.Threshold != nil {
			c.Chart.Limits = []ChartLimit{{Value: *d.Threshold, Label: "threshold"}}
		}
	}
	for i := range a.Firings {
		f := &a.Firings[i]
		end := f.Resolved
		row := backtestRow{Firing: f, Labels: f.Identity(a), Length: "still"}
		if end.IsZero() {
			end = to
		} else {
			row.Length = backtest.Length(end.Sub(f.Fired).Seconds())
		}
		if len(c.Rows) < maxFirings {
			c.Rows = append(c.Rows, row)
		} else {
			c.More++
		}
		start := f.Fired
		if start.Before(from) {
			start = from
		}
		c.Chart.Shades = append(c.Chart.Shades, ChartShade{From: float64(start.Unix()), To: float64(end.Unix()), Label: row.Labels})
	}
	return c
}

// ofMatrix makes a series of one of an evaluation's.
func ofMatrix(one promql.Series) Series {
	out := Series{Labels: one.Metric.Map()}
	for _, p := range one.Floats {
		out.Points = append(out.Points, Point{time.UnixMilli(p.T), p.F})
	}
	return out
}
