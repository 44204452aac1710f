package cli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/api"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/respond"
)

// incidentDesk are the verbs beside those that move an incident on.
func incidentDesk(r *remote) []*cobra.Command {
	return []*cobra.Command{
		incidentSeverity(r), incidentRole(r), incidentClock(r), incidentMerge(r), incidentSplit(r),
		incidentAlike(r), incidentTask(r), incidentLink(r), incidentUpdate(r), incidentStatusPage(r),
	}
}

// words offers a closed set of words.
func words[T ~string](all []T) func(context.Context, *client) []cobra.Completion {
	return func(context.Context, *client) (out []cobra.Completion) {
		for _, w := range all {
			out = append(out, string(w))
		}
		return out
	}
}

// onIncident is a verb whose first argument is an incident's number.
func onIncident(run func(cmd *cobra.Command, n string, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		n, err := numberArg("incident", args[0])
		if err != nil {
			return err
		}
		return run(cmd, n, args[1:])
	}
}

func incidentSeverity(r *remote) *cobra.Command {
	var in api.Severing
	cmd := &cobra.Command{
		Use: "severity N SEV", Args: cobra.ExactArgs(2), ValidArgsFunction: r.live(activeIncidents, words(respond.Sevs)), Short: "Say how bad it is: sev1 (worst) to sev4",
		Example: "  evenkeel incident severity 7 sev1 -m \"nobody can pay\"",
		RunE: onIncident(func(cmd *cobra.Command, n string, args []string) error {
			in.Sev = respond.Sev(args[0])
			return change(cmd, r, "set the severity of incident "+n, put, "/incidents/"+n+"/severity", in, incidentLine)
		}),
	}
	cmd.Flags().StringVarP(&in.Why, "note", "m", "", "why, for the timeline")
	return r.changes(cmd)
}

func incidentRole(r *remote) *cobra.Command {
	return r.changes(&cobra.Command{
		Use: "role N ROLE [PERSON]", Args: cobra.RangeArgs(2, 3), ValidArgsFunction: r.live(activeIncidents, words(respond.Roles), people), Short: "Give a role (commander, communications, scribe) to somebody, or to nobody",
		Example: "  evenkeel incident role 7 commander bob\n  evenkeel incident role 7 scribe",
		RunE: onIncident(func(cmd *cobra.Command, n string, args []string) error {
			in := api.RoleGiven{Role: respond.Role(args[0])}
			if len(args) > 1 {
				in.Person = declare.PersonID(args[1])
			}
			return change(cmd, r, "give a role in incident "+n, put, "/incidents/"+n+"/roles", in, printIncident)
		}),
	})
}

func incidentClock(r *remote) *cobra.Command {
	var in api.ClockPoint
	var at timeFlag
	cmd := &cobra.Command{
		Use: "clock N POINT", Args: cobra.ExactArgs(2), ValidArgsFunction: r.live(activeIncidents, words(respond.Points)), Short: "Correct a point of its clock: impact, detected, acknowledged, mitigated, resolved",
		Example: "  evenkeel incident clock 7 impact --at 2026-03-01T02:10:00Z -m \"first call of a customer\"",
		RunE: onIncident(func(cmd *cobra.Command, n string, args []string) error {
			in.Point = respond.Point(args[0])
			in.At = at.t.UTC()
			return change(cmd, r, "set the clock of incident "+n, put, "/incidents/"+n+"/clock", in, printIncident)
		}),
	}
	cmd.Flags().Var(&at, "at", "when, as 2026-03-01T02:10:00Z or -20m")
	cmd.Flags().StringVarP(&in.Why, "note", "m", "", "where the time comes from")
	_ = cmd.MarkFlagRequired("at") // fails only for a flag that is not there
	_ = cmd.MarkFlagRequired("note")
	return r.changes(cmd)
}

