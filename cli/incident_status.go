package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/api"
	"github.com/evenkeel/evenkeel/respond/status"
)

// incidentStatusPage shows the page of a system for those outside, and whom it tells.
func incidentStatusPage(r *remote) *cobra.Command {
	var add string
	var end int64
	var subscribers bool
	cmd := &cobra.Command{
		Use: "status-page SYSTEM", Args: cobra.ExactArgs(1), ValidArgsFunction: cobra.NoFileCompletions, Short: "Show the status page of a system, or whom it tells",
		Example: "  evenkeel incident status-page shop\n  evenkeel incident status-page shop --subscribe https://hooks.example.org/status\n  evenkeel incident status-page shop --subscribers",
		RunE: func(cmd *cobra.Command, args []string) error {
			path := "/status-pages/" + seg(args[0])
			show := func(items ...status.Subscriber) *table {
				t := columns("ID", "URL", "BY", "FAILURES", "ERROR")
				for _, s := range items {
					t.row(fmt.Sprint(s.ID), s.URL, s.By.Name(), fmt.Sprint(s.Failures), s.Error)
				}
				return t
			}
			switch {
			case add != "":
				return change(cmd, r, "subscribe to the status of "+args[0], post, path+"/subscribers", api.NewSubscriber{URL: add}, func(w io.Writer, s status.Subscriber) { show(s).write(w) })
			case end > 0:
				return change[struct{}](cmd, r, fmt.Sprintf("remove subscriber %d", end), del, fmt.Sprintf("%s/subscribers/%d", path, end), nil, nil)
			case subscribers:
				return list(cmd, r, "list subscribers", path+"/subscribers", nil, "Nobody is told.", func(items []status.Subscriber) *table { return show(items...) })
			}
			return one(cmd, r, "show the status of "+args[0], path, printStatusPage)
		},
	}
	f := cmd.Flags()
	f.StringVar(&add, "subscribe", "", "tell this webhook of what is said in public")
	f.Int64Var(&end, "unsubscribe", 0, "ID of a webhook that is told nothing any more")
	f.BoolVar(&subscribers, "subscribers", false, "list the webhooks")
	return r.changes(cmd)
}

func printStatusPage(w io.Writer, p api.StatusPage) {
	fmt.Fprintf(w, "%s: %s\n", p.Title, p.State.Words())
	t := columns("COMPONENT", "STATE")
	for _, c := range p.Components {
		t.row(c.Name, c.State.Words())
	}
	t.write(w)
	u := columns("TIME", "WHAT", "PHASE", "TEXT")
	for _, list := range [][]status.Trouble{p.Active, p.History} {
		for _, x := range list {
			for _, said := range x.Updates {
				u.row(clock(said.At), x.Name, string(said.Phase), said.Text)
			}
		}
	}
	if len(p.Active)+len(p.History) > 0 {
		fmt.Fprintln(w)
		u.write(w)
	}
}
