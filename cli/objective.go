package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/api"
	"github.com/evenkeel/evenkeel/detect/budget"
)

func init() { verbs = append(verbs, newObjective) }

var objectiveNames = known("/objectives", nil, func(o api.Objective) (string, string) { return string(o.Name), o.Title })

func newObjective() *cobra.Command {
	cmd := &cobra.Command{
		Use: "objective", GroupID: "detect", Aliases: []string{"objectives"}, Short: "Show what services owe their users, and how their error budgets stand: list, show",
		Example: "  evenkeel objective list --service checkout\n  evenkeel objective show checkout-availability",
	}
	r := newRemote(cmd)
	cmd.AddCommand(objectiveList(r), objectiveShow(r))
	return cmd
}

func objectiveList(r *remote) *cobra.Command {
	var service string
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Args: cobra.NoArgs, Short: "List objectives with what is left of their budgets",
		Example: "  evenkeel objective list",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return list(cmd, r, "list objectives", "/objectives", values("service", service), "There are no objectives.", objectiveTable)
		},
	}
	cmd.Flags().StringVar(&service, "service", "", "only this service's")
	r.liveFlag(cmd, "service", services)
	return cmd
}

func objectiveTable(items []api.Objective) *table {
	t := columns("OBJECTIVE", "SERVICE", "TARGET", "WINDOW", "STATE", "BUDGET LEFT", "BURN RATE", "TITLE")
	for _, o := range items {
		t.row(string(o.Name), string(o.Service), share(o.Target), windowText(o), string(o.Status.State), shareText(o.Status.BudgetRemaining), rateText(o.Status.BurnRate), o.Title)
	}
	return t
}

func windowText(o api.Objective) string {
	if o.Calendar {
		return o.Window + " calendar"
	}
	return o.Window
}

func share(v float64) string { return fmt.Sprintf("%.6g %%", 100*v) }

func shareText(v *float64) string {
	if v == nil {
		return "no data"
	}
	return fmt.Sprintf("%.1f %%", 100**v)
}

func rateText(v *float64) string {
	if v == nil {
		return "no data"
	}
	return fmt.Sprintf("%.3g×", *v)
}

// standing is an objective with its budget.
type standing struct {
	api.Objective
	Budget *budget.Report `json:"budget"`
}

func objectiveShow(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Args: cobra.ExactArgs(1), ValidArgsFunction: r.live(objectiveNames), Short: "Show one objective: burn rates over all windows, when its budget runs out, and on what it was spent",
		Example: "  evenkeel objective show checkout-availability\n  evenkeel objective show checkout-availability -o json | jq .budget.forecast",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := r.client(cmd)
			if err != nil {
				return err
			}
			s, err := stand(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			raw, err := json.Marshal(s)
			if err != nil {
				return err
			}
			return r.format.print(cmd, raw, func(w io.Writer) { printStanding(w, s) })
		},
	}
}

func stand(ctx context.Context, c *client, name string) (s standing, err error) {
	path := "/objectives/" + seg(name)
	if _, err = c.get(ctx, "show objective "+name, path, nil, &s.Objective); err != nil {
		return s, err
	}
	_, err = c.get(ctx, "show the budget of "+name, path+"/budget", nil, &s.Budget)
	return s, err
}

func printStanding(w io.Writer, o standing) {
	s := sheet{}
	s.add("objective", string(o.Name))
	s.add("title", o.Title)
	s.add("service", string(o.Service))
	s.add("team", string(o.Team))
	s.add("target", fmt.Sprintf("%s over %s, %s", share(o.Target), windowText(o.Objective), o.Method))
	if len(o.Parts) > 0 {
		var parts []string
		for _, p := range o.Parts {
			parts = append(parts, string(p.Objective))
		}
		s.add("made of", strings.Join(parts, ", "))
	}
	s.add("part of", string(o.PartOf))
	s.add("state", string(o.Status.State))
	s.add("budget left", shareText(o.Status.BudgetRemaining))
	b := o.Budget
	s.add("outlook", strings.Join(b.Words(b.At), " "))
	s.add("since", exactly(b.From))
	s.add("bad", fmt.Sprintf("%.6g of %.6g %s", b.Bad, b.All, b.Unit))
	s.add("runbook", o.Runbook)
	s.write(w)
	if len(b.Burns) > 0 {
		fmt.Fprintln(w)
		t := columns("WINDOW", "BURN RATE", "ALERTS ABOVE", "HOLDS")
		for _, x := range b.Burns {
			above, holds := "", ""
			if x.Severity != "" {
				above = fmt.Sprintf("%.3g× and %s (%s)", x.Factor, x.Short, x.Severity)
				if holds = "no"; x.Holds {
					holds = "yes"
				}
			}
			t.row(x.Window, rateText(x.Rate), above, holds)
		}
		t.write(w)
	}
	for _, by := range b.Causes {
		if len(by.Shares) == 0 {
			continue
		}
		fmt.Fprintln(w)
		t := columns("SPENT BY "+strings.ToUpper(string(by.By)), "OF THE BUDGET", "BAD", "FROM", "WHAT")
		for _, x := range by.Shares {
			t.row(x.Name, fmt.Sprintf("%.1f %%", 100*x.Spent), fmt.Sprintf("%.6g", x.Bad), whenText(x.From), x.Title)
		}
		t.write(w)
	}
}

func whenText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return clock(t)
}
