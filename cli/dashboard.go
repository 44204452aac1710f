package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/api"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/dashboard"
	"github.com/evenkeel/evenkeel/declare/grafana"
)

func init() { verbs = append(verbs, newDashboard) }

func newDashboard() *cobra.Command {
	cmd := &cobra.Command{
		Use: "dashboard", GroupID: "observe", Short: "Dashboards: list them, bring them from Grafana, begin one for a service",
		Example: "  evenkeel dashboard list\n  evenkeel dashboard import node.json -o workspace/dashboards/node.yml\n  evenkeel dashboard generate checkout --file workspace/dashboards/checkout.yml",
	}
	cmd.AddCommand(newDashboardList(), newDashboardGenerate(), newDashboardImport())
	return cmd
}

func newDashboardList() *cobra.Command {
	var r *remote
	cmd := &cobra.Command{
		Use: "list", Short: "List the dashboards of the workspace", Args: cobra.NoArgs, Example: "  evenkeel dashboard list",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return list(cmd, r, "list dashboards", "/dashboards", nil, "No dashboard is in the workspace.", func(items []api.DashboardLine) *table {
				t := columns("NAME", "TITLE", "SERVICE", "PANELS", "FILE")
				for _, d := range items {
					t.row(d.Name, d.Title, string(d.Service), fmt.Sprint(d.Panels), d.File)
				}
				return t
			})
		},
	}
	r = newRemote(cmd)
	return cmd
}

func newDashboardGenerate() *cobra.Command {
	var r *remote
	var out string
	cmd := &cobra.Command{
		Use: "generate SERVICE", Short: "Write the dashboard of what is stored of a service, as a file to edit", Args: cobra.ExactArgs(1),
		Long: `Write the dashboard that a service has without a file: rate, errors, duration, objectives,
calls, saturation and lines, as far as they are stored. It goes to stdout, or to --file.`,
		Example: "  evenkeel dashboard generate checkout --file workspace/dashboards/checkout.yml",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := r.client(cmd)
			if err != nil {
				return err
			}
			var d declare.Dashboard
			if _, err := c.get(cmd.Context(), "make a dashboard of "+args[0], "/services/"+seg(args[0])+"/dashboard", nil, &d); err != nil {
				return err
			}
			text, err := dashboard.Write(&d)
			if err != nil {
				return err
			}
			return writeTo(cmd, out, text)
		},
	}
	r = newRemote(cmd)
	cmd.Flags().StringVar(&out, "file", "", "write it there; a file that exists is not replaced")
	return cmd
}

// imported is what an import answers as JSON.
type imported struct {
	Panels    int            `json:"panels"`
	Queries   int            `json:"queries"`
	Variables int            `json:"variables"`
	Lost      []grafana.Loss `json:"lost"`
}

func newDashboardImport() *cobra.Command {
	var out string
	var strict, report bool
	cmd := &cobra.Command{
		Use: "import FILE.json", Short: "Make a dashboard of Grafana's JSON, and tell what did not map", Args: cobra.ExactArgs(1),
		Long: `Make a dashboard of one that Grafana exported (classic JSON, also in the API's envelope or
in a resource's spec). The dashboard goes to stdout, or to -o; what has no counterpart goes
to stderr: which panel, what, why. - reads from stdin.

Exit code: 0 it is made (1 with --strict when something did not map), 2 it is not a dashboard.`,
		Example: "  evenkeel dashboard import node.json -o workspace/dashboards/node.yml\n  curl -s https://grafana.example/api/dashboards/uid/x | evenkeel dashboard import -",
		RunE: func(cmd *cobra.Command, args []string) error {
			data, err := readSource(cmd, args[0])
			if err != nil {
				return err
			}
			d, lost, err := grafana.Import(data)
			if err != nil {
				tellLost(cmd.ErrOrStderr(), lost)
				return err
			}
			text, err := dashboard.Write(d)
			if err != nil {
				return err
			}
			counts := imported{Panels: d.Panels(), Variables: len(d.Variables), Lost: append([]grafana.Loss{}, lost...)}
			for _, row := range d.Rows {
				for _, p := range row.Panels {
					counts.Queries += len(p.Queries)
				}
			}
			if report {
				raw, err := asJSON(counts)
				if err != nil {
					return err
				}
				if err := printJSON(cmd.OutOrStdout(), raw); err != nil {
					return err
				}
			}
			if !report || out != "" {
				if err := writeTo(cmd, out, text); err != nil {
					return err
				}
			}
			if !report {
				tellLost(cmd.ErrOrStderr(), lost)
				fmt.Fprintf(cmd.ErrOrStderr(), "%s, %s, %s; %s\n", plural(counts.Panels, "panel"), plural(counts.Queries, "query", "queries"), plural(counts.Variables, "variable"), plural(len(lost), "thing did not map", "things did not map"))
			}
			if strict && len(lost) > 0 {
				return &foundError{}
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "write the dashboard to this file; one that exists is not replaced")
	cmd.Flags().BoolVar(&report, "report", false, "print what mapped and what did not as JSON")
	cmd.Flags().BoolVar(&strict, "strict", false, "exit with 1 when something did not map")
	return cmd
}

func tellLost(w io.Writer, lost []grafana.Loss) {
	if len(lost) == 0 {
		return
	}
	t := columns("PANEL", "WHAT DID NOT MAP", "WHY")
	for _, l := range lost {
		panel := l.Panel
		if panel == "" {
			panel = "(the dashboard)"
		}
		t.row(panel, l.What, l.Why)
	}
	t.write(w)
}

func readSource(cmd *cobra.Command, name string) ([]byte, error) {
	in := cmd.InOrStdin()
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("cannot read the dashboard: %w", err)
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, grafana.MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read the dashboard: %w", err)
	}
	return data, nil
}

// writeTo writes to a new file, or to stdout.
func writeTo(cmd *cobra.Command, name string, text []byte) error {
	if name == "" {
		_, err := cmd.OutOrStdout().Write(text)
		return err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return fmt.Errorf("cannot write dashboard: %w", err)
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("cannot write dashboard %q: the file is there already", name)
	}
	if err != nil {
		return fmt.Errorf("cannot write dashboard: %w", err)
	}
	if _, err := f.Write(text); err != nil {
		_ = f.Close()
		return fmt.Errorf("cannot write dashboard: %w", err)
	}
	return f.Close()
}
