// Package verify says whether a change did harm: it compares what was measured before
// with what was measured after.
//
// In: values of the objective and of key signals from both sides of the change. Out:
// pass, fail or not enough, with the numbers in words. Promise: it is pure; a pass is
// never said where harm could not have been seen.
package verify

import (
	"fmt"
	"math"
)

// Outcome of a comparison.
type Outcome string

// The outcomes.
const (
	Pass      Outcome = "pass"
	Fail      Outcome = "fail"
	NotEnough Outcome = "not enough"
)

// alpha is the probability of chance below which a difference counts.
const alpha = 0.01

// Signal is what is compared.
type Signal struct {
	Name      string
	Expr      string // the query that it comes from, for the page
	Objective bool
	Lower     bool    // lower values are worse; mostly higher ones are
	Slack     float64 // how much worse the median may become without being harm, as a share of the one before; objectives have none
	Floor     float64 // a median after that is below (above, where lower is worse) this is no harm
	Before    []float64
	After     []float64
}

// Comparison is what became of one signal.
type Comparison struct {
	Signal  string  `json:"signal"`
	Expr    string  `json:"expr,omitempty"`
	Outcome Outcome `json:"outcome"`
	Before  float64 `json:"before"` // medians
	After   float64 `json:"after"`
	N       int     `json:"n_before"`
	M       int     `json:"n_after"`
	P       float64 `json:"p"` // of chance
	Why     string  `json:"why"`
}

// Result is the verdict on a change.
type Result struct {
	Outcome  Outcome      `json:"outcome"`
	Why      string       `json:"why"`
	Findings []Comparison `json:"findings"`
}

// Compare judges one signal.
func Compare(s Signal) Comparison {
	before, after := finite(s.Before), finite(s.After)
	f := Comparison{Signal: s.Name, Expr: s.Expr, Before: median(before), After: median(after), N: len(before), M: len(after), P: 1}
	if least(f.N, f.M) >= alpha || f.N == 0 || f.M == 0 {
		f.Outcome = NotEnough
		f.Why = fmt.Sprintf("%d values before and %d after are too few to show anything", f.N, f.M)
		if f.N == 0 {
			f.Before = 0
		}
		if f.M == 0 {
			f.After = 0
		}
		return f
	}
	a, b := before, after
	if s.Lower {
		a, b = negated(before), negated(after)
	}
	f.P = Greater(a, b)
	worse := f.After > f.Before+s.Slack*math.Abs(f.Before) && f.After > s.Floor
	if s.Lower {
		worse = f.After < f.Before-s.Slack*math.Abs(f.Before)
	}
	change := fmt.Sprintf("median %s before (%d), %s after (%d), p=%.2g", number(f.Before), f.N, number(f.After), f.M, f.P)
	switch {
	case f.P < alpha && worse:
		f.Outcome, f.Why = Fail, "worse: "+change
	case f.P < alpha:
		f.Outcome, f.Why = Pass, "worse, and within what is allowed: "+change
	default:
		f.Outcome, f.Why = Pass, "no worse: "+change
	}
	return f
}

func number(v float64) string { return fmt.Sprintf("%.4g", v) }

func finite(v []float64) []float64 {
	var out []float64
	for _, x := range v {
		if !math.IsNaN(x) && !math.IsInf(x, 0) {
			out = append(out, x)
		}
	}
	return out
}

func negated(v []float64) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = -x
	}
	return out
}

// Judge draws the sum: one signal that fails is a failed change; a pass needs an
// objective that passes.
func Judge(signals []Signal) Result {
	var r Result
	passed, objectives := 0, 0
	for _, s := range signals {
		f := Compare(s)
		r.Findings = append(r.Findings, f)
		if s.Objective {
			objectives++
			if f.Outcome == Pass {
				passed++
			}
		}
		if f.Outcome == Fail && r.Outcome != Fail {
			r.Outcome, r.Why = Fail, fmt.Sprintf("%s is %s", f.Signal, f.Why)
		}
	}
	switch {
	case r.Outcome == Fail:
	case objectives == 0:
		r.Outcome, r.Why = NotEnough, "its service has no objective to judge it by"
	case passed < objectives:
		r.Outcome, r.Why = NotEnough, fmt.Sprintf("%d of %d objectives have too little traffic to judge by", objectives-passed, objectives)
	default:
		r.Outcome, r.Why = Pass, fmt.Sprintf("no signal of %d is worse than before", len(signals))
	}
	return r
}
