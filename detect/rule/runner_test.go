package rule_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/workspace"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/detect/evaluate"
	"github.com/evenkeel/evenkeel/detect/finding"
	"github.com/evenkeel/evenkeel/detect/rule"
	"github.com/evenkeel/evenkeel/observe/metrics"
	"github.com/evenkeel/evenkeel/state"
)

// room is a runner with all its real parts: a workspace folder, the store, Prometheus'
// engine and rule manager, the book of findings. It runs in a bubble of simulated time.
type room struct {
	t    *testing.T
	dir  string
	w    *declare.Workspace
	db   *state.DB
	tsdb *metrics.Store
	book *finding.Book
	r    *rule.Runner
	ask  *evaluate.Incremental
	stop func()
	log  bytes.Buffer

	mu     sync.Mutex         // guards what follows
	values map[string]float64 // what the services show, appended every 5 s
	quiet  bool               // nothing comes in
}

const catalog = `apiVersion: backstage.io/v1alpha1
kind: Group
metadata: {name: shop}
spec: {type: team, children: [], members: [carol]}
---
apiVersion: backstage.io/v1alpha1
kind: User
metadata: {name: carol}
spec: {memberOf: [shop]}
---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: checkout}
spec: {type: service, lifecycle: production, owner: shop}
`

// in plays a test in simulated time. The folder is made outside of the bubble.
func in(t *testing.T, rules string, play func(x *room)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		x := &room{t: t, dir: dir, values: map[string]float64{}}
		x.write("evenkeel.yml", "evaluation: {interval: 5s}\n")
		x.write("catalog/all.yml", catalog)
		x.write("rules/a.yml", rules)
		x.start()
		defer func() {
			x.stop()
			if t.Failed() {
				t.Log(x.log.String())
			}
		}()
		play(x)
	})
}

func (x *room) write(name, text string) {
	x.t.Helper()
	file := filepath.Join(x.dir, "workspace", name)
	err := os.MkdirAll(filepath.Dir(file), 0o755)
	if err == nil {
		err = os.WriteFile(file, []byte(text), 0o644)
	}
	if err != nil {
		x.t.Fatal(err)
	}
}

// load applies the workspace as it is now.
func (x *room) load() {
	x.t.Helper()
	w, problems, err := workspace.Load(filepath.Join(x.dir, "workspace"), time.Now())
	if err != nil || w == nil {
		x.t.Fatal(err, problems)
	}
	x.w = w
	if err := x.r.Apply(x.t.Context(), w, time.Now()); err != nil {
		x.t.Fatal(err)
	}
}

func (x *room) start() {
	x.t.Helper()
	logger := slog.New(slog.NewTextHandler(&x.log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	reg := prometheus.NewRegistry()
	var settings declare.Settings
	settings.Metrics.Retention = 24 * time.Hour
	ctx, cancel := context.WithCancel(context.Background())
	var err error
	if x.tsdb, err = metrics.Open(metrics.Options{Dir: x.dir, Settings: settings, Logger: logger, Registerer: reg}); err != nil {
		x.t.Fatal(err)
	}
	if x.db, err = state.Open(ctx, x.dir); err != nil {
		x.t.Fatal(err)
	}
	if x.book, err = finding.Open(ctx, x.db); err != nil {
		x.t.Fatal(err)
	}
	x.ask = evaluate.New(evaluate.Options{Queryable: x.tsdb, Logger: logger, Registerer: reg})
	x.tsdb.Follow(x.ask.Follow)
	x.r = rule.New(rule.Options{
		Engine:     x.ask,
		Appendable: x.tsdb, Queryable: x.tsdb, Findings: x.book, Logger: logger, Registerer: reg,
	})
	x.load()
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := x.r.Run(ctx); err != nil {
			x.t.Errorf("run ended with %v", err)
		}
	})
	wg.Go(func() { x.scrape(ctx) })
	x.stop = func() {
		cancel()
		wg.Wait()
		if err := x.tsdb.Close(); err != nil {
			x.t.Error(err)
		}
		if err := x.db.Close(); err != nil {
			x.t.Error(err)
		}
	}
}

