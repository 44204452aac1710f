package manifest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

// File is one file to check.
type File struct {
	Name string
	Data []byte
}

// Is says whether the content of a file looks like manifests: it has an object with an
// apiVersion of Kubernetes, or one with a kind, and is none of our own files.
func Is(name string, data []byte) bool {
	var ignored declare.Problems
	docs := yamldoc.Read(name, data, &ignored)
	for _, d := range docs {
		version, kind := d.Field("apiVersion"), d.Field("kind")
		switch {
		case ours(version.Text()) || kind.Text() == "PrometheusRule":
			return false
		case !version.Missing() && !kind.Missing():
			return true
		case !version.Missing() && !d.Field("spec").Missing(), !kind.Missing() && !d.Field("metadata").Missing():
			return true // one of the two is what is missing
		}
	}
	return false
}

func ours(version string) bool {
	return strings.HasPrefix(version, "backstage.io/") || strings.HasPrefix(version, "openslo/")
}

// object is one document.
type object struct {
	node            yamldoc.Node
	version, kind   string
	name, namespace string
	labels          map[string]string
	accepted        map[string]bool
	used            map[string]bool
	meta            yamldoc.Node
	pods            []podSpec // what it runs
}

func (o *object) id() string { return o.kind + " " + strings.TrimPrefix(o.namespace+"/"+o.name, "/") }

// clusterWide are kinds without a namespace.
var clusterWide = []string{
	"APIService", "CSIDriver", "ClusterIssuer", "ClusterPolicy", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "GatewayClass", "IngressClass", "MutatingWebhookConfiguration",
	"Namespace", "Node", "PersistentVolume", "PriorityClass", "RuntimeClass", "StorageClass", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "ValidatingWebhookConfiguration", "VolumeSnapshotClass",
}

// checks are the names by which something is accepted.
var checks = []string{"disruption", "host", "labels", "latest", "limits", "namespace", "privileged", "probes", "replicas", "root", "secret", "writable"}

// maxObjects bounds one check.
const maxObjects = 5_000

const acceptKey = "evenkeel.dev/accept"

