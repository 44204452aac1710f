package runbook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"

	parse "github.com/evenkeel/evenkeel/declare/runbook"
)

// applied is one manifest and where it goes.
type applied struct {
	object
	path, namespace string
}

func (a applied) String() string {
	return text(a.object["kind"]) + "/" + text(dig(a.object, "metadata", "name"))
}

// apply applies manifests on the server's side: first all of them dry, so that either
// none or all are refused for what they are. It waits until workloads have rolled out.
func (c *cluster) apply(ctx context.Context, namespace string, objects []object, out io.Writer) (string, error) {
	all, err := c.placed(ctx, namespace, objects)
	if err != nil {
		return "", err
	}
	made := map[string]bool{} // namespaces
	for _, a := range all {
		o, err := c.applyOne(ctx, a, true)
		var status *statusError
		switch {
		case errors.As(err, &status) && status.code == http.StatusNotFound && made[a.namespace]:
			// Nothing can be tried in a namespace that only a real run makes.
			if err := c.approved(out, fmt.Sprintf("%s would be applied in the new namespace %s, where it cannot be tried yet", a, a.namespace)); err != nil {
				return "", err
			}
			continue
		case err != nil:
			return "", fmt.Errorf("%s: %w", a, err)
		}
		if a.object["kind"] == "Namespace" && a.object["apiVersion"] == "v1" {
			made[text(dig(a.object, "metadata", "name"))] = true
		}
		does, err := c.alters(ctx, a, o)
		if err != nil {
			return "", fmt.Errorf("%s: %w", a, err)
		}
		if err := c.approved(out, fmt.Sprintf("%s would be %s", a, does)); err != nil {
			return "", err
		}
	}
	if c.dry {
		return fmt.Sprintf("%d objects would be applied", len(all)), nil
	}
	before := make([]object, len(all))
	for i, a := range all {
		if workloads[text(a.object["kind"])] != "" {
			before[i], _ = c.get(ctx, a.path) // it need not be there
		}
		if _, err := c.applyOne(ctx, a, false); err != nil {
			return "", fmt.Errorf("%d of %d were applied; %s: %w", i, len(all), a, err)
		}
		fmt.Fprintf(out, "%s applied\n", a)
	}
	done := fmt.Sprintf("%d objects applied", len(all))
	for i, a := range all {
		kind := workloads[text(a.object["kind"])]
		if kind == "" || a.object["apiVersion"] != "apps/v1" {
			continue
		}
		fmt.Fprintf(out, "%s:\n", a)
		line, err := c.rolledOut(ctx, parse.Kube{Kind: kind, Name: text(dig(a.object, "metadata", "name")), Namespace: a.namespace}, before[i], out)
		if err != nil {
			return fmt.Sprintf("%s; %s: %s", done, a, line), fmt.Errorf("%s; %s: %w", done, a, err)
		}
	}
	return done, nil
}

var workloads = map[string]string{"Deployment": "deployment", "StatefulSet": "statefulset", "DaemonSet": "daemonset"}

func (c *cluster) applyOne(ctx context.Context, a applied, dry bool) (object, error) {
	as := *c
	as.dry = dry
	return as.patch(ctx, a.path+"?fieldManager=evenkeel", "application/apply-patch+yaml", a.object)
}

// alters says what an object that the server has tried dry would come to.
func (c *cluster) alters(ctx context.Context, a applied, would object) (string, error) {
	now, err := c.get(ctx, a.path)
	var status *statusError
	if errors.As(err, &status) && status.code == http.StatusNotFound {
		return "made", nil
	}
	if err != nil {
		return "", err
	}
	var fields []string
	differ("", now, would, &fields)
	if len(fields) == 0 {
		return "left as it is", nil
	}
	return "changed: " + listed(fields), nil
}

// differ collects the fields in which two objects differ. Values are not told: they may
// be secrets.
func differ(path string, a, b any, out *[]string) {
	switch path {
	case ".status", ".metadata.managedFields", ".metadata.resourceVersion", ".metadata.generation":
		return // the server's own
	}
	x, ok1 := a.(object)
	y, ok2 := b.(object)
	if ok1 && ok2 {
		for _, k := range sortedKeys(union(x, y)) {
			differ(path+"."+k, x[k], y[k], out)
		}
		return
	}
	v, ok1 := a.([]any)
	w, ok2 := b.([]any)
	if ok1 && ok2 && len(v) == len(w) {
		for i := range v {
			differ(fmt.Sprintf("%s[%d]", path, i), v[i], w[i], out)
		}
		return
	}
	if !reflect.DeepEqual(a, b) {
		*out = append(*out, strings.TrimPrefix(path, "."))
	}
}

func union(a, b object) map[string]string {
	out := map[string]string{}
	for k := range a {
		out[k] = ""
	}
	for k := range b {
		out[k] = ""
	}
	return out
}
