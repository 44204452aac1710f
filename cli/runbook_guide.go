package cli

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/act/account"
	"github.com/evenkeel/evenkeel/act/runbook"
	"github.com/evenkeel/evenkeel/api"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/learn/approval"
)

func init() { verbs = append(verbs, newCanI, newDuty, newLend) }

func newCanI() *cobra.Command {
	var as string
	var params []string
	var in api.Can
	var mode string
	cmd := &cobra.Command{
		Use: "can-i RUNBOOK[/STEP]", GroupID: "act", Args: cobra.ExactArgs(1), Short: "Say what you may do of a runbook, step by step, and why",
		Long: `Say what you, or somebody else, may do of a runbook now: each step with its class, the
answer, the sentence that explains it, and who could approve it, nearest to the work
first.

Exit code 0: all of it alone. 1: something takes an approval, or is not yours. 2: it
could not be told.`,
		Example: "  evenkeel can-i checkout-rollback\n  evenkeel can-i checkout-rollback/roll-back --as alice --incident 7",
	}
	r := newRemote(cmd)
	cmd.ValidArgsFunction = r.live(runbooks)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		name, step, one := strings.Cut(args[0], "/")
		in.Person, in.Mode = declare.PersonID(as), act.RunMode(mode)
		var err error
		if in.Params, err = pairs("parameter", params); err != nil {
			return err
		}
		c, err := r.client(cmd)
		if err != nil {
			return err
		}
		var may api.MayDo
		raw, err := c.do(cmd.Context(), "ask about runbook "+name, post, "/runbooks/"+seg(name)+"/can", nil, in, &may)
		if err != nil {
			return err
		}
		alone, found := true, false
		for _, s := range may.Steps {
			if one && s.Name != step && strconv.Itoa(s.Step) != step {
				continue
			}
			found = true
			alone = alone && s.Verdict.OK()
		}
		if one && !found {
			return fmt.Errorf("cannot ask about step %q: runbook %s has none of that name", step, name)
		}
		if err := r.format.print(cmd, raw, func(w io.Writer) { printMay(w, may, step) }); err != nil {
			return err
		}
		if !alone {
			return &foundError{}
		}
		return nil
	}
	f := cmd.Flags()
	f.StringVar(&as, "as", "", "somebody else")
	f.StringArrayVarP(&params, "param", "p", nil, "name=value (may be repeated)")
	f.Int64Var(&in.Incident, "incident", 0, "the incident that it would be for")
	f.StringVar(&mode, "mode", "", "dry or rehearsal, instead of a real run")
	f.StringVar(&in.BreakGlass, "break-glass", "", "the reason, to see what breaking the glass would allow")
	r.liveFlag(cmd, "as", people)
	return cmd
}

func printMay(w io.Writer, may api.MayDo, only string) {
	fmt.Fprintf(w, "%s, %s. Certificate: %s\n\n", may.Person, may.Level, may.Certificate.Why)
	t := columns("STEP", "NAME", "CLASS", "ANSWER", "WHY", "NEAREST APPROVERS")
	for _, s := range may.Steps {
		if only != "" && s.Name != only && strconv.Itoa(s.Step) != only {
			continue
		}
		var near []string
		for i, a := range s.Approvers {
			if i < 3 {
				near = append(near, string(a.Person))
			}
		}
		t.row(strconv.Itoa(s.Step), s.Name, string(s.Verdict.Class), string(s.Verdict.Answer), s.Verdict.Why, strings.Join(near, ", "))
	}
	t.write(w)
}

// pairs reads what a flag that may be repeated was given: name=value, each name once.
func pairs(what string, list []string) (map[string]string, error) {
	var out map[string]string
	for _, p := range list {
		k, v, ok := strings.Cut(p, "=")
		if !ok || k == "" {
			return nil, fmt.Errorf("cannot use %s %q: expected name=value", what, p)
		}
		if was, twice := out[k]; twice {
			return nil, fmt.Errorf("cannot use %s %q: got %q and %q, expected it once", what, k, clip(was, 60), clip(v, 60))
		}
		if out == nil {
			out = map[string]string{}
		}
		out[k] = v
	}
	return out, nil
}

