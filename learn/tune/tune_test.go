package tune

import (
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/rulefile"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/detect/backtest"
	"github.com/evenkeel/evenkeel/respond"
)

const rules = `# rules of the queue
groups:
  - name: queue
    rules:
      - alert: QueueStuck # the oldest one
        # five hundred is a lot
        expr: queue_depth > 500
        for: 30s
        labels: {severity: page, service: queue}
      - alert: Lag
        expr: |
          max by (queue) (
            lag_seconds
          ) >= 60
        labels:
          severity: page
          service: queue
      - {alert: Disk, expr: 'disk_free_ratio < 0.2', labels: {severity: page}}
`

func workspaceOf(t *testing.T, text string) *declare.Workspace {
	t.Helper()
	var problems declare.Problems
	f, _ := rulefile.Read("rules/queue.yml", []byte(text), &problems)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return &declare.Workspace{RuleFiles: []*declare.RuleFile{f}}
}

var night = time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)

// many are episodes of an alert that last so long and began with a value.
func many(n int, name string, l respond.OutcomeLabel, lasts time.Duration, value float64) (out []respond.Episode) {
	for i := range n {
		at := night.Add(time.Duration(i) * 3 * time.Hour)
		out = append(out, respond.Episode{
			Finding: int64(i + 1), Detector: detect.DetectorRule, Name: name, Severity: detect.Page, Outcome: l, Value: value,
			Since: at, Opened: at.Add(30 * time.Second), Resolved: at.Add(lasts), Told: at.Add(40 * time.Second),
			Fingerprint: detect.Fingerprint(name), Labels: map[string]string{"alertname": name},
		})
	}
	return out
}

func join(all ...[]respond.Episode) (out []respond.Episode) {
	for _, a := range all {
		out = append(out, a...)
	}
	return out
}

func TestProposals(t *testing.T) {
	ws := workspaceOf(t, rules)
	f := func(episodes []respond.Episode, field Field, to string, saved int, why string) *RuleProposal {
		t.Helper()
		q := Queue(ws, episodes)
		p := q[0].Proposal
		if field == "" {
			if p != nil || !strings.Contains(q[0].Why, why) {
				t.Errorf("got %+v, %q, want none because %q", p, q[0].Why, why)
			}
			return nil
		}
		if p == nil {
			t.Fatalf("no proposal: %q", q[0].Why)
		}
		if p.Field != field || p.To != to || p.Saved != saved || p.Lost != 0 || !strings.Contains(p.Why, why) {
			t.Errorf("got %+v", p)
		}
		return p
	}
	f(many(2, "QueueStuck", respond.FalseAlarm, time.Minute, 600), "", "", 0, "2 of its episodes have an outcome")
	f(many(4, "QueueStuck", respond.ActionTaken, time.Minute, 600), "", "", 0, "asked for something")
	// What nobody needed is short, what somebody did is long.
	f(join(many(4, "QueueStuck", respond.NoActionNeeded, 90*time.Second, 600), many(2, "QueueStuck", respond.ActionTaken, 20*time.Minute, 600)), For, "2m", 4, "were over within 2m")
	// As long, but milder.
	f(join(many(4, "QueueStuck", respond.FalseAlarm, 20*time.Minute, 600), many(2, "QueueStuck", respond.ActionTaken, 20*time.Minute, 1000)), Threshold, "queue_depth > 800", 4, "milder than 800")
	f(join(many(4, "Disk", respond.FalseAlarm, 20*time.Minute, 0.19), many(2, "Disk", respond.ActionTaken, 20*time.Minute, 0.05)), Threshold, "disk_free_ratio < 0.12", 4, "milder than 0.12")
	// Nobody ever had to get up.
	f(many(6, "QueueStuck", respond.NoActionNeeded, 2*time.Hour, 600), Severity, "ticket", 6, "none asked for anything")
	// Alike in all: nothing is proposed that would lose a detection.
	f(join(many(4, "QueueStuck", respond.FalseAlarm, 20*time.Minute, 600), many(2, "QueueStuck", respond.ActionTaken, 10*time.Minute, 600)), "", "", 0, "no for and no threshold tells them apart")
	var flapping []respond.Episode
	for i := range 8 {
		e := many(1, "QueueStuck", "", time.Minute, 600)[0]
		d := time.Duration(i) * 2 * time.Minute
		e.Since, e.Opened, e.Resolved = e.Since.Add(d), e.Opened.Add(d), e.Resolved.Add(d)
		flapping = append(flapping, e)
	}
	f(flapping, KeepFor, "2m", 7, "came again 7 times")
	burn := many(4, "ErrorBudgetBurn", respond.FalseAlarm, time.Minute, 1)
	for i := range burn {
		burn[i].Detector = detect.DetectorObjective
	}
	f(burn, "", "", 0, "it comes from an objective")
	// What a proposal that was applied has ended does not ask for more of it.
	was := ws
	applied := func(field, why string, episodes []respond.Episode) {
		t.Helper()
		const had = "expr: queue_depth > 500\n        for: 30s\n"
		text := strings.Replace(rules, had, field+"\n", 1)
		if text == rules {
			t.Fatal("nothing was applied")
		}
		ws = workspaceOf(t, text)
		f(episodes, "", "", 0, why)
		ws = was
	}
	applied("expr: queue_depth > 500\n        for: 2m", "tells them apart", join(many(4, "QueueStuck", respond.NoActionNeeded, 90*time.Second, 600), many(2, "QueueStuck", respond.ActionTaken, 20*time.Minute, 600)))
	applied("expr: queue_depth > 800\n        for: 30s", "tells them apart", join(many(4, "QueueStuck", respond.FalseAlarm, 20*time.Minute, 600), many(2, "QueueStuck", respond.ActionTaken, 20*time.Minute, 1000)))
	applied("expr: queue_depth > 500\n        keep_firing_for: 2m", "before keep_firing_for was 2m", flapping)
	f(many(4, "Gone", respond.FalseAlarm, time.Minute, 1), "", "", 0, "no rule file declares it")
}

