package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/api"
)

func init() { verbs = append(verbs, newRunbook) }

func newRunbook() *cobra.Command {
	cmd := &cobra.Command{
		Use: "runbook", GroupID: "act", Aliases: []string{"runbooks"},
		Short: "Run runbooks: list, show, check, run, approve, refuse, take, tick, retry, skip, cancel, runs",
		Example: `  evenkeel runbook run checkout-rollback -p version=1.4.2 --incident 7 --wait
  evenkeel runbook approve r-1f0c2d3e4a5b6c7d`,
	}
	r := newRemote(cmd)
	cmd.AddCommand(
		runbookList(r), runbookShow(r), runbookCheck(r), runbookRun(r), runbookRuns(r), runbookRunShow(r),
		runbookDecide(r, true), runbookDecide(r, false),
		runbookProceed(r, "retry", "Run a step again that was interrupted"),
		runbookProceed(r, "skip", "Go on without a step that was interrupted"),
		runbookCancel(r), runbookTake(r), runbookTick(r),
		runbookUpkeep(r), runbookRead(r), runbookVote(r), runbookReset(r), runbookApprovals(r),
	)
	return cmd
}

func runbookList(r *remote) *cobra.Command {
	var service string
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Args: cobra.NoArgs, Short: "List runbooks",
		Example: "  evenkeel runbook list --service checkout",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return list(cmd, r, "list runbooks", "/runbooks", values("service", service), "There are no runbooks.", func(items []api.Runbook) *table {
				t := columns("NAME", "RISK", "STEPS", "SERVICES", "PARAMETERS", "TITLE")
				for _, b := range items {
					names := make([]string, len(b.Params))
					for i, p := range b.Params {
						names[i] = p.Name
					}
					title := b.Title
					if b.Stale {
						title += " (nobody has verified it since " + b.VerifyBy.Format("2006-01-02") + ")"
					}
					t.row(b.Name, string(b.Risk), fmt.Sprint(b.Steps), join(b.Services), strings.Join(names, ", "), title)
				}
				return t
			})
		},
	}
	cmd.Flags().StringVar(&service, "service", "", "only those for this service")
	r.liveFlag(cmd, "service", services)
	return cmd
}

func runbookShow(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Args: cobra.ExactArgs(1), ValidArgsFunction: r.live(runbooks), Short: "Show a runbook with its parameters and steps",
		Example: "  evenkeel runbook show checkout-rollback",
		RunE: func(cmd *cobra.Command, args []string) error {
			return one(cmd, r, "show runbook "+args[0], "/runbooks/"+seg(args[0]), printRunbook)
		},
	}
}

func printRunbook(w io.Writer, b api.RunbookText) {
	s := sheet{}
	s.add("runbook", b.Name+": "+b.Title)
	s.add("summary", b.Summary)
	s.add("services", join(b.Services))
	s.add("risk", string(b.Risk))
	verify := "the objective that paged"
	if b.Objective != "" {
		verify = string(b.Objective)
	}
	s.add("verified by", verify+" within "+b.Within)
	s.add("file", b.Declared.String())
	s.write(w)
	if len(b.Params) > 0 {
		fmt.Fprintln(w)
		t := columns("PARAMETER", "TYPE", "REQUIRED", "DEFAULT", "ALLOWED", "DESCRIPTION")
		for _, p := range b.Params {
			required := "no"
			if p.Required {
				required = "yes"
			}
			allowed := p.Pattern
			if len(p.Values) > 0 {
				allowed = strings.Join(p.Values, ", ")
			}
			t.row(p.Name, string(p.Type), required, p.Default, allowed, p.Description)
		}
		t.write(w)
	}
	for _, st := range b.StepList {
		fmt.Fprintln(w)
		about := st.Language + ", risk " + string(st.Risk)
		if st.Rollback {
			about += ", runs when the run fails"
		}
		fmt.Fprintf(w, "%d. %s (%s)\n", st.Index, printable(st.Name), about)
		fmt.Fprintln(w, indent(printableText(st.Body)))
	}
}

func indent(text string) string { return "     " + strings.ReplaceAll(text, "\n", "\n     ") }
