package manifest

import (
	"regexp"
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

// podSpec is what an object runs.
type podSpec struct {
	spec   yamldoc.Node
	labels map[string]string
}

// podsAt is where the pod of each kind is described.
var podsAt = map[string][]string{
	"Deployment": {"spec", "template"}, "StatefulSet": {"spec", "template"}, "DaemonSet": {"spec", "template"}, "ReplicaSet": {"spec", "template"},
	"Job": {"spec", "template"}, "CronJob": {"spec", "jobTemplate", "spec", "template"}, "Pod": {},
}

// wantedLabels are those by which people and tools find what belongs together.
var wantedLabels = []string{"app.kubernetes.io/name", "app.kubernetes.io/version"}

// workload checks what an object runs.
func (o *object) workload() {
	at, ok := podsAt[o.kind]
	if id := o.version + "/" + o.kind; !ok || known[id] == nil && gone[id] == "" && o.version != "" {
		return // another API's kind of the same name
	}
	template := o.node.At(at...)
	if o.kind != "Pod" && template.Missing() {
		template.Problem("", "a template of its pods", "it is missing")
		return
	}
	spec := template.Field("spec")
	if spec.Missing() {
		spec.Problem("", "a spec with containers", "it is missing")
		return
	}
	p := podSpec{spec, template.At("metadata", "labels").StringMap()}
	o.pods = append(o.pods, p)
	for _, label := range wantedLabels {
		if o.labels[label] == "" {
			o.warn("labels", o.meta.Field("labels"), "", "the label "+label, "tools and people find by it what belongs together")
		}
	}
	if s := o.node.At("spec", "selector"); slices.Contains([]string{"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"}, o.kind) {
		selector := s.Field("matchLabels").StringMap()
		switch {
		case s.Missing():
			s.Problem("", "a selector of its pods", "it is missing")
		case len(selector) > 0 && !matches(selector, p.labels):
			s.Problem("", "labels that its own pods have", "the API refuses a selector that does not match the template")
		case selector["app.kubernetes.io/version"] != "":
			s.At("matchLabels", "app.kubernetes.io/version").Problem("", "no version in a selector", "a selector cannot be changed, a version is")
		}
	}
	if n, ok := o.replicas(); ok && n == 1 && o.kind == "Deployment" {
		o.warn("replicas", o.node.At("spec", "replicas"), "1", "two or more", "one alone is gone whenever its node is")
	}
	o.baseline(template, p)
	o.pod(p)
}

// pod checks the containers of one pod.
func (o *object) pod(p podSpec) {
	containers := p.spec.Field("containers")
	if len(containers.List()) == 0 {
		containers.Problem("", "at least one container", "it is missing")
	}
	seen := map[string]bool{}
	each := func(list yamldoc.Node, serves bool) {
		for _, c := range list.List() {
			name := c.Field("name").Required("a name")
			if seen[name] && name != "" {
				c.Field("name").Problem(name, "each container once", "")
			}
			seen[name] = true
			o.container(p, c, serves)
		}
	}
	each(containers, o.kind != "Job" && o.kind != "CronJob" && o.kind != "Pod")
	each(p.spec.Field("initContainers"), false)
}

// container checks one container. Serves says that it goes on for ever.
func (o *object) container(p podSpec, c yamldoc.Node, serves bool) {
	o.image(c.Field("image"))
	resources := c.Field("resources")
	for _, want := range [][2]string{{"requests", "cpu"}, {"requests", "memory"}, {"limits", "memory"}} {
		if n := resources.At(want[0], want[1]); n.Missing() {
			o.fail("limits", n, "", want[0]+" of "+want[1], map[string]string{
				"requests": "the scheduler packs by what is requested", "limits": "else it may take its neighbours' memory",
			}[want[0]])
		}
	}
	if serves {
		if n := c.Field("readinessProbe"); n.Missing() {
			o.fail("probes", n, "", "a readiness probe", "else it gets requests before it can answer them")
		}
		if c.Field("livenessProbe").Missing() && c.Field("startupProbe").Missing() {
			o.warn("probes", c.Field("livenessProbe"), "", "a liveness or startup probe", "else a container that hangs stays")
		}
	}
	o.apart(p, c)
	o.rights(p, c)
	for _, e := range c.Field("env").List() {
		if name := e.Field("name"); secretName.MatchString(name.Text()) && e.Field("value").Text() != "" {
			o.fail("secret", name, name.Text(), "a secret by reference (valueFrom.secretKeyRef)", "")
		}
	}
}

var secretName = regexp.MustCompile(`(?i)(^|_)(PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY)$`)

// image wants to know what exactly runs.
func (o *object) image(n yamldoc.Node) {
	image := n.Required("an image with its version")
	if image == "" {
		return
	}
	name, digest, pinned := strings.Cut(image, "@")
	last := name[strings.LastIndexByte(name, '/')+1:]
	base, tag, tagged := strings.Cut(last, ":")
	switch {
	case base == "" || strings.ContainsAny(image, " \t\n") || pinned && !strings.Contains(digest, ":"):
		n.Problem(image, "an image as registry.example/name:1.2.3", "")
	case pinned:
	case !tagged || tag == "":
		o.fail("latest", n, image, "an image with its version", "without a tag it is latest: another one after each pull")
	case tag == "latest":
		o.fail("latest", n, image, "a version that stays what it is", "latest is another one after each pull")
	}
}

// rights are what a container may do to others.
func (o *object) rights(p podSpec, c yamldoc.Node) {
	own, pod := c.Field("securityContext"), p.spec.Field("securityContext")
	// What the container says counts before what the pod says.
	either := func(key string) yamldoc.Node {
		if n := own.Field(key); !n.Missing() {
			return n
		}
		if n := pod.Field(key); !n.Missing() {
			return n
		}
		return own.Field(key)
	}
	if n := either("runAsNonRoot"); n.Text() != "true" {
		o.fail("root", n, n.Text(), "runAsNonRoot: true", "")
	}
	if n := either("runAsUser"); n.Text() == "0" {
		o.fail("root", n, "0", "a user other than root", "")
	}
	if n := own.Field("allowPrivilegeEscalation"); n.Text() != "false" {
		o.fail("privileged", n, n.Text(), "allowPrivilegeEscalation: false", "")
	}
	drop := own.At("capabilities", "drop")
	if !slices.ContainsFunc(drop.List(), func(n yamldoc.Node) bool { return n.Text() == "ALL" }) {
		o.warn("privileged", drop, "", "capabilities: {drop: [ALL]}", "")
	}
	if n := own.Field("readOnlyRootFilesystem"); n.Text() != "true" {
		o.warn("writable", n, n.Text(), "readOnlyRootFilesystem: true", "")
	}
	if n := either("seccompProfile"); n.Missing() {
		o.warn("privileged", n, "", "seccompProfile: {type: RuntimeDefault}", "")
	}
}
