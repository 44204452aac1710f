// Package ruletest runs the unit tests of rules, in the format and with the verdicts of
// promtool test rules.
package ruletest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/tsdb"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/rulefile"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

// Report is what came of one file.
type Report struct {
	File     string
	Tests    int              // that ran
	Problems declare.Problems // what is not as the tests expect, or keeps them from running
}

const (
	maxEvaluations = 1_000_000
	maxSamples     = 50_000_000
	day            = 24 * time.Hour
)

var notation = parser.NewParser(parser.Options{})

// Is says whether a file's content is one of tests.
func Is(data []byte) bool {
	doc, ok := yamldoc.One("", data, &declare.Problems{})
	return ok && !doc.Field("tests").Missing()
}

// Run runs the tests of a file; data is its content. Rule files are found beside it.
func Run(ctx context.Context, file string, data []byte) (*Report, error) {
	r := &Report{File: file}
	references := rulefile.ReadTest(file, data, &r.Problems)
	doc, ok := yamldoc.One(file, data, &declare.Problems{})
	if !ok || len(r.Problems.Errors()) > 0 {
		return r, nil
	}
	s := suite{interval: time.Minute, order: map[string]int{}, problems: &r.Problems}
	if d, ok := doc.Field("evaluation_interval").Duration(); ok && d > 0 {
		s.interval = d
	}
	for i, name := range doc.Field("group_eval_order").List() {
		if _, twice := s.order[name.String()]; twice {
			s.wrong(name, name.String(), "each group once", "")
			return r, nil
		}
		s.order[name.String()] = i
	}
	if f := doc.Field("fuzzy_compare"); !f.Missing() {
		s.fuzzy = f.Bool()
	}
	for _, n := range references {
		found, err := filepath.Glob(beside(file, n.String()))
		if err != nil || len(found) == 0 {
			s.wrong(n, n.String(), "a rule file beside this one", "")
			return r, nil
		}
		s.files = append(s.files, found...)
	}
	for _, n := range doc.Field("tests").List() {
		if err := s.run(ctx, n); err != nil {
			return nil, fmt.Errorf("cannot run the tests of %s: %w", file, err)
		}
		r.Tests++
	}
	return r, nil
}

func beside(file, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(file), name)
}

// suite is what the tests of a file share.
type suite struct {
	interval time.Duration // between evaluations
	order    map[string]int
	files    []string
	fuzzy    bool
	problems *declare.Problems
}

func (s *suite) wrong(n yamldoc.Node, got, want, hint string) {
	*s.problems = append(*s.problems, declare.Problem{Position: n.Pos(), Field: n.Path(), Got: got, Want: want, Hint: strings.Join(strings.Fields(hint), " ")})
}

// test is one test: series that are loaded as its time goes on, rules evaluated on them.
type test struct {
	*suite
	node   yamldoc.Node
	begin  time.Time
	step   time.Duration // between the values of a series
	end    time.Time     // of the latest expectation
	db     *tsdb.DB
	engine *promql.Engine
	groups []*rules.Group
	series []*series
}

type series struct {
	labels labels.Labels
	points []parser.SequenceValue
	next   int // of points
}

// run runs one test. The error says that it could not be done.
func (s *suite) run(ctx context.Context, n yamldoc.Node) error {
	t := &test{suite: s, node: n, begin: time.Unix(0, 0).UTC(), step: s.interval}
	if d, ok := n.Field("interval").Duration(); ok && d > 0 {
		t.step = d
	}
	if start := n.Field("start_timestamp"); !start.Missing() {
		at, err := moment(start.Text())
		if err != nil {
			s.wrong(start, start.Text(), "a time as 2026-03-01T00:00:00Z, or seconds since 1970", "")
			return nil
		}
		t.begin = at
	}
	t.end = t.begin
	for _, list := range []string{"alert_rule_test", "promql_expr_test"} {
		for _, e := range n.Field(list).List() {
			if at := t.begin.Add(when(e)); at.After(t.end) {
				t.end = at
			}
		}
	}
	if t.end.Sub(t.begin)/s.interval > maxEvaluations {
		s.wrong(n, t.end.Sub(t.begin).String(), fmt.Sprintf("at most %d evaluations every %s", maxEvaluations, s.interval), "")
		return nil
	}
	if !t.read() {
		return nil
	}
	done, err := t.open()
	if err != nil {
		return err
	}
	defer done()
	if !t.load(ctx) || !t.evaluate(ctx) {
		return nil
	}
	t.expressions(ctx)
	return ctx.Err()
}

