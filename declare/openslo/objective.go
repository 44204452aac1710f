package openslo

import (
	"fmt"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

func method(n yamldoc.Node) declare.Budgeting {
	m := declare.Budgeting(n.Required("Occurrences, Timeslices or RatioTimeslices"))
	switch m {
	case declare.Occurrences, declare.Timeslices, declare.RatioTimeslices, "":
	default:
		n.Problem(n.Text(), "Occurrences, Timeslices or RatioTimeslices", yamldoc.Suggest(n.Text(), []string{"Occurrences", "Timeslices", "RatioTimeslices"}))
	}
	return m
}

// target reads target, a share, or targetPercent.
func target(n yamldoc.Node, o *declare.Objective) {
	share, percent := n.Field("target"), n.Field("targetPercent")
	at, scale := share, 1.0
	switch {
	case !share.Missing() && !percent.Missing():
		percent.Problem(percent.Text(), "either target or targetPercent", "both are there")
		return
	case share.Missing() && percent.Missing():
		share.Problem("", "a target between 0 and 1, or targetPercent", "it is missing")
		return
	case share.Missing():
		at, scale = percent, 100
	}
	f, ok := at.Float()
	if !ok {
		return
	}
	if o.Target = f / scale; o.Target > 0 && o.Target < 1 {
		return
	}
	hint := ""
	if scale == 1 && f > 1 && f < 100 {
		hint = "for a percentage write targetPercent"
	}
	at.Problem(at.Text(), fmt.Sprintf("a target between 0 and %g (at %g itself there is no budget)", scale, scale), hint)
}

var ops = []string{"lt", "lte", "gt", "gte"}

func objective(n yamldoc.Node, o *declare.Objective) {
	n.Only("displayName", "op", "value", "target", "targetPercent", "timeSliceTarget", "timeSliceWindow", "indicator", "indicatorRef", "compositeWeight")
	target(n, o)
	if o.Threshold != nil {
		t := *o.Threshold
		t.Op = n.Field("op").Required("lt, lte, gt or gte")
		switch t.Op {
		case "lt", "lte", "gt", "gte", "":
		default:
			n.Field("op").Problem(t.Op, "lt, lte, gt or gte", yamldoc.Suggest(t.Op, ops))
		}
		if v, ok := n.Field("value").Float(); ok {
			t.Value = v
		} else if n.Field("value").Missing() {
			n.Field("value").Problem("", "the value to compare with", "it is missing")
		}
		o.Threshold = &t
	}
	if o.Method == declare.Timeslices || o.Method == declare.RatioTimeslices {
		if w := n.Field("timeSliceWindow"); w.Missing() {
			w.Problem("", "the length of a slice, as 1m", "it is missing")
		} else if d, ok := shorthand(w); ok {
			o.SliceWindow = d
			if o.Window.Length > 0 && d > o.Window.Length/4 {
				w.Problem(w.Text(), "a slice of at most a quarter of the time window", "")
			}
		}
	}
	if o.Method == declare.Timeslices {
		n := n.Field("timeSliceTarget")
		switch f, ok := n.Float(); {
		case ok && f > 0 && f <= 1:
			o.SliceTarget = f
		case n.Missing() && o.Threshold != nil:
			o.SliceTarget = 1
		case n.Missing():
			n.Problem("", "the share of good that makes a slice good, in (0, 1]", "it is missing")
		case ok:
			n.Problem(n.Text(), "a share in (0, 1]", "")
		}
	}
}
