package cli

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/api"
)

// traceQuery is what --traces adds to query.
type traceQuery struct{ on bool }

func (t *traceQuery) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&t.on, "traces", false, "EXPR is TraceQL, and traces answer; or it is the ID of one")
}

var traceID = regexp.MustCompile(`^[0-9a-fA-F]{6,32}$`)

// run asks the server. Without --from it is the last hour.
func (t *traceQuery) run(cmd *cobra.Command, r *remote, expr string, limit int, from, to timeFlag) error {
	c, err := r.client(cmd)
	if err != nil {
		return err
	}
	if traceID.MatchString(expr) {
		var one api.OneTrace
		raw, err := c.get(cmd.Context(), "show trace "+expr, "/traces/"+expr, values("from", from.rfc(), "to", to.rfc()), &one)
		if err != nil {
			return err
		}
		return r.format.print(cmd, raw, func(w io.Writer) { waterfall(w, &one) })
	}
	if !from.t.IsZero() && !to.t.IsZero() && !to.t.After(from.t) {
		return errors.New("cannot query traces: --to is not after --from")
	}
	var found api.FoundTraces
	raw, err := c.get(cmd.Context(), "query traces", "/traces", values("q", expr, "from", from.rfc(), "to", to.rfc(), "limit", strconv.Itoa(limit)), &found)
	if err != nil {
		return err
	}
	if err := r.format.print(cmd, raw, func(w io.Writer) {
		if len(found.Items) == 0 {
			return
		}
		tab := columns("TRACE", "BEGAN", "TOOK", "SPANS", "FAILED", "WHAT")
		for _, s := range found.Items {
			tab.row(s.ID, s.Start.Local().Format("2006-01-02 15:04:05"), lasted(s.Took), fmt.Sprint(s.Spans), fmt.Sprint(s.Errors), s.Service+": "+s.Name) //nolint:gosmopolitan // the person's own clock
		}
		tab.write(w)
	}); err != nil {
		return err
	}
	if r.format.name == formatTable {
		switch {
		case len(found.Items) == 0:
			fmt.Fprintln(cmd.ErrOrStderr(), "No trace answers.")
		case found.More:
			fmt.Fprintln(cmd.ErrOrStderr(), "There may be more: --limit, --from and --to say how many and when.")
		}
	}
	return nil
}

// laneWidth is how wide the picture of a trace is, in characters.
const laneWidth = 40

// waterfall draws a trace: = is a span, # where it is on the critical path most of its time.
func waterfall(w io.Writer, t *api.OneTrace) {
	fmt.Fprintf(w, "%s  %s: %s  took %s, %d spans, %d failed\n\n", t.ID, printable(t.Service), printable(t.Name), lasted(t.Took), t.Spans, t.Errors)
	tab := columns("SPAN", "TOOK", "SELF", "WHEN", "STATUS")
	whole := max(1, float64(t.Took))
	for _, s := range t.Tree {
		at := int(float64(s.Start.Sub(t.Start)) / whole * laneWidth)
		n := max(1, int(float64(s.Took)/whole*laneWidth+0.5))
		at = min(max(0, at), laneWidth-1)
		n = min(n, laneWidth-at)
		mark := "="
		if s.Critical*2 > s.Took {
			mark = "#"
		}
		status := string(s.Status)
		if s.Message != "" {
			status += ": " + s.Message
		}
		tab.row(strings.Repeat("  ", min(s.Depth, 20))+s.Service+": "+s.Name, lasted(s.Took), lasted(s.Self), strings.Repeat(".", at)+strings.Repeat(mark, n)+strings.Repeat(".", laneWidth-at-n), status)
	}
	tab.write(w)
	if t.Truncated {
		fmt.Fprintf(w, "\nThese are %d of its spans: those that failed, that begin it, and that took longest. All of it, by when spans began:\n", len(t.Tree))
		for _, p := range t.Pieces {
			fmt.Fprintf(w, "  %d spans: --from %s --to %s\n", p.Spans, p.From.Format(time.RFC3339Nano), p.To.Format(time.RFC3339Nano))
		}
	}
}

// lasted is a duration with three digits.
func lasted(d time.Duration) string {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(time.Microsecond).String()
}