func incidentMerge(r *remote) *cobra.Command {
	var in api.Merging
	cmd := &cobra.Command{
		Use: "merge N INTO", Args: cobra.ExactArgs(2), ValidArgsFunction: r.live(activeIncidents, activeIncidents), Short: "Say that it is the same as another one, which gets its findings",
		Example: "  evenkeel incident merge 8 7 -m \"one cause\"",
		RunE: onIncident(func(cmd *cobra.Command, n string, args []string) error {
			into, err := numberArg("incident", args[0])
			if err != nil {
				return err
			}
			number, err := strconv.ParseInt(into, 10, 64)
			if err != nil {
				return err
			}
			in.Into = respond.Number(number)
			return change(cmd, r, "merge incident "+n, post, "/incidents/"+n+"/merge", in, incidentLine)
		}),
	}
	cmd.Flags().StringVarP(&in.Why, "note", "m", "", "why, for both timelines")
	return r.changes(cmd)
}

func incidentSplit(r *remote) *cobra.Command {
	var in api.Splitting
	cmd := &cobra.Command{
		Use: "split N FINDING…", Args: cobra.MinimumNArgs(2), ValidArgsFunction: r.live(activeIncidents), Short: "Give some of its findings an incident of their own",
		Example: "  evenkeel incident split 7 41 42 -m \"that is the newsletter\"",
		RunE: onIncident(func(cmd *cobra.Command, n string, args []string) error {
			in.Findings = nil
			for _, a := range args {
				id, err := numberArg("finding", a)
				if err != nil {
					return err
				}
				number, err := strconv.ParseInt(id, 10, 64)
				if err != nil {
					return err
				}
				in.Findings = append(in.Findings, number)
			}
			return change(cmd, r, "split incident "+n, post, "/incidents/"+n+"/split", in, incidentLine)
		}),
	}
	cmd.Flags().StringVarP(&in.Why, "note", "m", "", "why, for both timelines")
	return r.changes(cmd)
}

func incidentAlike(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "alike N", Aliases: []string{"similar", "related"}, Args: cobra.ExactArgs(1), ValidArgsFunction: r.live(allIncidents), Short: "Show what hangs together with it, and what was like it before",
		Example: "  evenkeel incident alike 7",
		RunE: onIncident(func(cmd *cobra.Command, n string, _ []string) error {
			return list(cmd, r, "show what is like incident "+n, "/incidents/"+n+"/alike", nil, "Nothing is like it.", func(items []respond.Likeness) *table {
				t := columns("N", "KIND", "LIKE", "STATUS", "WHEN", "TITLE", "BECAUSE", "ENDED")
				for _, l := range items {
					t.row(fmt.Sprint(l.Number), l.Kind, fmt.Sprintf("%.0f %%", 100*l.Score), string(l.Status), ago(l.At), l.Title, strings.Join(l.Reasons, "; "), l.Ended)
				}
				return t
			})
		}),
	}
}

func taskTable(items ...respond.IncidentTask) *table {
	t := columns("ID", "STATE", "OWNER", "TASK")
	for _, x := range items {
		state := "open"
		if !x.DoneAt.IsZero() {
			state = "done " + ago(x.DoneAt)
		}
		t.row(fmt.Sprint(x.ID), state, string(x.Owner), x.Text)
	}
	return t
}

func incidentTask(r *remote) *cobra.Command {
	var owner string
	var done int64
	cmd := &cobra.Command{
		Use: "task N [TEXT…]", Args: cobra.MinimumNArgs(1), ValidArgsFunction: r.live(activeIncidents), Short: "List what is to be done, add to it, or say that something is done",
		Example: "  evenkeel incident task 7\n  evenkeel incident task 7 --owner bob call the bank\n  evenkeel incident task 7 --done 3",
		RunE: onIncident(func(cmd *cobra.Command, n string, args []string) error {
			show := func(w io.Writer, t respond.IncidentTask) { taskTable(t).write(w) }
			switch {
			case done > 0 && len(args) > 0:
				return fmt.Errorf("cannot add a task and finish one at once: give a text, or --done")
			case done > 0:
				return change(cmd, r, fmt.Sprintf("finish task %d", done), post, fmt.Sprintf("/incidents/%s/tasks/%d/done", n, done), nil, show)
			case len(args) > 0:
				return change(cmd, r, "add a task to incident "+n, post, "/incidents/"+n+"/tasks", api.NewTask{Text: strings.Join(args, " "), Owner: declare.PersonID(owner)}, show)
			}
			return list(cmd, r, "list the tasks of incident "+n, "/incidents/"+n+"/tasks", nil, "There is nothing to do.", func(items []respond.IncidentTask) *table { return taskTable(items...) })
		}),
	}
	cmd.Flags().StringVar(&owner, "owner", "", "who does it")
	cmd.Flags().Int64Var(&done, "done", 0, "ID of the task that is done")
	r.liveFlag(cmd, "owner", people)
	return r.changes(cmd)
}

