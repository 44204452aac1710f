package cli

import (
	"fmt"
	"io"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/act/view"
	"github.com/evenkeel/evenkeel/api"
	"github.com/evenkeel/evenkeel/declare"
)

func init() { verbs = append(verbs, newView) }

var savedViews = known("/views", nil, func(v view.View) (string, string) { return strconv.FormatInt(v.ID, 10), v.Name })

func newView() *cobra.Command {
	cmd := &cobra.Command{
		Use: "view", GroupID: "observe", Aliases: []string{"views"}, Short: "Saved views of telemetry: list, save, remove",
		Example: "  evenkeel view list",
	}
	r := newRemote(cmd)
	ls := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Args: cobra.NoArgs, Short: "List saved views: yours, and those of your teams",
		Example: "  evenkeel view list -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return list(cmd, r, "list saved views", "/views", nil, "No view is saved.", func(items []view.View) *table {
				t := columns("ID", "NAME", "TEAM", "BY", "PAGE")
				for _, v := range items {
					t.row(fmt.Sprint(v.ID), v.Name, string(v.Team), string(v.Owner), v.URL)
				}
				return t
			})
		},
	}
	var team string
	save := &cobra.Command{
		Use: "save NAME PAGE", Args: cobra.ExactArgs(2), Short: "Save a page under a name, and print the view's ID",
		Long: `Save a page under a name, for yourself or for one of your teams, and print the view's ID.
The page is one about telemetry, as it stands in the browser's address bar: with or
without the server in front.`,
		Example: "  evenkeel view save \"failed payments\" '/explore?logs=severity%3Ai(error)&range=6h' --team shop",
		RunE: func(cmd *cobra.Command, args []string) error {
			in := api.NewView{Name: args[0], URL: args[1], Team: declare.TeamID(team)}
			c, err := r.client(cmd)
			if err != nil {
				return err
			}
			if u, err := url.Parse(in.URL); err == nil && u.Host == c.base.Host && u.Scheme == c.base.Scheme {
				u.Scheme, u.Host, u.User = "", "", nil
				in.URL = u.String()
			}
			return change(cmd, r, "save the view", post, "/views", in, func(w io.Writer, v view.View) { fmt.Fprintln(w, v.ID) })
		},
	}
	save.Flags().StringVar(&team, "team", "", "one of yours, which then sees it too")
	r.liveFlag(save, "team", teams)
	cmd.AddCommand(ls, r.changes(save), r.changes(&cobra.Command{
		Use: "remove ID", Aliases: []string{"rm"}, Args: cobra.ExactArgs(1), ValidArgsFunction: r.live(savedViews), Short: "Remove a saved view",
		Example: "  evenkeel view remove 3",
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := numberArg("view", args[0])
			if err != nil {
				return err
			}
			return change[struct{}](cmd, r, "remove view "+n, del, "/views/"+n, nil, nil)
		},
	}))
	return cmd
}