func TestEdit(t *testing.T) {
	f := func(p RuleProposal, old, fresh string) {
		t.Helper()
		p.File = "rules/queue.yml"
		out, err := Edit([]byte(rules), p)
		if err != nil {
			t.Error(err)
			return
		}
		if want := strings.Replace(rules, old, fresh, 1); string(out) != want || want == rules {
			t.Errorf("got\n%s\nwant\n%s", out, want)
		}
		diff := Diff(p.File, []byte(rules), out)
		if !strings.HasPrefix(diff, "--- a/rules/queue.yml\n+++ b/rules/queue.yml\n@@ -") {
			t.Errorf("diff:\n%s", diff)
		}
	}
	one, two, three := RulePlace{Group: "queue", Rule: 0}, RulePlace{Group: "queue", Rule: 1}, RulePlace{Group: "queue", Rule: 2}
	f(RuleProposal{RulePlace: one, Field: For, From: "30s", To: "2m"}, "for: 30s", "for: 2m")
	f(RuleProposal{RulePlace: one, Field: Severity, From: "page", To: "ticket"}, "severity: page", "severity: ticket")
	f(RuleProposal{RulePlace: one, Field: Threshold, From: "queue_depth > 500", To: "queue_depth > 800"}, "> 500", "> 800")
	f(RuleProposal{RulePlace: one, Field: KeepFor, To: "5m"}, "        expr: queue_depth > 500\n", "        expr: queue_depth > 500\n        keep_firing_for: 5m\n")
	f(RuleProposal{RulePlace: two, Field: For, To: "1m"}, "      - alert: Lag\n", "      - alert: Lag\n        for: 1m\n")
	f(RuleProposal{RulePlace: two, Field: Threshold, From: "x", To: "max by (queue) (\n  lag_seconds\n) >= 90"}, ">= 60", ">= 90")
	f(RuleProposal{RulePlace: three, Field: For, To: "1m"}, "{alert: Disk", "{for: 1m, alert: Disk")
	f(RuleProposal{RulePlace: three, Field: Threshold, From: "x", To: "disk_free_ratio < 0.12"}, "< 0.2'", "< 0.12'")

	refused := func(p RuleProposal, want string) {
		t.Helper()
		if out, err := Edit([]byte(rules), p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, %s", err, out)
		}
	}
	refused(RuleProposal{RulePlace: one, Field: For, From: "1m", To: "2m"}, "the file has changed")
	refused(RuleProposal{RulePlace: two, Field: For, From: "1m", To: "2m"}, "the file has changed")
	refused(RuleProposal{RulePlace: RulePlace{Group: "queue", Rule: 7}, Field: For, To: "2m"}, "no such rule")
	refused(RuleProposal{RulePlace: RulePlace{Group: "gone"}, Field: For, To: "2m"}, "no such group")
	refused(RuleProposal{RulePlace: one, Field: For, From: "30s", To: "soon"}, "not valid")
}

