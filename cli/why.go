package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/respond/why"
)

func findingWhy(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "why ID", Args: cobra.ExactArgs(1), ValidArgsFunction: r.live(openFindings), Short: "Say why it paged somebody, or nobody: every decision, with the setting behind it",
		Example: "  evenkeel finding why 12",
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := numberArg("finding", args[0])
			if err != nil {
				return err
			}
			return one(cmd, r, "say why of finding "+id, "/findings/"+id+"/why", func(w io.Writer, t why.Trace) {
				fmt.Fprintln(w, printable(t.Verdict))
				fmt.Fprintln(w)
				stepTable(t.Steps).write(w)
			})
		},
	}
}

func stepTable(steps []why.Step) *table {
	t := columns("STAGE", "OUTCOME", "AT", "WHAT", "SETTING")
	for _, s := range steps {
		at := ""
		if !s.At.IsZero() {
			at = clock(s.At)
		}
		t.row(s.Stage, string(s.Outcome), at, s.Text, s.Setting)
	}
	return t
}

func onCallExplain(r *remote) *cobra.Command {
	var labels []string
	var at timeFlag
	cmd := &cobra.Command{
		Use: "explain --labels K=V,…", Args: cobra.NoArgs, Short: "Say whom a finding with these labels would reach, how and when; exit code 1 when nobody",
		Example: "  evenkeel oncall explain --labels severity=page,service=checkout\n  evenkeel oncall explain --labels severity=page,team=shop --at \"2026-12-25 03:00\" -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := r.client(cmd)
			if err != nil {
				return err
			}
			var f why.Forecast
			raw, err := c.get(cmd.Context(), "explain", "/oncall/explain", values("labels", strings.Join(labels, ","), "at", at.rfc()), &f)
			if err != nil {
				return err
			}
			if err := r.format.print(cmd, raw, func(w io.Writer) { printForecast(w, f) }); err != nil {
				return err
			}
			for _, x := range f.Reached {
				if len(x.By) > 0 && !x.Copy {
					return nil
				}
			}
			return &foundError{}
		},
	}
	cmd.Flags().StringArrayVarP(&labels, "labels", "l", nil, "labels of the finding, as severity=page,service=checkout")
	cmd.Flags().Var(&at, "at", "then instead of now")
	_ = cmd.MarkFlagRequired("labels") // fails only for a flag that is not there
	return cmd
}

func printForecast(w io.Writer, f why.Forecast) {
	fmt.Fprintln(w, printable(f.Verdict))
	fmt.Fprintln(w)
	t := columns("AFTER", "WHO", "BY", "BECAUSE")
	for _, x := range f.Reached {
		who := string(x.Person)
		if who == "" {
			who = "receiver " + x.Receiver
		}
		if x.Copy {
			who += " (copy)"
		}
		by := strings.Join(x.By, ", then ")
		if by == "" {
			by = "cannot be reached"
		}
		t.row(x.At.Sub(f.At).Round(time.Second).String(), who, by, x.Why)
	}
	if len(t.rows) > 0 {
		t.write(w)
		fmt.Fprintln(w)
	}
	stepTable(f.Steps).write(w)
}
