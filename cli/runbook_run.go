package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/api"
)

func runbookRun(r *remote) *cobra.Command {
	var params []string
	var incident int64
	var wait, dry, rehearse bool
	var glass string
	cmd := &cobra.Command{
		Use: "run NAME", Args: cobra.ExactArgs(1), ValidArgsFunction: r.live(runbooks), Short: "Run a runbook and print the run's ID",
		Long: `Run a runbook and print the run's ID. With --wait it stays until the run has ended and
prints its steps; a step that needs an approval keeps it waiting for somebody to give it.

Exit code 0: started; with --wait verified, or done where nothing verifies it. 1: with
--wait failed, rolled back or cancelled. 2: it could not be started, or followed.`,
		Example: "  evenkeel runbook run checkout-rollback -p version=1.4.2 --incident 7 --wait",
		RunE: func(cmd *cobra.Command, args []string) error {
			in := api.NewRun{Runbook: args[0], Incident: incident}
			var err error
			if in.Params, err = pairs("parameter", params); err != nil {
				return err
			}
			in.BreakGlass = glass
			switch {
			case dry && rehearse:
				return errors.New("cannot run it dry and rehearse it: choose one")
			case dry:
				in.Mode = act.ModeDry
			case rehearse:
				in.Mode = act.ModeRehearsal
			}
			if !wait || r.dryRun {
				return change(cmd, r, "run runbook "+args[0], post, "/runs", in, func(w io.Writer, run act.Run) {
					fmt.Fprintln(w, run.ID)
					sayWaiting(cmd.ErrOrStderr(), run)
				})
			}
			c, err := r.client(cmd)
			if err != nil {
				return err
			}
			var run act.Run
			if _, err := c.do(cmd.Context(), "run runbook "+args[0], post, "/runs", nil, in, &run); err != nil {
				return err
			}
			return waitFor(cmd, r, c, run)
		},
	}
	f := cmd.Flags()
	f.StringArrayVarP(&params, "param", "p", nil, "name=value (may be repeated)")
	f.Int64Var(&incident, "incident", 0, "the incident that it is for: its objective verifies the run")
	f.BoolVar(&dry, "dry", false, "alter nothing: look, and say what it would do")
	f.BoolVar(&rehearse, "rehearse", false, "practise it: nothing real is altered, and it counts for the certificate; where runner.rehearsal is set, against the fault that the runbook names")
	f.StringVar(&glass, "break-glass", "", "the reason not to wait for approvals; for L5 and above, with a review after")
	f.BoolVarP(&wait, "wait", "w", false, "stay until it has ended")
	r.liveFlag(cmd, "incident", activeIncidents)
	_ = cmd.RegisterFlagCompletionFunc("param", r.completeParams)
	return r.changes(cmd)
}

// completeParams offers the parameters of the runbook that is named already.
func (r *remote) completeParams(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	const directive = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	c, err := r.client(cmd)
	if err != nil || len(args) == 0 {
		return nil, directive
	}
	c.wait = patience
	var book api.RunbookText
	if _, err := c.get(cmd.Context(), "complete", "/runbooks/"+seg(args[0]), nil, &book); err != nil {
		return nil, directive
	}
	var out []cobra.Completion
	for _, p := range book.Params {
		for _, v := range p.Values {
			out = append(out, cobra.CompletionWithDesc(p.Name+"="+v, printable(p.Description)))
		}
		if len(p.Values) == 0 {
			out = append(out, cobra.CompletionWithDesc(p.Name+"=", printable(p.Description)))
		}
	}
	return out, directive
}

