package web

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/detect/evaluate"
	"github.com/evenkeel/evenkeel/detect/rule"
)

// rulesView is all rules, with what evaluating each costs.
type rulesView struct {
	Page
	Text, Order string
	Rules       []ruleRow
	All         int // without a filter
	Whole       int // of the rules shown: how many are kept up to date as a whole
	Parts, None int
	Full        int // of all: how many are left to the engine because there is no memory for their windows
	Memory      string
	Pager       pager
}

// ruleView is one rule.
type ruleView struct {
	Page
	Rule  ruleRow
	Parts []partRow
	// How long the expression alone takes: the rest is the alerts, and what is recorded.
	ExpressionTook string
	Others         []ruleRow // of its group
}

// ruleRow is a rule as text.
type ruleRow struct {
	rule.Rule
	URL, Kind, Took, Memory, Evaluation string
	Every                               string
	nth                                 int // of those of its name in the group, from 0
}

// partRow is a part of an expression.
type partRow struct {
	evaluate.Part
	Depth               int
	What, Takes, Memory string
}

func (s *site) rules(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	q := r.URL.Query()
	v := rulesView{Page: s.page(r, me, "Rules", "rules"), Text: q.Get("text"), Order: q.Get("order")}
	var all []rule.Rule
	if s.Rules != nil {
		all = s.Rules(r.Context())
	}
	v.All = len(all)
	var bytes int64
	for _, row := range toRuleRows(all) {
		of := row.Rule
		if x := of.Explanation; x != nil && x.Left == evaluate.LeftLimit {
			v.Full++
		}
		if !strings.Contains(strings.ToLower(of.Name+" "+of.Group+" "+of.File+" "+of.Expr), strings.ToLower(v.Text)) {
			continue
		}
		if x := of.Explanation; x != nil {
			bytes += x.Bytes
			switch x.Incremental {
			case "all":
				v.Whole++
			case "some":
				v.Parts++
			default:
				v.None++
			}
		}
		v.Rules = append(v.Rules, row)
	}
	v.Memory = sizeText(bytes)
	switch v.Order {
	case "cost":
		slices.SortStableFunc(v.Rules, func(a, b ruleRow) int { return cmp.Compare(b.Rule.Took, a.Rule.Took) })
	case "memory":
		slices.SortStableFunc(v.Rules, func(a, b ruleRow) int { return cmp.Compare(b.bytes(), a.bytes()) })
	default:
		v.Order = ""
	}
	total, at := len(v.Rules), min(pageOf(r), len(v.Rules))
	v.Rules = v.Rules[at:min(at+perPage, total)]
	v.Pager = newPager(r.URL.RequestURI(), at, len(v.Rules), total, at+perPage < total)
	return s.show(w, "rules", v)
}

func (s *site) rule(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	q := r.URL.Query()
	n, _ := strconv.Atoi(q.Get("n"))
	var all []rule.Rule
	if s.Rules != nil {
		all = s.Rules(r.Context())
	}
	v := ruleView{}
	found := false
	for _, row := range toRuleRows(all) {
		if row.File != q.Get("file") || row.Group != q.Get("group") {
			continue
		}
		if row.Name == q.Get("name") && row.nth == n {
			v.Rule, found = row, true
			continue
		}
		v.Others = append(v.Others, row)
	}
	if !found {
		return act.ErrNotFound
	}
	v.Page = s.page(r, me, v.Rule.Name, "rules")
	if x := v.Rule.Explanation; x != nil {
		v.Parts, v.ExpressionTook = partRows(nil, &x.Part, 0), shortTime(x.Seconds)
	}
	return s.show(w, "rule", v)
}

// toRuleRows makes the rows of all rules. Several of a group may have the same name: the
// alerts of a burn rate do, that page and that are tickets.
func toRuleRows(all []rule.Rule) []ruleRow {
	type key struct{ file, group, name string }
	seen := map[key]int{}
	rows := make([]ruleRow, len(all))
	for i, of := range all {
		k := key{of.File, of.Group, of.Name}
		rows[i] = toRuleRow(of, seen[k])
		seen[k]++
	}
	return rows
}

func toRuleRow(of rule.Rule, nth int) ruleRow {
	row := ruleRow{Rule: of, nth: nth, Kind: "recording rule", Every: duration(of.Interval), Took: shortTime(of.Took.Seconds()), Evaluation: "not evaluated yet"}
	row.URL = withQuery("/rules/rule", "file", of.File, "group", of.Group, "name", of.Name)
	if nth > 0 {
		row.URL += "&n=" + strconv.Itoa(nth)
	}
	if of.Alert {
		row.Kind = "alert"
	}
	if of.Interval < time.Second {
		row.Every = of.Interval.String()
	}
	if x := of.Explanation; x != nil {
		row.Memory = sizeText(x.Bytes)
		row.Evaluation = map[string]string{"all": "incremental", "some": "in parts", "none": "Prometheus' engine"}[x.Incremental]
	}
	return row
}

func (r ruleRow) bytes() int64 {
	if r.Explanation == nil {
		return 0
	}
	return r.Explanation.Bytes
}

func partRows(rows []partRow, p *evaluate.Part, depth int) []partRow {
	row := partRow{Part: *p, Depth: min(depth, 8), What: p.How, Takes: shortTime(p.Seconds), Memory: "–"}
	if p.How == "engine" {
		row.What = "Prometheus' engine"
	}
	if p.Bytes > 0 {
		row.Memory = sizeText(p.Bytes)
	}
	if p.Seconds == 0 {
		row.Takes = "–"
	}
	rows = append(rows, row)
	for i := range p.Parts {
		rows = partRows(rows, &p.Parts[i], depth+1)
	}
	return rows
}

// shortTime is a time of at most a few seconds, with three digits.
func shortTime(seconds float64) string {
	switch {
	case seconds >= 1:
		return fmt.Sprintf("%.3g s", seconds)
	case seconds >= 1e-3:
		return fmt.Sprintf("%.3g ms", seconds*1e3)
	}
	return fmt.Sprintf("%.3g µs", seconds*1e6)
}

func sizeText(n int64) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%.3g MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.3g KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}
