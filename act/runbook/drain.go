package runbook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	parse "github.com/evenkeel/evenkeel/declare/runbook"
)

// drain cordons a node and evicts its pods, so that disruption budgets hold. Pods of
// daemon sets, mirror pods and those that have ended stay. Pods that nothing would make
// anew elsewhere are not evicted: with one of them the node is left as it is.
func (c *cluster) drain(ctx context.Context, node string, out io.Writer) (string, error) {
	if _, err := c.get(ctx, "/api/v1/nodes/"+node); err != nil {
		return "", err
	}
	pods, err := c.evictable(ctx, node)
	if err != nil {
		return "", err
	}
	var lost []string
	for _, p := range pods {
		if controller(p) == nil && dig(p, "metadata", "deletionTimestamp") == nil {
			lost = append(lost, podName(p))
		}
	}
	if len(lost) > 0 {
		return "", fmt.Errorf("nothing would make %s anew elsewhere: delete them by hand first, if they may go", listed(lost))
	}
	if _, err := c.cordon(ctx, node, true, out); err != nil {
		return "", err
	}
	evicted, said := map[string]bool{}, ""
	for {
		left, waits := 0, ""
		pods, err := c.evictable(ctx, node)
		if err != nil && (c.dry || !passing(err)) {
			return "", err
		}
		if err != nil {
			left, waits = 1, err.Error()
		}
		for _, p := range pods {
			left++
			uid := text(dig(p, "metadata", "uid"))
			if evicted[uid] || dig(p, "metadata", "deletionTimestamp") != nil {
				continue // it is going
			}
			w, err := c.evict(ctx, p)
			switch {
			case err != nil:
				return "", fmt.Errorf("%s: %w", podName(p), err)
			case w != "":
				waits = fmt.Sprintf("%s waits: %s", podName(p), w)
				if c.dry {
					fmt.Fprintln(out, waits)
				}
			case c.dry:
				fmt.Fprintf(out, "pod %s would be evicted%s\n", podName(p), emptied(p))
			default:
				fmt.Fprintf(out, "pod %s is evicted%s\n", podName(p), emptied(p))
				evicted[uid] = true
			}
		}
		switch {
		case c.dry && waits != "":
			return fmt.Sprintf("would evict %d pods, but now %s", left, waits), nil
		case c.dry:
			return fmt.Sprintf("would evict %d pods", left), nil
		case left == 0:
			return fmt.Sprintf("node/%s is empty: %d pods evicted", node, len(evicted)), nil
		}
		if waits != "" && waits != said {
			said = waits
			fmt.Fprintln(out, waits)
		}
		if wait(ctx, poll) != nil {
			if waits != "" {
				return fmt.Sprintf("%d pods are left; %s", left, waits), ctx.Err()
			}
			return fmt.Sprintf("%d pods are left", left), ctx.Err()
		}
	}
}

// evictable are the pods of a node that have to go before it is empty.
func (c *cluster) evictable(ctx context.Context, node string) ([]object, error) {
	pods, err := c.list(ctx, "/api/v1/pods?fieldSelector=spec.nodeName%3D"+node)
	if err != nil {
		return nil, err
	}
	var out []object
	for _, p := range pods {
		phase := text(dig(p, "status", "phase"))
		mirror := dig(p, "metadata", "annotations", "kubernetes.io/config.mirror") != nil
		if mirror || phase == "Succeeded" || phase == "Failed" || text(dig(controller(p), "kind")) == "DaemonSet" {
			continue
		}
		if !parse.KubeName(text(dig(p, "metadata", "namespace"))) || !parse.KubeName(text(dig(p, "metadata", "name"))) {
			return nil, fmt.Errorf("the cluster has a pod with the name %.100q", podName(p))
		}
		out = append(out, p)
	}
	return out, nil
}

// evict asks for one eviction; waits says what it has to wait for.
func (c *cluster) evict(ctx context.Context, p object) (waits string, err error) {
	ns, name := text(dig(p, "metadata", "namespace")), text(dig(p, "metadata", "name"))
	_, err = c.post(ctx, fmt.Sprintf("/api/v1/namespaces/%s/pods/%s/eviction", ns, name), object{
		"apiVersion": "policy/v1", "kind": "Eviction", "metadata": object{"name": name, "namespace": ns},
		"deleteOptions": object{"preconditions": object{"uid": dig(p, "metadata", "uid")}},
	})
	var status *statusError
	switch {
	case errors.As(err, &status) && (status.code == http.StatusNotFound || status.code == http.StatusConflict):
		return "it is gone, or another one has its name", nil // looked at again
	case errors.As(err, &status) && status.cause == "NamespaceTerminating":
		return "its namespace is being deleted, and it with it", nil
	case passing(err): // a disruption budget, mostly: again later
		return err.Error(), nil
	}
	return "", err
}

// emptied says that a pod's own files go with it.
func emptied(p object) string {
	volumes, _ := dig(p, "spec", "volumes").([]any)
	for _, v := range volumes {
		if dig(v, "emptyDir") != nil {
			return ", and what is in its emptyDir with it"
		}
	}
	return ""
}

func podName(p object) string {
	return text(dig(p, "metadata", "namespace")) + "/" + text(dig(p, "metadata", "name"))
}

// listed joins names, the first few.
func listed(names []string) string {
	if more := len(names) - 5; more > 0 {
		names = append(names[:5:5], fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}
