package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/api"
	"github.com/evenkeel/evenkeel/declare"
)

func runbookDecide(r *remote, yes bool) *cobra.Command {
	var reason, voiceOf string
	var sure bool
	cmd := &cobra.Command{
		Use: "approve RUN [STEP]", Args: cobra.RangeArgs(1, 2), ValidArgsFunction: r.live(waitingRuns), Short: "Let a step run that somebody else asked for",
		Long: `Let a step run that somebody else asked for. It shows the step as it will run and asks;
--yes answers for scripts, which must have looked at it themselves. What was shown is
what runs: when the step has changed meanwhile, the approval is refused.

STEP is a number or a name; without it, it is the one that waits.`,
		Example: "  evenkeel runbook approve r-1f0c2d3e4a5b6c7d\n  evenkeel runbook approve r-1f0c2d3e4a5b6c7d restart --yes",
	}
	verb := "approve"
	if !yes {
		verb = "refuse"
		cmd.Use, cmd.Short = "refuse RUN [STEP]", "Do not let a step run, and say why"
		cmd.Long = ""
		cmd.Example = "  evenkeel runbook refuse r-1f0c2d3e4a5b6c7d --reason \"drain it instead\""
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := r.client(cmd)
		if err != nil {
			return err
		}
		var run act.Run
		if _, err := c.get(cmd.Context(), verb+" a step of run "+args[0], "/runs/"+seg(args[0]), nil, &run); err != nil {
			return err
		}
		a, err := theApproval(run, args[1:])
		if err != nil {
			return err
		}
		path := fmt.Sprintf("/runs/%s/steps/%d/%s", seg(run.ID), a.Step, verb)
		what := fmt.Sprintf("%s step %d of run %s", verb, a.Step, run.ID)
		if !yes {
			return change(cmd, r, what, post, path, api.Refusing{ShownHash: a.ShownHash, Reason: reason}, printRun)
		}
		showStep(cmd.ErrOrStderr(), run, a)
		if voiceOf != "" {
			if reason == "" {
				return errors.New("cannot write down an approval by voice: --reason has to say what was said")
			}
			path, what = fmt.Sprintf("/runs/%s/steps/%d/voice", seg(run.ID), a.Step), "write down the approval of "+voiceOf
			return change(cmd, r, what, post, path, api.Voice{Commander: declare.PersonID(voiceOf), ShownHash: a.ShownHash, Words: reason}, printRun)
		}
		if !sure && !r.dryRun {
			if err := ask(cmd, "Let it run?"); err != nil {
				return err
			}
		}
		return change(cmd, r, what, post, path, api.Approving{ShownHash: a.ShownHash, Reason: reason}, printRun)
	}
	cmd.Flags().StringVarP(&reason, "reason", "m", "", "why")
	if yes {
		cmd.Flags().StringVar(&voiceOf, "by-voice-of", "", "the incident's commander, who said yes; --reason is what was said")
		cmd.Flags().BoolVarP(&sure, "yes", "y", false, "do not ask")
	} else {
		_ = cmd.MarkFlagRequired("reason") // fails only for a flag that is not there
	}
	return r.changes(cmd)
}

// theApproval is the open one of the step that is named, or the only open one.
func theApproval(run act.Run, args []string) (act.Approval, error) {
	var open []act.Approval
	for _, a := range run.Approvals {
		if a.Decision != "" {
			continue
		}
		if len(args) == 0 || args[0] == strconv.Itoa(a.Step) || (a.Step < len(run.Steps) && args[0] == run.Steps[a.Step].Name) {
			open = append(open, a)
		}
	}
	switch {
	case len(open) == 0 && len(args) > 0:
		return act.Approval{}, fmt.Errorf("cannot decide on step %q of run %s: it waits for no approval", args[0], run.ID)
	case len(open) == 0:
		return act.Approval{}, fmt.Errorf("cannot decide on run %s: it is %s and waits for no approval", run.ID, run.Status)
	case len(open) > 1:
		return act.Approval{}, fmt.Errorf("cannot choose a step of run %s: %d wait for an approval; name one", run.ID, len(open))
	}
	return open[0], nil
}

func showStep(w io.Writer, run act.Run, a act.Approval) {
	fmt.Fprintf(w, "%s asks for step %d of %q, risk %s:\n", a.RequestedBy.Name(), a.Step, printable(run.Title), a.Risk)
	if a.Step >= 0 && a.Step < len(run.Steps) {
		st := run.Steps[a.Step]
		if a.Evidence != "" {
			fmt.Fprintln(w, indent(printableText(a.Evidence)))
		}
		fmt.Fprintf(w, "%s (%s)\n%s\n", printable(st.Name), st.Language, indent(printableText(st.Shown)))
	}
}

// ask wants a yes from a person.
func ask(cmd *cobra.Command, question string) error {
	in := cmd.InOrStdin()
	if f, ok := in.(*os.File); !ok || !terminal(f) {
		return errors.New("cannot ask: stdin is no terminal; --yes answers for you")
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s [y/N] ", question)
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("cannot read the answer: %w", err)
	}
	if answer := strings.ToLower(strings.TrimSpace(line)); answer != "y" && answer != "yes" {
		return errors.New("cannot approve: the answer was no")
	}
	return nil
}

func runbookProceed(r *remote, verb, short string) *cobra.Command {
	return r.changes(&cobra.Command{
		Use: verb + " RUN [STEP]", Args: cobra.RangeArgs(1, 2), ValidArgsFunction: r.live(waitingRuns), Short: short,
		Example: "  evenkeel runbook " + verb + " r-1f0c2d3e4a5b6c7d",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := r.client(cmd)
			if err != nil {
				return err
			}
			var run act.Run
			if _, err := c.get(cmd.Context(), verb+" a step of run "+args[0], "/runs/"+seg(args[0]), nil, &run); err != nil {
				return err
			}
			for _, st := range run.Steps {
				if st.Status == act.StepInterrupted && (len(args) == 1 || args[1] == strconv.Itoa(st.Index) || args[1] == st.Name) {
					return change(cmd, r, fmt.Sprintf("%s step %d of run %s", verb, st.Index, run.ID), post, fmt.Sprintf("/runs/%s/steps/%d/%s", seg(run.ID), st.Index, verb), nil, printRun)
				}
			}
			return fmt.Errorf("cannot %s a step of run %s: none of it is interrupted", verb, run.ID)
		},
	})
}

func runbookCancel(r *remote) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "cancel RUN", Args: cobra.ExactArgs(1), ValidArgsFunction: r.live(activeRuns), Short: "End a run",
		Example: "  evenkeel runbook cancel r-1f0c2d3e4a5b6c7d --reason \"wrong version\"",
		RunE: func(cmd *cobra.Command, args []string) error {
			return change(cmd, r, "cancel run "+args[0], post, "/runs/"+seg(args[0])+"/cancel", api.Cancelling{Reason: reason}, printRun)
		},
	}
	cmd.Flags().StringVarP(&reason, "reason", "m", "", "why")
	return r.changes(cmd)
}
