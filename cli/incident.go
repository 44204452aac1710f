package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/api"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond"
)

func init() { verbs = append(verbs, newIncident) }

func newIncident() *cobra.Command {
	cmd := &cobra.Command{
		Use: "incident", GroupID: "respond", Aliases: []string{"incidents"},
		Short: "Work on what pages: list, show, acknowledge, assign, note, mitigate, resolve, merge, update, watch",
		Example: `  evenkeel incident list
  evenkeel incident ack 7
  evenkeel incident resolve 7 --note "rolled checkout back to 1.4.2"`,
	}
	r := newRemote(cmd)
	cmd.AddCommand(
		incidentList(r), incidentShow(r), incidentTimeline(r), incidentWatch(r), incidentAssign(r), incidentNote(r),
		incidentMove(r, "ack", "acknowledge", "Say that you work on it"),
		incidentMove(r, "mitigate", "mitigate", "Say that users are served again"),
		incidentMove(r, "resolve", "resolve", "Say that the work is done"),
	)
	cmd.AddCommand(escalationVerbs(r)...)
	cmd.AddCommand(append(incidentDesk(r), outcomeVerb(r, "incident", "N"))...)
	return cmd
}

func incidentList(r *remote) *cobra.Command {
	var service, team string
	var all bool
	var limit int
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Args: cobra.NoArgs, Short: "List incidents, newest first: active ones, or --all",
		Example: "  evenkeel incident list --service checkout\n  evenkeel incident list --all -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			active := "true"
			if all {
				active = ""
			}
			return list(cmd, r, "list incidents", "/incidents", values("active", active, "service", service, "team", team, "limit", limitText(limit)),
				"No incident is active.", incidentTable)
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&all, "all", "a", false, "resolved ones too")
	f.StringVar(&service, "service", "", "only those with a finding on this service")
	f.StringVar(&team, "team", "", "only those of this team")
	f.IntVar(&limit, "limit", 0, "at most so many (default 100)")
	r.liveFlag(cmd, "service", services)
	r.liveFlag(cmd, "team", teams)
	return cmd
}

func incidentTable(items []respond.Incident) *table {
	t := columns("N", "STATUS", "SEV", "SERVICE", "ASSIGNEE", "DETECTED", "TITLE")
	for _, i := range items {
		t.row(fmt.Sprint(i.Number), string(i.Status), string(i.Sev), join(i.Services), string(i.Assignee), ago(i.Clocks.Detected), i.Title)
	}
	return t
}

func join[T ~string](items []T) string {
	out := make([]string, len(items))
	for i, x := range items {
		out[i] = string(x)
	}
	return strings.Join(out, ", ")
}

func incidentShow(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "show N", Args: cobra.ExactArgs(1), ValidArgsFunction: r.live(allIncidents), Short: "Show one incident with its clocks and suspects",
		Example: "  evenkeel incident show 7",
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := numberArg("incident", args[0])
			if err != nil {
				return err
			}
			return one(cmd, r, "show incident "+n, "/incidents/"+n, printIncident)
		},
	}
}

func printIncident(w io.Writer, i respond.Incident) {
	s := sheet{}
	s.add("incident", fmt.Sprintf("%d: %s", i.Number, i.Title))
	s.add("status", string(i.Status))
	s.add("severity", string(i.Severity))
	s.add("services", join(i.Services))
	s.add("team", string(i.Team))
	s.add("assignee", string(i.Assignee))
	s.add("runbook", i.Runbook)
	s.add("how bad", string(i.Sev))
	for _, role := range respond.Roles {
		if who := i.Roles[role]; who != "" {
			s.add(string(role), string(who))
		}
	}
	if i.MergedInto != 0 {
		s.add("merged into", fmt.Sprint(i.MergedInto))
	}
	for _, p := range respond.Points {
		text := exactly(*i.Clocks.At(p))
		source := i.Clocks.Sources[p]
		if p == respond.PointImpact && source == "" {
			source = i.Clocks.ImpactSource
		}
		if source != "" && !i.Clocks.At(p).IsZero() {
			text += "  (" + source + ")"
		}
		s.add(string(p), text)
	}
	s.write(w)
	if len(i.Suspects) > 0 {
		fmt.Fprintln(w)
		suspectTable(i.Suspects).write(w)
	}
}

