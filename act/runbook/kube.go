package runbook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	parse "github.com/evenkeel/evenkeel/declare/runbook"
)

// object is a thing of Kubernetes as its API gives it.
type object = map[string]any

// dig goes down into an object; nil where something is missing.
func dig(v any, path ...string) any {
	for _, p := range path {
		m, _ := v.(map[string]any)
		v = m[p]
	}
	return v
}

func number(v any) int64 {
	switch n := v.(type) {
	case json.Number:
		i, _ := n.Int64()
		return i
	case float64:
		return int64(n)
	case int64:
		return n
	}
	return 0
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

// fillKube puts parameters into a kube step. What comes in has to be a name or a number
// itself; nothing can turn into another verb, path or field.
func fillKube(body string, book *declare.Runbook, values map[string]string) (parse.Kube, []object, error) {
	k, err := parse.ParseKube(body)
	if err != nil {
		return k, nil, err
	}
	for _, s := range []*string{&k.Name, &k.Namespace} {
		*s = fillPlain(*s, values)
		if *s != "" && !parse.KubeName(*s) {
			return k, nil, fmt.Errorf("got %.80q, expected a name of lower-case letters, digits, - and .", *s)
		}
	}
	if k.Verb != "apply" {
		if k.Name == "" || (k.Namespace == "" && k.Kind != "node") {
			return k, nil, errors.New("expected a name and a namespace: a parameter is empty")
		}
		k.Replicas = fillPlain(k.Replicas, values)
		if n, err := strconv.Atoi(k.Replicas); k.Verb == "scale" && (err != nil || n < 0 || n > 10_000) {
			return k, nil, fmt.Errorf("got replicas %.20q, expected a number up to 10000", k.Replicas)
		}
		return k, nil, nil
	}
	objects, err := manifests(k.Manifest, book, values)
	return k, objects, err
}

// kube does one thing to a cluster. dry asks the server what would come of it.
func (r *Runner) kube(ctx context.Context, run *act.Run, book *declare.Runbook, step *declare.Step, values map[string]string, out io.Writer, dry bool) result {
	k, objects, err := fillKube(step.Body, book, values)
	if err != nil {
		return result{detail: err.Error()}
	}
	c, err := newCluster(r.o.Kube, step.Attrs["context"])
	if err != nil {
		return result{detail: err.Error()}
	}
	if c.dry = dry; !dry {
		c.told = told(run, step)
	}
	ctx, cancel := context.WithTimeout(ctx, step.Timeout)
	defer cancel()
	detail := ""
	switch k.Verb {
	case "restart":
		detail, err = c.restart(ctx, k, out)
	case "undo":
		detail, err = c.undo(ctx, k, out)
	case "scale":
		detail, err = c.scale(ctx, k, out)
	case "cordon", "uncordon":
		detail, err = c.cordon(ctx, k.Name, k.Verb == "cordon", out)
	case "drain":
		detail, err = c.drain(ctx, k.Name, out)
	case "apply":
		detail, err = c.apply(ctx, k.Namespace, objects, out)
	}
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		if detail == "" && err != nil {
			detail = err.Error()
		}
		return result{detail: fmt.Sprintf("stopped: it took longer than %s (%s)", step.Timeout, detail)}
	case err != nil:
		return result{detail: err.Error()}
	}
	return result{ok: true, detail: detail}
}

func workload(k parse.Kube) string {
	return fmt.Sprintf("/apis/apps/v1/namespaces/%s/%ss/%s", k.Namespace, k.Kind, k.Name)
}

// restart rolls a workload over, as kubectl rollout restart does.
func (c *cluster) restart(ctx context.Context, k parse.Kube, out io.Writer) (string, error) {
	before, err := c.get(ctx, workload(k))
	if err != nil {
		return "", err
	}
	if err := rolls(k, before); err != nil {
		return "", err
	}
	stamp := time.Now().UTC().Format(time.RFC3339Nano)
	patch := object{"spec": object{"template": object{"metadata": object{"annotations": object{"kubectl.kubernetes.io/restartedAt": stamp}}}}}
	if _, err := c.patch(ctx, workload(k), "application/strategic-merge-patch+json", patch); err != nil {
		return "", err
	}
	if c.dry {
		return fmt.Sprintf("would restart %s/%s", k.Kind, k.Name), nil
	}
	return c.rolledOut(ctx, k, before, out)
}

// rolls says why a workload's pods would not be changed when their template is.
func rolls(k parse.Kube, o object) error {
	if paused, _ := dig(o, "spec", "paused").(bool); paused {
		return fmt.Errorf("%s/%s is paused: resume it first (kubectl rollout resume)", k.Kind, k.Name)
	}
	if text(dig(o, "spec", "updateStrategy", "type")) == "OnDelete" {
		return fmt.Errorf("%s/%s changes its pods only when somebody deletes them (updateStrategy OnDelete)", k.Kind, k.Name)
	}
	return nil
}

