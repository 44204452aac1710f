// Package openslo reads OpenSLO v1: SLO, SLI, and the alerting kinds that an SLO
// refers to. Service and DataSource are accepted; what they say is declared elsewhere
// here (the catalogue), and so is whom to tell (routing.yml).
//
// In: the documents of all files of a folder. Out: objectives, the names that they
// refer to, and Problems.
package openslo

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

// The annotations that we read.
const (
	AnnotationMinEvents = "evenkeel.dev/minimum-events"
	AnnotationRunbook   = "evenkeel.dev/runbook"
	AnnotationComposite = "evenkeel.dev/composite" // weighted, all
	AnnotationService   = "evenkeel.dev/service"   // of an SLI: whose part of a journey it is
)

// defaultMinEvents keeps a service with hardly any traffic from paging.
const defaultMinEvents = 10

var kinds = []string{"SLO", "SLI", "Service", "DataSource", "AlertPolicy", "AlertCondition", "AlertNotificationTarget"}

// objectName keeps names usable as label values and in file names; OpenSLO itself
// asks for RFC 1123, which many existing files do not keep to.
var objectName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_.-]{0,250}[A-Za-z0-9])?$`)

// Folder is what the files read so far hold.
type Folder struct {
	References []yamldoc.Reference // filled by Objectives
	slos       []yamldoc.Node
	objects    map[string]map[string]yamldoc.Node // kind, name
	used       map[string]bool                    // SLIs that an SLO refers to
}

// Read takes in one file.
func (f *Folder) Read(file string, data []byte, sink *declare.Problems) {
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
		if o.Missing() {
			o.Problem("", "an OpenSLO object", "")
		}
		return
	}
	o.Only("apiVersion", "kind", "metadata", "spec")
	if v := o.Field("apiVersion").Required("openslo/v1"); v != "" && v != "openslo/v1" {
		hint := ""
		if strings.HasPrefix(v, "openslo/") {
			hint = "another version of OpenSLO has other fields: rewrite it as v1"
		}
		o.Field("apiVersion").Problem(v, "openslo/v1", hint)
		return
	}
	nameAt := o.At("metadata", "name")
	name := nameAt.Required("a name")
	if name != "" && !objectName.MatchString(name) {
		nameAt.Problem(name, "letters and digits, and between them - _ and .", "")
	}
	kind := o.Field("kind").Required("one of " + strings.Join(kinds, ", "))
	switch {
	case kind == "":
		return
	case !slices.Contains(kinds, kind):
		o.Field("kind").Problem(kind, "one of "+strings.Join(kinds, ", "), yamldoc.Suggest(kind, kinds))
		return
	case kind == "SLO": // duplicates are found with the objectives' names
		f.slos = append(f.slos, o)
		return
	}
	if f.objects == nil {
		f.objects = map[string]map[string]yamldoc.Node{}
	}
	if f.objects[kind] == nil {
		f.objects[kind] = map[string]yamldoc.Node{}
	}
	if first, twice := f.objects[kind][name]; twice && name != "" {
		nameAt.Problem(name, "each "+kind+" once", "it is also in "+first.Pos().String())
		return
	}
	f.objects[kind][name] = o
}

// lookup finds what a reference names among the objects of a kind.
func (f *Folder) lookup(kind string, ref yamldoc.Node) (yamldoc.Node, bool) {
	o, ok := f.objects[kind][ref.String()]
	if !ok {
		var names []string
		for n := range f.objects[kind] {
			names = append(names, n)
		}
		slices.Sort(names)
		hint := yamldoc.Suggest(ref.Text(), names)
		if hint == "" && len(names) == 0 {
			hint = "none is declared"
		}
		ref.Problem(ref.Text(), "the name of an "+kind+" that is declared", hint)
	}
	return o, ok
}

// Objectives returns those of every SLO read, once all files are. SLIs and alert
// policies that no SLO uses are checked all the same.
func (f *Folder) Objectives() []*declare.Objective {
	f.used, f.References = map[string]bool{}, nil
	var out []*declare.Objective
	for _, slo := range f.slos {
		out = append(out, f.slo(slo)...)
	}
	for name, o := range f.objects["SLI"] {
		if !f.used[name] {
			sli(o.Field("spec"))
		}
	}
	for _, o := range f.objects["AlertPolicy"] {
		f.policy(o.Field("spec"))
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
	f.refer("service", string(base.Service), spec.Field("service"))
	f.annotations(meta.Field("annotations"), &base)
	base.Window = window(spec.Field("timeWindow"))
	f.policies(spec.Field("alertPolicies"))
	how := meta.Field("annotations").Field(AnnotationComposite)
	if composite(spec.Field("objectives")) {
		return f.composite(spec, how, base, name)
	}
	if n := how; !n.Missing() {
		n.Problem(n.Text(), "a composite: an indicator in each of its objectives", "")
	}

	indicator := spec.Field("indicator").Field("spec")
	if ref := spec.Field("indicatorRef"); !ref.Missing() {
		if !spec.Field("indicator").Missing() {
			ref.Problem(ref.Text(), "either indicator or indicatorRef", "both are there")
		}
		sli, ok := f.lookup("SLI", ref)
		if !ok {
			return nil
		}
		f.used[ref.Text()] = true
		indicator = sli.Field("spec")
	} else if spec.Field("indicator").Missing() {
		spec.Field("indicator").Problem("", "an indicator, or an indicatorRef", "it is missing")
		return nil
	} else {
		spec.Field("indicator").Only("apiVersion", "kind", "metadata", "spec")
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
		if t := n.Field("displayName").String(); t != "" && len(list) > 1 {
			obj.Title += ": " + t // else two charts would have one name
		}
		objective(n, &obj)
		out = append(out, &obj)
	}
	return out
}

// labels of OpenSLO are texts or lists of texts.
func labels(n yamldoc.Node) map[string]string {
	out := map[string]string{}
	for _, p := range n.Pairs() {
		if p.Value.IsList() {
			out[p.Key.Text()] = strings.Join(p.Value.Strings(), ",")
		} else {
			out[p.Key.Text()] = p.Value.String()
		}
	}
	return out
}

// annotations reads ours; one that is nearly ours is a mistake that would not be seen
// before the night when it matters.
func (f *Folder) annotations(n yamldoc.Node, o *declare.Objective) {
	for _, p := range n.Pairs() {
		switch k := p.Key.Text(); {
		case k == AnnotationRunbook:
			o.Runbook = p.Value.String()
			f.refer("runbook", o.Runbook, p.Value)
		case k == AnnotationComposite: // read with the objectives
		case k == AnnotationMinEvents:
			if v, ok := p.Value.Float(); ok && v >= 0 {
				o.MinEvents = v
			} else if ok {
				p.Value.Problem(p.Value.Text(), "a number of events, 0 or more", "")
			}
		case strings.HasPrefix(k, "evenkeel.dev/"):
			known := []string{AnnotationComposite, AnnotationMinEvents, AnnotationRunbook}
			p.Key.Warn(k, "one of "+strings.Join(known, ", "), yamldoc.Suggest(k, known))
		}
	}
}

func (f *Folder) refer(kind, name string, at yamldoc.Node) {
	if name != "" {
		f.References = append(f.References, yamldoc.Reference{Kind: kind, Name: name, At: at})
	}
}