func when(n yamldoc.Node) time.Duration {
	d, _ := n.Field("eval_time").Duration()
	return d
}

// moment reads a time as promtool does.
func moment(text string) (time.Time, error) {
	if f, err := strconv.ParseFloat(text, 64); err == nil {
		if math.IsNaN(f) || math.Abs(f) > 1e12 {
			return time.Time{}, errors.New("too far away")
		}
		s, part := math.Modf(f)
		return time.Unix(int64(s), int64(part*1e9)).UTC(), nil
	}
	return time.Parse(time.RFC3339Nano, text)
}

// read reads the input series.
func (t *test) read() bool {
	total := 0
	for _, n := range t.node.Field("input_series").List() {
		ls, points, err := notation.ParseSeriesDesc(n.Field("series").Text() + " " + n.Field("values").Text())
		if err != nil {
			t.wrong(n, n.Field("values").Text(), "a series and its values, in promtool's notation", err.Error())
			return false
		}
		if total += len(points); total > maxSamples {
			t.wrong(n, "", fmt.Sprintf("at most %d values in a test", maxSamples), "")
			return false
		}
		t.series = append(t.series, &series{labels: ls, points: points})
	}
	return true
}

// open makes the store and the engine.
func (t *test) open() (done func(), err error) {
	dir, err := os.MkdirTemp("", "evenkeel-ruletest-*")
	if err != nil {
		return nil, err
	}
	o := tsdb.DefaultOptions()
	o.RetentionDuration, o.WALSegmentSize = 0, -1
	o.MinBlockDuration, o.MaxBlockDuration = day.Milliseconds(), day.Milliseconds() // as promtool: half of it is how far behind the newest a sample may be
	if t.db, err = tsdb.Open(dir, slog.New(slog.DiscardHandler), nil, o, nil); err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	t.db.DisableCompactions()
	every := t.interval
	t.engine = promql.NewEngine(promql.EngineOpts{
		MaxSamples: 10_000_000, Timeout: 100 * time.Second, EnableAtModifier: true, EnableNegativeOffset: true, Parser: notation,
		NoStepSubqueryIntervalFn: func(int64) int64 { return every.Milliseconds() },
	})
	return func() {
		_ = t.engine.Close()
		_ = t.db.Close()
		_ = os.RemoveAll(dir)
	}, nil
}

// load loads the rule files, in the order of groups that was asked for.
func (t *test) load(ctx context.Context) bool {
	m := rules.NewManager(&rules.ManagerOptions{
		QueryFunc: rules.EngineQueryFunc(t.engine, t.db), AppendableV2: t.db, Context: ctx, Parser: notation,
		NotifyFunc: func(context.Context, string, ...*rules.Alert) {}, Logger: slog.New(slog.DiscardHandler),
	})
	groups, errs := m.LoadGroups(t.step, labels.FromMap(t.node.Field("external_labels").StringMap()), t.node.Field("external_url").Text(), nil, false, t.files...)
	for _, err := range errs {
		t.wrong(t.node, "", "rules that load", err.Error())
	}
	for _, g := range groups {
		t.groups = append(t.groups, g)
		for _, r := range g.Rules() {
			if a, ok := r.(*rules.AlertingRule); ok {
				a.SetRestored(true) // so that it writes ALERTS
			}
		}
	}
	slices.SortFunc(t.groups, func(a, b *rules.Group) int {
		if d := t.order[a.Name()] - t.order[b.Name()]; d != 0 {
			return d
		}
		return strings.Compare(a.File()+"\x00"+a.Name(), b.File()+"\x00"+b.Name())
	})
	return len(errs) == 0
}