func incidentLink(r *remote) *cobra.Command {
	var note string
	cmd := &cobra.Command{
		Use: "link N [CHANGE|URL]", Args: cobra.RangeArgs(1, 2), ValidArgsFunction: r.live(activeIncidents), Short: "List its links, or link a change or an address",
		Example: "  evenkeel incident link 7 deploy-142\n  evenkeel incident link 7 https://tickets.example.org/91 -m \"the provider's\"",
		RunE: onIncident(func(cmd *cobra.Command, n string, args []string) error {
			show := func(items ...respond.IncidentLink) *table {
				t := columns("KIND", "REF", "BY", "NOTE")
				for _, l := range items {
					t.row(string(l.Kind), l.Ref, l.By.Name(), l.Note)
				}
				return t
			}
			if len(args) == 0 {
				return list(cmd, r, "list the links of incident "+n, "/incidents/"+n+"/links", nil, "Nothing is linked.", func(items []respond.IncidentLink) *table { return show(items...) })
			}
			in := api.NewLink{Kind: respond.LinkChange, Ref: args[0], Note: note}
			if strings.Contains(args[0], "://") {
				in.Kind = respond.LinkURL
			}
			return change(cmd, r, "link to incident "+n, post, "/incidents/"+n+"/links", in, func(w io.Writer, l respond.IncidentLink) { show(l).write(w) })
		}),
	}
	cmd.Flags().StringVarP(&note, "note", "m", "", "what it has to do with it")
	return r.changes(cmd)
}

func incidentUpdate(r *remote) *cobra.Command {
	var in api.NewUpdate
	var template bool
	cmd := &cobra.Command{
		Use: "update N [PHASE [TEXT…]]", Args: cobra.MinimumNArgs(1), ValidArgsFunction: r.live(activeIncidents, words(respond.Phases)), Short: "List its status updates, or tell something: investigating, identified, monitoring, resolved",
		Long:    "List its status updates, or tell something. Without a text the template is told; with\n--template it is printed instead. Only with --public it stands on status pages.",
		Example: "  evenkeel incident update 7\n  evenkeel incident update 7 identified --template\n  evenkeel incident update 7 monitoring --public \"Checkout works again.\"",
		RunE: onIncident(func(cmd *cobra.Command, n string, args []string) error {
			show := func(items ...respond.IncidentUpdate) *table {
				t := columns("TIME", "PHASE", "WHERE", "BY", "TEXT")
				for _, u := range items {
					where := "inside"
					if u.Public {
						where = "public"
					}
					t.row(clock(u.At), string(u.Phase), where, u.By.Name(), u.Text)
				}
				return t
			}
			if len(args) == 0 {
				return list(cmd, r, "list the updates of incident "+n, "/incidents/"+n+"/updates", nil, "Nothing was told.", func(items []respond.IncidentUpdate) *table { return show(items...) })
			}
			in.Phase, in.Text = respond.Phase(args[0]), strings.Join(args[1:], " ")
			if template {
				c, err := r.client(cmd)
				if err != nil {
					return err
				}
				var t api.UpdateTemplate
				raw, err := c.do(cmd.Context(), "read the template", http.MethodGet, "/incidents/"+n+"/updates/template", values("phase", args[0]), nil, &t)
				if err != nil {
					return err
				}
				return r.format.print(cmd, raw, func(w io.Writer) { fmt.Fprintln(w, t.Text) })
			}
			return change(cmd, r, "update incident "+n, post, "/incidents/"+n+"/updates", in, func(w io.Writer, u respond.IncidentUpdate) { show(u).write(w) })
		}),
	}
	cmd.Flags().BoolVar(&in.Public, "public", false, "on the status pages too")
	cmd.Flags().BoolVar(&template, "template", false, "print the wording instead of telling it")
	return r.changes(cmd)
}
