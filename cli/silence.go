package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/api"
	"github.com/evenkeel/evenkeel/respond/alert"
)

func init() { verbs = append(verbs, newSilence) }

var liveSilences = known("/silences", nil, func(s alert.Silence) (string, string) {
	return s.ID, s.State + ": " + strings.Join(s.Matchers, " ")
})

func newSilence() *cobra.Command {
	cmd := &cobra.Command{
		Use: "silence", GroupID: "respond", Aliases: []string{"silences"}, Short: "Mute notifications for a time: add, list, expire",
		Example: "  evenkeel silence add service=checkout severity=~'page|ticket' --for 2h -m \"planned maintenance\"",
	}
	r := newRemote(cmd)

	var in api.NewSilence
	add := &cobra.Command{
		Use: "add MATCHER…", Args: cobra.MinimumNArgs(1), Short: "Mute findings that match all matchers, and print the silence's ID",
		Example: "  evenkeel silence add service=checkout --for 2h --comment \"planned maintenance\"\n  evenkeel silence add alertname=DiskFull host=~'db-.*' --for 1d -m \"disks arrive tomorrow\"",
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Matchers = args
			return change(cmd, r, "silence", post, "/silences", in, func(w io.Writer, s alert.Silence) { fmt.Fprintln(w, s.ID) })
		},
	}
	add.Flags().StringVar(&in.Duration, "for", "", "how long, as 30m, 2h or 1d")
	add.Flags().StringVarP(&in.Comment, "comment", "m", "", "why")
	_ = add.MarkFlagRequired("for") // fails only for a flag that is not there
	_ = add.MarkFlagRequired("comment")

	var all bool
	ls := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Args: cobra.NoArgs, Short: "List silences: active ones, or --all",
		Example: "  evenkeel silence list",
		RunE: func(cmd *cobra.Command, _ []string) error {
			state := "active"
			if all {
				state = ""
			}
			return list(cmd, r, "list silences", "/silences", values("state", state), "Nothing is silenced.", func(items []alert.Silence) *table {
				t := columns("ID", "STATE", "ENDS", "BY", "MATCHERS", "COMMENT")
				for _, s := range items {
					t.row(s.ID, s.State, ago(s.EndsAt), s.CreatedBy, strings.Join(s.Matchers, " "), s.Comment)
				}
				return t
			})
		},
	}
	ls.Flags().BoolVarP(&all, "all", "a", false, "pending and expired ones too")

	cmd.AddCommand(r.changes(add), ls, r.changes(&cobra.Command{
		Use: "expire ID", Args: cobra.ExactArgs(1), ValidArgsFunction: r.live(liveSilences), Short: "End a silence now",
		Example: "  evenkeel silence expire 5f1d7a8e-…",
		RunE: func(cmd *cobra.Command, args []string) error {
			return change[struct{}](cmd, r, "expire silence "+args[0], del, "/silences/"+seg(args[0]), nil, nil)
		},
	}))
	return cmd
}
