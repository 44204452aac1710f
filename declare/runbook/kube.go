package runbook

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/evenkeel/evenkeel/declare"
)

// Kube is a kube step as written: one line of words, parameters not yet filled in, and
// for apply the manifests below it.
type Kube struct {
	Verb      string
	Kind      string // deployment, statefulset, daemonset, node; "" for apply
	Name      string
	Namespace string
	Replicas  string // scale
	Manifest  string // apply
}

var (
	kubeVerbs = []string{"restart", "undo", "scale", "cordon", "uncordon", "drain", "apply"}
	kubeKinds = map[string]string{
		"deployment": "deployment", "deploy": "deployment", "deployments": "deployment", "statefulset": "statefulset", "sts": "statefulset",
		"daemonset": "daemonset", "ds": "daemonset", "node": "node", "nodes": "node",
	}
	kubeName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$`)
)

// KubeName says whether a text can name a thing of Kubernetes: nothing in it can be more
// than a name.
func KubeName(s string) bool { return kubeName.MatchString(s) }

// ParseKube reads "VERB KIND/NAME [namespace=NS] [replicas=N]"; apply has no KIND/NAME
// and YAML on the lines after it.
func ParseKube(text string) (Kube, error) {
	head, rest, _ := strings.Cut(strings.TrimLeft(text, "\n"), "\n")
	words := strings.Fields(head)
	if len(words) == 0 {
		return Kube{}, fmt.Errorf("expected VERB KIND/NAME namespace=NS")
	}
	k := Kube{Verb: words[0]}
	if !slices.Contains(kubeVerbs, k.Verb) {
		return Kube{}, fmt.Errorf("got %q, expected one of %s", k.Verb, strings.Join(kubeVerbs, ", "))
	}
	words = words[1:]
	if k.Verb != "apply" {
		if len(words) == 0 {
			return Kube{}, fmt.Errorf("expected %s KIND/NAME", k.Verb)
		}
		kind, name, ok := strings.Cut(words[0], "/")
		if !ok || name == "" || kubeKinds[strings.ToLower(kind)] == "" {
			return Kube{}, fmt.Errorf("got %q, expected deployment/NAME, statefulset/NAME, daemonset/NAME or node/NAME", words[0])
		}
		k.Kind, k.Name, words = kubeKinds[strings.ToLower(kind)], name, words[1:]
	}
	for _, w := range words {
		key, value, ok := strings.Cut(w, "=")
		switch {
		case ok && key == "namespace" && value != "":
			k.Namespace = value
		case ok && key == "replicas" && value != "" && k.Verb == "scale":
			k.Replicas = value
		default:
			return Kube{}, fmt.Errorf("got %q, expected namespace=NS, or replicas=N of scale", w)
		}
	}
	node := k.Verb == "cordon" || k.Verb == "uncordon" || k.Verb == "drain"
	switch {
	case node != (k.Kind == "node"):
		return Kube{}, fmt.Errorf("got %s of a %s: cordon, uncordon and drain are for nodes, the others for workloads", k.Verb, k.Kind)
	case k.Verb == "undo" && k.Kind != "deployment":
		return Kube{}, fmt.Errorf("undo is for deployments")
	case k.Verb == "scale" && k.Kind == "daemonset":
		return Kube{}, fmt.Errorf("a daemonset has no number of replicas")
	case k.Verb == "scale" && k.Replicas == "":
		return Kube{}, fmt.Errorf("expected replicas=N")
	case !node && k.Namespace == "" && k.Verb != "apply":
		return Kube{}, fmt.Errorf("expected namespace=NS")
	case node && k.Namespace != "":
		return Kube{}, fmt.Errorf("a node has no namespace")
	}
	for _, s := range []string{k.Name, k.Namespace} {
		if bare := Reference.ReplaceAllString(s, "x"); s != "" && !kubeName.MatchString(bare) {
			return Kube{}, fmt.Errorf("got %q, expected a name of lower-case letters, digits, - and .", s)
		}
	}
	if bare := Reference.ReplaceAllString(k.Replicas, "1"); k.Replicas != "" {
		if n, err := strconv.Atoi(bare); err != nil || n < 0 {
			return Kube{}, fmt.Errorf("got replicas %q, expected a number", k.Replicas)
		}
	}
	k.Manifest = rest
	if (k.Verb == "apply") != (strings.TrimSpace(rest) != "") {
		return Kube{}, fmt.Errorf("expected manifests below apply, and only there")
	}
	return k, nil
}

// kubeClass is the lowest class of a verb: draining a node moves what others own.
func kubeClass(text string) declare.Class {
	k, err := ParseKube(text)
	if err != nil {
		return declare.Normal
	}
	switch k.Verb {
	case "drain":
		return declare.Normal
	case "apply":
		return declare.Normal
	}
	return declare.Bounded
}
