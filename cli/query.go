package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/spf13/cobra"
)

func init() { verbs = append(verbs, newQuery) }

func newQuery() *cobra.Command {
	var r *remote
	var at, from, to timeFlag
	var step string
	var ask explaining
	var inLogs logQuery
	var inTraces traceQuery
	cmd := &cobra.Command{
		Use: "query EXPR", GroupID: "observe", Args: cobra.ExactArgs(1), ValidArgsFunction: cobra.NoFileCompletions,
		Short: "Evaluate PromQL, now, at a time or over a range; with --logs, LogsQL; with --traces, TraceQL",
		Long: `Evaluate PromQL, now, --at a time or over a range from --from to --to. JSON and YAML are
the data of Prometheus' own answer. A range as a table is one line a series, with a
small chart. EXPR - reads the expression from stdin.

With --logs EXPR is LogsQL and log lines answer, the newest 100 of the last hour unless
--from, --to and --limit say otherwise; a query that ends in a stats pipe answers with
its groups. --follow prints lines as they come.

With --traces EXPR is TraceQL and traces answer, the newest of the last hour unless
--from, --to and --limit say otherwise; the ID of a trace draws that one.`,
		Example: `  evenkeel query 'sum by (service) (rate(http_requests_total[5m]))'
  evenkeel query 'slo:current_burn_rate:ratio' --from -6h --step 5m
  evenkeel query --explain --compare 'sum(rate(http_requests_total[30d]))'
  evenkeel query --logs '{service.name="checkout"} severity:i(error)' --from -30m
  evenkeel query --logs '* | stats by (service.name) count() lines'
  evenkeel query --logs 'timeout' --follow
  evenkeel query --traces '{ resource.service.name = "checkout" && status = error }'
  evenkeel query --traces 4bf92f3577b34da6a3ce929d0e0e4736`,
		RunE: func(cmd *cobra.Command, args []string) error {
			expr := args[0]
			if expr == "-" {
				text, err := readAll(cmd.InOrStdin())
				if err != nil {
					return err
				}
				expr = text
			}
			if inTraces.on {
				if step != "" || !at.t.IsZero() || inLogs.follow || inLogs.on {
					return errors.New("cannot query traces: --at, --step, --logs and --follow have no meaning with --traces; use --from and --to")
				}
				return inTraces.run(cmd, r, expr, inLogs.limit, from, to)
			}
			if inLogs.on {
				if step != "" || !at.t.IsZero() {
					return errors.New("cannot query logs: --at and --step are PromQL's; use --from, --to, and | stats by (_time:5m)")
				}
				return inLogs.run(cmd, r, expr, from, to)
			}
			if inLogs.follow || cmd.Flags().Changed("limit") {
				return errors.New("cannot query: --follow and --limit need --logs")
			}
			if err := ask.check(cmd.Flags().Changed); err != nil {
				return err
			}
			if ask.explain {
				return ask.run(cmd, r, expr, at.rfc())
			}
			path, q := "/api/v1/query", values("query", expr, "time", at.rfc())
			if !from.t.IsZero() {
				if to.t.IsZero() {
					to.t = time.Now()
				}
				if !to.t.After(from.t) {
					return errors.New("cannot query: --to is not after --from")
				}
				if step == "" {
					step = strconv.FormatFloat(max(1, math.Ceil(to.t.Sub(from.t).Seconds()/240)), 'f', -1, 64)
				}
				path, q = "/api/v1/query_range", values("query", expr, "start", from.rfc(), "end", to.rfc(), "step", step)
			} else if !to.t.IsZero() || step != "" {
				return errors.New("cannot query: --to and --step need --from")
			}
			c, err := r.client(cmd)
			if err != nil {
				return err
			}
			var answer struct {
				Data     json.RawMessage `json:"data"`
				Warnings []string        `json:"warnings"`
				Infos    []string        `json:"infos"`
			}
			if _, err := c.get(cmd.Context(), "query", path, q, &answer); err != nil {
				return err
			}
			for _, text := range append(answer.Warnings, answer.Infos...) {
				fmt.Fprintln(cmd.ErrOrStderr(), "evenkeel: "+printable(text))
			}
			t, err := seriesTable(answer.Data)
			if err != nil {
				return err
			}
			if err := r.format.print(cmd, answer.Data, func(w io.Writer) {
				if len(t.rows) > 0 {
					t.write(w)
				}
			}); err != nil {
				return err
			}
			if r.format.name == formatTable && len(t.rows) == 0 {
				fmt.Fprintln(cmd.ErrOrStderr(), "No series answers.")
			}
			return nil
		},
	}
	r = newRemote(cmd)
	f := cmd.Flags()
	f.Var(&at, "at", "evaluate then instead of now")
	f.Var(&from, "from", "evaluate over a range from then, as -1h")
	f.Var(&to, "to", "to then (default now)")
	f.StringVar(&step, "step", "", "every so much, as 30s (default a 240th of the range)")
	inLogs.flags(cmd)
	inTraces.flags(cmd)
	cmd.MarkFlagsMutuallyExclusive("at", "from")
	ask.flags(cmd)
	return cmd
}

