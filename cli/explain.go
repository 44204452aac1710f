package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/detect/evaluate"
)

// explaining is the part of query that says how an expression is evaluated.
type explaining struct{ explain, compare bool }

func (x *explaining) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&x.explain, "explain", false, "say which parts are kept up to date from what has changed, and what each costs")
	f.BoolVar(&x.compare, "compare", false, "with --explain: evaluate it by Prometheus' engine as well, which reads every sample")
	cmd.MarkFlagsMutuallyExclusive("explain", "from")
	cmd.MarkFlagsMutuallyExclusive("explain", "logs")
}

func (x *explaining) run(cmd *cobra.Command, r *remote, expr, at string) error {
	c, err := r.client(cmd)
	if err != nil {
		return err
	}
	q := values("query", expr, "time", at)
	if x.compare {
		q.Set("compare", "true")
	}
	var answer evaluate.Explanation
	raw, err := c.get(cmd.Context(), "explain the query", "/explain", q, &answer)
	if err != nil {
		return err
	}
	return r.format.print(cmd, raw, func(w io.Writer) { showExplanation(w, &answer) })
}

func (x *explaining) check(set func(name string) bool) error {
	if x.compare && !x.explain {
		return errors.New("cannot query: --compare needs --explain")
	}
	if x.explain && set("step") {
		return errors.New("cannot query: --explain is of one time; --step is of a range")
	}
	return nil
}

func showExplanation(w io.Writer, x *evaluate.Explanation) {
	fmt.Fprintf(w, "Incremental: %s of it. One evaluation takes %s and gives %d series; its windows take %s.\n", x.Incremental, took(x.Seconds), x.Series, size(x.Bytes))
	if x.Left != "" {
		fmt.Fprintf(w, "Left to Prometheus' engine as a whole: %s.\n", printable(x.Left))
	}
	if x.Group != "" {
		fmt.Fprintf(w, "The windows are those of the group %s, at %s.\n", printable(x.Group), x.At.Format(time.RFC3339))
	} else if x.Built != nil {
		fmt.Fprintf(w, "No rule keeps its windows: they were built for this answer, from %d samples in %s.\n", x.Built.Samples, took(x.Built.Seconds))
	}
	if x.EngineSeconds > 0 && x.Left == "" {
		fmt.Fprintf(w, "Prometheus' engine takes %s, %.3g times as long; the largest relative difference of the results is %.2g.\n", took(x.EngineSeconds), x.EngineSeconds/max(x.Seconds, 1e-9), x.Difference)
	}
	fmt.Fprintln(w)
	t := columns("PART", "HOW", "SERIES", "MEMORY", "TAKES", "WHY")
	addPart(t, &x.Part, 0)
	t.write(w)
}

func addPart(t *table, p *evaluate.Part, depth int) {
	how := p.How
	if p.How == "engine" {
		how = "Prometheus' engine"
	}
	memory, takes := "", ""
	if p.Bytes > 0 {
		memory = size(p.Bytes)
	}
	if p.Seconds > 0 {
		takes = took(p.Seconds)
	}
	t.row(strings.Repeat("  ", depth)+p.Expr, how, fmt.Sprint(p.Series), memory, takes, p.Why)
	for i := range p.Parts {
		addPart(t, &p.Parts[i], depth+1)
	}
}

// took is a duration with three digits.
func took(seconds float64) string {
	switch d := time.Duration(seconds * 1e9); {
	case d < time.Microsecond:
		return d.String()
	case d < time.Millisecond:
		return fmt.Sprintf("%.3gµs", seconds*1e6)
	case d < time.Second:
		return fmt.Sprintf("%.3gms", seconds*1e3)
	default:
		return fmt.Sprintf("%.3gs", seconds)
	}
}
