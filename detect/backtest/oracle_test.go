package backtest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
)

const judged = `
groups:
- name: a
  interval: 30s
  rules:
  - {record: "job:hits:rate5m", expr: "sum by (job) (rate(hits_total[5m]))", labels: {kind: made}}
  - {alert: High, expr: "job:hits:rate5m > 1.2", for: 2m, labels: {severity: page}, annotations: {summary: "{{ $labels.job }} has {{ $value }}"}}
  - {alert: Kept, expr: "job:hits:rate5m > 1.4", keep_firing_for: 3m}
  - {alert: Both, expr: "rate(hits_total[1m]) > 2", for: 1m, keep_firing_for: 1m, labels: {grade: "{{ if gt $value 2.5 }}high{{ else }}low{{ end }}"}}
  - {alert: Gone, expr: 'absent(hits_total{job="a"})'}
- name: b
  interval: 1m
  rules:
  - {record: "all:hits:avg10m", expr: "avg_over_time(job:hits:rate5m[10m])"}
  - {alert: Slow, expr: 'all:hits:avg10m{kind="made"} > 1.05', for: 5m}
  - {alert: Quiet, expr: 'ALERTS{alertname="High",alertstate="firing"}', for: 1m}
- name: few
  interval: 30s
  limit: 1
  rules:
  - {alert: Many, expr: 'hits_total > 100'}
- name: twice
  interval: 30s
  rules:
  - {alert: Same, expr: 'label_replace(rate(hits_total[2m]) > 1, "job", "x", "", "")'}
- name: late
  interval: 30s
  query_offset: 2m
  rules:
  - {record: "late:hits", expr: "sum(rate(hits_total[1m]))"}
  - {alert: Late, expr: "late:hits > 4"}
- name: itself
  interval: 30s
  rules:
  - {record: "seen:ticks", expr: "(seen:ticks or vector(0)) + 1"}
  - {alert: Ticks, expr: "seen:ticks % 50 > 40"}
  - {alert: Before, expr: "after:hits > 3"}
  - {record: "after:hits", expr: "sum(rate(hits_total[1m]))"}
`

// TestAsPrometheusWould runs the same rules through Prometheus' own rule groups, tick by
// tick, and through a replay.
func TestAsPrometheusWould(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 7))
			dir := t.TempDir()
			base := openDB(t, filepath.Join(dir, "base"))
			oracle := openDB(t, filepath.Join(dir, "oracle"))
			later := map[int64][]func(storage.Appender) error{} // what the oracle is to see when
			from, to := time.Unix(0, 0), time.Unix(6*3600, 0)
			for _, job := range []string{"a", "b", "c"} {
				v, fast, gap := 0.0, 1.0, 0
				for at := from; !at.After(to); at = at.Add(15 * time.Second) {
					if random.IntN(60) == 0 {
						fast = random.Float64() * 3
					}
					if random.IntN(300) == 0 {
						gap = random.IntN(80)
					}
					if v += 15 * fast * random.Float64(); random.IntN(400) == 0 {
						v = 0
					}
					if gap--; gap >= 0 {
						continue
					}
					ms, v := at.UnixMilli(), v
					put := func(app storage.Appender) error {
						_, err := app.Append(0, labels.FromStrings("__name__", "hits_total", "job", job), ms, v)
						return err
					}
					later[at.Unix()] = append(later[at.Unix()], put)
					app := base.Appender(t.Context())
					if err := errors.Join(put(app), app.Commit()); err != nil {
						t.Fatal(err)
					}
				}
			}
			groups, errs := rulefmt.Parse([]byte(judged), false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			want := prometheus(t, oracle, later, groups, from, to)
			var mine []Group
			for _, g := range groups.Groups {
				mine = append(mine, Group{File: "f", RuleGroup: g})
			}
			got := map[string]bool{}
			fired := map[string]int{}
			for _, j := range jobs(arrange(mine, 0)) {
				r, err := j.replay(t.Context(), base, from, from, to, &Options{})
				if err != nil {
					t.Fatal(err)
				}
				for n, list := range r.alerts {
					for _, f := range list {
						got[text(n.Alert, labels.FromMap(f.Labels), f.Fired, f.Resolved)] = true
						fired[n.Alert]++
					}
				}
			}
			for k := range want {
				if !got[k] {
					t.Errorf("missing: %s", k)
				}
			}
			for k := range got {
				if !want[k] {
					t.Errorf("not by Prometheus: %s", k)
				}
			}
			if seed == 0 {
				for _, name := range []string{"High", "Kept", "Both", "Gone", "Slow", "Quiet", "Many", "Same", "Late", "Ticks", "Before"} {
					if fired[name] == 0 {
						t.Errorf("%s never fired: the test shows nothing of it", name)
					}
				}
			}
		})
	}
}