// restart is away for a while.
func (x *room) restart(away time.Duration) {
	x.t.Helper()
	x.stop()
	time.Sleep(away)
	x.start()
}

func (x *room) scrape(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(5 * time.Second):
		}
		x.mu.Lock()
		app := x.tsdb.AppenderV2(ctx)
		for series, v := range x.values {
			ls, err := parser.NewParser(parser.Options{}).ParseMetric(series)
			if err == nil && !x.quiet {
				_, err = app.Append(0, ls, 0, time.Now().UnixMilli(), v, nil, nil, storage.AppendV2Options{})
			}
			if err != nil {
				x.t.Errorf("%s: %v", series, err)
			}
		}
		if err := app.Commit(); err != nil {
			x.t.Error(err)
		}
		x.mu.Unlock()
	}
}

func (x *room) set(series string, v float64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.values[series] = v
}

// after lets time pass, then everything that is under way end.
func (x *room) after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// expect compares all findings, oldest first, as "name status (reason)".
func (x *room) expect(want ...string) {
	x.t.Helper()
	found, _, err := x.book.List(x.t.Context(), detect.Filter{})
	if err != nil {
		x.t.Fatal(err)
	}
	var got []string
	for _, f := range slices.Backward(found) {
		text := f.Name + " open"
		if !f.Open() {
			text = f.Name + " resolved"
		}
		if why := f.Annotations[detect.AnnotationResolved]; why != "" {
			text += ": " + why
		}
		got = append(got, text)
	}
	if !slices.Equal(got, want) {
		x.t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// value is the single element of an expression now; NaN for none.
func (x *room) value(expr string) float64 {
	x.t.Helper()
	v, err := x.ask.Query(x.t.Context(), expr, time.Now())
	if err != nil || len(v) > 1 {
		x.t.Fatal(expr, v, err)
	}
	if len(v) == 0 {
		return math.NaN()
	}
	return v[0].F
}

const queueRules = `groups:
  - name: queue
    rules:
      - record: queue:depth:sum
        expr: sum(depth)
      - alert: QueueLong
        expr: queue:depth:sum > 100
        for: 1m
        keep_firing_for: 2m
        labels: {severity: critical, service: checkout, team: shop}
        annotations: {summary: "{{ $value }} wait", description: more than 100, runbook: "https://example.org/drain"}
`

// TestARuleFile: for, keep_firing_for and the ALERTS series are Prometheus' own.
func TestARuleFile(t *testing.T) {
	in(t, queueRules, func(x *room) {
		x.set(`depth{instance="a"}`, 60)
		x.set(`depth{instance="b"}`, 30)
		x.after(2 * time.Minute)
		x.expect()
		x.set(`depth{instance="b"}`, 70)
		began := time.Now()
		x.after(50 * time.Second)
		x.expect() // not for long enough
		if v := x.value(`ALERTS{alertname="QueueLong",alertstate="pending"}`); v != 1 {
			x.t.Errorf("ALERTS pending: %g", v)
		}
		x.after(25 * time.Second)
		x.expect("QueueLong open")
		if v := x.value(`ALERTS{alertname="QueueLong",alertstate="firing",service="checkout"}`); v != 1 {
			x.t.Errorf("ALERTS firing: %g", v)
		}
		if v := x.value(`queue:depth:sum`); v != 130 {
			x.t.Errorf("recorded: %g", v)
		}
		f, err := x.book.Get(x.t.Context(), 1)
		if err != nil || f.Detector != detect.DetectorRule || f.Severity != detect.Page || f.Service != "checkout" || f.Team != "shop" || f.Summary != "130 wait" ||
			f.Description != "more than 100" || f.Runbook != "https://example.org/drain" || f.Expr != "queue:depth:sum > 100" || f.Value != 130 || f.Labels["severity"] != "critical" {
			x.t.Errorf("%+v, %v", f, err)
		}
		if d := f.Since.Sub(began); d < 0 || d > 15*time.Second {
			x.t.Errorf("since %s after it began", d)
		}
		if d := f.OpenedAt.Sub(f.Since); d < time.Minute || d > 70*time.Second {
			x.t.Errorf("opened %s after it", d)
		}
		x.set(`depth{instance="b"}`, 0)
		x.after(100 * time.Second)
		x.expect("QueueLong open") // it keeps firing for two minutes
		x.after(30 * time.Second)
		x.expect("QueueLong resolved")
		if v := x.value(`ALERTS{alertname="QueueLong"}`); !math.IsNaN(v) {
			x.t.Errorf("ALERTS: %g", v)
		}
		x.set(`depth{instance="b"}`, 500)
		x.after(75 * time.Second)
		x.expect("QueueLong resolved", "QueueLong open")
	})
}

// TestConfirmed: a finding that goes on is seen again and again.
func TestConfirmed(t *testing.T) {
	in(t, queueRules, func(x *room) {
		x.set("depth", 500)
		x.after(5 * time.Minute)
		x.expect("QueueLong open")
		if f, err := x.book.Get(x.t.Context(), 1); err != nil || time.Since(f.SeenAt) > time.Minute {
			x.t.Errorf("last seen %s ago, %v", time.Since(f.SeenAt), err)
		}
	})
}

// TestRestart: what fired before and still holds is the same finding, without waiting
// for `for` again; what ended meanwhile is resolved with its reason.
func TestRestart(t *testing.T) {
	in(t, queueRules, func(x *room) {
		x.set("depth", 500)
		x.after(2 * time.Minute)
		x.expect("QueueLong open")
		x.restart(30 * time.Second)
		x.after(20 * time.Second)
		if v := x.value(`ALERTS{alertstate="firing"}`); v != 1 {
			x.t.Errorf("its state was not restored: ALERTS firing %g", v)
		}
		x.after(5 * time.Minute)
		x.expect("QueueLong open")
		x.stop()
		x.set("depth", 5)
		time.Sleep(10 * time.Minute)
		x.start()
		x.after(30 * time.Second)
		x.expect("QueueLong open") // telemetry has its time to come in again
		x.after(time.Minute)
		x.expect("QueueLong resolved: it does not hold any more after the restart")
	})
}

// TestPendingOverARestart: the time that a condition has held before counts, that
// without the program does not.
func TestPendingOverARestart(t *testing.T) {
	in(t, strings.Replace(queueRules, "for: 1m", "for: 10m", 1), func(x *room) {
		x.set("depth", 500)
		x.after(8 * time.Minute)
		x.expect()
		x.restart(time.Minute)
		x.after(90 * time.Second)
		x.expect()
		x.after(90 * time.Second)
		x.expect("QueueLong open")
	})
}

// TestRemovedRule: the finding of a rule that is no longer declared ends, and says so.
func TestRemovedRule(t *testing.T) {
	in(t, queueRules, func(x *room) {
		x.set("depth", 500)
		x.after(2 * time.Minute)
		x.write("rules/a.yml", "groups: []\n")
		x.load()
		x.after(time.Second)
		x.expect("QueueLong resolved: its rule is no longer declared")
		x.after(5 * time.Minute)
		x.expect("QueueLong resolved: its rule is no longer declared")
		x.write("rules/a.yml", queueRules)
		x.load()
		x.after(2 * time.Minute)
		x.expect("QueueLong resolved: its rule is no longer declared", "QueueLong open")
		// Removed while the program does not run.
		x.stop()
		x.write("rules/a.yml", "groups: []\n")
		x.start()
		x.after(5 * time.Second)
		x.expect("QueueLong resolved: its rule is no longer declared", "QueueLong resolved: its rule is no longer declared")
	})
}

// TestChangedRule: with another threshold it does not hold; with another label it is
// another finding.
func TestChangedRule(t *testing.T) {
	in(t, queueRules, func(x *room) {
		x.set("depth", 500)
		x.after(2 * time.Minute)
		x.expect("QueueLong open")
		x.write("rules/a.yml", strings.Replace(queueRules, "severity: critical", "severity: warning", 1))
		x.load()
		x.after(2 * time.Minute)
		x.expect("QueueLong resolved: its rule has changed and does not fire any more", "QueueLong open")
		if f, err := x.book.Get(x.t.Context(), 2); err != nil || f.Severity != detect.Ticket {
			x.t.Errorf("%+v, %v", f, err)
		}
		// A change elsewhere leaves it alone.
		x.write("rules/b.yml", "groups: [{name: other, rules: [{record: a, expr: \"1\"}]}]\n")
		x.load()
		x.after(2 * time.Minute)
		x.expect("QueueLong resolved: its rule has changed and does not fire any more", "QueueLong open")
		x.write("rules/a.yml", strings.NewReplacer("severity: critical", "severity: warning", "> 100", "> 1000", "keep_firing_for: 2m", "").Replace(queueRules))
		x.load()
		x.after(2 * time.Minute)
		x.expect("QueueLong resolved: its rule has changed and does not fire any more", "QueueLong resolved")
	})
}

func orders(target string, extra string) string {
	return fmt.Sprintf(`apiVersion: openslo/v1
kind: SLO
metadata: {name: orders%s}
spec:
  service: checkout
  budgetingMethod: Occurrences
  timeWindow: [{duration: 12h, isRolling: true}]
  indicator:
    metadata: {name: orders}
    spec:
      ratioMetric:
        counter: true
        bad: {metricSource: {type: Prometheus, spec: {query: 'orders_total{code="500"}'}}}
        total: {metricSource: {type: Prometheus, spec: {query: 'orders_total'}}}
  objectives: [{target: %s}]
`, extra, target)
}

// burn counts orders, a share of them failed, until the test ends or it is called again.
func (x *room) burn(share float64, minutes int) {
	x.t.Helper()
	for range minutes * 12 {
		x.mu.Lock()
		x.values[`orders_total{code="200"}`] += 100 * (1 - share)
		x.values[`orders_total{code="500"}`] += 100 * share
		x.mu.Unlock()
		x.after(5 * time.Second)
	}
}

// TestObjective: a burning budget is one page and one ticket; when the objective is
// changed so that it holds, or removed, they end with the reason.
func TestObjective(t *testing.T) {
	in(t, "groups: []\n", func(x *room) {
		x.write("objectives/orders.yml", orders("0.99", ""))
		x.load()
		x.burn(0, 5)
		x.expect()
		x.burn(0.5, 10)
		x.expect("ErrorBudgetBurn open", "ErrorBudgetBurn open")
		for _, f := range x.book.OpenFindings(detect.DetectorObjective) {
			if f.Objective != "orders" || f.Service != "checkout" || f.Team != "shop" || !strings.HasPrefix(f.Summary, "orders burns its error budget ") {
				x.t.Errorf("%+v", f)
			}
		}
		// The same objective, looser: it cannot burn that fast.
		x.write("objectives/orders.yml", orders("0.4", ""))
		x.load()
		x.burn(0.5, 2)
		x.expect("ErrorBudgetBurn resolved", "ErrorBudgetBurn resolved")
		x.write("objectives/orders.yml", orders("0.99", ""))
		x.load()
		x.burn(0.5, 2)
		x.expect("ErrorBudgetBurn resolved", "ErrorBudgetBurn resolved", "ErrorBudgetBurn open", "ErrorBudgetBurn open")
		// Renamed: what burned is not declared any more, what is declared burns.
		x.write("objectives/orders.yml", orders("0.99", "-of-shop"))
		x.load()
		x.burn(0.5, 2)
		const gone = "ErrorBudgetBurn resolved: its rule is no longer declared"
		x.expect("ErrorBudgetBurn resolved", "ErrorBudgetBurn resolved", gone, gone, "ErrorBudgetBurn open", "ErrorBudgetBurn open")
	})
}

// TestOwnerChanges: the labels are others, so it is another finding; the old one ends.
func TestOwnerChanges(t *testing.T) {
	in(t, "groups: []\n", func(x *room) {
		x.write("objectives/orders.yml", orders("0.99", ""))
		x.load()
		x.burn(0.5, 10)
		x.expect("ErrorBudgetBurn open", "ErrorBudgetBurn open")
		x.write("catalog/all.yml", strings.NewReplacer("name: shop}", "name: store}", "[shop]", "[store]", "owner: shop", "owner: store").Replace(catalog))
		x.load()
		x.burn(0.5, 5)
		const changed = "ErrorBudgetBurn resolved: its rule has changed and does not fire any more"
		x.expect(changed, changed, "ErrorBudgetBurn open", "ErrorBudgetBurn open")
		for _, f := range x.book.OpenFindings(detect.DetectorObjective) {
			if f.Team != "store" {
				x.t.Errorf("%+v", f)
			}
		}
	})
}

// TestCalendarRollsOver: with the next period the budget is whole again, without a reload.
func TestCalendarRollsOver(t *testing.T) {
	in(t, "groups: []\n", func(x *room) {
		x.write("objectives/orders.yml", strings.Replace(orders("0.99", ""), "[{duration: 12h, isRolling: true}]",
			"[{duration: 20m, calendar: {startTime: 2000-01-01 00:00:00, timeZone: UTC}}]", 1))
		x.load()
		x.burn(0.02, 18)
		if v := x.value(`slo:period_error_budget_remaining:ratio{objective="orders"}`); math.Abs(v+1) > 0.01 {
			x.t.Errorf("remaining %g, want -1: twice the budget is spent", v)
		}
		x.burn(0, 3)
		if v := x.value(`slo:period_error_budget_remaining:ratio{objective="orders"}`); v < 0.999 {
			x.t.Errorf("remaining %g in the new period, want 1", v)
		}
	})
}

// TestSilentTelemetry: an objective without samples is not burning, and says nothing.
func TestSilentTelemetry(t *testing.T) {
	in(t, "groups: []\n", func(x *room) {
		x.write("objectives/orders.yml", orders("0.99", ""))
		x.load()
		x.burn(0.5, 10)
		x.mu.Lock()
		x.quiet = true
		x.mu.Unlock()
		x.after(20 * time.Minute)
		x.expect("ErrorBudgetBurn resolved", "ErrorBudgetBurn resolved")
	})
}

// TestOwnFailures: a rule that cannot be evaluated is a finding of the program itself.
func TestOwnFailures(t *testing.T) {
	in(t, queueRules, func(x *room) {
		x.set(`evenkeel_notifications_total{job="evenkeel",status="failed",integration="webhook"}`, 0)
		x.after(time.Minute)
		x.set(`evenkeel_notifications_total{job="evenkeel",status="failed",integration="webhook"}`, 3)
		x.after(time.Minute)
		x.expect("EvenkeelNotificationsFail open")
		f, err := x.book.Get(x.t.Context(), 1)
		if err != nil || f.Detector != detect.DetectorSelf || f.Severity != detect.Ticket || f.Summary != "notifications by webhook cannot be delivered" {
			x.t.Errorf("%+v, %v", f, err)
		}
		x.after(6 * time.Minute)
		x.expect("EvenkeelNotificationsFail resolved")
	})
}

// TestTheClockIsAsked: a group that is evaluated when samples arrive rests when none do, but not
// when it asks what time it is.
func TestTheClockIsAsked(t *testing.T) {
	const rules = `groups:
  - name: clock
    interval: 1s
    rules:
      - record: clock
        expr: time()
      - record: age
        expr: time() - max(timestamp(depth))
  - name: rests
    interval: 1s
    rules:
      - record: rests
        expr: sum(depth)
`
	in(t, rules, func(x *room) {
		x.set(`depth{instance="a"}`, 1)
		x.after(time.Minute)
		x.mu.Lock()
		x.quiet = true
		x.mu.Unlock()
		x.after(time.Minute)
		for expr, want := range map[string][2]float64{"count_over_time(clock[50s])": {45, 51}, "count_over_time(rests[50s])": {2, 5}, "age": {58, 66}} {
			if v := x.value(expr); v < want[0] || v > want[1] {
				x.t.Errorf("%s is %g, expected %g to %g", expr, v, want[0], want[1])
			}
		}
	})
}