// TestDiff is one that git takes: the lines around it, and a file without a last newline.
func TestDiff(t *testing.T) {
	got := Diff("f", []byte("1\n2\n3\n4\n5\n6\n7\n8\n9"), []byte("1\n2\n3\n4\nfive\n6\n7\n8\n9"))
	if want := "--- a/f\n+++ b/f\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	got = Diff("f", []byte("1\n2"), []byte("1\n2\n3\n"))
	if want := "--- a/f\n+++ b/f\n@@ -1,2 +1,3 @@\n 1\n-2\n\\ No newline at end of file\n+2\n+3\n"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := Diff("f", []byte("1\n"), []byte("1\n")); got != "" {
		t.Errorf("no difference: %q", got)
	}
}

func TestJudge(t *testing.T) {
	at := RulePlace{File: "rules/queue.yml", Group: "queue"}
	fire := func(after, lasts time.Duration) backtest.Firing {
		return backtest.Firing{Labels: map[string]string{"alertname": "QueueStuck"}, Fired: night.Add(after), Resolved: night.Add(after + lasts)}
	}
	side := func(pages int, fired ...backtest.Firing) backtest.Side {
		return backtest.Side{Alerts: []backtest.Alert{{Name: "QueueStuck", File: at.File, Group: at.Group, Firings: fired, Pages: pages}, {Name: "Other", Pages: 9}}}
	}
	today := side(4, fire(30*time.Second, 10*time.Minute), fire(3*time.Hour+30*time.Second, 10*time.Minute))
	r := &backtest.Result{From: night.Add(-time.Hour), To: night.Add(24 * time.Hour), Today: &today, Changed: side(1, fire(90*time.Second, 9*time.Minute))}
	got := Judge(r, "QueueStuck", at, many(3, "QueueStuck", respond.ActionTaken, 10*time.Minute, 1))
	if got.PagesSaved != 3 || len(got.Lost) != 1 || got.Lost[0] != 2 || got.LaterSeconds != 60 || got.Unseen != 1 || got.FiringsToday != 2 || got.FiringsThen != 1 {
		t.Errorf("%+v", got)
	}
	if got := Judge(r, "QueueStuck", at, many(3, "QueueStuck", respond.FalseAlarm, 10*time.Minute, 1)); len(got.Lost) != 0 {
		t.Errorf("a false alarm counts as lost: %+v", got)
	}
}

func FuzzEdit(f *testing.F) {
	f.Add(rules, "queue", 0, "for", "30s", "2m")
	f.Add(rules, "queue", 1, "expr", "x", "lag >= 90")
	f.Add(rules, "queue", 2, "severity", "page", "ticket")
	f.Add("groups: [{name: a, rules: [{alert: b, expr: 'c > 1'}]}]", "a", 0, "keep_firing_for", "", "1m")
	f.Fuzz(func(t *testing.T, source, group string, rule int, field, from, to string) {
		p := RuleProposal{RulePlace: RulePlace{File: "f", Group: group, Rule: rule}, Field: Field(field), From: from, To: to}
		out, err := Edit([]byte(source), p)
		if err == nil && onlyThat([]byte(source), out, p) != nil {
			t.Errorf("more than one field changed:\n%s", out)
		}
	})
}
