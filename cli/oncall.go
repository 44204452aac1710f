package cli

import (
	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/api"
)

func init() { verbs = append(verbs, newOnCall) }

func newOnCall() *cobra.Command {
	cmd := &cobra.Command{
		Use: "oncall", GroupID: "respond", Short: "Say who is on call",
		Example: "  evenkeel oncall who\n  evenkeel oncall who --team payments --at +3d",
	}
	r := newRemote(cmd)
	var team string
	var at timeFlag
	who := &cobra.Command{
		Use: "who", Args: cobra.NoArgs, Short: "Say who is on call, until when, and who is next",
		Example: "  evenkeel oncall who\n  evenkeel oncall who --team payments --at \"2026-12-24 20:00\"",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return list(cmd, r, "say who is on call", "/oncall", values("team", team, "at", at.rfc()), "There is no schedule.", dutyTable)
		},
	}
	who.Flags().StringVar(&team, "team", "", "only this team")
	who.Flags().Var(&at, "at", "then instead of now")
	r.liveFlag(who, "team", teams)
	cmd.AddCommand(who)
	return cmd
}

func dutyTable(items []api.Duty) *table {
	t := columns("TEAM", "SCHEDULE", "ON CALL", "NAME", "UNTIL", "NEXT")
	for _, d := range items {
		until := ""
		if !d.Until.IsZero() {
			until = d.Until.Local().Format("Mon 2006-01-02 15:04") //nolint:gosmopolitan // the person's own clock
		}
		person := string(d.Person)
		if person == "" {
			person = "nobody"
		}
		t.row(string(d.Team), d.Schedule, person, d.Name, until, string(d.Next))
	}
	return t
}
