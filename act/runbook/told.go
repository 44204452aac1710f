package runbook

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/act/authority"
	"github.com/evenkeel/evenkeel/declare"
)

// ofCluster begins the lines of an approval's evidence that say what a kube step would do
// to the cluster as it was.
const ofCluster = "the cluster: "

// cannotTell begins such a line where the cluster could not say.
const cannotTell = "cannot tell: "

// look asks the cluster what a kube step would do to it now; nothing of other steps.
func (r *Runner) look(ctx context.Context, run *act.Run, book *declare.Runbook, i int) []string {
	step := &book.Steps[i]
	if step.Language != "kube" {
		return nil
	}
	secrets, err := r.secrets(book)
	if err != nil {
		return []string{cannotTell + err.Error()}
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	kept := newCapped(r.o.OutputLimit)
	out := newHiding(kept, forms(secrets))
	res := r.kube(ctx, run, book, step, with(run.Params, secrets), out, true)
	_ = out.Close()
	detail := hide(res.detail, forms(secrets))
	if !res.ok {
		return []string{cannotTell + detail}
	}
	lines := strings.Split(kept.String(), "\n")
	lines = slices.DeleteFunc(append(lines, detail), func(l string) bool { return l == "" })
	return slices.Compact(lines)
}

// told is what each of those who have approved a step was told of the cluster.
func told(run *act.Run, step *declare.Step) [][]string {
	var out [][]string
	for _, a := range run.Approvals {
		if a.Step != step.Index || a.Decision != "approved" || !authority.Holds(a.DecidedAt, time.Now()) {
			continue
		}
		var lines []string
		for line := range strings.Lines(a.Evidence) {
			if l, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), ofCluster); ok && !strings.HasPrefix(l, cannotTell) {
				lines = append(lines, l)
			}
		}
		if len(lines) > 0 {
			out = append(out, lines)
		}
	}
	return out
}

// approved writes what is about to be done, and refuses it where an approver was told
// something else.
func (c *cluster) approved(out io.Writer, does string) error {
	fmt.Fprintln(out, does)
	for _, lines := range c.told {
		if !slices.Contains(lines, mask(does)) {
			return fmt.Errorf("the cluster has changed since this was approved; now %s: start it again", does)
		}
	}
	return nil
}
