package openslo

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
)

func load(text string) ([]*declare.Objective, *Folder, declare.Problems) {
	var problems declare.Problems
	var f Folder
	f.Read("o.yml", []byte(text), &problems)
	return f.Objectives(), &f, problems
}

// slo writes an SLO; indicator, window, method and objectives are YAML in one line.
func slo(indicator, window, method, objectives string) string {
	return fmt.Sprintf(`apiVersion: openslo/v1
kind: SLO
metadata: {name: s, displayName: S}
spec:
  service: checkout
  indicator: {metadata: {name: i}, spec: %s}
  timeWindow: %s
  budgetingMethod: %s
  objectives: %s
`, indicator, window, method, objectives)
}

const (
	rolling = "[{duration: 30d, isRolling: true}]"
	goal    = "[{target: 0.99}]"
	ratio   = `{ratioMetric: {counter: true, good: {metricSource: {type: Prometheus, spec: {query: 'good{a="b"}'}}}, total: {metricSource: {spec: {query: total}}}}}`
	level   = `{thresholdMetric: {metricSource: {spec: {query: depth}}}}`
)

func TestObjectives(t *testing.T) {
	f := func(text string, want declare.Objective) {
		t.Helper()
		got, _, problems := load(text)
		if len(problems) > 0 || len(got) != 1 {
			t.Errorf("%d objectives, %v", len(got), problems)
			return
		}
		want.Name, want.Title, want.Service, want.MinEvents, want.Target = "s", "S", "checkout", 10, 0.99
		want.Labels, want.Annotations, want.Pos = map[string]string{}, map[string]string{}, declare.Position{File: "o.yml", Line: 3, Column: 18}
		if want.Window.Text == "" {
			want.Window = declare.Window{Text: "30d", Length: 30 * 24 * time.Hour, Location: time.UTC, Count: 30, Unit: 'd'}
		}
		if !reflect.DeepEqual(*got[0], want) {
			t.Errorf("got\n%+v\nwant\n%+v", *got[0], want)
		}
	}
	source := func(q string) string { return "{metricSource: {spec: {query: '" + q + "'}}}" }
	events := &declare.Ratio{Counter: true, Good: `good{a="b"}`, Total: "total"}
	f(slo(ratio, rolling, "Occurrences", goal), declare.Objective{Method: declare.Occurrences, Ratio: events})
	f(slo(ratio, rolling, "Occurrences", "[{targetPercent: 99}]"), declare.Objective{Method: declare.Occurrences, Ratio: events})
	f(slo("{ratioMetric: {bad: "+source("b")+", total: "+source("t")+"}}", rolling, "Occurrences", goal),
		declare.Objective{Method: declare.Occurrences, Ratio: &declare.Ratio{Bad: "b", Total: "t"}})
	f(slo("{ratioMetric: {raw: "+source("r")+", rawType: success}}", rolling, "Occurrences", goal),
		declare.Objective{Method: declare.Occurrences, Ratio: &declare.Ratio{Raw: "r", RawGood: true}})
	f(slo("{ratioMetric: {raw: "+source("r")+", rawType: failure}}", rolling, "Occurrences", goal),
		declare.Objective{Method: declare.Occurrences, Ratio: &declare.Ratio{Raw: "r"}})
	f(slo(level, rolling, "Occurrences", "[{target: 0.99, op: lte, value: 500}]"),
		declare.Objective{Method: declare.Occurrences, Threshold: &declare.Threshold{Query: "depth", Op: "lte", Value: 500}})
	f(slo(ratio, rolling, "Timeslices", "[{target: 0.99, timeSliceTarget: 0.95, timeSliceWindow: 1m}]"),
		declare.Objective{Method: declare.Timeslices, Ratio: events, SliceTarget: 0.95, SliceWindow: time.Minute})
	f(slo(ratio, rolling, "RatioTimeslices", "[{target: 0.99, timeSliceWindow: 5m, op: gt}]"),
		declare.Objective{Method: declare.RatioTimeslices, Ratio: events, SliceWindow: 5 * time.Minute})
	f(slo(level, rolling, "Timeslices", "[{target: 0.99, op: lt, value: -1.5, timeSliceWindow: 1m}]"),
		declare.Objective{Method: declare.Timeslices, Threshold: &declare.Threshold{Query: "depth", Op: "lt", Value: -1.5}, SliceTarget: 1, SliceWindow: time.Minute})

	vienna, err := time.LoadLocation("Europe/Vienna")
	if err != nil {
		t.Fatal(err)
	}
	window := func(text string, length time.Duration, count int, unit byte) {
		t.Helper()
		f(slo(ratio, "[{duration: "+text+", isRolling: true}]", "Occurrences", goal), declare.Objective{
			Method: declare.Occurrences, Ratio: events, Window: declare.Window{Text: text, Length: length, Location: time.UTC, Count: count, Unit: unit},
		})
	}
	const day = 24 * time.Hour
	window("10m", 10*time.Minute, 10, 'm')
	window("12h", 12*time.Hour, 12, 'h')
	window("4w", 28*day, 4, 'w')
	window("1M", 30*day, 1, 'M')
	window("2Q", 180*day, 2, 'Q')
	window("1Y", 365*day, 1, 'Y')
	f(slo(ratio, "[{duration: 1M, isRolling: false, calendar: {startTime: 2026-01-01 12:00:00, timeZone: Europe/Vienna}}]", "Occurrences", goal),
		declare.Objective{Method: declare.Occurrences, Ratio: events, Window: declare.Window{
			Text: "1M", Length: 30 * day, Calendar: true, Start: time.Date(2026, 1, 1, 12, 0, 0, 0, vienna), Location: vienna, Count: 1, Unit: 'M',
		}})
}

