package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/api"
)

func init() { verbs = append(verbs, newPlan) }

func newPlan() *cobra.Command {
	var r *remote
	var dir string
	cmd := &cobra.Command{
		Use: "plan", GroupID: "declare", Args: cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
		Short: "Say what applying a workspace would change, and what its alerts would have done",
		Long: `Compare a workspace folder with the one that the server uses: what would be added,
changed and removed, and what the changed alerts and objectives would have done in the
last 30 days.

Exit code: 0 it can be applied, 1 an incident would be lost that today's rules catch or
a rule cannot be evaluated, 2 it could not be done.`,
		Example: "  evenkeel plan\n  evenkeel plan --workspace my-workspace -o markdown",
		RunE: func(cmd *cobra.Command, _ []string) error {
			files, err := pack(dir)
			if err != nil {
				return err
			}
			c, err := r.client(cmd)
			if err != nil {
				return err
			}
			var p api.Plan
			raw, err := c.replay(cmd.Context(), cmd.ErrOrStderr(), "plan", "/plan", api.Replaying{Workspace: files}, &p)
			if err != nil {
				return err
			}
			if r.format.name == formatMarkdown {
				if _, err := io.WriteString(cmd.OutOrStdout(), planMarkdown(&p)); err != nil {
					return err
				}
			} else if err := r.format.print(cmd, raw, func(w io.Writer) { planTables(w, &p) }); err != nil {
				return err
			}
			if len(p.Changes) == 0 {
				fmt.Fprintln(cmd.ErrOrStderr(), "Nothing would change.")
			}
			if p.Backtest == nil {
				return nil
			}
			return verdict(p.Backtest)
		},
	}
	cmd.Flags().StringVarP(&dir, "workspace", "w", ".", "workspace folder")
	_ = cmd.MarkFlagDirname("workspace")
	r = newRemote(cmd)
	r.format.words = append(r.format.words, formatMarkdown)
	cmd.PersistentFlags().Lookup("output").Usage += ", " + formatMarkdown
	return cmd
}

func planTables(w io.Writer, p *api.Plan) {
	if len(p.Changes) == 0 {
		return
	}
	t := columns("WHAT", "KIND", "NAME", "FILE")
	for _, c := range p.Changes {
		t.row(c.What, c.Kind, c.Name, c.File)
	}
	t.write(w)
	if p.Backtest != nil {
		fmt.Fprintln(w)
		resultTables(w, p.Backtest)
	}
}

func planMarkdown(p *api.Plan) string {
	var b strings.Builder
	b.WriteString("### Plan\n\n")
	if len(p.Changes) == 0 {
		b.WriteString("Nothing would change.\n")
		return b.String()
	}
	b.WriteString("| | | name | file |\n| --- | --- | --- | --- |\n")
	for _, c := range p.Changes {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", c.What, c.Kind, strings.ReplaceAll(c.Name, "|", `\|`), strings.ReplaceAll(c.File, "|", `\|`))
	}
	if p.Backtest != nil {
		b.WriteString("\n" + p.Backtest.Markdown())
	}
	return b.String()
}
