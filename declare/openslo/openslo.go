// Package openslo reads OpenSLO v1: SLO, and SLI where it is referred to. Service,
// DataSource and the alerting kinds are accepted; what they say is declared elsewhere
// here (the catalogue, routing.yml).
//
// In: the documents of all files of a folder. Out: objectives, and Problems.
package openslo

import (
	"fmt"
	"strings"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

// The annotations that we read.
const (
	AnnotationMinEvents = "evenkeel.dev/minimum-events"
	AnnotationRunbook   = "evenkeel.dev/runbook"
)

// defaultMinEvents keeps a service with hardly any traffic from paging.
const defaultMinEvents = 10

var kinds = []string{"SLO", "SLI", "Service", "DataSource", "AlertPolicy", "AlertCondition", "AlertNotificationTarget"}

// Folder is what the files read so far hold.
type Folder struct {
	slos []yamldoc.Node
	slis map[string]yamldoc.Node
}

// Read takes in one file.
func (f *Folder) Read(file string, data []byte, sink *declare.Problems) {
	if f.slis == nil {
		f.slis = map[string]yamldoc.Node{}
	}
	for _, doc := range yamldoc.Read(file, data, sink) {
		objects := []yamldoc.Node{doc}
		if doc.IsList() { // OpenSLO's tools write several objects as a list too
			objects = doc.List()
		}
		for _, o := range objects {
			f.object(o)
		}
	}
}

func (f *Folder) object(o yamldoc.Node) {
	if !o.Mapping() {
		return
	}
	o.Only("apiVersion", "kind", "metadata", "spec")
	if v := o.Field("apiVersion").Required("openslo/v1"); v != "" && v != "openslo/v1" {
		o.Field("apiVersion").Problem(v, "openslo/v1", "")
		return
	}
	name := o.At("metadata", "name").Required("a name")
	switch kind := o.Field("kind").Required("one of " + strings.Join(kinds, ", ")); kind {
	case "SLO":
		f.slos = append(f.slos, o)
	case "SLI":
		f.slis[name] = o
	case "Service", "DataSource", "AlertPolicy", "AlertCondition", "AlertNotificationTarget", "":
	default:
		o.Field("kind").Problem(kind, "one of "+strings.Join(kinds, ", "), yamldoc.Suggest(kind, kinds))
	}
}

// Objectives returns those of every SLO read, once all files are.
func (f *Folder) Objectives() []*declare.Objective {
	var out []*declare.Objective
	for _, slo := range f.slos {
		out = append(out, f.slo(slo)...)
	}
	return out
}

func (f *Folder) slo(o yamldoc.Node) []*declare.Objective {
	meta, spec := o.Field("metadata"), o.Field("spec")
	meta.Only("name", "displayName", "labels", "annotations")
	spec.Only("description", "service", "indicator", "indicatorRef", "timeWindow", "budgetingMethod", "objectives", "alertPolicies")
	name := meta.Field("name").String()
	base := declare.Objective{
		Title: meta.Field("displayName").String(), Description: spec.Field("description").String(),
		Service: declare.ServiceID(spec.Field("service").Required("a service of the catalogue")),
		Method:  method(spec.Field("budgetingMethod")), MinEvents: defaultMinEvents,
		Labels: labels(meta.Field("labels")), Annotations: meta.Field("annotations").StringMap(), Pos: meta.Field("name").Pos(),
	}
	if base.Title == "" {
		base.Title = name
	}
	base.Runbook = base.Annotations[AnnotationRunbook]
	if n := meta.At("annotations").Field(AnnotationMinEvents); !n.Missing() {
		if v, ok := n.Float(); ok {
			base.MinEvents = v
		}
	}
	base.Window = window(spec.Field("timeWindow"))

	indicator := spec.Field("indicator").Field("spec")
	if ref := spec.Field("indicatorRef"); !ref.Missing() {
		if !spec.Field("indicator").Missing() {
			ref.Problem(ref.Text(), "either indicator or indicatorRef", "both are there")
		}
		sli, ok := f.slis[ref.String()]
		if !ok {
			ref.Problem(ref.Text(), "the name of an SLI", yamldoc.Suggest(ref.Text(), f.sliNames()))
			return nil
		}
		indicator = sli.Field("spec")
	} else if spec.Field("indicator").Missing() {
		spec.Field("indicator").Problem("", "an indicator, or an indicatorRef", "it is missing")
		return nil
	} else {
		spec.Field("indicator").Only("metadata", "spec")
	}
	base.Ratio, base.Threshold = sli(indicator)

	list := spec.Field("objectives").List()
	if len(list) == 0 {
		spec.Field("objectives").Problem("", "at least one objective", "")
	}
	var out []*declare.Objective
	for i, n := range list {
		obj := base
		obj.Name = declare.ObjectiveName(name)
		if i > 0 {
			obj.Name += declare.ObjectiveName(fmt.Sprintf("-%d", i+1))
		}
		objective(n, &obj)
		out = append(out, &obj)
	}
	return out
}

func (f *Folder) sliNames() []string {
	var out []string
	for n := range f.slis {
		out = append(out, n)
	}
	return out
}

// labels of OpenSLO are texts or lists of texts.
func labels(n yamldoc.Node) map[string]string {
	out := map[string]string{}
	for _, k := range n.Keys() {
		v := n.Field(k.Text())
		if v.IsList() {
			out[k.Text()] = strings.Join(v.Strings(), ",")
		} else {
			out[k.Text()] = v.String()
		}
	}
	return out
}

func method(n yamldoc.Node) declare.Budgeting {
	m := declare.Budgeting(n.Required("Occurrences, Timeslices or RatioTimeslices"))
	switch m {
	case declare.Occurrences, declare.Timeslices, declare.RatioTimeslices, "":
	default:
		n.Problem(n.Text(), "Occurrences, Timeslices or RatioTimeslices", yamldoc.Suggest(n.Text(), []string{"Occurrences", "Timeslices", "RatioTimeslices"}))
	}
	return m
}

var ops = []string{"lt", "lte", "gt", "gte"}

func objective(n yamldoc.Node, o *declare.Objective) {
	n.Only("displayName", "op", "value", "target", "targetPercent", "timeSliceTarget", "timeSliceWindow", "indicator", "indicatorRef", "compositeWeight")
	if t := n.Field("displayName").String(); t != "" && o.Title == "" {
		o.Title = t
	}
	target, at := n.Field("target"), n.Field("target")
	if f, ok := target.Float(); ok {
		o.Target = f
	} else if p := n.Field("targetPercent"); !p.Missing() {
		at = p
		if f, ok := p.Float(); ok {
			o.Target = f / 100
		}
	} else if target.Missing() {
		target.Problem("", "a target between 0 and 1, or targetPercent", "it is missing")
		return
	}
	if o.Target <= 0 || o.Target >= 1 {
		at.Problem(at.Text(), "a target between 0 and 1 (a target of 1 leaves no budget)", "")
	}
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
