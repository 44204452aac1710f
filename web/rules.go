package web

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
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
	Rule        ruleRow
	Explanation *evaluate.Explanation // nil before it was evaluated
	Parts       []partRow
	// How long the expression alone takes: the rest is the alerts, and what is recorded.
	ExpressionTook string
	Others         []ruleRow // of its group
}

// ruleRow is a rule as text.
type ruleRow struct {
	rule.Rule
	URL, Kind, Took, Memory, Evaluation string
	Every                               string
}

// numbered is a rule with how many of its name stand before it in the group.
type numbered struct {
	rule.Rule
	nth int
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
		all = s.Rules()
	}
	v.All = len(all)
	var bytes int64
	var found []numbered
	for _, of := range numberedRules(all) {
		if x := of.Summary; x != nil && x.Left == evaluate.LeftLimit {
			v.Full++
		}
		if !says(v.Text, of.Name, of.Group, of.File, of.Expr) {
			continue
		}
		if x := of.Summary; x != nil {
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
		found = append(found, of)
	}
	v.Memory = sizeText(bytes)
	switch v.Order {
	case "cost":
		slices.SortStableFunc(found, func(a, b numbered) int { return cmp.Compare(b.Took, a.Took) })
	case "memory":
		slices.SortStableFunc(found, func(a, b numbered) int { return cmp.Compare(b.bytes(), a.bytes()) })
	default:
		v.Order = ""
	}
	found, v.Pager = paged(found, r)
	for _, of := range found {
		v.Rules = append(v.Rules, toRuleRow(of))
	}
	return s.show(w, "rules", v)
}

func (s *site) rule(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	q := r.URL.Query()
	n, _ := strconv.Atoi(q.Get("n"))
	var all []rule.Rule
	if s.Rules != nil {
		all = s.Rules()
	}
	v := ruleView{}
	found := false
	for _, of := range numberedRules(all) {
		if of.File != q.Get("file") || of.Group != q.Get("group") {
			continue
		}
		if of.Name == q.Get("name") && of.nth == n {
			v.Rule, found = toRuleRow(of), true
			continue
		}
		v.Others = append(v.Others, toRuleRow(of))
	}
	if !found {
		return act.ErrNotFound
	}
	v.Page = s.page(r, me, v.Rule.Name, "rules")
	if x := s.ExplainRule(r.Context(), v.Rule.Rule); x != nil {
		v.Explanation = x
		v.Parts, v.ExpressionTook = partRows(nil, &x.Part, 0), shortTime(x.Seconds)
	}
	return s.show(w, "rule", v)
}

// numberedRules numbers all rules. Several of a group may have the same name: the alerts of a
// burn rate do, that page and that are tickets.
func numberedRules(all []rule.Rule) []numbered {
	type key struct{ file, group, name string }
	seen := map[key]int{}
	out := make([]numbered, len(all))
	for i, of := range all {
		k := key{of.File, of.Group, of.Name}
		out[i] = numbered{of, seen[k]}
		seen[k]++
	}
	return out
}

func toRuleRow(of numbered) ruleRow {
	row := ruleRow{Rule: of.Rule, Kind: "recording rule", Every: duration(of.Interval), Took: shortTime(of.Took.Seconds()), Evaluation: "not evaluated yet"}
	row.URL = withQuery("/rules/rule", "file", of.File, "group", of.Group, "name", of.Name)
	if of.nth > 0 {
		row.URL += "&n=" + strconv.Itoa(of.nth)
	}
	if of.Alert {
		row.Kind = "alert"
	}
	if of.Interval < time.Second {
		row.Every = of.Interval.String()
	}
	if x := of.Summary; x != nil {
		row.Memory = sizeText(x.Bytes)
		row.Evaluation = map[string]string{"all": "incremental", "some": "in parts", "none": "Prometheus' engine"}[x.Incremental]
	}
	return row
}

func (n numbered) bytes() int64 {
	if n.Summary == nil {
		return 0
	}
	return n.Summary.Bytes
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
