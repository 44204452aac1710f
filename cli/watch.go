package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/api"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond"
)

func incidentWatch(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "watch", Args: cobra.NoArgs, Short: "Follow incidents as they happen, until interrupted",
		Long:    "Follow incidents as they happen. On a terminal it keeps a table of the active ones,\nthe packets that wait for an answer or came back, and the latest facts; in a pipe each\nfact is a line, with -o json a JSON line.",
		Example: "  evenkeel incident watch\n  evenkeel incident watch -o json | jq -r .text",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := r.client(cmd)
			if err != nil {
				return err
			}
			w := &watch{cmd: cmd, r: r, c: c, screen: r.format.name == formatTable && terminal(cmd.OutOrStdout())}
			return c.follow(cmd.Context(), "watch incidents", nil, w.draw, w.take)
		},
	}
}

// watch shows facts on incidents.
type watch struct {
	cmd    *cobra.Command
	r      *remote
	c      *client
	screen bool
	latest []journal.Fact
}

// kept is how many facts the screen shows.
const kept = 12

// watched are the kinds of facts that it shows.
var watched = []string{"incident.", "handup.", "escalation."}

func (w *watch) take(f journal.Fact) error {
	if !slices.ContainsFunc(watched, func(kind string) bool { return strings.HasPrefix(string(f.Kind), kind) }) {
		return nil
	}
	out := w.cmd.OutOrStdout()
	if w.screen {
		w.latest = append(w.latest, f)
		w.latest = w.latest[max(0, len(w.latest)-kept):]
		w.draw()
		return nil
	}
	if w.r.format.name == formatTable {
		_, err := fmt.Fprintf(out, "%s  %-22s %-12s %s\n", clock(f.At), f.Kind, f.Actor.Name(), printable(f.Text))
		return err
	}
	raw, err := asJSON(f)
	if err != nil {
		return err
	}
	if w.r.format.name == formatYAML {
		if _, err := fmt.Fprintln(out, "---"); err != nil {
			return err
		}
		return printYAML(out, raw)
	}
	_, err = out.Write(raw)
	return err
}

// draw paints the screen anew.
func (w *watch) draw() {
	if !w.screen {
		return
	}
	out := w.cmd.OutOrStdout()
	var active api.List[respond.Incident]
	_, err := w.c.get(w.cmd.Context(), "list incidents", "/incidents", values("active", "true"), &active)
	fmt.Fprint(out, "\x1b[H\x1b[2J")
	fmt.Fprintf(out, "Active incidents at %s, %s · Ctrl-C ends\n\n", time.Now().Format("15:04:05"), w.c.base.Host)
	switch {
	case err != nil:
		fmt.Fprintln(out, err)
	case len(active.Items) == 0:
		fmt.Fprintln(out, "None.")
	default:
		incidentTable(active.Items).write(out)
	}
	var packets api.List[respond.Handup]
	if _, err := w.c.get(w.cmd.Context(), "show the packets that wait", "/handups", nil, &packets); err == nil && len(packets.Items) > 0 {
		fmt.Fprintln(out, "\nHanded up, waiting for an answer or sent back:")
		handupTable(packets.Items).write(out)
	}
	if len(w.latest) > 0 {
		fmt.Fprintln(out)
		factTable(w.latest).write(out)
	}
}
