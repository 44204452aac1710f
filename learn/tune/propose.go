package tune

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/respond/outcome"
)

// Field is what a proposal changes.
type Field string

// The fields.
const (
	For       Field = "for"
	KeepFor   Field = "keep_firing_for"
	Severity  Field = "severity"
	Threshold Field = "expr"
)

// RulePlace is where an alert is declared.
type RulePlace struct {
	File  string `json:"file"`
	Group string `json:"group"`
	Rule  int    `json:"rule"` // index in the group
}

// RuleProposal is one change of one rule.
type RuleProposal struct {
	RulePlace
	Field Field  `json:"field"`
	From  string `json:"from,omitempty"`
	To    string `json:"to"`
	Why   string `json:"why"`
	// Saved and Lost are episodes on record that it had prevented: those that nobody
	// needed, and those to which action was taken.
	Saved int `json:"saved"`
	Lost  int `json:"lost"`
}

// ReviewedAlert is one alert of the review queue.
type ReviewedAlert struct {
	outcome.Quality
	Place    *RulePlace    `json:"place"`    // null: it is not of a rule file
	Proposal *RuleProposal `json:"proposal"` // null: the data proposes nothing
	Why      string        `json:"why"`      // why there is none, or what speaks for it
}

// least is from how many labelled episodes on something is proposed.
const least = 3

// waits are the lengths that are tried, in order.
var waits = []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour}

// Queue is the alert review queue, the worst first.
func Queue(ws *declare.Workspace, episodes []respond.Episode) []ReviewedAlert {
	byRule := map[outcome.Rule][]respond.Episode{}
	for _, e := range episodes {
		byRule[outcome.RuleOf(e)] = append(byRule[outcome.RuleOf(e)], e)
	}
	var out []ReviewedAlert
	for _, q := range outcome.Measure(episodes) {
		l := ReviewedAlert{Quality: q}
		at, rule, n := find(ws, q.Rule)
		switch {
		case q.Detector == detect.DetectorObjective:
			l.Why = "it comes from an objective: its target and windows are what can be changed"
		case n == 0:
			l.Why = "no rule file declares it"
		case n > 1:
			l.Why = "several rules of the same name and severity: which one fired is not on record"
		default:
			l.Place = &at
			l.Proposal, l.Why = propose(at, rule, q, byRule[q.Rule])
		}
		out = append(out, l)
	}
	return out
}

// declared is what of a rule matters here.
type declared struct {
	expr, severity string
	hold, keep     time.Duration
}

func find(ws *declare.Workspace, r outcome.Rule) (at RulePlace, rule declared, n int) {
	for _, f := range ws.RuleFiles {
		for _, g := range f.Groups.Groups {
			for k, x := range g.Rules {
				if x.Alert != r.Name || r.Detector != detect.DetectorRule || detect.SeverityOf(x.Labels["severity"]) != r.Severity {
					continue
				}
				n++
				at, rule = RulePlace{f.Path, g.Name, k}, declared{x.Expr, x.Labels["severity"], time.Duration(x.For), time.Duration(x.KeepFiringFor)}
			}
		}
	}
	return at, rule, n
}

// needless says whether nobody had needed an episode.
func needless(e respond.Episode) bool {
	return e.Outcome == respond.NoActionNeeded || e.Outcome == respond.Duplicate || e.Outcome == respond.FalseAlarm
}

// propose picks the change that had saved the most of what nobody needed and lost none
// of what somebody did.
func propose(at RulePlace, rule declared, q outcome.Quality, all []respond.Episode) (*RuleProposal, string) {
	labelled := q.Action + q.NoAction + q.Duplicate + q.False
	if q.Flaps >= least && 2*q.Flaps >= q.Episodes {
		return keepFiring(at, rule, all)
	}
	if labelled < least {
		return nil, fmt.Sprintf("%d of its episodes have an outcome; from %d on it can be judged", labelled, least)
	}
	if q.NoAction+q.Duplicate+q.False == 0 {
		return nil, "every episode with an outcome asked for something"
	}
	var best *RuleProposal
	for _, p := range []*RuleProposal{longer(at, rule, all), threshold(at, rule, all), milder(at, rule, q)} {
		if p != nil && (best == nil || p.Saved > best.Saved) {
			best = p
		}
	}
	if best == nil {
		return nil, "what nobody needed is as long and as large as what somebody did: no for and no threshold tells them apart"
	}
	return best, best.Why
}

// longer raises for to what outlasts most needless episodes and no other.
func longer(at RulePlace, rule declared, all []respond.Episode) *RuleProposal {
	var best *RuleProposal
	for _, w := range waits {
		if w <= rule.hold {
			continue
		}
		saved, lost := 0, 0
		for _, e := range all {
			lasted := e.Resolved.Sub(e.Since)
			if e.Resolved.IsZero() || lasted >= w || lasted < rule.hold { // the last ones are of an earlier for
				continue
			}
			switch {
			case needless(e):
				saved++
			case e.Outcome == respond.ActionTaken:
				lost++
			}
		}
		if lost > 0 {
			break // a longer one loses as much
		}
		if saved > 0 && (best == nil || saved > best.Saved) {
			best = &RuleProposal{RulePlace: at, Field: For, From: text(rule.hold), To: text(w), Saved: saved,
				Why: fmt.Sprintf("%d episodes that nobody needed were over within %s of their condition; every one that asked for something lasted longer", saved, text(w))}
		}
	}
	return best
}