func openDB(t *testing.T, dir string) *tsdb.DB {
	t.Helper()
	o := tsdb.DefaultOptions()
	o.OutOfOrderTimeWindow = (24 * time.Hour).Milliseconds() // one series after the other
	db, err := tsdb.Open(dir, nil, nil, o, nil)
	if err != nil {
		t.Fatal(err)
	}
	db.DisableCompactions() // blocks are not what is compared here
	t.Cleanup(func() { db.Close() })
	return db
}

func text(name string, ls labels.Labels, fired, resolved time.Time) string {
	end := "still"
	if !resolved.IsZero() {
		end = fmt.Sprint(resolved.Unix())
	}
	return fmt.Sprintf("%s %s %d–%s", name, ls, fired.Unix(), end)
}

// prometheus is what the rules package does, asked after every tick.
func prometheus(t *testing.T, db *tsdb.DB, later map[int64][]func(storage.Appender) error, groups *rulefmt.RuleGroups, from, to time.Time) map[string]bool {
	t.Helper()
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1e7, Timeout: time.Minute, EnableAtModifier: true, EnableNegativeOffset: true, Parser: parser.NewParser(parser.Options{})})
	o := &rules.ManagerOptions{
		QueryFunc: rules.EngineQueryFunc(engine, db), AppendableV2: db, Queryable: db, Context: context.Background(),
		ExternalURL: &url.URL{}, Logger: slog.New(slog.DiscardHandler), NotifyFunc: func(context.Context, string, ...*rules.Alert) {},
	}
	rules.NewManager(o) // fills in what the options leave out
	var list []*rules.Group
	for _, g := range groups.Groups {
		var rs []rules.Rule
		for _, r := range g.Rules {
			expr, err := parser.NewParser(parser.Options{}).ParseExpr(r.Expr)
			if err != nil {
				t.Fatal(err)
			}
			if r.Record != "" {
				rs = append(rs, rules.NewRecordingRule(r.Record, expr, labels.FromMap(r.Labels)))
				continue
			}
			rs = append(rs, rules.NewAlertingRule(r.Alert, expr, time.Duration(r.For), time.Duration(r.KeepFiringFor),
				labels.FromMap(r.Labels), labels.FromMap(r.Annotations), labels.EmptyLabels(), "", true, o.Logger))
		}
		list = append(list, rules.NewGroup(rules.GroupOptions{
			Name: g.Name, File: "f", Interval: time.Duration(g.Interval), Limit: g.Limit, Rules: rs, Opts: o, QueryOffset: (*time.Duration)(g.QueryOffset),
		}))
	}

	out := map[string]bool{}
	open := map[string]time.Time{}
	alertsOf := map[string]labels.Labels{}
	for at := from; !at.After(to); at = at.Add(30 * time.Second) {
		app := db.Appender(t.Context())
		for s := at.Unix() - 29; s <= at.Unix(); s++ {
			for _, put := range later[s] {
				if err := put(app); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := app.Commit(); err != nil {
			t.Fatal(err)
		}
		now := map[string]bool{}
		for _, g := range list {
			if at.Unix()%int64(g.Interval().Seconds()) == 0 {
				g.Eval(t.Context(), at)
			}
			for _, r := range g.AlertingRules() {
				for _, a := range r.ActiveAlerts() {
					if a.State == rules.StateFiring {
						k := fmt.Sprint(r.Name(), a.Labels.String(), a.FiredAt.Unix())
						now[k] = true
						if _, known := open[k]; !known {
							open[k], alertsOf[k] = a.FiredAt, a.Labels
						}
					}
				}
			}
		}
		for k, fired := range open {
			if !now[k] {
				ls := alertsOf[k]
				out[text(ls.Get("alertname"), ls, fired, at)] = true
				delete(open, k)
			}
		}
	}
	for k, fired := range open {
		out[text(alertsOf[k].Get("alertname"), alertsOf[k], fired, time.Time{})] = true
	}
	return out
}

func TestJobs(t *testing.T) {
	groups, errs := rulefmt.Parse([]byte(judged), false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	var mine []Group
	for _, g := range groups.Groups {
		mine = append(mine, Group{File: "f", RuleGroup: g})
	}
	var got []string
	for _, j := range jobs(arrange(mine, 0)) {
		var names []string
		for _, n := range j.nodes {
			names = append(names, n.Alert+n.Record)
		}
		sort.Strings(names)
		got = append(got, fmt.Sprint(strings.Join(names, " "), " ", j.slow))
	}
	want := `High Kept Quiet Slow all:hits:avg10m job:hits:rate5m false
Both false
Gone false
Many false
Same false
Late late:hits false
Ticks seen:ticks true
Before after:hits true`
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s\nexpected\n%s", strings.Join(got, "\n"), want)
	}
}
