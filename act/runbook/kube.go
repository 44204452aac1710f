package runbook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

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
func (r *Runner) kube(ctx context.Context, book *declare.Runbook, step *declare.Step, values map[string]string, out io.Writer, dry bool) result {
	k, objects, err := fillKube(step.Body, book, values)
	if err != nil {
		return result{detail: err.Error()}
	}
	c, err := newCluster(r.o.Kube, step.Attrs["context"])
	if err != nil {
		return result{detail: err.Error()}
	}
	c.dry = dry
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
	stamp := time.Now().UTC().Format(time.RFC3339)
	patch := object{"spec": object{"template": object{"metadata": object{"annotations": object{"kubectl.kubernetes.io/restartedAt": stamp}}}}}
	if _, err := c.patch(ctx, workload(k), "application/strategic-merge-patch+json", patch); err != nil {
		return "", err
	}
	if c.dry {
		return fmt.Sprintf("would restart %s/%s", k.Kind, k.Name), nil
	}
	return c.rolledOut(ctx, k, out)
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
	return c.rolledOut(ctx, k, out)
}

// undo goes back to the template of the revision before, as kubectl rollout undo does.
func (c *cluster) undo(ctx context.Context, k parse.Kube, out io.Writer) (string, error) {
	d, err := c.get(ctx, workload(k))
	if err != nil {
		return "", err
	}
	const revision = "deployment.kubernetes.io/revision"
	rev := func(o any) int64 {
		n, _ := strconv.ParseInt(text(dig(o, "metadata", "annotations", revision)), 10, 64)
		return n
	}
	now, uid := rev(d), text(dig(d, "metadata", "uid"))
	sets, err := c.get(ctx, fmt.Sprintf("/apis/apps/v1/namespaces/%s/replicasets?limit=500", k.Namespace))
	if err != nil {
		return "", err
	}
	var last object
	items, _ := dig(sets, "items").([]any)
	for _, it := range items {
		owners, _ := dig(it, "metadata", "ownerReferences").([]any)
		if !slices.ContainsFunc(owners, func(o any) bool { return text(dig(o, "uid")) == uid && uid != "" }) {
			continue
		}
		if n := rev(it); n < now && (last == nil || n > rev(last)) {
			last, _ = it.(object)
		}
	}
	if last == nil {
		return "", fmt.Errorf("deployment/%s has no revision before %d", k.Name, now)
	}
	template, _ := dig(last, "spec", "template").(map[string]any)
	if labels, ok := dig(template, "metadata", "labels").(map[string]any); ok {
		delete(labels, "pod-template-hash")
	}
	fmt.Fprintf(out, "deployment/%s goes back from revision %d to %d\n", k.Name, now, rev(last))
	patch := []object{{"op": "replace", "path": "/spec/template", "value": template}}
	if v := dig(d, "metadata", "resourceVersion"); v != nil { // nobody may have changed it meanwhile
		patch = append([]object{{"op": "test", "path": "/metadata/resourceVersion", "value": v}}, patch...)
	}
	if _, err := c.patch(ctx, workload(k), "application/json-patch+json", patch); err != nil {
		return "", err
	}
	if c.dry {
		return fmt.Sprintf("would go back to revision %d", rev(last)), nil
	}
	return c.rolledOut(ctx, k, out)
}

// rolledOut waits until what is declared is what runs.
func (c *cluster) rolledOut(ctx context.Context, k parse.Kube, out io.Writer) (string, error) {
	said := ""
	for {
		o, err := c.get(ctx, workload(k))
		if err != nil {
			return said, err
		}
		want, up, ready := number(dig(o, "spec", "replicas")), number(dig(o, "status", "updatedReplicas")), number(dig(o, "status", "availableReplicas"))
		switch k.Kind {
		case "daemonset":
			want, up, ready = number(dig(o, "status", "desiredNumberScheduled")), number(dig(o, "status", "updatedNumberScheduled")), number(dig(o, "status", "numberAvailable"))
		case "statefulset":
			ready = number(dig(o, "status", "readyReplicas"))
		}
		seen := number(dig(o, "status", "observedGeneration")) >= number(dig(o, "metadata", "generation"))
		all := number(dig(o, "status", "replicas"))
		if k.Kind == "daemonset" {
			all = want
		}
		line := fmt.Sprintf("%d of %d updated, %d available", up, want, ready)
		if line != said {
			said = line
			fmt.Fprintln(out, line)
		}
		if seen && up >= want && ready >= want && all <= max(want, up) {
			return line, nil
		}
		conditions, _ := dig(o, "status", "conditions").([]any)
		for _, cond := range conditions {
			if seen && text(dig(cond, "reason")) == "ProgressDeadlineExceeded" {
				return said, fmt.Errorf("it does not progress: %s", text(dig(cond, "message")))
			}
		}
		if wait(ctx, poll) != nil {
			return said, ctx.Err()
		}
	}
}

