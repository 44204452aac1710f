package cli

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/api"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/respond"
)

// patience is how long a person who pressed Tab waits for the server.
const patience = time.Second

// completion answers Tab for the arguments of a command.
type completion = func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective)

// live completes from what the server knows now, one function an argument. Without
// an answer there is nothing to offer, and no file names instead.
func (r *remote) live(lists ...func(ctx context.Context, c *client) []cobra.Completion) completion {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) >= len(lists) || lists[len(args)] == nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		c, err := r.client(cmd)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		c.wait = patience
		return lists[len(args)](cmd.Context(), c), cobra.ShellCompDirectiveNoFileComp
	}
}

// liveFlag completes a flag's value.
func (r *remote) liveFlag(cmd *cobra.Command, name string, list func(ctx context.Context, c *client) []cobra.Completion) {
	one := r.live(list)
	_ = cmd.RegisterFlagCompletionFunc(name, func(cmd *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) { // fails only for a flag that is not there
		return one(cmd, nil, typed)
	})
}

// known lists what is at a path, each with a word about it.
func known[T any](path string, q url.Values, say func(T) (name, about string)) func(ctx context.Context, c *client) []cobra.Completion {
	return func(ctx context.Context, c *client) []cobra.Completion {
		var list api.List[T]
		if _, err := c.get(ctx, "complete", path, q, &list); err != nil {
			return nil
		}
		var out []cobra.Completion
		for _, x := range list.Items {
			name, about := say(x)
			out = append(out, cobra.CompletionWithDesc(name, printable(about)))
		}
		return out
	}
}

var (
	activeIncidents = known("/incidents", url.Values{"active": {"true"}}, func(i respond.Incident) (string, string) {
		return fmt.Sprint(i.Number), string(i.Status) + ": " + i.Title
	})
	allIncidents = known("/incidents", nil, func(i respond.Incident) (string, string) {
		return fmt.Sprint(i.Number), string(i.Status) + ": " + i.Title
	})
	openFindings = known("/findings", url.Values{"open": {"true"}}, func(f detect.Finding) (string, string) { return fmt.Sprint(f.ID), f.Title() })
	services     = known("/services", nil, func(s api.Service) (string, string) { return string(s.ID), s.Title })
	teams        = known("/teams", nil, func(t api.Team) (string, string) { return string(t.ID), t.Title })
	people       = known("/people", nil, func(p api.Person) (string, string) { return string(p.ID), p.Name })
	runbooks     = known("/runbooks", nil, func(b api.Runbook) (string, string) { return b.Name, b.Title })
	changeIDs    = known("/changes", nil, func(c act.Change) (string, string) { return c.ID, c.Summary })
	activeRuns   = known("/runs", url.Values{"active": {"true"}}, func(r act.Run) (string, string) { return r.ID, string(r.Status) + ": " + r.Title })
	waitingRuns  = known("/runs", url.Values{"waiting": {"true"}}, func(r act.Run) (string, string) { return r.ID, r.Title })
	allRuns      = known("/runs", nil, func(r act.Run) (string, string) { return r.ID, string(r.Status) + ": " + r.Title })
)
