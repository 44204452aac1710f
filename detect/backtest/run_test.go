package backtest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/rulefile"
	"github.com/evenkeel/evenkeel/declare/workspace"
	"github.com/evenkeel/evenkeel/detect/backtest"
	"github.com/evenkeel/evenkeel/detect/history"
)

// shop is a workspace with two teams, a rota that hands over at 08:00 in Berlin, and a
// routing with what Alertmanager's has.
var shop = map[string]string{
	"evenkeel.yml": "evaluation: {interval: 15s}\n",
	"catalog/all.yml": `apiVersion: backstage.io/v1alpha1
kind: Group
metadata: {name: payments}
spec: {type: team, children: []}
---
apiVersion: backstage.io/v1alpha1
kind: User
metadata: {name: ann}
spec: {memberOf: [payments]}
---
apiVersion: backstage.io/v1alpha1
kind: User
metadata: {name: ben}
spec: {memberOf: [payments]}
---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: checkout}
spec: {type: service, lifecycle: production, owner: payments}
`,
	"oncall/payments.yml": `schedules:
  - name: payments
    team: payments
    timezone: Europe/Berlin
    layers:
      - {start: 2026-03-01T08:00, every: daily, people: [ben, ann]}
`,
	"routing.yml": `route:
  receiver: office
  group_by: [service]
  group_wait: 30s
  group_interval: 5m
  repeat_interval: 1h
  routes:
    - receiver: phone
      matchers: ['severity="page"']
    - receiver: "null"
      matchers: ['alertname="Noise"']
    - receiver: day
      matchers: ['alertname="DayOnly"']
      active_time_intervals: [office-hours]
receivers:
  - name: office
    webhook_configs: [{url: "http://localhost/office"}]
  - name: phone
    webhook_configs: [{url: "http://localhost/phone"}]
  - name: day
    webhook_configs: [{url: "http://localhost/day"}]
  - name: "null"
inhibit_rules:
  - source_matchers: ['alertname="Down"']
    target_matchers: ['alertname="Slow"']
    equal: [service]
time_intervals:
  - name: office-hours
    time_intervals: [{times: [{start_time: "09:00", end_time: "17:00"}]}]
`,
}

// start is 2026-03-02 04:00 UTC: in Berlin it is 05:00, and Ben has the duty since the
// day before.
var start = time.Date(2026, 3, 2, 4, 0, 0, 0, time.UTC)

