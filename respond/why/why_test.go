package why

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	amconfig "github.com/prometheus/alertmanager/config"
	"github.com/prometheus/prometheus/model/rulefmt"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/respond"
)

const routing = `
route:
  receiver: queue
  group_by: [alertname, service]
  group_wait: 30s
  routes:
    - {matchers: ['severity="page"'], receiver: phone, group_wait: 5s, continue: true}
    - {matchers: ['team="shop"'], receiver: office, active_time_intervals: [office]}
inhibit_rules:
  - {source_matchers: ['alertname="Down"'], target_matchers: ['severity="page"'], equal: [service]}
receivers:
  - {name: queue}
  - {name: phone, webhook_configs: [{url: 'http://a.example/'}]}
  - {name: office, slack_configs: [{api_url: 'http://b.example/', channel: c}], email_configs: [{to: a@b.c, from: a@b.c, smarthost: 'x:25'}]}
time_intervals:
  - {name: office, time_intervals: [{weekdays: ['monday:friday'], times: [{start_time: '09:00', end_time: '17:00'}]}]}
`

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC) // a Wednesday

func config(t *testing.T) *amconfig.Config {
	t.Helper()
	cfg, err := amconfig.Load(routing)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func house() *declare.Workspace {
	file := &declare.RuleFile{Path: "rules/shop.yml", Source: []byte("groups:\n- name: g\n  rules:\n  - alert: Slow\n    for: 5m\n"), Groups: &rulefmt.RuleGroups{Groups: []rulefmt.RuleGroup{{Name: "g", Rules: []rulefmt.Rule{{Alert: "Slow", For: 300_000_000_000}}}}}}
	return &declare.Workspace{
		Services:  []*declare.Service{{ID: "checkout", Owner: "shop"}},
		Teams:     []*declare.Team{{ID: "shop", Members: []declare.PersonID{"alice", "bob"}}},
		People:    []*declare.Person{{ID: "alice"}, {ID: "bob"}, {ID: "eve"}},
		RuleFiles: []*declare.RuleFile{file},
		Schedules: []*declare.Schedule{{
			Name: "shop", Team: "shop", Layers: []declare.Layer{{Name: "days", Start: noon.AddDate(0, -1, 0), Every: declare.Daily, People: []declare.PersonID{"alice", "bob"}}},
			Shadows: []declare.Shadow{{Person: "eve"}},
		}},
		Escalations: []*declare.Escalation{{Name: "shop", Team: "shop", Pos: declare.Position{File: "oncall/shop.yml", Line: 9}, Steps: []declare.EscalationStep{
			{Notify: []declare.Target{{Kind: "schedule", Name: "shop"}}, Wait: 5 * time.Minute}, {Notify: []declare.Target{{Kind: "team", Name: "shop"}}, Wait: 10 * time.Minute},
		}}},
	}
}

func methods(p declare.PersonID) []respond.ContactMethod {
	if p == "eve" {
		return nil
	}
	return []respond.ContactMethod{{Kind: "ntfy", Address: "ntfy.sh", Verified: noon}, {Kind: "email", Address: string(p) + "@b.c", Verified: noon}, {Kind: "slack", Address: "unverified"}}
}

func TestAsk(t *testing.T) {
	w := house()
	r := Routing{Config: config(t)}
	ask := func(at time.Time, labels ...string) Forecast {
		l := map[string]string{}
		for _, kv := range labels {
			k, v, _ := strings.Cut(kv, "=")
			l[k] = v
		}
		return Ask(w, l, at, r, func(team declare.TeamID, _ declare.ServiceID) *declare.Escalation { return w.EscalationOf(team) }, methods)
	}
	f := func(what string, got Forecast, verdict string, reached ...string) {
		t.Helper()
		var lines []string
		for _, x := range got.Reached {
			who := string(x.Person) + x.Receiver
			if x.Copy {
				who += "(copy)"
			}
			lines = append(lines, fmt.Sprintf("%s %s %s", x.At.Sub(got.At), who, strings.Join(x.By, "+")))
		}
		if got.Verdict != verdict || strings.Join(lines, "\n") != strings.Join(reached, "\n") {
			t.Errorf("%s: got %s\n%s\nwant %s\n%s", what, got.Verdict, strings.Join(lines, "\n"), verdict, strings.Join(reached, "\n"))
		}
	}
	f("a page at noon", ask(noon, "severity=page", "service=checkout", "alertname=Slow", "team=shop"), "alice would be paged first, at 2026-03-04 12:00:00 UTC by ntfy ntfy.sh.",
		"5s phone webhook", "30s office email+slack", "0s alice ntfy ntfy.sh+email alice@b.c", "0s eve(copy) ", "5m0s alice ntfy ntfy.sh+email alice@b.c", "5m0s bob ntfy ntfy.sh+email bob@b.c")
	f("at night the office is muted, and it is still hers", ask(noon.Add(24*time.Hour-9*time.Hour), "severity=page", "service=checkout", "team=shop"), "alice would be paged first, at 2026-03-05 03:00:00 UTC by ntfy ntfy.sh.",
		"5s phone webhook", "0s alice ntfy ntfy.sh+email alice@b.c", "0s eve(copy) ", "5m0s alice ntfy ntfy.sh+email alice@b.c", "5m0s bob ntfy ntfy.sh+email bob@b.c")
	// Each decision on the way is there, with the setting behind it.
	var all []string
	for _, s := range ask(noon, "severity=page", "service=checkout", "alertname=Slow", "team=shop").Steps {
		all = append(all, s.Stage+" "+s.Setting)
	}
	for _, want := range []string{"evaluated rules/shop.yml:4", "for rules/shop.yml:4", "silenced ", "inhibited ", "routed routing.yml: route.routes[0]", "grouped routing.yml: route.routes[0]", "muted ", "incident ",
		"escalated oncall/shop.yml:9: escalation shop, step 1", "on call schedule:shop, layer days", "delivered ways of contact of alice", "acknowledged oncall/shop.yml:9: escalation shop"} {
		if !slices.ContainsFunc(all, func(s string) bool { return strings.HasPrefix(s, want) }) {
			t.Errorf("no %q in %q", want, all)
		}
	}
	f("a ticket of another team", ask(noon, "severity=ticket", "team=other"), "Nobody would be reached: severity ticket opens none.")
	f("a ticket of the team", ask(noon, "severity=ticket", "team=shop"), "Receiver office would be told at 2026-03-04 12:00:30 UTC; no person is paged.", "30s office email+slack")
	f("a page of a team without a policy", ask(noon, "severity=page", "team=other"), "Receiver phone would be told at 2026-03-04 12:00:05 UTC; no person is paged.", "5s phone webhook")
	r.Silences = []Silence{{ID: "s1", By: "carol", Comment: "works", Matchers: []string{`service="checkout"`}, From: noon.Add(-time.Hour), To: noon.Add(time.Hour)}}
	f("silenced", ask(noon, "severity=page", "service=checkout"), "Nobody would be reached: silenced by carol until 2026-03-04 13:00 UTC: works.")
	if got := ask(noon.Add(time.Hour), "severity=page", "service=checkout"); !strings.HasPrefix(got.Verdict, "alice would") {
		t.Errorf("after the silence: %s", got.Verdict)
	}
	r.Silences = nil
	r.Open = []detect.Finding{{ID: 4, Name: "Down", Labels: map[string]string{"alertname": "Down", "service": "checkout"}}}
	f("inhibited", ask(noon, "severity=page", "service=checkout", "alertname=Slow"), "Nobody would be reached: inhibited by finding 4 (Down), which is open.")
	if got := ask(noon, "severity=page", "service=payments", "alertname=Slow"); !strings.Contains(got.Verdict, "phone") {
		t.Errorf("another service is not inhibited: %s", got.Verdict)
	}
}

func TestOf(t *testing.T) {
	w := house()
	r := Routing{Config: config(t)}
	finding := detect.Finding{
		ID: 12, Detector: detect.DetectorRule, Name: "Slow", Service: "checkout", Severity: detect.Page, Expr: "latency > 1", Value: 2, Since: noon.Add(-5 * time.Minute), OpenedAt: noon,
		Labels: map[string]string{"alertname": "Slow", "severity": "page", "service": "checkout"},
	}
	has := func(what string, got Trace, verdict string, want ...string) {
		t.Helper()
		var lines []string
		for _, s := range got.Steps {
			lines = append(lines, fmt.Sprintf("%s %s: %s [%s]", s.Stage, s.Outcome, s.Text, s.Setting))
		}
		all := strings.Join(lines, "\n")
		at := 0
		for _, x := range want { // in this order
			i := strings.Index(all[at:], x)
			if i < 0 {
				t.Errorf("%s: no %q after the others in\n%s", what, x, all)
				return
			}
			at += i
		}
		if got.Verdict != verdict {
			t.Errorf("%s: %s", what, got.Verdict)
		}
	}
	i := &Incident{
		Incident:   respond.Incident{Number: 7, Title: "slow", Team: "shop", Status: respond.Acknowledged, Assignee: "bob", Clocks: respond.Clocks{Detected: noon, Acknowledged: noon.Add(time.Minute)}},
		Escalation: &respond.Escalation{Policy: "shop", Status: respond.EscalationAcknowledged, Step: 1, Steps: w.Escalations[0].Steps, Started: noon},
		Deliveries: []respond.Delivery{{Person: "bob", Purpose: respond.PurposePage, State: respond.DeliveryDelivered, Why: "schedule:shop, layer days", Attempts: []respond.Attempt{
			{Kind: "ntfy", Address: "ntfy.sh", Detail: "the answer was 503"}, {Kind: "ntfy", Address: "ntfy.sh", Detail: "connection refused"}, {Kind: "ntfy", Address: "ntfy.sh", Detail: "connection refused"}, {Kind: "email", Address: "bob@b.c", OK: true, TookMS: 40},
		}}},
	}
	sent := []respond.Notification{{Receiver: "phone", Integration: "webhook", Status: "sent", At: noon.Add(5 * time.Second)}}
	has("it paged", Of(w, finding, r, i, w.Escalations[0], sent, noon.Add(time.Hour)), "It paged bob.",
		"evaluated passed: detector rule saw it", "[rules/shop.yml:4]", "for passed: it had to hold for 5m0s and became a finding 5m0s after it began [rules/shop.yml:4]",
		"silenced passed", "inhibited passed", "routed passed: goes to receiver phone, which tells by webhook [routing.yml: route.routes[0]", "grouped passed: grouped by alertname=Slow, service=checkout; the first message after 5s",
		"muted passed", "delivered passed: told phone by webhook", "incident passed: belongs to incident 7", "escalated passed: the escalation is acknowledged, after 1 of 2 steps in round 1 [oncall/shop.yml:9: escalation shop]",
		"on call passed: bob gets a page [schedule:shop, layer days]", "delivered stopped: could not tell bob by ntfy (ntfy.sh): the answer was 503 [", "delivered stopped: could not tell bob by ntfy (ntfy.sh): connection refused, 2 times [", "delivered passed: told bob by email", "acknowledged passed: acknowledged; bob has it")
	r.Silences = []Silence{{ID: "s1", By: "carol", Comment: "works", Matchers: []string{`alertname=~"Sl.*"`}, From: noon, To: noon.Add(2 * time.Hour)}}
	has("silenced", Of(w, finding, r, nil, nil, nil, noon.Add(time.Hour)), "It told nobody: it is silenced or inhibited.", "silenced stopped: silenced by carol", "silence s1", "incident stopped: what is silenced")
	// Over: what held when it opened counts, and not what holds now.
	past := finding
	past.ResolvedAt = noon.Add(3 * time.Hour)
	r.AsOf = noon.Add(-time.Hour)
	has("silenced then", Of(w, past, r, nil, nil, nil, noon.Add(9*time.Hour)), "It told nobody: it is silenced or inhibited.", "resolved passed", "[routing.yml as it was since 2026-03-04 11:00:00 UTC]", "silenced stopped: silenced by carol")
	r.Silences[0].From, r.AsOf = noon.Add(time.Hour), time.Time{}
	has("silenced later", Of(w, past, r, nil, nil, nil, noon.Add(90*time.Minute)), "It told nobody.", "what it was then is not on record", "silenced passed")
	r.Silences = nil
	finding.Severity, finding.Labels = detect.Ticket, map[string]string{"alertname": "Slow", "severity": "ticket"}
	has("a ticket", Of(w, finding, r, nil, nil, nil, noon), "It pages nobody: its severity is ticket.", "routed nothing: goes to receiver queue, which has nothing to tell by", "incident stopped: severity ticket opens none")
	// A finding does not inhibit itself.
	down := detect.Finding{ID: 4, Name: "Down", Severity: detect.Page, Labels: map[string]string{"alertname": "Down", "severity": "page", "service": "checkout"}}
	r.Open = []detect.Finding{down}
	has("the source", Of(w, down, r, nil, nil, nil, noon), "It told nobody.", "inhibited passed", "incident waits")
}
