package cli

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/api"
	"github.com/evenkeel/evenkeel/respond"
)

func init() { verbs = append(verbs, newSuspects) }

func newSuspects() *cobra.Command {
	var r *remote
	var from string
	cmd := &cobra.Command{
		Use: "suspects [INCIDENT]", GroupID: "respond", Args: cobra.MaximumNArgs(1),
		Short: "Say what most likely caused an incident, with evidence",
		Long: `Say what most likely caused an incident, best first, with evidence. Without a number
it is the newest active incident.

With --from nothing is asked of a server: a folder is ranked that has any of
metrics.csv (time, resource, metric, value), edges.csv (caller, callee), changes.jsonl
(time, resource, kind, summary), logs.jsonl (time, resource, severity, body),
spans.jsonl (time, duration_ms, trace, span, parent, resource, operation, status) and
case.json (onset, quiet_from, quiet_to, target). Times are RFC 3339 or Unix seconds.

Exit code: 0 whatever the verdict, "nobody" included; 2 it could not be done.`,
		Example: "  evenkeel suspects\n  evenkeel suspects 7 -o json\n  evenkeel suspects --from ./case -o json",
		RunE: func(cmd *cobra.Command, args []string) error {
			if from != "" {
				if len(args) > 0 {
					return fmt.Errorf("cannot rank suspects: got incident %s and --from %s, expected one of them", args[0], from)
				}
				return suspectsFrom(cmd, &r.format, from)
			}
			n, err := theIncident(cmd, r, args)
			if err != nil {
				return err
			}
			return list(cmd, r, "list the suspects of incident "+n, "/incidents/"+n+"/suspects", nil, "Incident "+n+" has no suspects.", suspectTable)
		},
	}
	r = newRemote(cmd)
	cmd.Flags().StringVar(&from, "from", "", "rank the case in this folder instead")
	_ = cmd.MarkFlagDirname("from")
	cmd.ValidArgsFunction = r.live(allIncidents)
	cmd.AddCommand(judgeSuspect(r, "confirm", respond.Confirmed, "Say that a suspect was the cause"), judgeSuspect(r, "reject", respond.Rejected, "Say that a suspect was not the cause"))
	return cmd
}

// judgeSuspect says of one suspect whether it was the cause.
func judgeSuspect(r *remote, verb string, v respond.Verdict, short string) *cobra.Command {
	var note string
	cmd := &cobra.Command{
		Use: verb + " INCIDENT RANK", Args: cobra.ExactArgs(2), ValidArgsFunction: r.live(activeIncidents), Short: short,
		Long:    short + ". It is a fact on the timeline, and later rankings weigh it.",
		Example: fmt.Sprintf("  evenkeel suspects %s 7 1 --note \"seen in the release's diff\"", verb),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := numberArg("incident", args[0])
			if err != nil {
				return err
			}
			rank, err := numberArg("suspect", args[1])
			if err != nil {
				return err
			}
			return change(cmd, r, verb+" suspect "+rank+" of incident "+n, post, "/incidents/"+n+"/suspects/"+rank+"/verdict", api.SuspectVerdict{Verdict: v, Note: note}, func(w io.Writer, l api.List[respond.Suspect]) {
				suspectTable(l.Items).write(w)
			})
		},
	}
	cmd.Flags().StringVarP(&note, "note", "m", "", "why, for the timeline")
	return r.changes(cmd)
}

// theIncident is the one that is named, or the newest active one.
func theIncident(cmd *cobra.Command, r *remote, args []string) (string, error) {
	if len(args) > 0 {
		return numberArg("incident", args[0])
	}
	c, err := r.client(cmd)
	if err != nil {
		return "", err
	}
	var active api.List[respond.Incident]
	if _, err := c.get(cmd.Context(), "list incidents", "/incidents", values("active", "true", "limit", "1"), &active); err != nil {
		return "", err
	}
	if len(active.Items) == 0 {
		return "", errors.New("cannot choose an incident: none is active; name one")
	}
	n := fmt.Sprint(active.Items[0].Number)
	if r.format.name == formatTable {
		fmt.Fprintf(cmd.ErrOrStderr(), "Incident %s: %s\n", n, printable(active.Items[0].Title))
	}
	return n, nil
}

func suspectTable(items []respond.Suspect) *table {
	t := columns("RANK", "SCORE", "VERDICT", "CHANGE", "SERVICE", "AT", "WHAT", "WHY")
	for _, s := range items {
		verdict := ""
		if s.Decision != nil {
			verdict = string(s.Decision.Verdict)
		}
		t.row(fmt.Sprint(s.Rank), fmt.Sprintf("%.2f", s.Score), verdict, s.Change, string(s.Service), ago(s.At), s.Summary, s.Reason)
	}
	return t
}
