package cli

import (
	"cmp"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/api"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/detect/backtest"
	"github.com/evenkeel/evenkeel/learn/tune"
	"github.com/evenkeel/evenkeel/respond"
)

// reviewAlerts is the alert review: the queue, a proposal as a patch, applying it.
func reviewAlerts(r *remote) *cobra.Command {
	var days int
	var severity string
	var apply, backtest, patch bool
	cmd := &cobra.Command{
		Use: "alerts [ALERT]", Args: cobra.MaximumNArgs(1), ValidArgsFunction: cobra.NoFileCompletions, Short: "Show how good each alert is, the worst first, and what could be changed",
		Long:    "Show how good each alert is, the worst first. With the name of an alert show the\nproposal as an edit of its rule file: --backtest says what it had saved and lost,\n--patch prints the patch alone, --apply writes it into the server's workspace.\n\nExit codes: 0 fine, 1 the backtest says that a detection would be lost (nothing is applied then), 2 it could not be done.",
		Example: "  evenkeel review alerts\n  evenkeel review alerts QueueStuck --backtest\n  evenkeel review alerts QueueStuck --patch | git apply\n  evenkeel review alerts QueueStuck --apply",
		RunE: func(cmd *cobra.Command, args []string) error {
			q := values("days", limitText(days))
			if len(args) == 0 {
				if apply || backtest || patch {
					return fmt.Errorf("cannot do that to all alerts: name one")
				}
				return list(cmd, r, "review alerts", "/alert-review", q, "Nobody was told of anything.", alertTable)
			}
			return reviewAlert(cmd, r, q, args[0], severity, days, backtest || apply, apply, patch)
		},
	}
	f := cmd.Flags()
	f.IntVar(&days, "days", 30, "how far back")
	f.StringVar(&severity, "severity", "page", "of the alert, where several have its name")
	f.BoolVar(&backtest, "backtest", false, "replay the server's samples under both")
	f.BoolVar(&apply, "apply", false, "write it into the server's workspace, after a backtest")
	f.BoolVar(&patch, "patch", false, "print the patch alone")
	return r.changes(cmd)
}

func alertTable(items []tune.ReviewedAlert) *table {
	t := columns("ALERT", "SEVERITY", "EPISODES", "NEEDLESS", "PRECISION", "FLAPPING", "TO ACK", "ACTION", "NONE", "DUPL", "FALSE", "MAINT", "UNSAID", "PROPOSAL")
	for _, l := range items {
		precision, ack := "", ""
		if l.Precision != nil {
			precision = fmt.Sprintf("%.0f %%", 100**l.Precision)
		}
		if l.AckSeconds != nil {
			ack = time.Duration(*l.AckSeconds * float64(time.Second)).Round(time.Second).String()
		}
		proposal := l.Why
		if p := l.Proposal; p != nil {
			proposal = fmt.Sprintf("%s: %s → %s (saves %d)", p.Field, cmp.Or(p.From, "none"), p.To, p.Saved)
		}
		name := l.Name
		if l.Objective != "" {
			name += " " + string(l.Objective)
		}
		t.row(name, string(l.Severity), fmt.Sprint(l.Episodes), fmt.Sprintf("%.1f", l.Needless), precision, fmt.Sprintf("%.0f %%", 100*l.Flapping), ack,
			fmt.Sprint(l.Action), fmt.Sprint(l.NoAction), fmt.Sprint(l.Duplicate), fmt.Sprint(l.False), fmt.Sprint(l.Planned), fmt.Sprint(l.Unknown), proposal)
	}
	return t
}

func reviewAlert(cmd *cobra.Command, r *remote, q url.Values, name, severity string, days int, backtest, apply, patch bool) error {
	c, err := r.client(cmd)
	if err != nil {
		return err
	}
	q.Set("alert", name)
	q.Set("severity", severity)
	if backtest {
		q.Set("backtest", strconv.FormatBool(true))
		c.wait = max(c.wait, 10*time.Minute) // a replay takes its time
	}
	var change tune.RuleEdit
	raw, err := c.get(cmd.Context(), "review alert "+name, "/alert-review/change", q, &change)
	if err != nil {
		return err
	}
	lost := change.Verdict != nil && len(change.Verdict.Lost) > 0
	if apply && !lost {
		in := api.Applying{Alert: name, Severity: detect.Severity(severity), Days: days, Shown: change.Shown}
		if r.dryRun {
			return c.dry(cmd.OutOrStdout(), post, "/alert-review/apply", in)
		}
		if _, err := c.do(cmd.Context(), "apply the change of "+name, post, "/alert-review/apply", nil, in, nil); err != nil {
			return err
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "Applied to %s.\n", change.Line.Proposal.File)
	}
	if patch {
		_, err = io.WriteString(cmd.OutOrStdout(), change.Diff)
	} else {
		err = r.format.print(cmd, raw, func(w io.Writer) { printChange(w, change) })
	}
	if err == nil && lost {
		return &foundError{text: "the change would lose " + plural(len(change.Verdict.Lost), "detection")}
	}
	return err
}

