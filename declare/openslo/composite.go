package openslo

import (
	"fmt"
	"math"
	"slices"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

// composite says whether any of the objectives has an indicator of its own: then the
// SLO is a composite, and all of them must.
func composite(objectives yamldoc.Node) bool {
	for _, n := range objectives.List() {
		for _, k := range []string{"indicator", "indicatorRef", "compositeWeight"} {
			if !n.Field(k).Missing() {
				return true
			}
		}
	}
	return false
}

const (
	maxParts  = 50
	maxWeight = 1e6
)

// composite reads an SLO whose objectives have indicators: the journey first, then its
// parts, each an objective that does not page by itself.
func (f *Folder) composite(spec, how yamldoc.Node, base declare.Objective, name string) []*declare.Objective {
	for _, k := range []string{"indicator", "indicatorRef"} {
		if n := spec.Field(k); !n.Missing() {
			n.Problem("", "indicators in the objectives only: it is a composite", "")
		}
	}
	whole := base
	whole.Name = declare.ObjectiveName(name)
	list := spec.Field("objectives").List()
	if len(list) > maxParts {
		spec.Field("objectives").Problem(fmt.Sprintf("%d objectives", len(list)), fmt.Sprintf("at most %d in a composite", maxParts), "")
		return nil
	}
	out := []*declare.Objective{&whole}
	var weights, targets, good float64
	for i, n := range list {
		part := base
		part.PartOf, part.Runbook = whole.Name, ""
		called, ok := f.indicator(n, &part)
		if !ok {
			continue
		}
		if called == "" {
			called = fmt.Sprint(i + 1)
		}
		part.Name = declare.ObjectiveName(name + "-" + called)
		part.Title += ": " + called
		if t := n.Field("displayName").String(); t != "" {
			part.Title = base.Title + ": " + t
		}
		part.Pos = n.Pos()
		objective(n, &part)
		w := weight(n.Field("compositeWeight"))
		if i > 0 && part.SliceWindow != whole.SliceWindow {
			n.Field("timeSliceWindow").Problem(n.Field("timeSliceWindow").Text(), "the same slices in all parts of a composite", "")
		}
		whole.SliceWindow = part.SliceWindow
		weights, targets, good = weights+w, targets+w*part.Target, good+w*part.SliceTarget
		whole.Parts = append(whole.Parts, declare.Part{Objective: &part, Weight: w})
		out = append(out, &part)
	}
	if weights > 0 {
		whole.Target, whole.SliceTarget = targets/weights, good/weights
	}
	whole.AllHold = allHold(how, base.Method)
	if len(whole.Parts) == 0 {
		return nil
	}
	return out
}

// indicator reads the indicator of one objective, with whose it is.
func (f *Folder) indicator(n yamldoc.Node, part *declare.Objective) (name string, ok bool) {
	at, ref := n.Field("indicator"), n.Field("indicatorRef")
	switch {
	case at.Missing() && ref.Missing():
		at.Problem("", "an indicator, or an indicatorRef, in each objective of a composite", "it is missing")
		return "", false
	case !at.Missing() && !ref.Missing():
		ref.Problem(ref.Text(), "either indicator or indicatorRef", "both are there")
		return "", false
	case at.Missing():
		if at, ok = f.lookup("SLI", ref); !ok {
			return "", false
		}
		f.used[ref.Text()] = true
	default:
		at.Only("apiVersion", "kind", "metadata", "spec")
	}
	if s := at.At("metadata", "annotations").Field(AnnotationService); !s.Missing() {
		part.Service = declare.ServiceID(s.String())
		f.refer("service", string(part.Service), s)
	}
	part.Ratio, part.Threshold = sli(at.Field("spec"))
	return at.At("metadata", "name").String(), part.Ratio != nil || part.Threshold != nil
}

// weight is how much of the composite a part stands for.
func weight(n yamldoc.Node) float64 {
	if n.Missing() {
		return 1
	}
	w, ok := n.Float()
	switch {
	case !ok:
		return 1
	case !(w > 0) || w > maxWeight || math.IsInf(w, 0):
		n.Problem(n.Text(), fmt.Sprintf("a weight above 0, and at most %g", maxWeight), "")
		return 1
	}
	return w
}

// allHold says whether a slice must be good in all parts.
func allHold(n yamldoc.Node, m declare.Budgeting) bool {
	words := []string{"weighted", "all"}
	switch word := n.String(); {
	case word == "" || word == "weighted":
		return false
	case !slices.Contains(words, word):
		n.Problem(word, "weighted or all", yamldoc.Suggest(word, words))
		return false
	case m != declare.Timeslices:
		n.Problem(word, "budgetingMethod: Timeslices: only slices of time are good in all parts, or not", "")
		return false
	}
	return true
}
