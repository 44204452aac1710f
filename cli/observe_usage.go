package cli

import (
	"context"
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
				}{{"METRIC", t.SeriesBy}, {"JOB", t.JobsBy}, {"LABEL", t.ValuesBy}, {"STREAM FIELD", t.LogValuesBy}, {"UNUSED METRIC", t.UnusedBy}} {
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
	Signal string  `json:"signal"` // logs, traces or metrics
	Rule   string  `json:"rule"`
	Match  string  `json:"match"`
	Kind   string  `json:"kind"`  // drop or aggregate
	Rows   float64 `json:"rows"`  // lines, spans; series of metrics
	Bytes  float64 `json:"bytes"` // of the values, before compression
	Share  float64 `json:"share"` // of all bytes in that time
	PerDay float64 `json:"bytes_per_day"`
}

func observeSavings(r *remote) *cobra.Command {
	var dir string
	var from timeFlag
	cmd := &cobra.Command{
		Use: "savings", Args: cobra.NoArgs, Short: "Preview what the drop and aggregate rules of a workspace would save",
		Long: `Preview what the drop and aggregate rules of a workspace (logs.drop, logs.aggregate,
traces.drop, traces.aggregate and metrics.drop in its evenkeel.yml) would have kept out
of the stores: rows and bytes of the stored logs and spans that each rule finds, and the
series that are active. Nothing is changed. Rules that are in force already have dropped
theirs: of those only what came before is found.`,
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
			if len(s.Logs.Reduce)+len(s.Traces.Reduce)+len(s.Metrics.Drop) == 0 {
				return errors.New("cannot preview savings: " + file + " has no drop and no aggregate rule, of logs, traces or metrics")
			}
			if from.t.IsZero() {
				from.t = time.Now().Add(-24 * time.Hour)
			}
			c, err := r.client(cmd)
			if err != nil {
				return err
			}
			measure := func(path, match string) (rows, size float64, err error) {
				q := values("query", match+" | stats count() rows, sum_len(*) bytes", "start", from.t.UTC().Format(time.RFC3339Nano))
				err = c.lines(cmd.Context(), "preview savings", path, q, c.wait, func(row logRow) error {
					var err1, err2 error
					rows, err1 = strconv.ParseFloat(row["rows"], 64)
					size, err2 = strconv.ParseFloat(row["bytes"], 64)
					return errors.Join(err1, err2)
				})
				return rows, size, err
			}
			days := max(time.Since(from.t).Hours()/24, 1.0/24)
			out := []Saving{}
			for _, of := range []struct {
				signal, path string
				rules        []declare.LogReduction
			}{{"logs", "/select/logsql/query", s.Logs.Reduce}, {"traces", "/select/traces/logsql/query", s.Traces.Reduce}} {
				if len(of.rules) == 0 {
					continue
				}
				_, total, err := measure(of.path, "*")
				if err != nil {
					return err
				}
				for _, rule := range of.rules {
					v := Saving{Signal: of.signal, Rule: rule.Name, Match: rule.Match, Kind: "drop"}
					if rule.Record != "" {
						v.Kind = "aggregate"
					}
					if v.Rows, v.Bytes, err = measure(of.path, "("+rule.Match+")"); err != nil {
						return err
					}
					v.PerDay = v.Bytes / days
					if total > 0 {
						v.Share = v.Bytes / total
					}
					out = append(out, v)
				}
			}
			if len(s.Metrics.Drop) > 0 {
				total, err := c.seriesOf(cmd.Context(), `{__name__!=""}`)
				if err != nil {
					return err
				}
				for _, rule := range s.Metrics.Drop {
					v := Saving{Signal: "metrics", Rule: rule.Name, Match: rule.Match, Kind: "drop"}
					if v.Rows, err = c.seriesOf(cmd.Context(), rule.Match); err != nil {
						return err
					}
					if total > 0 {
						v.Share = v.Rows / total
					}
					out = append(out, v)
				}
			}
			raw, err := json.Marshal(out)
			if err != nil {
				return err
			}
			return r.format.print(cmd, raw, func(w io.Writer) {
				t := columns("SIGNAL", "RULE", "KIND", "ROWS", "BYTES", "SHARE", "A DAY", "MATCH")
				for _, v := range out {
					t.row(v.Signal, v.Rule, v.Kind, fmt.Sprintf("%.0f", v.Rows), bytesText(v.Bytes), fmt.Sprintf("%.1f%%", 100*v.Share), bytesText(v.PerDay), v.Match)
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

// seriesOf is how many series that are active a selector matches.
func (c *client) seriesOf(ctx context.Context, selector string) (float64, error) {
	var answer struct {
		Data struct {
			Result []struct{ Value [2]any }
		}
	}
	if _, err := c.get(ctx, "preview savings", "/api/v1/query", values("query", "count("+selector+")"), &answer); err != nil {
		return 0, err
	}
	if len(answer.Data.Result) == 0 {
		return 0, nil
	}
	return strconv.ParseFloat(fmt.Sprint(answer.Data.Result[0].Value[1]), 64)
}