func printChange(w io.Writer, c tune.RuleEdit) {
	p := c.Line.Proposal
	fmt.Fprintf(w, "%s\n\n%s", p.Why, c.Diff)
	if v := c.Verdict; v != nil {
		fmt.Fprintf(w, "\nbacktest from %s to %s: pages %d → %d (%d saved), firings %d → %d, detections lost: %d, detected later by up to %.0f s",
			here(v.From), here(v.To), v.PagesToday, v.PagesThen, v.PagesSaved, v.FiringsToday, v.FiringsThen, len(v.Lost), v.LaterSeconds)
		if v.Unseen > 0 {
			fmt.Fprintf(w, "; %d episodes are not in the samples any more", v.Unseen)
		}
		fmt.Fprintln(w)
	}
}

// reviewOutcomes lists what somebody was told of, with what became of it.
func reviewOutcomes(r *remote) *cobra.Command {
	var from, to timeFlag
	cmd := &cobra.Command{
		Use: "outcomes", Args: cobra.NoArgs, Short: "List what somebody was told of, with what became of it, oldest first",
		Example: "  evenkeel review outcomes --from -7d\n  evenkeel review outcomes -o json > outcomes.json && evenkeel backtest --data series.om --outcomes outcomes.json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return list(cmd, r, "list outcomes", "/outcomes", values("from", from.rfc(), "to", to.rfc()), "Nobody was told of anything.", episodeTable)
		},
	}
	cmd.Flags().Var(&from, "from", "beginning (default: 30 days before the end)")
	cmd.Flags().Var(&to, "to", "end (default: now)")
	return cmd
}

func episodeTable(items []respond.Episode) *table {
	t := columns("FINDING", "OPENED", "LASTED", "SEVERITY", "SERVICE", "NAME", "INCIDENT", "OUTCOME")
	for _, e := range items {
		lasted := "still"
		if !e.Resolved.IsZero() {
			lasted = backtest.Length(e.Resolved.Sub(e.Opened).Seconds())
		}
		incident, outcome := "", e.Outcome.Words()
		if e.Incident != 0 {
			incident = fmt.Sprint(e.Incident)
		}
		if e.Inferred {
			outcome += " (inferred)"
		}
		t.row(fmt.Sprint(e.Finding), clock(e.Opened), lasted, string(e.Severity), string(e.Service), e.Name, incident, outcome)
	}
	return t
}

// outcomeVerb says what became of a finding, or of all of an incident.
func outcomeVerb(r *remote, noun, what string) *cobra.Command {
	var in api.OutcomeGiven
	cmd := &cobra.Command{
		Use: "outcome " + what + " [OUTCOME]", Args: cobra.RangeArgs(1, 2), Short: "Say what became of it: action, no_action, duplicate, false, maintenance",
		ValidArgsFunction: r.live(nil, words(respond.OutcomeLabels)),
		Example:           fmt.Sprintf("  evenkeel %s outcome 7 no_action -m \"it recovers by itself\"", noun),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := numberArg(noun, args[0])
			if err != nil {
				return err
			}
			path := "/" + noun + "s/" + n + "/outcome"
			if len(args) == 1 {
				if noun == "incident" {
					return fmt.Errorf("cannot tell the outcome of incident %s: expected one of %s", n, join(respond.OutcomeLabels))
				}
				return one(cmd, r, "read the outcome of "+noun+" "+n, path, printOutcome)
			}
			in.Outcome = respond.OutcomeLabel(strings.ReplaceAll(args[1], "-", "_"))
			if noun == "incident" {
				return change(cmd, r, "tell the outcome of "+noun+" "+n, put, path, in, func(w io.Writer, o api.OutcomesGiven) { fmt.Fprintln(w, plural(o.Findings, "finding")) })
			}
			return change(cmd, r, "tell the outcome of "+noun+" "+n, put, path, in, printOutcome)
		},
	}
	cmd.Flags().StringVarP(&in.Note, "note", "m", "", "why")
	return r.changes(cmd)
}

func printOutcome(w io.Writer, o respond.Outcome) {
	t := columns("FINDING", "OUTCOME", "BY", "INFERRED", "WHEN", "NOTE")
	t.row(fmt.Sprint(o.Finding), o.Outcome.Words(), o.By.Name(), strconv.FormatBool(o.Inferred), ago(o.At), o.Note)
	t.write(w)
}
