package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/api"
)

func init() { verbs = append(verbs, newStatus) }

func newStatus() *cobra.Command {
	var r *remote
	cmd := &cobra.Command{
		Use: "status", GroupID: "run", Args: cobra.NoArgs, Short: "Say how the server is and what needs somebody now",
		Long: `Say how the server is and what needs somebody now.

Exit code 0: no page is open. 1: a page is open. 2: it could not be found out.`,
		Example: "  evenkeel status\n  evenkeel status -o json | jq .open_findings",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := r.client(cmd)
			if err != nil {
				return err
			}
			var s api.Status
			raw, err := c.get(cmd.Context(), "read the status", "/status", nil, &s)
			if err != nil {
				return err
			}
			if err := r.format.print(cmd, raw, func(w io.Writer) { printStatus(w, s) }); err != nil {
				return err
			}
			if s.Findings.Page > 0 {
				return &foundError{}
			}
			return nil
		},
	}
	r = newRemote(cmd)
	return cmd
}

func printStatus(w io.Writer, s api.Status) {
	lines := sheet{}
	lines.add("version", s.Version)
	lines.add("up", short(time.Duration(s.Uptime)*time.Second))
	lines.add("workspace", fmt.Sprintf("%s, loaded %s: %d services, %d objectives, %d runbooks", clip(s.Workspace.Revision, 13), ago(s.Workspace.LoadedAt), s.Workspace.Services, s.Workspace.Objectives, s.Workspace.Runbooks))
	if s.Workspace.Refused {
		lines.add("refused", "the folder holds a newer workspace that is not valid: `evenkeel check` says why")
	}
	lines.add("findings", fmt.Sprintf("%d page, %d ticket, %d info", s.Findings.Page, s.Findings.Ticket, s.Findings.Info))
	for _, st := range s.Stores {
		text := st.Kind
		if st.Bytes > 0 {
			text += ", " + size(st.Bytes)
		}
		if st.Series > 0 {
			text += fmt.Sprintf(", %d series", st.Series)
		}
		if st.Detail != "" {
			text += ", " + st.Detail
		}
		if st.Error != "" {
			text += ": " + st.Error
		}
		lines.add("store "+st.Name, text)
	}
	lines.write(w)
	if len(s.Incidents) > 0 {
		fmt.Fprintln(w)
		incidentTable(s.Incidents).write(w)
	}
	if len(s.Waiting) > 0 {
		fmt.Fprintln(w)
		runTable(s.Waiting).write(w)
	}
}

// size writes bytes in the unit that people read.
func size(n int64) string {
	const k = 1024
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	v, i := float64(n), 0
	for v >= k && i < len(units)-1 {
		v, i = v/k, i+1
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", v, units[i])
}