// waitFor follows a run to its end. Progress is for terminals.
func waitFor(cmd *cobra.Command, r *remote, c *client, run act.Run) error {
	talk := cmd.ErrOrStderr()
	said := ""
	for pause := 200 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		var now act.Run
		raw, err := c.get(cmd.Context(), "follow run "+run.ID, "/runs/"+seg(run.ID), nil, &now)
		if err != nil {
			return err
		}
		if now.Status.Ended() {
			if err := r.format.print(cmd, raw, func(w io.Writer) { printRun(w, now) }); err != nil {
				return err
			}
			if now.Status == act.RunVerified || now.Status == act.RunDone {
				return nil
			}
			return &foundError{text: fmt.Sprintf("Run %s ended %s: %s", now.ID, now.Status, printable(now.Reason))}
		}
		if line := progress(now); line != said {
			said = line
			pause = 200 * time.Millisecond
			if terminal(talk) {
				fmt.Fprintln(talk, line)
			}
			sayWaiting(talk, now)
		}
		if err := sleep(cmd.Context(), pause); err != nil {
			return fmt.Errorf("cannot follow run %s: interrupted; it goes on: evenkeel runbook status %s", run.ID, run.ID)
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// progress is one line on where a run is.
func progress(run act.Run) string {
	parts := []string{run.ID, string(run.Status)}
	for _, s := range run.Steps {
		if s.Status == act.StepRunning || s.Status == act.StepWaiting || s.Status == act.StepInterrupted {
			parts = append(parts, fmt.Sprintf("step %s %s", printable(s.Name), s.Status))
		}
	}
	return strings.Join(parts, " · ")
}

// sayWaiting says what a person can do about a run that waits.
func sayWaiting(w io.Writer, run act.Run) {
	for _, a := range run.Approvals {
		if a.Decision == "" {
			by := a.Part
			if by == "" {
				by = "somebody else"
			}
			fmt.Fprintf(w, "Step %d waits for the approval of %s (risk %s): evenkeel runbook approve %s %d\n", a.Step, by, a.Risk, run.ID, a.Step)
		}
	}
	for _, s := range run.Steps {
		if s.Status == act.StepInterrupted {
			fmt.Fprintf(w, "Step %d was interrupted: evenkeel runbook retry|skip %s %d\n", s.Index, run.ID, s.Index)
		}
	}
}

func runbookRuns(r *remote) *cobra.Command {
	var active, waiting bool
	var incident, limit int
	var book string
	cmd := &cobra.Command{
		Use: "runs", Args: cobra.NoArgs, Short: "List runs, newest first",
		Example: "  evenkeel runbook runs --waiting\n  evenkeel runbook runs --incident 7",
		RunE: func(cmd *cobra.Command, _ []string) error {
			flag := func(on bool) string {
				if on {
					return "true"
				}
				return ""
			}
			return list(cmd, r, "list runs", "/runs", values("active", flag(active), "waiting", flag(waiting), "incident", limitText(incident), "runbook", book, "limit", limitText(limit)),
				"There are no such runs.", runTable)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&active, "active", false, "only those that have not ended")
	f.BoolVar(&waiting, "waiting", false, "only those that wait for an approval or a decision")
	f.IntVar(&incident, "incident", 0, "only those for this incident")
	f.StringVar(&book, "runbook", "", "only those of this runbook")
	f.IntVar(&limit, "limit", 0, "at most so many (default 100)")
	r.liveFlag(cmd, "incident", allIncidents)
	r.liveFlag(cmd, "runbook", runbooks)
	return cmd
}

func runTable(items []act.Run) *table {
	t := columns("RUN", "STATUS", "RUNBOOK", "INCIDENT", "WHO", "STARTED", "REASON")
	for _, x := range items {
		t.row(x.ID, string(x.Status), x.Runbook, incidentText(x.Incident), x.Actor.Name(), ago(x.StartedAt), x.Reason)
	}
	return t
}

func runbookRunShow(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "status RUN", Args: cobra.ExactArgs(1), ValidArgsFunction: r.live(allRuns), Short: "Show one run with its steps and outputs",
		Example: "  evenkeel runbook status r-1f0c2d3e4a5b6c7d",
		RunE: func(cmd *cobra.Command, args []string) error {
			return one(cmd, r, "show run "+args[0], "/runs/"+seg(args[0]), func(w io.Writer, run act.Run) {
				printRun(w, run)
				sayWaiting(cmd.ErrOrStderr(), run)
			})
		},
	}
}

// faultText says how the fault of a rehearsal stands.
func faultText(run act.Run) string {
	out := run.Fault
	for _, at := range []struct {
		what string
		when time.Time
	}{{"in place", run.FaultAt}, {"shown", run.ShownAt}, {"over", run.FaultOverAt}} {
		if !at.when.IsZero() {
			out += ", " + at.what + " " + exactly(at.when)
		}
	}
	return out
}

func printRun(w io.Writer, run act.Run) {
	s := sheet{}
	s.add("run", run.ID)
	s.add("runbook", run.Runbook+": "+run.Title)
	s.add("status", string(run.Status))
	s.add("reason", run.Reason)
	s.add("service", string(run.Service))
	s.add("incident", incidentText(run.Incident))
	s.add("objective", string(run.Objective))
	s.add("who", run.Actor.Name())
	for _, k := range sortedKeys(run.Params) {
		s.add("parameter "+k, run.Params[k])
	}
	s.add("change", run.Change)
	s.add("taken by", string(run.TakenBy))
	s.add("mode", string(run.Mode))
	s.add("fault", faultText(run))
	s.add("glass broken", run.BreakGlass)
	s.add("started", exactly(run.StartedAt))
	s.add("ended", exactly(run.EndedAt))
	s.write(w)
	if len(run.Steps) == 0 {
		return
	}
	fmt.Fprintln(w)
	t := columns("STEP", "NAME", "LANGUAGE", "RISK", "STATUS", "ATTEMPT", "TOOK", "DETAIL")
	for _, st := range run.Steps {
		took := ""
		if !st.StartedAt.IsZero() && !st.EndedAt.IsZero() { // a refused one never began
			took = short(st.EndedAt.Sub(st.StartedAt))
		}
		name := st.Name
		if st.Rollback {
			name += " (rollback)"
		}
		t.row(strconv.Itoa(st.Index), name, st.Language, string(st.Risk), string(st.Status), strconv.Itoa(st.Attempt), took, st.Detail)
	}
	t.write(w)
	for _, st := range run.Steps {
		if strings.TrimSpace(st.Output) != "" {
			fmt.Fprintf(w, "\noutput of %s:\n%s\n", printable(st.Name), indent(printableText(st.Output)))
		}
	}
}