// point is a time and a value, as Prometheus writes it: [1700000000.5, "0.25"].
type point struct {
	at    float64
	value string
}

// UnmarshalJSON reads the pair.
func (p *point) UnmarshalJSON(data []byte) error {
	var pair []json.RawMessage
	if err := json.Unmarshal(data, &pair); err != nil {
		return err
	}
	if len(pair) != 2 {
		return fmt.Errorf("got %d elements, expected a time and a value", len(pair))
	}
	return errors.Join(json.Unmarshal(pair[0], &p.at), json.Unmarshal(pair[1], &p.value))
}

func (p point) number() float64 {
	v, err := strconv.ParseFloat(p.value, 64)
	if err != nil {
		return math.NaN()
	}
	return v
}

// series is one of a vector or of a matrix. Native histograms have no number to show.
type series struct {
	Metric     model.Metric      `json:"metric"`
	Value      point             `json:"value"`
	Values     []point           `json:"values"`
	Histogram  json.RawMessage   `json:"histogram"`
	Histograms []json.RawMessage `json:"histograms"`
}

func seriesTable(data json.RawMessage) (*table, error) {
	var typed struct {
		ResultType string          `json:"resultType"`
		Result     json.RawMessage `json:"result"`
	}
	if err := json.Unmarshal(data, &typed); err != nil {
		return nil, fmt.Errorf("cannot read the answer: %w", err)
	}
	if typed.ResultType == "scalar" || typed.ResultType == "string" {
		var p point
		if err := json.Unmarshal(typed.Result, &p); err != nil {
			return nil, fmt.Errorf("cannot read the answer: %w", err)
		}
		t := columns("VALUE")
		t.row(p.value)
		return t, nil
	}
	var all []series
	if err := json.Unmarshal(typed.Result, &all); err != nil {
		return nil, fmt.Errorf("cannot read the answer: %w", err)
	}
	if typed.ResultType == "matrix" {
		return matrixTable(all), nil
	}
	t := columns("SERIES", "VALUE")
	for _, s := range all {
		value := s.Value.value
		if s.Histogram != nil {
			value = "histogram: see -o json"
		}
		t.row(s.Metric.String(), value)
	}
	return t, nil
}

func matrixTable(all []series) *table {
	t := columns("SERIES", "POINTS", "FIRST", "MIN", "MAX", "LAST", "CHART")
	for _, s := range all {
		if len(s.Values) == 0 {
			t.row(s.Metric.String(), strconv.Itoa(len(s.Histograms)), "", "", "", "", "histograms: see -o json")
			continue
		}
		low, high := math.Inf(1), math.Inf(-1)
		numbers := make([]float64, len(s.Values))
		for i, p := range s.Values {
			numbers[i] = p.number()
			if !math.IsNaN(numbers[i]) {
				low, high = min(low, numbers[i]), max(high, numbers[i])
			}
		}
		t.row(s.Metric.String(), strconv.Itoa(len(numbers)), compact(numbers[0]), compact(low), compact(high), compact(numbers[len(numbers)-1]), chart(numbers, low, high))
	}
	return t
}

func compact(v float64) string {
	if math.IsInf(v, 0) || math.IsNaN(v) {
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return strconv.FormatFloat(v, 'g', 5, 64)
}

// chart draws the numbers in at most 30 characters, each the highest of its share.
func chart(numbers []float64, low, high float64) string {
	const most = 30
	marks := []rune("▁▂▃▄▅▆▇█")
	var out strings.Builder
	n := min(most, len(numbers))
	for i := range n {
		top := math.NaN()
		for _, v := range numbers[i*len(numbers)/n : (i+1)*len(numbers)/n] {
			if !math.IsNaN(v) && (math.IsNaN(top) || v > top) {
				top = v
			}
		}
		switch {
		case math.IsNaN(top):
			out.WriteByte(' ')
		case !(high > low) || math.IsInf(high-low, 0):
			out.WriteRune(marks[0])
		default:
			out.WriteRune(marks[min(len(marks)-1, int((top-low)/(high-low)*float64(len(marks))))])
		}
	}
	return out.String()
}