func (c *cluster) cordon(ctx context.Context, node string, on bool, out io.Writer) (string, error) {
	if _, err := c.patch(ctx, "/api/v1/nodes/"+node, "application/merge-patch+json", object{"spec": object{"unschedulable": on}}); err != nil {
		return "", err
	}
	said := map[bool]string{true: "takes no new pods", false: "takes pods again"}[on]
	fmt.Fprintf(out, "node/%s %s\n", node, said)
	if c.dry {
		return "would be: " + said, nil
	}
	return said, nil
}

// drain cordons a node and evicts its pods, so that disruption budgets hold. Pods of
// daemon sets, mirror pods and those that have ended stay.
func (c *cluster) drain(ctx context.Context, node string, out io.Writer) (string, error) {
	if _, err := c.cordon(ctx, node, true, out); err != nil {
		return "", err
	}
	for evicted := map[string]bool{}; ; {
		list, err := c.get(ctx, "/api/v1/pods?limit=1000&fieldSelector=spec.nodeName%3D"+node)
		if err != nil {
			return "", err
		}
		items, _ := dig(list, "items").([]any)
		left, waits := 0, ""
		for _, p := range items {
			owners, _ := dig(p, "metadata", "ownerReferences").([]any)
			phase := text(dig(p, "status", "phase"))
			mirror := dig(p, "metadata", "annotations", "kubernetes.io/config.mirror") != nil
			if mirror || phase == "Succeeded" || phase == "Failed" || slices.ContainsFunc(owners, func(o any) bool { return text(dig(o, "kind")) == "DaemonSet" }) {
				continue
			}
			left++
			ns, name := text(dig(p, "metadata", "namespace")), text(dig(p, "metadata", "name"))
			if evicted[ns+"/"+name] || !parse.KubeName(ns) || !parse.KubeName(name) {
				continue
			}
			_, err := c.post(ctx, fmt.Sprintf("/api/v1/namespaces/%s/pods/%s/eviction", ns, name), object{
				"apiVersion": "policy/v1", "kind": "Eviction", "metadata": object{"name": name, "namespace": ns},
			})
			var status *statusError
			switch {
			case errors.As(err, &status) && status.code == 429: // a disruption budget: again later
				waits = fmt.Sprintf("%s/%s waits: %s", ns, name, status.message)
			case errors.As(err, &status) && status.code == 404: // gone already
			case err != nil:
				return "", err
			default:
				fmt.Fprintf(out, "pod %s/%s is evicted\n", ns, name)
				evicted[ns+"/"+name] = true
			}
		}
		if c.dry {
			return fmt.Sprintf("would evict %d pods", left), nil
		}
		if left == 0 {
			return fmt.Sprintf("node/%s is empty: %d pods evicted", node, len(evicted)), nil
		}
		if waits != "" {
			fmt.Fprintln(out, waits)
		}
		if wait(ctx, poll) != nil {
			return fmt.Sprintf("%d pods are left", left), ctx.Err()
		}
	}
}

// apply applies manifests on the server's side: first all of them dry, so that either
// none or all are refused for what they are.
func (c *cluster) apply(ctx context.Context, namespace string, objects []object, out io.Writer) (string, error) {
	for _, dry := range []bool{true, false} {
		if c.dry && !dry {
			break
		}
		for _, o := range objects {
			path, err := c.pathOf(ctx, o, namespace)
			if err != nil {
				return "", err
			}
			as := *c
			as.dry = dry
			if _, err := as.patch(ctx, path+"?fieldManager=evenkeel", "application/apply-patch+yaml", o); err != nil {
				return "", fmt.Errorf("%s/%s: %w", text(o["kind"]), text(dig(o, "metadata", "name")), err)
			}
			fmt.Fprintf(out, "%s/%s %s\n", text(o["kind"]), text(dig(o, "metadata", "name")), map[bool]string{true: "would be applied", false: "applied"}[dry])
		}
	}
	if c.dry {
		return fmt.Sprintf("%d objects would be applied", len(objects)), nil
	}
	return fmt.Sprintf("%d objects applied", len(objects)), nil
}