// evaluate evaluates the rules from the beginning to the end, and looks at the alerts
// when somebody expects something of them: an expectation between two evaluations is
// about the earlier one.
func (t *test) evaluate(ctx context.Context) bool {
	cases := t.node.Field("alert_rule_test").List()
	for _, n := range cases {
		if n.Field("alertname").Text() == "" {
			t.wrong(n, "", "alertname", "")
			return false
		}
	}
	for at := t.begin; !at.After(t.end) && ctx.Err() == nil; at = at.Add(t.interval) {
		if err := t.append(ctx, at.UnixMilli()); err != nil {
			t.wrong(t.node, "", "series that can be stored", err.Error())
			return false
		}
		failed := false
		for _, g := range t.groups {
			g.Eval(ctx, at)
			for _, r := range g.Rules() {
				if err := r.LastError(); err != nil {
					t.wrong(t.node, "", fmt.Sprintf("%s to be evaluated at %s", r.Name(), model.Duration(at.Sub(t.begin))), err.Error())
					failed = true
				}
			}
		}
		if failed {
			return false
		}
		for _, n := range cases {
			if due := t.begin.Add(when(n)); !due.Before(at) && due.Before(at.Add(t.interval)) {
				t.alerts(n)
			}
		}
	}
	return true
}

// append adds what the series hold up to a time.
func (t *test) append(ctx context.Context, until int64) error {
	a := t.db.Appender(ctx)
	for _, s := range t.series {
		for ; s.next < len(s.points); s.next++ {
			at := t.begin.Add(time.Duration(s.next) * t.step).UnixMilli()
			if at > until {
				break
			}
			var err error
			switch p := s.points[s.next]; {
			case p.Omitted:
			case p.Histogram != nil:
				_, err = a.AppendHistogram(0, s.labels, at, nil, p.Histogram)
			default:
				_, err = a.Append(0, s.labels, at, p.Value)
			}
			if err != nil {
				_ = a.Rollback()
				return fmt.Errorf("%s: %w", s.labels, err)
			}
		}
	}
	return a.Commit()
}

// alerts compares the alerts that fire with those that were expected.
func (t *test) alerts(n yamldoc.Node) {
	name := n.Field("alertname").String()
	var got, want []string
	for _, g := range t.groups {
		for _, r := range g.Rules() {
			a, ok := r.(*rules.AlertingRule)
			if !ok || a.Name() != name {
				continue
			}
			for _, active := range a.ActiveAlerts() {
				if active.State == rules.StateFiring {
					got = append(got, described(active.Labels, active.Annotations))
				}
			}
		}
	}
	for _, e := range n.Field("exp_alerts").List() {
		ls := e.Field("exp_labels").StringMap()
		if ls == nil {
			ls = map[string]string{}
		}
		ls[labels.AlertName] = name
		want = append(want, described(labels.FromMap(ls), labels.FromMap(e.Field("exp_annotations").StringMap())))
	}
	t.compare(n, name+" at "+model.Duration(when(n)).String(), got, want)
}

// described writes an alert; its name is known.
func described(ls, annotations labels.Labels) string {
	text := ls.MatchLabels(false, labels.AlertName).String()
	if annotations.Len() > 0 {
		text += " with " + annotations.String()
	}
	return text
}

// compare records a difference: only what is on one side.
func (t *test) compare(n yamldoc.Node, what string, got, want []string) {
	slices.Sort(got)
	slices.Sort(want)
	if slices.Equal(got, want) {
		return
	}
	t.wrong(n, said(without(got, want)), what+": "+said(without(want, got)), "")
}

func said(list []string) string {
	if len(list) == 0 {
		return "nothing else"
	}
	return strings.Join(list, "; ")
}

// without returns what is in a and not in b, each as often.
func without(a, b []string) []string {
	left := map[string]int{}
	for _, s := range b {
		left[s]++
	}
	var out []string
	for _, s := range a {
		if left[s]--; left[s] < 0 {
			out = append(out, s)
		}
	}
	return out
}

// sample is one of a vector.
type sample struct {
	labels    labels.Labels
	value     float64
	histogram string
}

func (s sample) String() string {
	if s.histogram != "" {
		return s.labels.String() + " " + s.histogram
	}
	return s.labels.String() + " " + strconv.FormatFloat(s.value, 'g', -1, 64)
}