// scale sets the number of replicas.
func (c *cluster) scale(ctx context.Context, k parse.Kube, out io.Writer) (string, error) {
	before, err := c.get(ctx, workload(k))
	if err != nil {
		return "", err
	}
	n, _ := strconv.Atoi(k.Replicas)
	fmt.Fprintf(out, "%s/%s has %d replicas, and gets %d\n", k.Kind, k.Name, number(dig(before, "spec", "replicas")), n)
	if _, err := c.patch(ctx, workload(k), "application/merge-patch+json", object{"spec": object{"replicas": n}}); err != nil {
		return "", err
	}
	if c.dry {
		return fmt.Sprintf("would scale %s/%s to %d", k.Kind, k.Name, n), nil
	}
	return c.rolledOut(ctx, k, before, out)
}

// undo goes back to the template of the revision before, as kubectl rollout undo does.
func (c *cluster) undo(ctx context.Context, k parse.Kube, out io.Writer) (string, error) {
	d, last, err := c.previous(ctx, k, out)
	if err != nil {
		return "", err
	}
	template, _ := dig(last, "spec", "template").(map[string]any)
	if labels, ok := dig(template, "metadata", "labels").(map[string]any); ok {
		delete(labels, "pod-template-hash")
	}
	if err := c.approved(out, goesBack(k, d, last)); err != nil {
		return "", err
	}
	// Nobody may have changed it meanwhile: its generation counts changes of what is
	// declared. Its resource version would change with every pod that comes or goes.
	patch := []object{
		{"op": "test", "path": "/metadata/uid", "value": dig(d, "metadata", "uid")},
		{"op": "test", "path": "/metadata/generation", "value": dig(d, "metadata", "generation")},
		{"op": "replace", "path": "/spec/template", "value": template},
	}
	if _, err := c.patch(ctx, workload(k), "application/json-patch+json", patch); err != nil {
		if now, look := c.get(ctx, workload(k)); look == nil && number(dig(now, "metadata", "generation")) != number(dig(d, "metadata", "generation")) {
			return "", fmt.Errorf("somebody has changed deployment/%s at the same time: look again (%w)", k.Name, err)
		}
		return "", err
	}
	if c.dry {
		return fmt.Sprintf("would go back to revision %d", revision(last)), nil
	}
	return c.rolledOut(ctx, k, d, out)
}

func goesBack(k parse.Kube, d, last object) string {
	with := images(last) + " instead of " + images(d)
	if images(last) == images(d) {
		with = "the same " + images(d)
	}
	return fmt.Sprintf("deployment/%s goes back from revision %d to %d: %s", k.Name, revision(d), revision(last), with)
}

// previous is a deployment and the replica set of the revision before its own.
func (c *cluster) previous(ctx context.Context, k parse.Kube, out io.Writer) (d, last object, err error) {
	for said := false; ; said = true { // one that was just changed still has the number of the revision before
		if d, err = c.get(ctx, workload(k)); err != nil {
			return nil, nil, err
		}
		if observed(d) {
			break
		}
		if !said {
			fmt.Fprintf(out, "deployment/%s was just changed; waiting until its controller has looked at it\n", k.Name)
		}
		if wait(ctx, poll) != nil {
			return nil, nil, fmt.Errorf("deployment/%s was changed, and its controller has not looked at it yet", k.Name)
		}
	}
	if err := rolls(k, d); err != nil {
		return nil, nil, err
	}
	now, uid := revision(d), text(dig(d, "metadata", "uid"))
	sets, err := c.list(ctx, fmt.Sprintf("/apis/apps/v1/namespaces/%s/replicasets?", k.Namespace))
	if err != nil {
		return nil, nil, err
	}
	for _, s := range sets {
		if owner := controller(s); uid == "" || text(dig(owner, "uid")) != uid {
			continue
		}
		if n := revision(s); n < now && (last == nil || n > revision(last)) {
			last = s
		}
	}
	if last == nil {
		return nil, nil, fmt.Errorf("deployment/%s has no revision before %d", k.Name, now)
	}
	return d, last, nil
}

func revision(o object) int64 {
	n, _ := strconv.ParseInt(text(dig(o, "metadata", "annotations", "deployment.kubernetes.io/revision")), 10, 64)
	return n
}

// controller is the owner of an object that makes it anew, nil for none.
func controller(o object) object {
	owners, _ := dig(o, "metadata", "ownerReferences").([]any)
	for _, owner := range owners {
		if yes, _ := dig(owner, "controller").(bool); yes {
			return owner.(object) // dig has found something in it
		}
	}
	return nil
}

// images are those of a workload's containers.
func images(o object) string {
	containers, _ := dig(o, "spec", "template", "spec", "containers").([]any)
	var out []string
	for _, c := range containers {
		out = append(out, text(dig(c, "image")))
	}
	return strings.Join(out, ", ")
}

func (c *cluster) cordon(ctx context.Context, node string, on bool, out io.Writer) (string, error) {
	if _, err := c.patch(ctx, "/api/v1/nodes/"+node, "application/merge-patch+json", object{"spec": object{"unschedulable": on}}); err != nil {
		return "", err
	}
	said := map[bool]string{true: "takes no new pods", false: "takes pods again"}[on]
	if c.dry {
		said = "would be: " + said
	}
	fmt.Fprintf(out, "node/%s %s\n", node, said)
	return said, nil
}
