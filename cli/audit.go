package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

func init() { verbs = append(verbs, newAudit) }

func newAudit() *cobra.Command {
	cmd := &cobra.Command{
		Use: "audit", GroupID: "learn", Short: "Read the journal: what happened, who did it, and why: list, causes",
		Example: "  evenkeel audit list --ref service/checkout\n  evenkeel audit causes 812",
	}
	r := newRemote(cmd)

	var ref, actor, kind, text string
	var limit, before int
	ls := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Args: cobra.NoArgs, Short: "List facts, newest first",
		Example: "  evenkeel audit list --actor person:alice\n  evenkeel audit list --kind run. --text rollback --limit 500 -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return list(cmd, r, "read the journal", "/journal", values("ref", ref, "actor", actor, "kind", kind, "text", text, "limit", limitText(limit), "before", limitText(before)),
				"Nothing of that is on record.", factTable)
		},
	}
	f := ls.Flags()
	f.StringVar(&ref, "ref", "", "only what speaks of this, as incident/7, run/r-…, service/checkout")
	f.StringVar(&actor, "actor", "", "only what this one did, as person:alice or system:detect")
	f.StringVar(&kind, "kind", "", "only this kind, as incident.opened; all of incident with a dot at the end")
	f.StringVar(&text, "text", "", "only facts with this in their text")
	f.IntVar(&limit, "limit", 0, "at most so many (default 100)")
	f.IntVar(&before, "before", 0, "only facts older than this one: to walk back")

	cmd.AddCommand(ls, &cobra.Command{
		Use: "causes ID", Args: cobra.ExactArgs(1), Short: "Show a fact and what caused it, back to the first cause",
		Example: "  evenkeel audit causes 812", ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := numberArg("fact", args[0])
			if err != nil {
				return err
			}
			return list(cmd, r, fmt.Sprintf("follow the causes of fact %s", id), "/journal/"+id+"/causes", nil, "There is no such fact.", factTable)
		},
	})
	return cmd
}
