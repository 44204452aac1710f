package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/api"
)

func init() { verbs = append(verbs, newFinding) }

func newFinding() *cobra.Command {
	cmd := &cobra.Command{
		Use: "finding", GroupID: "detect", Aliases: []string{"findings"}, Short: "Show where what is observed differs from what is declared: list, show",
		Example: "  evenkeel finding list --severity page\n  evenkeel finding show 12",
	}
	r := newRemote(cmd)
	cmd.AddCommand(findingList(r), findingShow(r), findingWhy(r), outcomeVerb(r, "finding", "ID"))
	return cmd
}

func findingList(r *remote) *cobra.Command {
	var service, severity, detector, text string
	var all bool
	var limit int
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Args: cobra.NoArgs, Short: "List findings, newest first: open ones, or --all",
		Example: "  evenkeel finding list\n  evenkeel finding list --all --service checkout -o yaml",
		RunE: func(cmd *cobra.Command, _ []string) error {
			open := "true"
			if all {
				open = ""
			}
			return list(cmd, r, "list findings", "/findings", values("open", open, "service", service, "severity", severity, "detector", detector, "text", text, "limit", limitText(limit)),
				"No finding is open.", findingTable)
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&all, "all", "a", false, "resolved ones too")
	f.StringVar(&service, "service", "", "only this service's")
	f.StringVar(&severity, "severity", "", "only page, ticket or info")
	f.StringVar(&detector, "detector", "", "only this detector's: objective, rule, workspace, self or alert")
	f.StringVar(&text, "text", "", "only those whose name or summary has this in it")
	f.IntVar(&limit, "limit", 0, "at most so many (default 100)")
	_ = cmd.RegisterFlagCompletionFunc("severity", cobra.FixedCompletions([]cobra.Completion{"page", "ticket", "info"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("detector", cobra.FixedCompletions([]cobra.Completion{"objective", "rule", "workspace", "self", "alert"}, cobra.ShellCompDirectiveNoFileComp))
	r.liveFlag(cmd, "service", services)
	return cmd
}

func findingTable(items []api.Finding) *table {
	t := columns("ID", "SEVERITY", "STATE", "SERVICE", "NAME", "SINCE", "INCIDENT", "SUMMARY")
	for _, f := range items {
		t.row(fmt.Sprint(f.ID), string(f.Severity), findingState(f), string(f.Service), f.Name, ago(f.Since), incidentText(f.Incident), f.Summary)
	}
	return t
}

func findingState(f api.Finding) string {
	if f.Open() {
		return "open"
	}
	return "resolved"
}

func incidentText(n int64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

func findingShow(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Args: cobra.ExactArgs(1), ValidArgsFunction: r.live(openFindings), Short: "Show one finding with its evidence",
		Example: "  evenkeel finding show 12",
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := numberArg("finding", args[0])
			if err != nil {
				return err
			}
			return one(cmd, r, "show finding "+id, "/findings/"+id, printFinding)
		},
	}
}

func printFinding(w io.Writer, f api.Finding) {
	s := sheet{}
	s.add("finding", fmt.Sprintf("%d: %s", f.ID, f.Name))
	s.add("summary", f.Summary)
	s.add("description", f.Description)
	s.add("severity", string(f.Severity))
	s.add("state", findingState(f))
	s.add("service", string(f.Service))
	s.add("team", string(f.Team))
	s.add("objective", string(f.Objective))
	s.add("detector", f.Detector)
	s.add("query", f.Expr)
	if f.Value != nil {
		s.add("value", fmt.Sprintf("%g", *f.Value))
	}
	s.add("since", exactly(f.Since))
	s.add("opened", exactly(f.OpenedAt))
	s.add("last seen", exactly(f.SeenAt))
	s.add("resolved", exactly(f.ResolvedAt))
	s.add("incident", incidentText(f.Incident))
	s.add("runbook", f.Runbook)
	for _, k := range sortedKeys(f.Labels) {
		s.add("label "+k, f.Labels[k])
	}
	s.write(w)
}