func loadShop(t *testing.T) *declare.Workspace {
	t.Helper()
	dir := t.TempDir()
	for name, content := range shop {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w, problems, err := workspace.Load(dir, start)
	if err != nil {
		t.Fatal(err)
	}
	if w == nil {
		t.Fatal(problems)
	}
	return w
}

// over writes series, as minutes at which a value holds, into a history.
func over(t *testing.T, minutes int, series map[string][][2]int) *history.History {
	t.Helper()
	var b strings.Builder
	for name, spans := range series {
		fmt.Fprintf(&b, "# TYPE %s gauge\n", name)
		for m := range minutes {
			v := 0
			for _, s := range spans {
				if m >= s[0] && m < s[1] {
					v = 1
				}
			}
			fmt.Fprintf(&b, "%s{service=\"checkout\"} %d %d\n", name, v, start.Add(time.Duration(m)*time.Minute).Unix())
		}
	}
	b.WriteString("# EOF\n")
	file := filepath.Join(t.TempDir(), "series.om")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	h, err := history.Open(t.Context(), history.Options{Where: file})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

func rulesOf(t *testing.T, text string) []backtest.Group {
	t.Helper()
	var problems declare.Problems
	f, _ := rulefile.Read("rules/a.yml", []byte(text), &problems)
	if err := problems.Errors(); len(err) > 0 {
		t.Fatal(err)
	}
	return backtest.In(f)
}

func alert(name, expr, severity, more string) string {
	return fmt.Sprintf("      - {alert: %s, expr: '%s', labels: {severity: %s}%s}\n", name, expr, severity, more)
}

func group(alerts ...string) string {
	return "groups:\n  - name: g\n    interval: 1m\n    rules:\n" + strings.Join(alerts, "")
}

// told are the notifications as text: the minute, whom, why and what.
func told(s backtest.Side) []string {
	out := []string{}
	for _, p := range s.Pages {
		who := string(p.Person)
		if who == "" {
			who = "nobody"
		}
		out = append(out, fmt.Sprintf("%s %s %s %s %s", p.At.Sub(start), p.Receiver, who, p.Why, strings.Join(p.Alerts, "+")))
	}
	return out
}

func TestWhomItReaches(t *testing.T) {
	w := loadShop(t)
	for name, test := range map[string]struct {
		minutes int
		series  map[string][][2]int
		rules   []string
		want    []string
	}{
		"a group waits, and what comes later comes with its interval": {
			minutes: 60, series: map[string][][2]int{"down": {{10, 30}}, "slow2": {{12, 30}}},
			rules: []string{alert("Down", "down == 1", "page", ""), alert("Slow2", "slow2 == 1", "page", "")},
			want:  []string{"10m30s phone ben new Down", "15m30s phone ben more Down+Slow2"},
		},
		"what fires again before the group looks is not told again": {
			minutes: 60, series: map[string][][2]int{"down": {{10, 12}, {13, 20}}},
			rules: []string{alert("Down", "down == 1", "page", "")},
			want:  []string{"10m30s phone ben new Down"},
		},
		"it is repeated, and the rota moves on at 08:00": {
			minutes: 260, series: map[string][][2]int{"down": {{100, 240}}},
			rules: []string{alert("Down", "down == 1", "page", "")},
			// 05:40, 06:40 and 07:40 UTC; Berlin's 08:00 is 07:00 UTC.
			want: []string{"1h40m30s phone ben new Down", "2h40m30s phone ben repeat Down", "3h40m30s phone ann repeat Down"},
		},
		"inhibition": {
			minutes: 60, series: map[string][][2]int{"down": {{10, 30}}, "slow": {{5, 50}}},
			rules: []string{alert("Down", "down == 1", "page", ""), alert("Slow", "slow == 1", "page", "")},
			// Slow alone; Down beside it; Slow again when Down has ended: its group has not said it since.
			want: []string{"5m30s phone ben new Slow", "10m30s phone ben more Down", "30m30s phone ben more Slow"},
		},
		"a receiver without integrations reaches nobody": {
			minutes: 60, series: map[string][][2]int{"noise": {{10, 30}}},
			rules: []string{alert("Noise", "noise == 1", "ticket", "")},
			want:  []string{},
		},
		"outside its hours it waits for them": {
			minutes: 360, series: map[string][][2]int{"day": {{10, 350}}},
			rules: []string{alert("DayOnly", "day == 1", "ticket", "")},
			want:  []string{"5h0m30s day ann new DayOnly"}, // 09:00 UTC
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := over(t, test.minutes, test.series)
			r, err := backtest.Run(t.Context(), backtest.Options{
				History: h, Oldest: h.Oldest, From: start, To: start.Add(time.Duration(test.minutes) * time.Minute), Step: time.Minute,
				Changed: rulesOf(t, group(test.rules...)), Workspace: w,
			})
			if err != nil {
				t.Fatal(err)
			}
			if got := told(r.Changed); !slices.Equal(got, test.want) {
				t.Errorf("told\n%s\nexpected\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

// TestIncidentsOnRecord compares two rules for the same suffering: one that fires late
// and pages for nothing, one that fires early.
func TestIncidentsOnRecord(t *testing.T) {
	h := over(t, 600, map[string][][2]int{"bad": {{100, 130}, {400, 404}, {410, 414}}})
	old := alert("Bad", "bad == 1", "page", ", for: 0m")
	now := alert("Bad", "bad == 1", "page", ", for: 15m")
	blind := alert("Bad", "bad == 7", "page", "")
	at := func(m int) time.Time { return start.Add(time.Duration(m) * time.Minute) }
	incidents := []backtest.Incident{
		{Number: 1, Title: "Checkout fails", Services: []declare.ServiceID{"checkout"}, Impact: at(99), Detected: at(120), Resolved: at(131)},
		{Number: 2, Title: "It was nothing", Services: []declare.ServiceID{"checkout"}, Detected: at(401), Resolved: at(405), False: true},
		{Number: 3, Title: "Of another time", Services: []declare.ServiceID{"checkout"}, Detected: at(-900), Resolved: at(-800)},
		{Number: 4, Title: "Of another service", Services: []declare.ServiceID{"search"}, Detected: at(105), Resolved: at(110)},
	}
	run := func(changed string) *backtest.Result {
		t.Helper()
		r, err := backtest.Run(t.Context(), backtest.Options{
			History: h, Oldest: h.Oldest, From: start, To: at(600), Step: time.Minute, Workspace: loadShop(t),
			Today: rulesOf(t, group(old)), Changed: rulesOf(t, group(changed)), Incidents: incidents,
		})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := run(now)
	if len(r.Incidents) != 2 || r.Incidents[0].Number != 1 || r.Incidents[1].Number != 4 {
		t.Fatalf("judged by the incidents %+v, expected 1 and 4", r.Incidents)
	}
	first := r.Incidents[0]
	if first.Today.String() != "20m00s earlier, by Bad" || first.Changed.String() != "5m00s earlier, by Bad" {
		t.Errorf("the first incident: today %s, changed %s", first.Today, first.Changed)
	}
	if other := r.Incidents[1]; other.Today != nil || other.Changed != nil {
		t.Errorf("an incident of search was caught by an alert of checkout: %+v", other)
	}
	today, changed := r.Today.Summary, r.Changed.Summary
	if today.Firings != 3 || changed.Firings != 1 || today.Flaps != 1 || changed.Flaps != 0 {
		t.Errorf("fired %d and %d times, flapped %d and %d, expected 3 and 1, 1 and 0", today.Firings, changed.Firings, today.Flaps, changed.Flaps)
	}
	// Two of today's three pages are for what turned out to be nothing.
	if today.Precision == nil || *today.Precision != 1.0/3 || changed.Precision == nil || *changed.Precision != 1 {
		t.Errorf("expected a third and all of the pages explained:\n%s", r.Markdown())
	}
	if today.Caught != 1 || today.Missed != 1 || len(r.Lost()) != 0 {
		t.Errorf("caught %d, missed %d, lost %d", today.Caught, today.Missed, len(r.Lost()))
	}
	if got := r.Rules[0]; got.Today.Firings != 3 || got.Changed.Firings != 1 || got.Title() != "Bad (page)" {
		t.Errorf("compared %+v", got)
	}
	r = run(blind)
	if lost := r.Lost(); len(lost) != 1 || lost[0].Number != 1 {
		t.Errorf("lost %+v, expected the incident 1", lost)
	}
	for _, want := range []string{"| incidents caught | 1 of 2 | 0 of 2 |", "20m00s earlier, by Bad | lost |", "| pages | "} {
		if text := r.Markdown(); !strings.Contains(text, want) {
			t.Errorf("the Markdown does not say %q:\n%s", want, text)
		}
	}
}

// TestWhatCannotBeEvaluated is told beside the rules that can.
func TestWhatCannotBeEvaluated(t *testing.T) {
	h := over(t, 60, map[string][][2]int{"bad": {{10, 20}}})
	r, err := backtest.Run(t.Context(), backtest.Options{
		History: h, Oldest: h.Oldest, From: start, To: start.Add(time.Hour), Step: time.Minute,
		Changed: rulesOf(t, group(
			alert("Fine", "bad == 1", "page", ""),
			alert("Twice", "bad * on(service) group_left() (bad or label_replace(bad, \"x\", \"y\", \"\", \"\"))", "page", ""),
		)),
	})
	if err != nil {
		t.Fatal(err)
	}
	failed := r.Failed()
	if len(failed) != 1 || failed[0].Name != "Twice" || failed[0].Errors == 0 || failed[0].Error == "" {
		t.Errorf("failed: %+v, expected Twice", failed)
	}
	if r.Changed.Summary.Firings != 1 {
		t.Errorf("fired %d times, expected once", r.Changed.Summary.Firings)
	}
	for _, o := range []backtest.Options{
		{From: start, To: start}, {From: start, To: start.Add(-time.Hour)},
		{From: start, To: start.Add(time.Hour), Step: time.Millisecond},
		{From: start, To: start.Add(1e6 * time.Hour), Step: time.Second},
	} {
		o.History = h
		if _, err := backtest.Run(t.Context(), o); err == nil {
			t.Errorf("%s to %s every %s was replayed", o.From, o.To, o.Step)
		}
	}
}

// TestOutcomesOnRecord: what became of an alert weighs more than an incident beside it.
func TestOutcomesOnRecord(t *testing.T) {
	h := over(t, 600, map[string][][2]int{"bad": {{100, 130}, {400, 404}, {500, 504}}})
	at := func(m int) time.Time { return start.Add(time.Duration(m) * time.Minute) }
	labels := map[string]string{"alertname": "Bad", "service": "checkout"}
	labelled := []backtest.Labelled{
		{Finding: 1, Alert: "Bad", Service: "checkout", Labels: labels, Opened: at(101), Resolved: at(131), Outcome: "action", Useful: true},
		{Finding: 2, Alert: "Bad", Service: "checkout", Labels: labels, Opened: at(401), Resolved: at(405), Outcome: "no_action", Inferred: true},
		{Finding: 3, Alert: "Other", Service: "checkout", Labels: map[string]string{"alertname": "Other", "service": "checkout"}, Opened: at(501), Resolved: at(502), Outcome: "false"},
		{Finding: 4, Alert: "Bad", Service: "checkout", Labels: labels, Opened: at(-10), Resolved: at(-5), Outcome: "action", Useful: true},
	}
	run := func(changed string) *backtest.Result {
		t.Helper()
		r, err := backtest.Run(t.Context(), backtest.Options{
			History: h, Oldest: h.Oldest, From: start, To: at(600), Step: time.Minute, Workspace: loadShop(t), Labelled: labelled,
			Incidents: []backtest.Incident{{Number: 1, Services: []declare.ServiceID{"checkout"}, Detected: at(400), Resolved: at(510)}},
			Today:     rulesOf(t, group(alert("Bad", "bad == 1", "page", ""))), Changed: rulesOf(t, group(changed)),
		})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := run(alert("Bad", "bad == 1", "page", ", for: 10m"))
	today, changed := r.Today.Summary, r.Changed.Summary
	// Of today's pages the first was acted on, the second was nothing although there was an
	// incident, and of the third nothing is known but the incident.
	if today.Precision == nil || *today.Precision != 2.0/3 || *changed.Precision != 1 {
		t.Errorf("precision %v and %v:\n%s", today.Precision, changed.Precision, r.Markdown())
	}
	if today.Useful != 1 || today.Useless != 1 || today.UselessQuiet != 1 || changed.Useful != 1 || changed.Useless != 0 || changed.UselessQuiet != 2 || changed.UsefulLost != 0 {
		t.Errorf("today %+v\nchanged %+v", today, changed)
	}
	if len(r.Labelled) != 3 || r.Labelled[0].Verdict() != "9m00s later, by Bad" || r.Labelled[1].Verdict() != "quiet" || r.Labelled[1].Word() != "no_action (inferred)" || len(r.LostAlerts()) != 0 {
		t.Errorf("%+v", r.Labelled)
	}
	if r = run(alert("Bad", "bad == 7", "page", "")); len(r.LostAlerts()) != 1 || r.LostAlerts()[0].Verdict() != "lost" {
		t.Errorf("lost: %+v", r.LostAlerts())
	}
	for _, want := range []string{"| useful alerts told again | 1 of 1 | 0 of 1 |", "| Bad, 2026-03-02 05:41 | action |", "| lost |"} {
		if text := r.Markdown(); !strings.Contains(text, want) {
			t.Errorf("the Markdown does not say %q:\n%s", want, text)
		}
	}
}