func incidentMove(r *remote, verb, event, short string) *cobra.Command {
	var note string
	cmd := &cobra.Command{
		Use: verb + " N", Args: cobra.ExactArgs(1), ValidArgsFunction: r.live(activeIncidents), Short: short,
		Example: fmt.Sprintf("  evenkeel incident %s 7\n  evenkeel incident %s 7 --note \"looking at the release\"", verb, verb),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := numberArg("incident", args[0])
			if err != nil {
				return err
			}
			return change(cmd, r, event+" incident "+n, post, "/incidents/"+n+"/"+event, api.IncidentNote{Note: note}, incidentLine)
		},
	}
	if verb == "ack" {
		cmd.Aliases = []string{"acknowledge"}
	}
	cmd.Flags().StringVarP(&note, "note", "m", "", "why, for the timeline")
	return r.changes(cmd)
}

func incidentLine(w io.Writer, i respond.Incident) { incidentTable([]respond.Incident{i}).write(w) }

func incidentAssign(r *remote) *cobra.Command {
	return r.changes(&cobra.Command{
		Use: "assign N PERSON", Args: cobra.ExactArgs(2), ValidArgsFunction: r.live(activeIncidents, people), Short: "Give it to somebody",
		Example: "  evenkeel incident assign 7 bob",
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := numberArg("incident", args[0])
			if err != nil {
				return err
			}
			return change(cmd, r, "assign incident "+n, post, "/incidents/"+n+"/assign", api.Assignment{Person: declare.PersonID(args[1])}, incidentLine)
		},
	})
}

func incidentNote(r *remote) *cobra.Command {
	return r.changes(&cobra.Command{
		Use: "note N TEXT…", Args: cobra.MinimumNArgs(2), ValidArgsFunction: r.live(activeIncidents), Short: "Add a line to its timeline (- reads it from stdin)",
		Example: "  evenkeel incident note 7 the provider confirms an outage\n  tail -1 notes | evenkeel incident note 7 -",
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := numberArg("incident", args[0])
			if err != nil {
				return err
			}
			text := strings.Join(args[1:], " ")
			if text == "-" {
				if text, err = readAll(cmd.InOrStdin()); err != nil {
					return err
				}
			}
			return change[struct{}](cmd, r, "note on incident "+n, post, "/incidents/"+n+"/notes", api.TimelineNote{Text: strings.TrimSpace(text)}, nil)
		},
	})
}

// readAll reads what a person pipes in.
func readAll(in io.Reader) (string, error) {
	const most = 1 << 20
	data, err := io.ReadAll(io.LimitReader(in, most+1))
	if err != nil {
		return "", fmt.Errorf("cannot read stdin: %w", err)
	}
	if len(data) > most {
		return "", fmt.Errorf("cannot read stdin: more than 1 MiB")
	}
	return string(data), nil
}

func incidentTimeline(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "timeline N", Args: cobra.ExactArgs(1), ValidArgsFunction: r.live(allIncidents), Short: "Show all that happened, oldest first",
		Example: "  evenkeel incident timeline 7\n  evenkeel incident timeline 7 -o json | jq '.items[].text'",
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := numberArg("incident", args[0])
			if err != nil {
				return err
			}
			return list(cmd, r, "show the timeline of incident "+n, "/incidents/"+n+"/timeline", nil, "Nothing is on record.", factTable)
		},
	}
}

func factTable(items []journal.Fact) *table {
	t := columns("ID", "TIME", "KIND", "WHO", "WHAT")
	for _, f := range items {
		t.row(fmt.Sprint(f.ID), clock(f.At), string(f.Kind), f.Actor.Name(), f.Text)
	}
	return t
}
