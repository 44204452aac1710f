package openslo

import (
	"regexp"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

// sli reads an indicator's spec: exactly one of ratioMetric and thresholdMetric.
func sli(spec yamldoc.Node) (*declare.Ratio, *declare.Threshold) {
	spec.Only("description", "ratioMetric", "thresholdMetric")
	ratio, threshold := spec.Field("ratioMetric"), spec.Field("thresholdMetric")
	switch {
	case ratio.Missing() && threshold.Missing():
		spec.Problem("", "a ratioMetric or a thresholdMetric", "")
		return nil, nil
	case !ratio.Missing() && !threshold.Missing():
		threshold.Problem("", "either a ratioMetric or a thresholdMetric", "both are there")
		return nil, nil
	case !threshold.Missing():
		threshold.Only("metricSource")
		return nil, &declare.Threshold{Query: query(threshold)}
	}
	ratio.Only("counter", "good", "bad", "total", "raw", "rawType")
	r := &declare.Ratio{Counter: ratio.Field("counter").Bool()}
	if raw := ratio.Field("raw"); !raw.Missing() {
		r.Raw = query(raw)
		switch t := ratio.Field("rawType"); t.Required("success or failure") {
		case "success":
			r.RawGood = true
		case "failure", "":
		default:
			t.Problem(t.Text(), "success or failure", "")
		}
		for _, k := range []string{"good", "bad", "total"} {
			if !ratio.Field(k).Missing() {
				ratio.Field(k).Problem("", "either raw, or total with good or bad", "")
			}
		}
		return r, nil
	}
	good, bad, total := ratio.Field("good"), ratio.Field("bad"), ratio.Field("total")
	if total.Missing() {
		total.Problem("", "the metric of all events", "it is missing")
	} else {
		r.Total = count(total, r)
	}
	switch {
	case good.Missing() == bad.Missing():
		good.Problem("", "exactly one of good and bad", "")
	case good.Missing():
		r.Bad = count(bad, r)
	default:
		r.Good = count(good, r)
	}
	return r, nil
}

// Placeholder is how generators write "the window goes here".
var Placeholder = regexp.MustCompile(`\{\{\s*\.?[wW]indow\s*\}\}|\$\{?(?:__)?(?:window|interval|rate_interval)\}?`)

var promql = parser.NewParser(parser.Options{})

func query(metric yamldoc.Node) string {
	metric.Only("metricSource")
	src := metric.Field("metricSource")
	src.Only("metricSourceRef", "type", "spec")
	if isLogs(metric) {
		src.Field("type").Problem(src.Field("type").Text(), "a metric in PromQL here", "log lines can be counted as good, bad and total of a ratioMetric")
		return ""
	}
	spec := src.Field("spec")
	n := spec.Field("query")
	for _, other := range []string{"promql", "expr"} {
		if n.Missing() && !spec.Field(other).Missing() {
			n = spec.Field(other)
		}
	}
	q := n.Required("a PromQL query (metricSource.spec.query)")
	if q == "" {
		return ""
	}
	expr, err := promql.ParseExpr(Placeholder.ReplaceAllString(q, "5m"))
	switch {
	case err != nil:
		n.Problem(q, "PromQL", err.Error())
	case expr.Type() != parser.ValueTypeVector && expr.Type() != parser.ValueTypeScalar:
		n.Problem(q, "PromQL that yields a number for each series", "it yields a "+parser.DocumentedType(expr.Type()))
	}
	return q
}
