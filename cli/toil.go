package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/api"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/learn/toil"
)

func init() { verbs = append(verbs, newToil) }

func newToil() *cobra.Command {
	var since, until timeFlag
	cmd := &cobra.Command{
		Use: "toil", GroupID: "learn", Args: cobra.NoArgs, Short: "Minutes that a machine could have worked: teams, backlog, log",
		Long: `Minutes of toil of each team and what to automate first, from runs, requests that were
done by hand, alerts, and the log. A minute of one person is counted once.`,
		Example: "  evenkeel toil --since -30d\n  evenkeel toil log 20m \"cleared the print queue\"",
	}
	r := newRemote(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := r.client(cmd)
		if err != nil {
			return err
		}
		var rep toil.Report
		raw, err := c.get(cmd.Context(), "count toil", "/toil", values("from", since.rfc(), "to", until.rfc()), &rep)
		if err != nil {
			return err
		}
		return r.format.print(cmd, raw, func(w io.Writer) {
			t := columns("TEAM", "HOURS", "RATIO", "N")
			for _, x := range rep.Teams {
				ratio := ""
				if x.Ratio >= 0 {
					ratio = fmt.Sprintf("%.1f %%", 100*x.Ratio)
				}
				t.row(string(x.Team), fmt.Sprintf("%.1f", x.Minutes/60), ratio, fmt.Sprint(x.N))
			}
			t.write(w)
			fmt.Fprintln(w)
			t = columns("AUTOMATE", "TEAM", "FROM", "TIMES", "MINUTES A MONTH", "EFFORT", "PAYS BACK IN")
			for _, k := range rep.Backlog {
				t.row(k.Task, string(k.Team), k.Source, fmt.Sprint(k.N), fmt.Sprintf("%.0f", k.Monthly), fmt.Sprintf("%.0f h", k.Effort), k.Earned())
			}
			t.write(w)
		})
	}
	cmd.Flags().Var(&since, "since", "from then on (default 30 days ago)")
	cmd.Flags().Var(&until, "until", "until then (default now)")
	var team string
	log := &cobra.Command{
		Use: "log DURATION TEXT", Args: cobra.MinimumNArgs(2), Short: "Write down, in a line, what you have just spent time on",
		Example: `  evenkeel toil log 20m "cleared the print queue"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			in := api.NewToil{Duration: args[0], Text: strings.Join(args[1:], " "), Team: declare.TeamID(team)}
			return change(cmd, r, "log toil", post, "/toil", in, func(w io.Writer, e toil.Entry) {
				fmt.Fprintf(w, "%g minutes of %s: %s\n", e.Minutes, e.Team, printable(e.Text))
			})
		},
	}
	log.Flags().StringVar(&team, "team", "", "whose time it was (default your first team)")
	cmd.AddCommand(r.changes(log))
	return cmd
}
