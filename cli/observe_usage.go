package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/api"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/settings"
)

func init() { observeVerbs = append(observeVerbs, observeUsage, observeSavings) }

func observeUsage(r *remote) *cobra.Command {
	var from, to timeFlag
	cmd := &cobra.Command{
		Use: "usage", Args: cobra.NoArgs, Short: "Show who sends how much telemetry, and whether anybody looks at it",
		Long: `Show who sends how much telemetry: volume and share by service and receiver, senders,
series by metric and job, labels with most values, and what nobody has asked for.`,
		Example: "  evenkeel observe usage --from -7d",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := r.client(cmd)
			if err != nil {
				return err
			}
			var t api.Telemetry
			raw, err := c.get(cmd.Context(), "report telemetry", "/telemetry", values("from", from.rfc(), "to", to.rfc()), &t)
			if err != nil {
				return err
			}
			return r.format.print(cmd, raw, func(w io.Writer) {
				items := columns("SIGNAL", "SERVICE", "RECEIVER", "ROWS", "BYTES", "SHARE", "SENDERS", "LAST", "STATE", "LAST USED", "OWNER")
				for _, it := range t.Items {
					state := it.State
					if it.Unused {
						state += ", unused"
					}
					items.row(it.Signal, it.Service, it.Receiver, fmt.Sprint(it.Rows), bytesText(float64(it.Bytes)), fmt.Sprintf("%.1f%%", 100*it.Share), fmt.Sprint(it.Senders), ago(it.Last), state, ago(it.LastUsed), string(it.Owner))
				}
				items.write(w)
				for _, part := range []struct {
					head string
					list []api.Cardinality
				}{{"METRIC", t.SeriesBy}, {"JOB", t.JobsBy}, {"LABEL", t.ValuesBy}, {"STREAM FIELD", t.LogValuesBy}} {
					if len(part.list) == 0 {
						continue
					}
					what := "SERIES"
					if part.head == "LABEL" || part.head == "STREAM FIELD" {
						what = "VALUES"
					}
					fmt.Fprintln(w)
					table := columns(part.head, what)
					for _, c := range part.list[:min(len(part.list), 10)] {
						table.row(c.Name, fmt.Sprint(c.Count))
					}
					table.write(w)
				}
			})
		},
	}
	f := cmd.Flags()
	f.Var(&from, "from", "volume from then (default a day ago)")
	f.Var(&to, "to", "volume before then (default now)")
	return cmd
}

// Saving is what one drop or aggregate rule would have kept out of the store.
type Saving struct {
	Rule   string  `json:"rule"`
	Match  string  `json:"match"`
	Kind   string  `json:"kind"` // drop or aggregate
	Rows   float64 `json:"rows"`
	Bytes  float64 `json:"bytes"` // of the values, before compression
	Share  float64 `json:"share"` // of all bytes in that time
	PerDay float64 `json:"bytes_per_day"`
}

func observeSavings(r *remote) *cobra.Command {
	var dir string
	var from timeFlag
	cmd := &cobra.Command{
		Use: "savings", Args: cobra.NoArgs, Short: "Preview what the drop and aggregate rules of a workspace would save",
		Long: `Preview what the drop and aggregate rules of a workspace (logs.drop and logs.aggregate
in its evenkeel.yml) would have kept out of the log store: rows and bytes of the stored
logs that each rule finds. Nothing is changed. Rules that are in force already have
dropped theirs: of those only what came before is found.`,
		Example: "  evenkeel observe savings -w my-workspace --from -7d",
		RunE: func(cmd *cobra.Command, _ []string) error {
			file := filepath.Join(dir, "evenkeel.yml")
			data, err := os.ReadFile(file)
			if err != nil {
				return fmt.Errorf("cannot read the rules: %w", err)
			}
			var problems declare.Problems
			s := settings.Read(file, data, &problems)
			if errs := problems.Errors(); len(errs) > 0 {
				return fmt.Errorf("cannot read the rules: %w", errs)
			}
			if len(s.Logs.Reduce) == 0 {
				return errors.New("cannot preview savings: " + file + " has no logs.drop and no logs.aggregate")
			}
			if from.t.IsZero() {
				from.t = time.Now().Add(-24 * time.Hour)
			}
			c, err := r.client(cmd)
			if err != nil {
				return err
			}
			measure := func(match string) (rows, size float64, err error) {
				q := values("query", match+" | stats count() rows, sum_len(*) bytes", "start", from.t.UTC().Format(time.RFC3339Nano))
				err = c.lines(cmd.Context(), "preview savings", "/select/logsql/query", q, c.wait, func(row logRow) error {
					var err1, err2 error
					rows, err1 = strconv.ParseFloat(row["rows"], 64)
					size, err2 = strconv.ParseFloat(row["bytes"], 64)
					return errors.Join(err1, err2)
				})
				return rows, size, err
			}
			_, total, err := measure("*")
			if err != nil {
				return err
			}
			days := max(time.Since(from.t).Hours()/24, 1.0/24)
			out := []Saving{}
			for _, rule := range s.Logs.Reduce {
				v := Saving{Rule: rule.Name, Match: rule.Match, Kind: "drop"}
				if rule.Record != "" {
					v.Kind = "aggregate"
				}
				if v.Rows, v.Bytes, err = measure("(" + rule.Match + ")"); err != nil {
					return err
				}
				v.PerDay = v.Bytes / days
				if total > 0 {
					v.Share = v.Bytes / total
				}
				out = append(out, v)
			}
			raw, err := json.Marshal(out)
			if err != nil {
				return err
			}
			return r.format.print(cmd, raw, func(w io.Writer) {
				t := columns("RULE", "KIND", "ROWS", "BYTES", "SHARE", "A DAY", "MATCH")
				for _, v := range out {
					t.row(v.Rule, v.Kind, fmt.Sprintf("%.0f", v.Rows), bytesText(v.Bytes), fmt.Sprintf("%.1f%%", 100*v.Share), bytesText(v.PerDay), v.Match)
				}
				t.write(w)
			})
		},
	}
	f := cmd.Flags()
	f.StringVarP(&dir, "workspace", "w", ".", "folder whose evenkeel.yml has the rules")
	f.Var(&from, "from", "of what was stored since then (default a day ago)")
	return cmd
}

func bytesText(n float64) string {
	for _, unit := range []string{"B", "KiB", "MiB", "GiB"} {
		if n < 1024 {
			return fmt.Sprintf("%.3g %s", n, unit)
		}
		n /= 1024
	}
	return fmt.Sprintf("%.3g TiB", n)
}
