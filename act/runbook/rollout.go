package runbook

import (
	"context"
	"fmt"
	"io"

	parse "github.com/evenkeel/evenkeel/declare/runbook"
)

// observed says whether a workload's controller has seen what is declared.
func observed(o object) bool {
	return number(dig(o, "status", "observedGeneration")) >= number(dig(o, "metadata", "generation"))
}

// stuck is when a deployment was found not to progress, and why; "" for never.
func stuck(o object) (at, why string) {
	conditions, _ := dig(o, "status", "conditions").([]any)
	for _, c := range conditions {
		if text(dig(c, "reason")) == "ProgressDeadlineExceeded" {
			return text(dig(c, "lastUpdateTime")), text(dig(c, "message"))
		}
	}
	return "", ""
}

// rolledOut waits until what is declared is what runs. before is the workload before it
// was changed.
func (c *cluster) rolledOut(ctx context.Context, k parse.Kube, before object, out io.Writer) (string, error) {
	// What a change is to mend may be stuck; the controller takes that back only when it
	// sees progress.
	was, _ := stuck(before)
	for said := ""; ; {
		o, err := c.get(ctx, workload(k))
		switch {
		case ctx.Err() != nil:
			return said, ctx.Err()
		case passing(err):
			if line := err.Error(); line != said {
				said = line
				fmt.Fprintln(out, line)
			}
		case err != nil:
			return said, fmt.Errorf("it is declared, but cannot be watched: %w", err)
		default:
			line, done := rollout(k.Kind, o)
			if line != said {
				said = line
				fmt.Fprintln(out, line)
			}
			if done {
				return line, nil
			}
			if at, why := stuck(o); observed(o) && at != was && at != "" {
				return said, fmt.Errorf("it does not progress: %s", why)
			}
		}
		if wait(ctx, poll) != nil {
			return said, ctx.Err()
		}
	}
}

// rollout says how far a workload is, and whether what is declared is what runs.
func rollout(kind string, o object) (line string, done bool) {
	want, all := number(dig(o, "spec", "replicas")), number(dig(o, "status", "replicas"))
	updated, available := number(dig(o, "status", "updatedReplicas")), number(dig(o, "status", "availableReplicas"))
	if kind == "daemonset" {
		want, all = number(dig(o, "status", "desiredNumberScheduled")), number(dig(o, "status", "desiredNumberScheduled"))
		updated, available = number(dig(o, "status", "updatedNumberScheduled")), number(dig(o, "status", "numberAvailable"))
	}
	need := want
	if paused, _ := dig(o, "spec", "paused").(bool); paused || text(dig(o, "spec", "updateStrategy", "type")) == "OnDelete" {
		need = 0 // old pods stay, which is meant to be
	}
	need = max(0, need-number(dig(o, "spec", "updateStrategy", "rollingUpdate", "partition")))
	return fmt.Sprintf("%d of %d updated, %d available", updated, want, available), observed(o) && updated >= need && available >= want && all <= want
}