func text(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return model.Duration(d).String()
}

// threshold moves the number that an expression compares with between the values of
// needless episodes and those of the others.
func threshold(at RulePlace, rule declared, all []respond.Episode) *RuleProposal {
	op, number, start, end, ok := comparison(rule.expr)
	if !ok {
		return nil
	}
	sign := 1.0 // larger is worse
	if op == parser.LSS || op == parser.LTE {
		sign = -1
	}
	mildest := math.Inf(1) // of those that asked for something
	var idle []float64
	for _, e := range all {
		switch v := sign * e.Value; {
		case math.IsNaN(v), v < sign*number: // that is of an earlier threshold
		case needless(e):
			idle = append(idle, v)
		case e.Outcome == respond.ActionTaken:
			mildest = min(mildest, v)
		}
	}
	slices.Sort(idle)
	below := 0
	for below < len(idle) && idle[below] < mildest {
		below++
	}
	if below == 0 || math.IsInf(mildest, 1) { // with nothing to keep, any number would do
		return nil
	}
	to := sign * (idle[below-1] + (mildest-idle[below-1])/2)
	to, _ = strconv.ParseFloat(strconv.FormatFloat(to, 'g', 3, 64), 64)
	if sign*to <= sign*number || sign*to <= idle[below-1] || sign*to > mildest {
		return nil
	}
	shown := strconv.FormatFloat(to, 'g', -1, 64)
	return &RuleProposal{RulePlace: at, Field: Threshold, From: rule.expr, To: rule.expr[:start] + shown + rule.expr[end:], Saved: below,
		Why: fmt.Sprintf("%d episodes that nobody needed began at values milder than %s; the mildest that asked for something began at %s",
			below, shown, strconv.FormatFloat(sign*mildest, 'g', 4, 64))}
}

// comparison finds the one number that an expression as a whole compares with.
func comparison(expr string) (op parser.ItemType, number float64, start, end int, ok bool) {
	tree, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
	if err != nil {
		return 0, 0, 0, 0, false
	}
	b, is := tree.(*parser.BinaryExpr)
	if !is || b.ReturnBool {
		return 0, 0, 0, 0, false
	}
	switch b.Op {
	case parser.GTR, parser.GTE, parser.LSS, parser.LTE:
	default:
		return 0, 0, 0, 0, false
	}
	n, is := b.RHS.(*parser.NumberLiteral)
	if !is {
		return 0, 0, 0, 0, false
	}
	at := n.PositionRange()
	return b.Op, n.Val, int(at.Start), int(at.End), true
}

// milder lets an alert wait in a queue to which nobody ever had to get up.
func milder(at RulePlace, rule declared, q outcome.Quality) *RuleProposal {
	idle := q.NoAction + q.Duplicate + q.False
	if q.Severity != detect.Page || q.Action > 0 || idle < 5 {
		return nil
	}
	return &RuleProposal{RulePlace: at, Field: Severity, From: rule.severity, To: string(detect.Ticket), Saved: idle,
		Why: fmt.Sprintf("of %d episodes with an outcome none asked for anything: a ticket waits until the morning", idle)}
}

// keepFiring makes one episode of what comes and goes.
func keepFiring(at RulePlace, rule declared, all []respond.Episode) (*RuleProposal, string) {
	ended := map[detect.Fingerprint]time.Time{}
	var gaps []time.Duration
	for _, e := range all {
		// A gap that the rule would bridge by now is of before it did.
		if end, was := ended[e.Fingerprint]; was && e.Opened.Sub(end) > rule.keep {
			gaps = append(gaps, e.Opened.Sub(end))
		}
		if !e.Resolved.IsZero() {
			ended[e.Fingerprint] = e.Resolved
		}
	}
	switch {
	case len(gaps) == 0 && rule.keep == 0:
		return nil, "it flaps, and the gaps are not on record"
	case len(gaps) < least && rule.keep > 0:
		return nil, fmt.Sprintf("it flapped before keep_firing_for was %s; since then too little is on record", text(rule.keep))
	}
	slices.Sort(gaps)
	most := gaps[(len(gaps)-1)*9/10]
	for _, w := range waits {
		if w <= most || w <= rule.keep {
			continue
		}
		saved := 0
		for _, g := range gaps {
			if g < w {
				saved++
			}
		}
		return &RuleProposal{RulePlace: at, Field: KeepFor, From: text(rule.keep), To: text(w), Saved: saved,
				Why: fmt.Sprintf("it came again %d times within 15 minutes; nine of ten gaps are shorter than %s", len(gaps), text(w))},
			"it flaps"
	}
	return nil, "it flaps, with gaps that are longer than an hour"
}