// expressions compares what expressions give, on what was loaded by the last evaluation.
func (t *test) expressions(ctx context.Context) {
	for _, n := range t.node.Field("promql_expr_test").List() {
		got, err := t.query(ctx, n.Field("expr").String(), t.begin.Add(when(n)))
		if err != nil {
			t.wrong(n, n.Field("expr").String(), "an expression that can be evaluated", err.Error())
			continue
		}
		want, ok := t.samples(n)
		if !ok {
			continue
		}
		if !slices.EqualFunc(got, want, t.equal) {
			text := func(list []sample) []string {
				var out []string
				for _, s := range list {
					out = append(out, s.String())
				}
				return out
			}
			only, missing := without(text(got), text(want)), without(text(want), text(got))
			if len(only) == 0 && len(missing) == 0 { // NaN, or the same to all digits written
				only, missing = text(got), text(want)
			}
			t.wrong(n, said(only), n.Field("expr").String()+" at "+model.Duration(when(n)).String()+": "+said(missing), "")
		}
	}
}

func (t *test) equal(a, b sample) bool {
	same := a.value == b.value || t.fuzzy && (math.Nextafter(a.value, math.Inf(-1)) == b.value || math.Nextafter(a.value, math.Inf(1)) == b.value)
	return same && a.histogram == b.histogram && labels.Equal(a.labels, b.labels)
}

func (t *test) query(ctx context.Context, expr string, at time.Time) ([]sample, error) {
	q, err := t.engine.NewInstantQuery(ctx, t.db, nil, expr, at)
	if err != nil {
		return nil, err
	}
	defer q.Close()
	r := q.Exec(ctx)
	if r.Err != nil {
		return nil, r.Err
	}
	var out []sample
	switch v := r.Value.(type) {
	case promql.Vector:
		for _, s := range v {
			out = append(out, sample{labels: s.Metric, value: s.F, histogram: written(s.H)})
		}
	case promql.Scalar:
		out = append(out, sample{value: v.V})
	default:
		return nil, fmt.Errorf("it gives a %s", r.Value.Type())
	}
	sorted(out)
	return out, nil
}

// samples reads what an expression is expected to give.
func (t *test) samples(n yamldoc.Node) (out []sample, ok bool) {
	for _, e := range n.Field("exp_samples").List() {
		var s sample
		var err error
		if text := e.Field("labels"); !text.Missing() && text.Text() != "" {
			if s.labels, err = notation.ParseMetric(text.Text()); err != nil {
				t.wrong(text, text.Text(), "labels as up{job=\"shop\"}", err.Error())
				return nil, false
			}
		}
		if h := e.Field("histogram"); !h.Missing() {
			_, values, err := notation.ParseSeriesDesc("{} " + h.Text())
			if err != nil || len(values) != 1 || values[0].Histogram == nil {
				t.wrong(h, h.Text(), "one histogram, as {{schema:0 count:3 sum:5 buckets:[1 2]}}", "")
				return nil, false
			}
			s.histogram = written(values[0].Histogram)
		} else if v := e.Field("value"); !v.Missing() {
			if s.value, ok = number(v.Text()); !ok {
				t.wrong(v, v.Text(), "a number", "")
				return nil, false
			}
		}
		out = append(out, s)
	}
	sorted(out)
	return out, true
}

// number reads a YAML number.
func number(text string) (float64, bool) {
	switch strings.ToLower(text) {
	case ".nan", "nan":
		return math.NaN(), true
	case ".inf", "+.inf", "inf", "+inf":
		return math.Inf(1), true
	case "-.inf", "-inf":
		return math.Inf(-1), true
	}
	v, err := strconv.ParseFloat(strings.ReplaceAll(text, "_", ""), 64)
	return v, err == nil
}

func sorted(list []sample) {
	slices.SortStableFunc(list, func(a, b sample) int { return labels.Compare(a.labels, b.labels) })
}

// written is a histogram's text, by which two are compared.
func written(h *histogram.FloatHistogram) string {
	if h == nil {
		return ""
	}
	return h.TestExpression()
}