func TestPlaceholders(t *testing.T) {
	for _, q := range []string{
		"sum(rate(x[{{.window}}]))", "sum(rate(x[{{ .Window }}]))", "sum(rate(x[$window]))", "sum(rate(x[${window}]))",
		"sum(rate(x[$__interval]))", "sum(rate(x[$__rate_interval]))", "Any", "sum(x) by (a)\n  # a comment\n",
	} {
		_, _, problems := load(slo(fmt.Sprintf("{ratioMetric: {raw: {metricSource: {spec: {query: %q}}}, rawType: failure}}", q), rolling, "Occurrences", goal))
		if len(problems) > 0 {
			t.Errorf("%s: %v", q, problems)
		}
	}
}

func TestSeveralObjectsInOneFile(t *testing.T) {
	got, f, problems := load(`- apiVersion: openslo/v1
  kind: SLI
  metadata: {name: latency}
  spec: ` + level + `
- apiVersion: openslo/v1
  kind: Service
  metadata: {name: checkout}
  spec: {}
- apiVersion: openslo/v1
  kind: AlertPolicy
  metadata: {name: p}
  spec: {conditions: [{conditionRef: c}], notificationTargets: [{kind: AlertNotificationTarget, metadata: {name: t}, spec: {target: x}}]}
- apiVersion: openslo/v1
  kind: AlertCondition
  metadata: {name: c}
  spec: {severity: page}
- apiVersion: openslo/v1
  kind: SLO
  metadata:
    name: fast
    displayName: Fast
    labels: {team: shop, tier: [a, b]}
    annotations: {evenkeel.dev/minimum-events: "50", evenkeel.dev/runbook: slow, other.example/x: y}
  spec:
    description: d
    service: checkout
    indicatorRef: latency
    timeWindow: [{duration: 1w, isRolling: true}]
    budgetingMethod: Occurrences
    alertPolicies: [{alertPolicyRef: p}]
    objectives:
      - {displayName: most, op: lt, value: 0.5, target: 0.9}
      - {displayName: all, op: lt, value: 2, target: 0.999}
`)
	if len(problems) > 0 || len(got) != 2 {
		t.Fatal(problems, got)
	}
	a, b := got[0], got[1]
	if a.Name != "fast" || b.Name != "fast-2" || a.Title != "Fast: most" || b.Title != "Fast: all" || a.Threshold.Value != 0.5 || b.Threshold.Value != 2 ||
		b.Target != 0.999 || a.MinEvents != 50 || a.Runbook != "slow" || a.Labels["tier"] != "a,b" || a.Labels["team"] != "shop" || a.Description != "d" {
		t.Errorf("%+v\n%+v", a, b)
	}
	if len(f.References) != 2 || f.References[0].Kind != "service" || f.References[1].Name != "slow" || f.References[1].At.Pos().Line != 23 {
		t.Errorf("%+v", f.References)
	}
}