var (
	dnsName  = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$`)
	rbacName = regexp.MustCompile(`^[A-Za-z0-9][-A-Za-z0-9.:]{0,251}$`)
)

// Check reads files that belong together and says what is wrong with them.
func Check(files []File) declare.Problems {
	var problems declare.Problems
	var all []*object
	for _, f := range files {
		for _, d := range yamldoc.Read(f.Name, f.Data, &problems) {
			all = append(all, objects(d, 0)...)
		}
	}
	if len(all) > maxObjects {
		all[maxObjects].node.Problem("", fmt.Sprintf("at most %d objects at once", maxObjects), "those from here on are not checked")
		all = all[:maxObjects]
	}
	first := map[string]*object{}
	for _, o := range all {
		o.general()
		if o.name == "" {
			continue
		}
		key := o.version[:strings.LastIndexByte(o.version, '/')+1] + o.id()
		if other := first[key]; other != nil {
			o.meta.Field("name").Problem(o.id(), "each object once", "it is also in "+other.node.Pos().String())
			continue
		}
		first[key] = o
	}
	for _, o := range all {
		o.workload()
	}
	together(all)
	for _, o := range all {
		o.unused()
	}
	return problems
}

// objects are those of one document: itself, or the items of a List.
func objects(d yamldoc.Node, depth int) []*object {
	if !d.Mapping() {
		return nil
	}
	if d.Field("kind").Text() == "List" && depth == 0 {
		var out []*object
		for _, item := range d.Field("items").List() {
			out = append(out, objects(item, 1)...)
		}
		return out
	}
	return []*object{{node: d, meta: d.Field("metadata"), accepted: map[string]bool{}, used: map[string]bool{}}}
}

// accept says whether what a check finds is meant to be so.
func (o *object) accept(check string) bool {
	o.used[check] = o.used[check] || o.accepted[check]
	return o.accepted[check]
}

// fail and warn tell of something, unless it is accepted.
func (o *object) fail(check string, n yamldoc.Node, got, want, hint string) {
	if !o.accept(check) {
		n.Problem(got, want, hint)
	}
}

func (o *object) warn(check string, n yamldoc.Node, got, want, hint string) {
	if !o.accept(check) {
		n.Warn(got, want, hint)
	}
}

// general is what every object has to have.
func (o *object) general() {
	o.version = o.node.Field("apiVersion").Required("an apiVersion as apps/v1")
	o.kind = o.node.Field("kind").Required("a kind as Deployment")
	if !o.meta.Mapping() && o.meta.Missing() {
		o.meta.Problem("", "metadata with a name", "it is missing")
		return
	}
	name := o.meta.Field("name")
	switch generate := o.meta.Field("generateName"); {
	case name.Missing() && !generate.Missing():
	default:
		o.name = name.Required("a name")
	}
	o.namespace = o.meta.Field("namespace").String()
	o.labels = o.meta.Field("labels").StringMap()
	valid := dnsName
	if strings.HasPrefix(o.version, "rbac.") {
		valid = rbacName // system:node and its like
	}
	if o.name != "" && !valid.MatchString(o.name) {
		name.Problem(o.name, "a name of lower-case letters, digits, dashes and dots", "")
	}
	if after := gone[o.version+"/"+o.kind]; after != "" {
		o.node.Field("apiVersion").Problem(o.version, after, "clusters of today do not serve this version of "+o.kind+" any more")
	}
	o.exceptions()
	if t := known[o.version+"/"+o.kind]; t != nil {
		conform(o.node, t)
	}
	cluster := slices.Contains(clusterWide, o.kind)
	ns := o.meta.Field("namespace")
	switch {
	case cluster && o.namespace != "":
		ns.Warn(o.namespace, "no namespace: a "+o.kind+" belongs to the whole cluster", "")
	case !cluster && known[o.version+"/"+o.kind] != nil && o.namespace == "":
		o.warn("namespace", ns, "", "the namespace that it belongs to", "else it lands wherever kubectl happens to point")
	case o.namespace == "default":
		o.warn("namespace", ns, o.namespace, "a namespace of its own", "")
	}
	if o.kind == "Secret" {
		for _, key := range []string{"data", "stringData"} {
			for _, p := range o.node.Field(key).Pairs() {
				o.fail("secret", p.Key, "", "no secret in a file", "keep it in a vault and let it be put in place from there")
			}
		}
	}
}

// exceptions reads what is accepted, each with a reason.
func (o *object) exceptions() {
	n := o.meta.At("annotations", acceptKey)
	for line := range strings.FieldsFuncSeq(n.String(), func(r rune) bool { return r == '\n' || r == ';' }) {
		check, why, _ := strings.Cut(line, ":")
		check, why = strings.TrimSpace(check), strings.TrimSpace(why)
		switch {
		case check == "":
		case !slices.Contains(checks, check):
			n.Problem(check, "one of "+strings.Join(checks, ", "), yamldoc.Suggest(check, checks))
		case why == "":
			n.Problem(check, "a reason, as \"host: reads the node's own logs\"", "")
		default:
			o.accepted[check] = true
		}
	}
}

// unused finds exceptions that nothing needs any more.
func (o *object) unused() {
	for _, check := range checks {
		if o.accepted[check] && !o.used[check] {
			o.meta.At("annotations", acceptKey).Warn(check, "only what is there to accept", "nothing of this object needs it")
		}
	}
}

// together is what can only be seen of several objects.
func together(all []*object) {
	in := map[string][]*object{} // what runs pods, by namespace
	for _, o := range all {
		if len(o.pods) > 0 {
			in[o.namespace] = append(in[o.namespace], o)
		}
	}
	runs := func(namespace string, selector map[string]string) []*object {
		var out []*object
		for _, o := range in[namespace] {
			if slices.ContainsFunc(o.pods, func(p podSpec) bool { return matches(selector, p.labels) }) {
				out = append(out, o)
			}
		}
		return out
	}
	anyPods := len(in) > 0
	guarded := map[*object]bool{}
	for _, o := range all {
		switch o.kind {
		case "PodDisruptionBudget":
			found := runs(o.namespace, o.node.At("spec", "selector", "matchLabels").StringMap())
			if len(found) == 0 && anyPods && o.node.At("spec", "selector", "matchExpressions").Missing() {
				o.node.At("spec", "selector").Warn("", "labels of something that is here", "it guards nothing of these files")
			}
			for _, w := range found {
				guarded[w] = true
				o.letsDrain(w)
			}
		case "Service":
			if s := o.node.At("spec", "selector"); !s.Missing() && anyPods && len(runs(o.namespace, s.StringMap())) == 0 {
				s.Warn("", "labels of something that is here", "it leads to nothing of these files")
			}
		}
	}
	for _, o := range all {
		if n, ok := o.replicas(); ok && n > 1 && !guarded[o] {
			o.warn("disruption", o.node.At("spec", "replicas"), fmt.Sprint(n), "a PodDisruptionBudget beside it", "else draining nodes may take all of them at once")
		}
	}
}

// letsDrain finds a budget that lets no pod go: then no node can be drained.
func (o *object) letsDrain(w *object) {
	least, most := o.node.At("spec", "minAvailable"), o.node.At("spec", "maxUnavailable")
	n, counted := w.replicas()
	switch {
	case most.Text() == "0" || most.Text() == "0%":
		o.fail("disruption", most, most.Text(), "at least one that may be unavailable", "no node that runs it could ever be drained")
	case least.Text() == "100%":
		o.fail("disruption", least, least.Text(), "less than all", "no node that runs it could ever be drained")
	case counted && !least.Missing() && !strings.HasSuffix(least.Text(), "%"):
		var min int
		if _, err := fmt.Sscan(least.Text(), &min); err == nil && min >= n {
			o.fail("disruption", least, least.Text(), fmt.Sprintf("less than the %d replicas of %s", n, w.id()), "no node that runs it could ever be drained")
		}
	}
}

// replicas are those of a Deployment or StatefulSet.
func (o *object) replicas() (int, bool) {
	if o.kind != "Deployment" && o.kind != "StatefulSet" {
		return 0, false
	}
	n := o.node.At("spec", "replicas")
	if n.Missing() {
		return 1, true
	}
	var out int
	_, err := fmt.Sscan(n.Text(), &out)
	return out, err == nil
}

func matches(selector, labels map[string]string) bool {
	for k, v := range selector {
		if got, ok := labels[k]; !ok || got != v {
			return false
		}
	}
	return len(selector) > 0
}
