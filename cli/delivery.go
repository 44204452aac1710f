package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/learn/delivery"
)

func init() { verbs = append(verbs, newDelivery) }

func newDelivery() *cobra.Command {
	var service, team string
	var since, until timeFlag
	var records bool
	cmd := &cobra.Command{
		Use: "delivery", GroupID: "learn", Args: cobra.NoArgs, Short: "How changes reach users: frequency, lead time, failures, recovery, rework",
		Long: `Deployment frequency, lead time, change failure rate, failed-deployment recovery time and
rework, each with how many it comes from, median and 90th percentile. -o json has the
records behind each; --records lists them.`,
		Example: `  evenkeel delivery --team shop --since -90d
  evenkeel delivery --service checkout --records`,
	}
	r := newRemote(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := r.client(cmd)
		if err != nil {
			return err
		}
		var rep delivery.Report
		raw, err := c.get(cmd.Context(), "measure delivery", "/delivery", values("service", service, "team", team, "from", since.rfc(), "to", until.rfc()), &rep)
		if err != nil {
			return err
		}
		return r.format.print(cmd, raw, func(w io.Writer) {
			t := columns("MEASURE", "VALUE", "MEDIAN", "P90", "N")
			for _, m := range rep.Measures {
				t.row(m.Name, inWords(m, m.Value), inWords(m, m.Median), inWords(m, m.P90), fmt.Sprint(m.N))
			}
			for _, m := range rep.Stages {
				t.row("  "+m.Name, "", inWords(m, m.Median), inWords(m, m.P90), fmt.Sprint(m.N))
			}
			t.write(w)
			if !records {
				return
			}
			for _, m := range rep.Measures {
				fmt.Fprintf(w, "\n%s: %s\n", m.Name, m.What)
				t := columns("WHEN", "CHANGE", "SERVICE", "TOOK", "COUNTED", "WHY")
				for _, x := range m.Records {
					took, counted := "", ""
					if x.Seconds != 0 {
						took = (time.Duration(x.Seconds) * time.Second).String()
					}
					if m.Unit == "share" {
						counted = map[bool]string{true: "yes", false: "no"}[x.Counts]
					}
					t.row(x.At.Format("2006-01-02 15:04"), x.Change, string(x.Service), took, counted, x.Why)
				}
				t.write(w)
			}
		})
	}
	f := cmd.Flags()
	f.StringVar(&service, "service", "", "only this service's")
	f.StringVar(&team, "team", "", "only those of the services that this team owns")
	f.Var(&since, "since", "from then on (default 30 days ago)")
	f.Var(&until, "until", "until then (default now)")
	f.BoolVar(&records, "records", false, "list the records behind each measure")
	r.liveFlag(cmd, "service", services)
	return cmd
}

func inWords(m delivery.Measure, v *float64) string {
	switch {
	case v == nil:
		return ""
	case m.Unit == "share":
		return fmt.Sprintf("%.1f %%", 100**v)
	case m.Unit == "seconds":
		return (time.Duration(*v) * time.Second).String()
	}
	return fmt.Sprintf("%.2f a day", *v)
}