func TestMistakes(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		_, _, problems := load(text)
		if got := problems.Error(); got != strings.Join(want, "\n") {
			t.Errorf("%s\ngot\n%s\nwant\n%s", text, got, strings.Join(want, "\n"))
		}
	}
	change := func(from, to string, want ...string) {
		t.Helper()
		good := slo(ratio, rolling, "Occurrences", goal)
		if !strings.Contains(good, from) {
			t.Fatalf("%q is not there", from)
		}
		f(strings.Replace(good, from, to, 1), want...)
	}
	change("openslo/v1", "openslo/v2alpha", `o.yml:1:13: apiVersion: got "openslo/v2alpha", expected openslo/v1 (another version of OpenSLO has other fields: rewrite it as v1)`)
	change("kind: SLO", "kind: SLOO", `o.yml:2:7: kind: got "SLOO", expected one of SLO, SLI, Service, DataSource, AlertPolicy, AlertCondition, AlertNotificationTarget (did you mean "SLO"?)`)
	change("name: s,", "name: 's\nx',", `o.yml:3:18: metadata.name: got "s x", expected letters and digits, and between them - _ and .`)
	change("service:", "srevice:",
		`o.yml:5:3: spec.srevice: got "srevice", expected one of description, service, indicator, indicatorRef, timeWindow, budgetingMethod, objectives, alertPolicies (did you mean "service"?)`,
		`o.yml:5:3: spec.service: expected a service of the catalogue (it is missing)`)
	change("Occurrences", "Occurences", `o.yml:8:20: spec.budgetingMethod: got "Occurences", expected Occurrences, Timeslices or RatioTimeslices (did you mean "Occurrences"?)`)
	change("good{a=", "good{a", `o.yml:6:126: spec.indicator.spec.ratioMetric.good.metricSource.spec.query: got "good{a\"b\"}", expected PromQL (1:7: parse error: unexpected string "\"b\"" in label matching, expected label matching operator)`)
	change("query: total", "query: 'total[5m]'", `o.yml:6:181: spec.indicator.spec.ratioMetric.total.metricSource.spec.query: got "total[5m]", expected PromQL that yields a number for each series (it yields a range vector)`)
	change("good:", "god:",
		`o.yml:6:72: spec.indicator.spec.ratioMetric.god: got "god", expected one of counter, good, bad, total, raw, rawType (did you mean "good"?)`,
		`o.yml:6:56: spec.indicator.spec.ratioMetric.good: expected exactly one of good and bad`)
	change(rolling, "[]", `o.yml:7:15: spec.timeWindow: got "0 windows", expected exactly one time window`)
	change("timeWindow: "+rolling, "description: d", `o.yml:5:3: spec.timeWindow: expected one time window, as [{duration: 30d, isRolling: true}] (it is missing)`)
	change("30d", "30x", `o.yml:7:27: spec.timeWindow[0].duration: got "30x", expected a duration as 30m, 12h, 30d, 4w, 1M, 1Q or 1Y`)
	change("30d", "999999Y", `o.yml:7:27: spec.timeWindow[0].duration: got "999999Y", expected a duration of at most 10Y`)
	change("30d", "1m", `o.yml:7:27: spec.timeWindow[0].duration: got "1m", expected a time window from 5m to 2Y (m is minutes; did you mean "1M", months?)`)
	change("isRolling: true", "isRolling: false", `o.yml:7:16: spec.timeWindow[0].calendar: expected isRolling: true, or a calendar with startTime and timeZone`)
	change("isRolling: true", "calendar: {startTime: soon, timeZone: Europe/Wien}",
		`o.yml:7:70: spec.timeWindow[0].calendar.timeZone: got "Europe/Wien", expected a time zone of the IANA database, as Europe/Vienna`,
		`o.yml:7:54: spec.timeWindow[0].calendar.startTime: got "soon", expected a time as 2026-01-01 00:00:00`)
	change(goal, "[]", `o.yml:9:15: spec.objectives: expected at least one objective`)
	change("0.99", "99", `o.yml:9:25: spec.objectives[0].target: got "99", expected a target between 0 and 1 (at 1 itself there is no budget) (for a percentage write targetPercent)`)
	change("0.99", "1", `o.yml:9:25: spec.objectives[0].target: got "1", expected a target between 0 and 1 (at 1 itself there is no budget)`)
	change("0.99", ".nan", `o.yml:9:25: spec.objectives[0].target: got ".nan", expected a number`)
	change("0.99", "0.9, targetPercent: 90", `o.yml:9:45: spec.objectives[0].targetPercent: got "90", expected either target or targetPercent (both are there)`)
	change("target: 0.99", "op: gt", `o.yml:9:16: spec.objectives[0].target: expected a target between 0 and 1, or targetPercent (it is missing)`)
	f(slo("{}", rolling, "Occurrences", goal), `o.yml:6:42: spec.indicator.spec: expected a ratioMetric or a thresholdMetric`)
	f(slo(level, rolling, "Occurrences", goal),
		`o.yml:9:16: spec.objectives[0].op: expected lt, lte, gt or gte (it is missing)`,
		`o.yml:9:16: spec.objectives[0].value: expected the value to compare with (it is missing)`)
	f(slo(ratio, rolling, "Timeslices", goal),
		`o.yml:9:16: spec.objectives[0].timeSliceWindow: expected the length of a slice, as 1m (it is missing)`,
		`o.yml:9:16: spec.objectives[0].timeSliceTarget: expected the share of good that makes a slice good, in (0, 1] (it is missing)`)
	f(slo(ratio, rolling, "Timeslices", "[{target: 0.9, timeSliceTarget: 95, timeSliceWindow: 10d}]"),
		`o.yml:9:68: spec.objectives[0].timeSliceWindow: got "10d", expected a slice of at most a quarter of the time window`,
		`o.yml:9:47: spec.objectives[0].timeSliceTarget: got "95", expected a share in (0, 1]`)
	const head = "apiVersion: openslo/v1\nkind: "
	withRef := strings.Replace(slo(ratio, rolling, "Occurrences", goal), "indicator: {metadata: {name: i}, spec: "+ratio+"}", "indicatorRef: latnecy", 1)
	f(withRef, `o.yml:6:17: spec.indicatorRef: got "latnecy", expected the name of an SLI that is declared (none is declared)`)
	sli := head + "SLI\nmetadata: {name: latency}\nspec: " + ratio + "\n---\n"
	f(sli+withRef, `o.yml:11:17: spec.indicatorRef: got "latnecy", expected the name of an SLI that is declared (did you mean "latency"?)`)
	f(sli+sli, `o.yml:8:18: metadata.name: got "latency", expected each SLI once (it is also in o.yml:1:1)`)
	f(head+"SLI\nmetadata: {name: alone}\nspec: {}\n", `o.yml:4:7: spec: expected a ratioMetric or a thresholdMetric`)
	f(head+"AlertPolicy\nmetadata: {name: p}\nspec: {conditions: [{conditionRef: gone}], notificationTargets: [{}]}\n",
		`o.yml:4:36: spec.conditions[0].conditionRef: got "gone", expected the name of an AlertCondition that is declared (none is declared)`,
		`o.yml:4:66: spec.notificationTargets[0]: expected an AlertNotificationTarget, or targetRef`)
	change("displayName: S}", "annotations: {evenkeel.dev/minimum-event: 5, evenkeel.dev/minimum-events: -1}}",
		`o.yml:3:35: metadata.annotations.evenkeel.dev/minimum-event: got "evenkeel.dev/minimum-event", expected one of evenkeel.dev/composite, evenkeel.dev/minimum-events, evenkeel.dev/runbook (did you mean "evenkeel.dev/minimum-events"?)`,
		`o.yml:3:95: metadata.annotations.evenkeel.dev/minimum-events: got "-1", expected a number of events, 0 or more`)
	f("[~]", `o.yml:1:2: [0]: expected an OpenSLO object`)
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(slo(ratio, rolling, "Occurrences", goal)))
	f.Add([]byte(slo(level, "[{duration: 1M, calendar: {startTime: 2026-01-01, timeZone: UTC}}]", "Timeslices", "[{target: 0.9, op: lt, value: 1, timeSliceWindow: 1m}]")))
	f.Add([]byte(journey("{evenkeel.dev/composite: all}", "Timeslices", "[{target: 0.9, timeSliceTarget: 0.5, timeSliceWindow: 1m, compositeWeight: 2, indicatorRef: paying}]")))
	f.Add([]byte("- apiVersion: openslo/v1\n  kind: SLI\n  metadata: {name: a}\n  spec: {}\n- 5\n- []\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, _, problems := load(string(data))
		if len(problems.Errors()) > 0 {
			return
		}
		for _, o := range got {
			if !(o.Target > 0 && o.Target < 1) || o.Window.Length <= 0 || o.Service == "" || o.Name == "" || !o.Composite() && (o.Ratio == nil) == (o.Threshold == nil) || o.Composite() && (o.Ratio != nil || o.Threshold != nil) || o.MinEvents < 0 {
				t.Errorf("accepted: %+v", o)
			}
			if o.Window.Calendar && (o.Window.Start.IsZero() || o.Window.Count < 1) {
				t.Errorf("accepted: %+v", o.Window)
			}
			if o.Method == declare.Timeslices && (o.SliceWindow <= 0 || !(o.SliceTarget > 0 && o.SliceTarget <= 1)) {
				t.Errorf("accepted: %+v", o)
			}
		}
	})
}