func runbookTake(r *remote) *cobra.Command {
	return r.changes(&cobra.Command{
		Use: "take RUN", Args: cobra.ExactArgs(1), ValidArgsFunction: r.live(waitingRuns), Short: "Go on in your own name with a run that waits for somebody who may",
		Example: "  evenkeel runbook take r-1f0c2d3e4a5b6c7d",
		RunE: func(cmd *cobra.Command, args []string) error {
			return change(cmd, r, "take run "+args[0], post, "/runs/"+seg(args[0])+"/take", nil, printRun)
		},
	})
}

func runbookTick(r *remote) *cobra.Command {
	var in api.Ticking
	cmd := &cobra.Command{
		Use: "tick RUN [STEP]", Args: cobra.RangeArgs(1, 2), ValidArgsFunction: r.live(activeRuns), Short: "Say that a step by hand has been done, or could not be",
		Example: "  evenkeel runbook tick r-1f0c2d3e4a5b6c7d call-provider --minutes 7\n  evenkeel runbook tick r-1f0c2d3e4a5b6c7d --failed --note \"nobody answers\"",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := r.client(cmd)
			if err != nil {
				return err
			}
			var run act.Run
			if _, err := c.get(cmd.Context(), "tick a step of run "+args[0], "/runs/"+seg(args[0]), nil, &run); err != nil {
				return err
			}
			for _, st := range run.Steps {
				if st.Language == "manual" && st.Status == act.StepRunning && (len(args) == 1 || args[1] == strconv.Itoa(st.Index) || args[1] == st.Name) {
					return change(cmd, r, fmt.Sprintf("tick step %d of run %s", st.Index, run.ID), post, fmt.Sprintf("/runs/%s/steps/%d/tick", seg(run.ID), st.Index), in, printRun)
				}
			}
			return fmt.Errorf("cannot tick a step of run %s: none waits to be done by hand", run.ID)
		},
	}
	cmd.Flags().IntVar(&in.Minutes, "minutes", 0, "how long it took")
	cmd.Flags().StringVarP(&in.Note, "note", "m", "", "what was done or seen")
	cmd.Flags().BoolVar(&in.Failed, "failed", false, "it could not be done")
	return r.changes(cmd)
}

func newDuty() *cobra.Command {
	cmd := &cobra.Command{
		Use: "duty", GroupID: "act", Aliases: []string{"duties"}, Short: "What is owed after an exception: list, done",
		Long: `What is owed after an exception to the usual approval: the record of an approval that
was spoken, within a day; the review of a broken glass, within three. What is overdue
is a finding.`,
		Example: "  evenkeel duty list\n  evenkeel duty done 3 confirmed \"I told alice to roll back\"",
	}
	r := newRemote(cmd)
	var all bool
	ls := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Args: cobra.NoArgs, Short: "List what is owed", Example: "  evenkeel duty list --all",
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := values()
			if all {
				q = values("all", "true")
			}
			return list(cmd, r, "list duties", "/duties", q, "Nothing is owed.", func(items []act.Duty) *table {
				t := columns("ID", "KIND", "RUN", "OWED BY", "DUE", "DONE", "WHAT")
				for _, d := range items {
					by := string(d.OwedBy)
					if by == "" {
						by = "anybody but " + string(d.NotBy)
					}
					t.row(fmt.Sprint(d.ID), string(d.Kind), d.Run, by, exactly(d.DueAt), d.Verdict, d.Summary)
				}
				return t
			})
		},
	}
	ls.Flags().BoolVar(&all, "all", false, "those that are done too")
	done := &cobra.Command{
		Use: "done ID VERDICT TEXT", Args: cobra.ExactArgs(3), Short: "Do a duty: confirmed|disputed a spoken approval, right|wrong a broken glass",
		Example: "  evenkeel duty done 3 confirmed \"I told alice to roll back\"",
		RunE: func(cmd *cobra.Command, args []string) error {
			return change(cmd, r, "do duty "+args[0], post, "/duties/"+seg(args[0]), api.Fulfilment{Verdict: args[1], Text: args[2]}, func(w io.Writer, d act.Duty) {
				fmt.Fprintf(w, "%s of run %s: %s\n", d.Kind, d.Run, d.Verdict)
			})
		},
	}
	cmd.AddCommand(ls, r.changes(done))
	return cmd
}

