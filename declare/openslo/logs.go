package openslo

import (
	"fmt"
	"hash/fnv"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

// isLogs says whether a metric counts log lines: metricSource type VictoriaLogs.
func isLogs(metric yamldoc.Node) bool {
	t := metric.Field("metricSource").Field("type").Text()
	return t == "VictoriaLogs" || t == "LogsQL"
}

// count is the query of a ratio's metric, in PromQL or, over log lines, in LogsQL: those
// are counted as they come, and the query is that of their count.
func count(metric yamldoc.Node, r *declare.Ratio) string {
	if !isLogs(metric) {
		return query(metric)
	}
	metric.Only("metricSource")
	src := metric.Field("metricSource")
	src.Only("metricSourceRef", "type", "spec")
	n := src.Field("spec").Field("query")
	text := n.Required("a LogsQL filter (metricSource.spec.query)")
	if text == "" {
		return ""
	}
	if err := logFilter(text); err != nil {
		n.Problem(text, "a LogsQL filter without pipes", err.Error())
		return ""
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(text))
	c := declare.LogCount{ID: fmt.Sprintf("%08x", h.Sum32()), Filter: text}
	r.Logs, r.Counter = append(r.Logs, c), true
	return fmt.Sprintf("%s{filter=%q}", declare.LogEvents, c.ID)
}

func logFilter(text string) (err error) {
	defer func() { // the parser trusts its own optimiser
		if p := recover(); p != nil {
			err = fmt.Errorf("cannot parse it: %v", p)
		}
	}()
	_, err = logstorage.ParseFilterAtTimestamp(text, time.Now().UnixNano())
	return err
}
