package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/api"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/respond"
)

func init() { verbs = append(verbs, newContact) }

// escalationVerbs belong to evenkeel incident.
func escalationVerbs(r *remote) []*cobra.Command {
	var in api.Packet
	up := &cobra.Command{
		Use: "escalate N", Args: cobra.ExactArgs(1), ValidArgsFunction: r.live(activeIncidents), Short: "Hand it up to the next level, with what they have to know",
		Long: "Hand an incident up to the next level: the next step of its escalation policy, or --to. The packet needs all four parts, so that nobody has to ask back; whoever gets it may send it back with what is missing, and --again sends it once more.",
		Example: `  evenkeel incident escalate 7 --impact "one order in forty fails since 14:02" --tried "rolled back to 1.4.1: no change" \
    --evidence "error rate of payments doubled at 14:01" --question "may I fail over to the other region?"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := numberArg("incident", args[0])
			if err != nil {
				return err
			}
			return change(cmd, r, "escalate incident "+n, post, "/incidents/"+n+"/escalate", in, handupLine)
		},
	}
	f := up.Flags()
	f.StringVar(&in.To, "to", "", "schedule:NAME, person:NAME or team:NAME (default: the policy's next step)")
	f.StringVar(&in.Impact, "impact", "", "who suffers from what, since when")
	f.StringVar(&in.Tried, "tried", "", "what was tried, and what came of it")
	f.StringVar(&in.Evidence, "evidence", "", "what you see")
	f.StringVar(&in.Question, "question", "", "what you need the next level for")
	f.Int64Var(&in.ID, "again", 0, "send this packet again, which came back")
	for _, flag := range []string{"impact", "tried", "evidence", "question"} {
		_ = up.MarkFlagRequired(flag) // fails only for a flag that is not there
	}
	show := &cobra.Command{
		Use: "escalation N", Args: cobra.ExactArgs(1), ValidArgsFunction: r.live(allIncidents), Short: "Show how far it has gone through its escalation policy",
		Example: "  evenkeel incident escalation 7",
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := numberArg("incident", args[0])
			if err != nil {
				return err
			}
			return one(cmd, r, "show the escalation of incident "+n, "/incidents/"+n+"/escalation", printEscalation)
		},
	}
	still := &cobra.Command{
		Use: "still N", Args: cobra.ExactArgs(1), ValidArgsFunction: r.live(activeIncidents), Short: "Say that you are still at it, when an acknowledgement ran out",
		Example: "  evenkeel incident still 7",
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := numberArg("incident", args[0])
			if err != nil {
				return err
			}
			return change(cmd, r, "acknowledge incident "+n, post, "/incidents/"+n+"/escalation/acknowledge", nil, incidentLine)
		},
	}
	packets := &cobra.Command{
		Use: "handups [N]", Args: cobra.MaximumNArgs(1), ValidArgsFunction: r.live(allIncidents), Short: "Show the packets that went up to the next level: of one incident, or all that wait",
		Example: "  evenkeel incident handups\n  evenkeel incident handups 7 -o yaml",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return list(cmd, r, "show the packets that wait", "/handups", nil, "No packet waits.", handupTable)
			}
			n, err := numberArg("incident", args[0])
			if err != nil {
				return err
			}
			return list(cmd, r, "show the packets of incident "+n, "/incidents/"+n+"/handups", nil, "Nothing was handed up.", handupTable)
		},
	}
	reached := &cobra.Command{
		Use: "reached N", Aliases: []string{"deliveries"}, Args: cobra.ExactArgs(1), ValidArgsFunction: r.live(allIncidents), Short: "Show whom it reached, each attempt with its result",
		Example: "  evenkeel incident reached 7",
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := numberArg("incident", args[0])
			if err != nil {
				return err
			}
			return list(cmd, r, "show whom incident "+n+" reached", "/incidents/"+n+"/deliveries", nil, "It reached nobody.", deliveryTable)
		},
	}
	return []*cobra.Command{r.changes(up), show, r.changes(still), packets, reached, decideHandup(r, "accept", "Take the incident over from who handed it up"), decideHandup(r, "send-back", "Send a packet back with what is missing")}
}

func decideHandup(r *remote, verb, short string) *cobra.Command {
	var missing string
	cmd := &cobra.Command{
		Use: verb + " N PACKET", Args: cobra.ExactArgs(2), ValidArgsFunction: r.live(activeIncidents), Short: short,
		Example: "  evenkeel incident " + verb + " 7 2" + map[bool]string{true: ` --missing "which region, and since when?"`}[verb == "send-back"],
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := numberArg("incident", args[0])
			if err != nil {
				return err
			}
			id, err := numberArg("packet", args[1])
			if err != nil {
				return err
			}
			path := "/incidents/" + n + "/handups/" + id
			if verb == "send-back" {
				return change(cmd, r, "send packet "+id+" back", post, path+"/return", api.SendBack{Missing: missing}, handupLine)
			}
			return change(cmd, r, "accept packet "+id, post, path+"/accept", nil, handupLine)
		},
	}
	if verb == "send-back" {
		cmd.Flags().StringVarP(&missing, "missing", "m", "", "what you still need")
		_ = cmd.MarkFlagRequired("missing") // fails only for a flag that is not there
	}
	return r.changes(cmd)
}

func handupLine(w io.Writer, h respond.Handup) { handupTable([]respond.Handup{h}).write(w) }

func handupTable(items []respond.Handup) *table {
	t := columns("N", "PACKET", "STATUS", "FROM", "TO", "ASKED", "QUESTION", "MISSING")
	for _, h := range items {
		t.row(fmt.Sprint(h.Incident), fmt.Sprint(h.ID), string(h.Status), string(h.From), join(h.People), ago(h.AskedAt), h.Question, h.Missing)
	}
	return t
}

func printEscalation(w io.Writer, e respond.Escalation) {
	s := sheet{}
	s.add("policy", e.Policy)
	s.add("status", string(e.Status))
	s.add("round", fmt.Sprintf("%d of %d", e.Round+1, e.Repeat+1))
	s.add("next", exactly(e.Due))
	s.add("began", exactly(e.Started))
	if e.AckTimeout > 0 {
		s.add("acknowledgement holds", e.AckTimeout.String())
	}
	s.write(w)
	fmt.Fprintln(w)
	t := columns("STEP", "NOTIFIES", "THEN WAITS", "")
	for i, x := range e.Steps {
		var to []string
		for _, target := range x.Notify {
			to = append(to, target.String())
		}
		mark := ""
		switch {
		case i < e.Step:
			mark = "done"
		case i == e.Step && e.Status == respond.EscalationRunning:
			mark = "next"
		}
		t.row(fmt.Sprint(i+1), strings.Join(to, ", "), x.Wait.String(), mark)
	}
	t.write(w)
}

func deliveryTable(items []respond.Delivery) *table {
	t := columns("ID", "WHO", "FOR", "STATE", "QUEUED", "ATTEMPT", "BY", "TOOK", "RESULT", "CHOSEN BY")
	for _, d := range items {
		row := []string{fmt.Sprint(d.ID), string(d.Person), string(d.Purpose), string(d.State), clock(d.QueuedAt)}
		for _, a := range d.Attempts {
			result := "arrived"
			if !a.OK {
				result = a.Detail
			}
			t.row(append(append([]string{}, row...), fmt.Sprint(a.N), string(a.Kind)+" "+a.Address, (time.Duration(a.TookMS) * time.Millisecond).String(), result, d.Why)...)
		}
		if len(d.Attempts) == 0 {
			t.row(append(append([]string{}, row...), "", "", "", "", d.Why)...)
		}
	}
	return t
}

func newContact() *cobra.Command {
	cmd := &cobra.Command{
		Use: "contact", GroupID: "respond", Aliases: []string{"contacts"}, Short: "Say how you are reached: list, add, verify, remove, quiet, log",
		Example: "  evenkeel contact add ntfy https://ntfy.sh/my-secret-topic --severity page\n  evenkeel contact verify 1 482913",
	}
	r := newRemote(cmd)
	var severities []string
	add := &cobra.Command{
		Use: "add KIND ADDRESS", Args: cobra.ExactArgs(2), Short: "Add a way to reach you; a code goes to it",
		Long:    "Add a way to reach you. KIND is email, slack, teams, mattermost, telegram, discord, pagerduty, opsgenie, ntfy or webhook; ADDRESS is an email address, a member's or chat's ID, a key, or a URL.",
		Example: "  evenkeel contact add email alice@example.org\n  evenkeel contact add ntfy https://ntfy.sh/my-secret-topic --severity page",
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			var out []cobra.Completion
			if len(args) == 0 {
				for _, k := range declare.ContactKinds {
					out = append(out, string(k))
				}
			}
			return out, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			in := api.NewContact{Kind: declare.ContactKind(args[0]), Address: args[1]}
			for _, s := range severities {
				in.Severities = append(in.Severities, detect.Severity(s))
			}
			return change(cmd, r, "add the way to reach you", post, "/contacts", in, func(w io.Writer, m respond.ContactMethod) {
				contactTable([]respond.ContactMethod{m}).write(w)
				fmt.Fprintf(cmd.ErrOrStderr(), "A code goes to it. Then: evenkeel contact verify %d CODE\n", m.ID)
			})
		},
	}
	add.Flags().StringSliceVar(&severities, "severity", nil, "use it for these alone: page, ticket, info")

	var from, to, zone string
	var held []string
	quiet := &cobra.Command{
		Use: "quiet", Args: cobra.NoArgs, Short: "Show or set the hours at which you are not told what is no page",
		Example: "  evenkeel contact quiet\n  evenkeel contact quiet --from 22:00 --to 07:00 --zone Europe/Vienna --hold ticket,info",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if from == "" && to == "" {
				return one(cmd, r, "show quiet hours", "/quiet-hours", func(w io.Writer, q api.QuietHours) {
					if q.From == q.To {
						fmt.Fprintln(w, "There are no quiet hours.")
						return
					}
					s := sheet{}
					s.add("quiet", q.From+" to "+q.To+" "+q.Zone)
					s.add("waits", join(q.Severities))
					s.write(w)
				})
			}
			in := api.QuietHours{From: from, To: to, Zone: zone, Severities: []detect.Severity{}}
			for _, s := range held {
				in.Severities = append(in.Severities, detect.Severity(s))
			}
			return change[struct{}](cmd, r, "set quiet hours", put, "/quiet-hours", in, nil)
		},
	}
	quiet.Flags().StringVar(&from, "from", "", "when they begin, as 22:00")
	quiet.Flags().StringVar(&to, "to", "", "when they end, as 07:00")
	quiet.Flags().StringVar(&zone, "zone", "UTC", "time zone, as Europe/Vienna")
	quiet.Flags().StringSliceVar(&held, "hold", []string{"ticket", "info"}, "what waits; a page never does")

	cmd.AddCommand(r.changes(add), r.changes(quiet),
		&cobra.Command{
			Use: "list", Aliases: []string{"ls"}, Args: cobra.NoArgs, Short: "List the ways to reach you, in the order in which they are tried", Example: "  evenkeel contact list",
			RunE: func(cmd *cobra.Command, _ []string) error {
				return list(cmd, r, "list ways to reach you", "/contacts", nil, "There is none: nobody can reach you.", contactTable)
			},
		},
		&cobra.Command{
			Use: "log", Args: cobra.NoArgs, Short: "Show what you were told, each attempt with its result", Example: "  evenkeel contact log",
			RunE: func(cmd *cobra.Command, _ []string) error {
				return list(cmd, r, "show what you were told", "/deliveries", nil, "You were told nothing.", deliveryTable)
			},
		},
		r.changes(&cobra.Command{
			Use: "verify ID CODE", Args: cobra.ExactArgs(2), Short: "Say the code that came", Example: "  evenkeel contact verify 1 482913",
			RunE: func(cmd *cobra.Command, args []string) error {
				id, err := numberArg("way", args[0])
				if err != nil {
					return err
				}
				return change[struct{}](cmd, r, "verify way "+id, post, "/contacts/"+id+"/verify", api.ContactCode{Code: args[1]}, nil)
			},
		}),
		r.changes(&cobra.Command{
			Use: "remove ID", Aliases: []string{"rm"}, Args: cobra.ExactArgs(1), Short: "Remove a way to reach you", Example: "  evenkeel contact remove 1",
			RunE: func(cmd *cobra.Command, args []string) error {
				id, err := numberArg("way", args[0])
				if err != nil {
					return err
				}
				return change[struct{}](cmd, r, "remove way "+id, del, "/contacts/"+id, nil, nil)
			},
		}))
	return cmd
}

func contactTable(items []respond.ContactMethod) *table {
	t := columns("ID", "KIND", "ADDRESS", "FOR", "VERIFIED", "SAYS")
	for _, m := range items {
		id, severities, verified := "", "all", "no"
		if m.ID != 0 {
			id = fmt.Sprint(m.ID)
		}
		if len(m.Severities) > 0 {
			severities = join(m.Severities)
		}
		if !m.Verified.IsZero() {
			verified = "yes"
		}
		t.row(id, string(m.Kind), m.Address, severities, verified, m.Source)
	}
	return t
}