func newLend() *cobra.Command {
	cmd := &cobra.Command{
		Use: "lend", GroupID: "act", Aliases: []string{"loans"}, Short: "Lend your authority to approve for a time: to, list, end",
		Long: `Lend your authority to approve for a time, as while you are away. It is worth what your
own is; nobody approves with it what you have asked for; it cannot be lent on.`,
		Example: "  evenkeel lend to dave --for 7d --reason \"on holiday\"\n  evenkeel lend list",
	}
	r := newRemote(cmd)
	var in api.Lending
	var upto string
	to := &cobra.Command{
		Use: "to PERSON", Args: cobra.ExactArgs(1), ValidArgsFunction: r.live(people), Short: "Lend it to somebody", Example: "  evenkeel lend to dave --for 7d --upto A4 --reason \"on holiday\"",
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Borrower, in.Upto = declare.PersonID(args[0]), declare.Class(upto)
			return change(cmd, r, "lend authority", post, "/loans", in, func(w io.Writer, l account.Loan) {
				fmt.Fprintf(w, "%d: %s may approve up to %s for %s until %s\n", l.ID, l.Borrower, l.Upto, l.Lender, exactly(l.EndsAt))
			})
		},
	}
	to.Flags().StringVar(&in.Duration, "for", "", "how long, as 12h or 14d, at most 30d")
	to.Flags().StringVar(&in.Reason, "reason", "", "why")
	to.Flags().StringVar(&upto, "upto", "A5", "no further than this class, A2 to A6")
	_ = to.MarkFlagRequired("for")
	_ = to.MarkFlagRequired("reason")
	ls := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Args: cobra.NoArgs, Short: "List what is lent", Example: "  evenkeel lend list",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return list(cmd, r, "list loans", "/loans", values(), "Nothing is lent.", func(items []account.Loan) *table {
				t := columns("ID", "FROM", "TO", "UPTO", "UNTIL", "WHY")
				for _, l := range items {
					t.row(fmt.Sprint(l.ID), string(l.Lender), string(l.Borrower), string(l.Upto), exactly(l.EndsAt), l.Reason)
				}
				return t
			})
		},
	}
	end := &cobra.Command{
		Use: "end ID", Args: cobra.ExactArgs(1), Short: "Take it back", Example: "  evenkeel lend end 3",
		RunE: func(cmd *cobra.Command, args []string) error {
			return change[struct{}](cmd, r, "end loan "+args[0], del, "/loans/"+seg(args[0]), nil, nil)
		},
	}
	cmd.AddCommand(r.changes(to), ls, r.changes(end))
	return cmd
}

func runbookUpkeep(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "upkeep", Args: cobra.NoArgs, Short: "List which runbooks somebody should look at, and which alerts page without one",
		Long: `List which runbooks somebody should look at: breakers that are open, dates that are over,
components that have changed since the last reading, votes against, never used; and
alerts that page without a runbook.

Exit code 0: nothing. 1: something. 2: it could not be told.`,
		Example: "  evenkeel runbook upkeep",
		RunE: func(cmd *cobra.Command, _ []string) error {
			n := 0
			err := list(cmd, r, "list the upkeep", "/upkeep", values(), "Every runbook is in order, and every page has one.", func(items []runbook.Upkeep) *table {
				n = len(items)
				t := columns("KIND", "RUNBOOK", "WHY")
				for _, u := range items {
					t.row(u.Kind, u.Runbook, u.Why)
				}
				return t
			})
			if err == nil && n > 0 {
				return &foundError{}
			}
			return err
		},
	}
}

func runbookRead(r *remote) *cobra.Command {
	return r.changes(&cobra.Command{
		Use: "read NAME", Args: cobra.ExactArgs(1), ValidArgsFunction: r.live(runbooks), Short: "Say that you have read a runbook and found it right",
		Example: "  evenkeel runbook read checkout-rollback",
		RunE: func(cmd *cobra.Command, args []string) error {
			return change[struct{}](cmd, r, "record the reading of "+args[0], post, "/runbooks/"+seg(args[0])+"/read", nil, nil)
		},
	})
}

