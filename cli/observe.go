package cli

import "github.com/spf13/cobra"

func init() { verbs = append(verbs, newObserve) }

// observeVerbs are the verbs below observe; each file adds its own.
var observeVerbs []func(r *remote) *cobra.Command

func newObserve() *cobra.Command {
	cmd := &cobra.Command{
		Use: "observe", GroupID: "observe", Short: "Look at the telemetry itself: log patterns, senders, volume",
		Example: "  evenkeel observe patterns --service checkout\n  evenkeel observe doctor http://127.0.0.1:7070",
	}
	r := newRemote(cmd)
	for _, verb := range observeVerbs {
		cmd.AddCommand(verb(r))
	}
	return cmd
}