func runbookReset(r *remote) *cobra.Command {
	var why string
	cmd := &cobra.Command{
		Use: "reset NAME", Args: cobra.ExactArgs(1), ValidArgsFunction: r.live(runbooks), Short: "Let a runbook run again whose runs had not helped, after looking",
		Example: "  evenkeel runbook reset checkout-rollback --reason \"it was the database\"",
		RunE: func(cmd *cobra.Command, args []string) error {
			return change[struct{}](cmd, r, "close the breaker of "+args[0], post, "/runbooks/"+seg(args[0])+"/breaker", api.Closing{Why: why}, nil)
		},
	}
	cmd.Flags().StringVarP(&why, "reason", "m", "", "what was found")
	_ = cmd.MarkFlagRequired("reason") // fails only for a flag that is not there
	return r.changes(cmd)
}

func runbookVote(r *remote) *cobra.Command {
	var note string
	cmd := &cobra.Command{
		Use: "vote RUN yes|no", Args: cobra.ExactArgs(2), Short: "Say after a run whether its runbook was of use",
		Example: "  evenkeel runbook vote r-1f0c2d3e4a5b6c7d no --note \"step 2 names a host that is gone\"",
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[1] != "yes" && args[1] != "no" {
				return fmt.Errorf("cannot vote %q: expected yes or no", args[1])
			}
			return change[struct{}](cmd, r, "vote on run "+args[0], post, "/runs/"+seg(args[0])+"/vote", api.Voting{Useful: args[1] == "yes", Note: note}, nil)
		},
	}
	cmd.Flags().StringVarP(&note, "note", "m", "", "what was missing, or wrong")
	return r.changes(cmd)
}

func runbookApprovals(r *remote) *cobra.Command {
	var days int
	var service, team string
	var records bool
	cmd := &cobra.Command{
		Use: "approvals", Args: cobra.NoArgs, Short: "Say how approvals went: how long people waited, and what came of it",
		Example: "  evenkeel runbook approvals --days 90 --team shop --records",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("days") && days < 1 {
				return fmt.Errorf("cannot measure approvals of %d days: expected from 1 to 3650", days)
			}
			return list(cmd, r, "measure approvals", "/approvals", values("days", limitText(days), "service", service, "team", team), "Nothing was asked in that time.", func(items []approval.Measure) *table {
				if records {
					t := columns("ASKED", "RUN", "STEP", "CLASS", "SERVICE", "WAITED", "ANSWER", "WHY")
					for _, a := range items[0].Records {
						t.row(a.AskedAt.Format("2006-01-02 15:04"), a.Run, a.Runbook+" "+a.Name, string(a.Class), string(a.Service), a.Waited().Round(time.Second).String(), a.Decision, a.Reason)
					}
					return t
				}
				t := columns("CLASS", "ANSWERED", "APPROVED UNCHANGED", "REFUSED", "EXPIRED", "WITHIN 10s", "MEDIAN", "P90", "ADVICE")
				for _, w := range items {
					t.row(cmp.Or(string(w.Class), "all"), fmt.Sprint(w.N), fmt.Sprintf("%.0f %%", 100*w.Share), fmt.Sprint(w.Refused), fmt.Sprint(w.Expired), fmt.Sprintf("%.0f %%", 100*w.Seconds), fmt.Sprintf("%.0fs", w.Median), fmt.Sprintf("%.0fs", w.P90), w.Advice)
				}
				return t
			})
		},
	}
	cmd.Flags().IntVar(&days, "days", 0, "so many days back (default 30)")
	cmd.Flags().StringVar(&service, "service", "", "only this service's")
	cmd.Flags().StringVar(&team, "team", "", "only those of the services that this team owns")
	cmd.Flags().BoolVar(&records, "records", false, "list the questions behind")
	r.liveFlag(cmd, "service", services)
	return cmd
}
