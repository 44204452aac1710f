package web

import (
	"math"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/learn"
	"github.com/evenkeel/evenkeel/respond"
)

func ago_(d time.Duration) time.Time { return night.Add(-d) }

// busy is a night in which checkout 1.4.2 was a mistake.
func busy(t testing.TB) *estate {
	e := newEstate(t, "testdata/shop")
	e.rules, e.ruleCosts = someRules()
	bad := ago_(22 * time.Minute)
	e.observed(t, bad)
	e.dashboards(t)
	e.values = func(expr, series string, l map[string]string, at time.Time) float64 {
		age := at.Sub(bad).Minutes()
		wave := math.Sin(float64(at.Unix())/420) * 0.12
		if at.Before(night.Add(-5*time.Hour)) || l["objective"] == "payments-availability" && at.Minute()%20 < 3 { // the server was new; payments is scraped with gaps
			return math.NaN()
		}
		hurt := l["objective"] == "checkout-availability"
		slow := l["objective"] == "storefront-availability"
		switch series {
		case seriesBurn:
			switch {
			case hurt && age > 0:
				return math.Min(24, age*6) + wave*8
			case slow && age > 3:
				return 3.1 + wave
			}
			return 0.35 + wave
		case seriesRemaining:
			switch {
			case hurt:
				return 0.82 - math.Max(0, age)*0.018 + wave*0.02
			case slow:
				return 0.214 - math.Max(0, age)*0.0005
			}
			return 0.961
		}
		return 0.01 + math.Abs(wave)
	}

	deploy := e.fact(bad.Add(-90*time.Second), "change.recorded", "token:ci", 0, "checkout 1.4.2 deployed (was 1.4.1)", "change/c-142", "service/checkout")
	opened := e.fact(bad.Add(70*time.Second), "finding.opened", journal.System("detect"), 0, "checkout-availability burns its budget at 24×", "finding/12", "incident/7", "service/checkout")
	inc := e.fact(bad.Add(71*time.Second), "incident.opened", journal.System("respond"), opened, "Incident 7: checkout-availability burns its budget at 24×", "incident/7", "service/checkout")
	e.fact(bad.Add(72*time.Second), "incident.suspects", journal.System("respond"), inc, "top suspect: checkout 1.4.2, 90 s before the onset", "incident/7")
	e.fact(bad.Add(73*time.Second), "notification.sent", journal.System("respond"), inc, "shop-oncall told by slack", "notification/1", "incident/7")
	e.fact(bad.Add(4*time.Minute), "incident.acknowledged", journal.Person("bob"), inc, "acknowledged by bob", "incident/7")
	e.fact(bad.Add(6*time.Minute), "incident.noted", journal.Person("bob"), inc, "Orders fail with 500 at the payment step, only on 1.4.2 <b>not markup</b>", "incident/7")
	run := e.fact(bad.Add(9*time.Minute), "run.started", journal.Person("bob"), inc, "bob runs “Roll checkout back” for #7", "run/r-9f2", "incident/7")
	e.fact(bad.Add(9*time.Minute+20*time.Second), "run.approval.requested", journal.Person("bob"), run, "step rollback (high risk) waits for an approval", "run/r-9f2", "incident/7")
	e.fact(ago_(5*time.Minute), "workspace.loaded", journal.System("declare"), 0, "workspace 7d1f loaded", "workspace/")

	labels := map[string]string{"alertname": "checkout-availability", "severity": "page", "service": "checkout", "team": "shop", "objective": "checkout-availability"}
	e.found = []detect.Finding{
		{ID: 12, Fingerprint: detect.MakeFingerprint("objective", labels), Detector: detect.DetectorObjective, Name: "checkout-availability", Service: "checkout", Team: "shop", Objective: "checkout-availability", Severity: detect.Page, Summary: "The error budget burns at 24×: it ends in 9h.", Runbook: "checkout-rollback", Expr: `slo:current_burn_rate:ratio{objective="checkout-availability"} > 14.4`, Value: 24.2, Labels: labels, Annotations: map[string]string{"summary": "The error budget burns at 24×", "dashboard": "https://example.com/d/1"}, Since: bad.Add(30 * time.Second), OpenedAt: bad.Add(70 * time.Second), SeenAt: ago_(10 * time.Second), Incident: 7, Fact: opened},
		{ID: 11, Detector: detect.DetectorObjective, Name: "storefront-availability", Service: "storefront", Team: "shop", Objective: "storefront-availability", Severity: detect.Ticket, Summary: "The error budget burns at 3.1× over six hours.", Labels: map[string]string{"alertname": "storefront-availability", "severity": "ticket"}, Since: ago_(15 * time.Minute), OpenedAt: ago_(12 * time.Minute), SeenAt: night},
		{ID: 10, Detector: detect.DetectorRule, Name: "DiskFillsSoon", Service: "payments", Team: "platform", Severity: detect.Ticket, Summary: "orders-db fills its volume within four days <img src=x onerror=alert(1)>.", Expr: `predict_linear(node_filesystem_avail_bytes[6h], 4*86400) < 0`, Value: -1.2e9, Labels: map[string]string{"alertname": "DiskFillsSoon", "severity": "ticket"}, Since: ago_(26 * time.Hour), OpenedAt: ago_(25 * time.Hour), SeenAt: night},
		{ID: 4, Detector: detect.DetectorRule, Name: "CertificateExpires", Service: "storefront", Severity: detect.Info, Summary: "A certificate ends in 30 days.", Labels: map[string]string{"alertname": "CertificateExpires"}, Since: ago_(90 * time.Hour), OpenedAt: ago_(90 * time.Hour), SeenAt: ago_(80 * time.Hour), ResolvedAt: ago_(80 * time.Hour)},
	}
	e.incidents = []respond.Incident{
		{Number: 7, Title: "Checkout fails one order in forty", Severity: detect.Page, Status: respond.Acknowledged, Service: "checkout", Services: []declare.ServiceID{"checkout", "storefront"}, Team: "shop", Assignee: "bob", Runbook: "checkout-rollback", Fact: inc,
			Clocks: respond.Clocks{Impact: bad, ImpactSource: "first bad slice of checkout-availability", Detected: bad.Add(70 * time.Second), Acknowledged: bad.Add(4 * time.Minute)},
			Suspects: []respond.Suspect{
				{Rank: 1, Change: "c-142", Service: "checkout", Summary: "checkout 1.4.1 → 1.4.2", Score: 0.91, Reason: "Deployed 90 seconds before the onset, on the service itself; nothing else changed within an hour.", Evidence: []string{"90 s before the onset", "on checkout itself", "the error share of 1.4.2 is 2.6 %, that of 1.4.1 is 0.02 %"}, At: bad.Add(-90 * time.Second), Resource: "component/default/checkout", Pictures: []respond.Picture{stepPicture("http_requests_total that succeed <b>", bad)}, Decision: &respond.SuspectDecision{Verdict: respond.Confirmed, Actor: journal.Person("bob"), At: bad.Add(20 * time.Minute), Note: "seen in the diff <i>"}},
				{Rank: 2, Change: "c-139", Service: "payments", Summary: "payments: new timeout", Score: 0.22, Reason: "A configuration change on something that checkout depends on, but 48 minutes before.", Evidence: []string{"48 m before the onset", "one step away"}, At: bad.Add(-48 * time.Minute)},
			}},
		{Number: 6, Title: "Payments answers slowly", Severity: detect.Page, Status: respond.Mitigated, Service: "payments", Services: []declare.ServiceID{"payments"}, Team: "platform", Clocks: respond.Clocks{Impact: ago_(3 * time.Hour), Detected: ago_(170 * time.Minute), Acknowledged: ago_(165 * time.Minute), Mitigated: ago_(140 * time.Minute)}},
		{Number: 5, Title: "Storefront is down", Severity: detect.Page, Status: respond.Resolved, Service: "storefront", Services: []declare.ServiceID{"storefront"}, Team: "shop", Assignee: "alice", Clocks: respond.Clocks{Impact: ago_(50 * time.Hour), Detected: ago_(50*time.Hour - time.Minute), Acknowledged: ago_(50*time.Hour - 3*time.Minute), Mitigated: ago_(49 * time.Hour), Resolved: ago_(48 * time.Hour)}},
		{Number: 4, Title: "Newsletter sends twice", Severity: detect.Page, Status: respond.Resolved, Service: "newsletter", Services: []declare.ServiceID{"newsletter"}, Team: "platform", Clocks: respond.Clocks{Detected: ago_(100 * time.Hour), Resolved: ago_(99 * time.Hour)}},
	}
	e.sent = []respond.Notification{
		{ID: 1, At: bad.Add(73 * time.Second), Receiver: "shop-oncall", Integration: "slack", Incident: 7, Status: "sent"},
		{ID: 2, At: bad.Add(74 * time.Second), Receiver: "shop-oncall", Integration: "email", Incident: 7, Status: "failed", Detail: "dial tcp 127.0.0.1:25: connection refused; tried again in 1m"},
	}
	e.changes = []act.Change{
		{ID: "c-142", Kind: "deploy", Summary: "checkout 1.4.2", Service: "checkout", Actor: "ci", Source: "api", From: "1.4.1", To: "1.4.2", URL: "https://git.example.com/shop/checkout/commit/8f3", StartedAt: bad.Add(-90 * time.Second), EndedAt: bad.Add(-60 * time.Second), Labels: map[string]string{"commit": "8f3a1c"}, Fact: deploy},
		{ID: "c-139", Kind: "config", Summary: "payments: new timeout", Service: "payments", Actor: "dave", Source: "cli", URL: "javascript:alert(1)", StartedAt: bad.Add(-48 * time.Minute)},
		{ID: "c-130", Kind: "run", Summary: "Roll storefront back", Service: "storefront", Actor: "alice", Source: "run", Run: "r-8a0", Verdict: "verified", StartedAt: ago_(49*time.Hour + 10*time.Minute), EndedAt: ago_(49 * time.Hour)},
	}
	shown := "curl -fsS -X POST \"http://127.0.0.1:7080/checkout/deploy?version=$version\"\n\n# with\nversion=1.4.1\n"
	e.runs = []act.Run{
		{ID: "r-9f2", Runbook: "checkout-rollback", Title: "Roll checkout back", Service: "checkout", Incident: 7, Objective: "checkout-availability", Params: map[string]string{"version": "1.4.1", "drain": "true", "zone": "all"}, Actor: journal.Person("bob"), Status: act.RunWaiting, Reason: "Step rollback waits for an approval: bob is a junior, it has high risk.", Change: "c-142", StartedAt: bad.Add(9 * time.Minute),
			Steps: []act.RunStep{
				{Index: 0, Name: "failing", Language: "promql", Risk: declare.RiskLow, Status: act.StepDone, Attempt: 1, Shown: `sum(rate(http_requests_total{service="checkout",code=~"5.."}[1m])) / sum(rate(http_requests_total{service="checkout"}[1m]))`, Output: "0.0261", Detail: "0.0261 > 0.01", StartedAt: bad.Add(9 * time.Minute), EndedAt: bad.Add(9*time.Minute + time.Second)},
				{Index: 1, Name: "drain", Language: "http", Risk: declare.RiskLow, Status: act.StepDone, Attempt: 1, Shown: "POST http://127.0.0.1:7080/checkout/drain\nContent-Type: application/json\n\n{\"zone\": \"all\"}", Output: "HTTP/1.1 200 OK\n\n{\"drained\": 8}", Detail: "200", StartedAt: bad.Add(9*time.Minute + 2*time.Second), EndedAt: bad.Add(9*time.Minute + 9*time.Second)},
				{Index: 2, Name: "rollback", Language: "sh", Risk: declare.RiskMedium, Status: act.StepWaiting, Attempt: 1, Body: shown, Shown: shown},
				{Index: 3, Name: "undo", Language: "sh", Risk: declare.RiskMedium, Rollback: true, Status: act.StepPending, Shown: "curl -fsS -X POST http://127.0.0.1:7080/checkout/undo"},
			},
			Approvals: []act.Approval{{ID: 1, Run: "r-9f2", Step: 2, Risk: declare.RiskMedium, ShownHash: shownHash(shown), RequestedBy: journal.Person("bob"), RequestedAt: bad.Add(9*time.Minute + 20*time.Second)}}, Fact: run},
		{ID: "r-9c1", Runbook: "checkout-rollback", Title: "Roll checkout back", Params: map[string]string{}, Actor: journal.Person("carol"), Status: act.RunWaiting, Reason: "The server stopped in the middle of the step drain.", StartedAt: ago_(40 * time.Minute), Steps: []act.RunStep{{Index: 0, Name: "drain", Language: "http", Risk: declare.RiskLow, Status: act.StepInterrupted, Attempt: 1, Shown: "POST http://127.0.0.1:7080/checkout/drain", StartedAt: ago_(40 * time.Minute)}}},
		{ID: "r-9a4", Runbook: "checkout-rollback", Title: "Roll checkout back", Params: map[string]string{}, Actor: journal.Person("alice"), Status: act.RunVerifying, Objective: "checkout-latency", StartedAt: ago_(3 * time.Minute), VerifyBy: night.Add(2 * time.Minute), Steps: []act.RunStep{{Index: 0, Name: "drain", Language: "http", Risk: declare.RiskLow, Status: act.StepDone, Attempt: 2}}},
		{ID: "r-8a0", Runbook: "storefront-rollback", Title: "Roll storefront back", Service: "storefront", Incident: 5, Params: map[string]string{}, Actor: journal.Person("alice"), Status: act.RunVerified, Reason: "storefront-availability has stopped burning.", StartedAt: ago_(49*time.Hour + 10*time.Minute), EndedAt: ago_(49 * time.Hour), Steps: []act.RunStep{{Index: 0, Name: "rollback", Language: "sh", Risk: declare.RiskHigh, Status: act.StepDone, Attempt: 1}},
			Approvals: []act.Approval{{Step: 0, Risk: declare.RiskHigh, RequestedBy: journal.Person("alice"), Decision: "approved", DecidedBy: journal.Person("carol"), DecidedAt: ago_(49 * time.Hour), Reason: "seen it in staging"}}},
	}
	e.duties = []act.Duty{
		{ID: 1, Kind: act.DutyRecord, Run: "r-8a0", OwedBy: "carol", Summary: "carol approved step rollback by voice (“go”, written down by bob)", CreatedAt: ago_(26 * time.Hour), DueAt: ago_(2 * time.Hour)},
		{ID: 2, Kind: act.DutyReview, Run: "r-8a0", NotBy: "carol", Summary: "carol broke the glass for step rollback: the region is down", CreatedAt: ago_(2 * time.Hour), DueAt: night.Add(70 * time.Hour)},
	}
	e.reviews[5] = learn.Review{Incident: 5, Status: "draft", DraftedAt: ago_(40 * time.Hour), UpdatedAt: ago_(20 * time.Hour), UpdatedBy: journal.Person("alice"),
		Markdown:  "# Storefront is down\n\n## Impact\n\n60 minutes, 14 % of the budget of **storefront-availability**.\n\n| Time | What |\n| ---- | ---- |\n| 01:12 | paged |\n| 02:12 | recovered |\n\n## What we learned\n\n- The health check did not look at the database.\n- <script>alert(1)</script> [bad](javascript:alert(1)) [good](https://example.com) ![pixel](https://evil.example/p.png)\n",
		FollowUps: []learn.FollowUp{{ID: 1, Incident: 5, Text: "Let the health check ask the database", Owner: "alice", CreatedAt: ago_(20 * time.Hour)}, {ID: 2, Incident: 5, Text: "Alert on the queue", Owner: "bob", CreatedAt: ago_(20 * time.Hour), DoneAt: ago_(2 * time.Hour)}}}
	e.silences = []Silence{
		{ID: "s-1", Matchers: `service="newsletter"`, Comment: "moved to the new queue tonight", By: "carol", Starts: ago_(time.Hour), Ends: night.Add(5 * time.Hour), State: "active"},
		{ID: "s-2", Matchers: `alertname="DiskFillsSoon"`, Comment: "volume ordered", By: "dave", Starts: ago_(30 * time.Hour), Ends: ago_(26 * time.Hour), State: "expired"},
	}
	e.people()
	e.asked()
	e.asking()
	return e
}

func (e *estate) people() {
	e.accounts = []Account{{Person: "alice", Created: ago_(900 * time.Hour)}, {Person: "bob", Created: ago_(800 * time.Hour)}, {Person: "carol", Admin: true, Created: ago_(1000 * time.Hour)}, {Person: "eve", Disabled: true, Created: ago_(700 * time.Hour)}}
	e.tokens["carol"] = []Token{{ID: "k3v9", Name: "ci", Created: ago_(200 * time.Hour), LastUsed: ago_(24 * time.Minute)}}
	e.invited["welcome-dave"] = Invitation{Person: "dave", Expires: night.Add(40 * time.Hour)}
	e.invited["welcome-admin"] = Invitation{Admin: true, Expires: night.Add(time.Hour)}
}

// quiet is the same department on a good night.
func quiet(t testing.TB) *estate {
	e := newEstate(t, "testdata/shop")
	e.values = func(_, series string, _ map[string]string, at time.Time) float64 {
		return map[string]float64{seriesBurn: 0.3, seriesRemaining: 0.97}[series] + math.Sin(float64(at.Unix())/900)*0.02
	}
	e.people()
	return e
}

// empty is the first minute: nothing declared, nothing seen.
func empty(t testing.TB) *estate {
	e := newEstate(t, t.TempDir())
	e.accounts = []Account{{Person: "carol", Admin: true, Created: night}}
	return e
}

// broken is a workspace that somebody pushed with mistakes.
func broken(t testing.TB) *estate {
	e := quiet(t)
	e.problems = declare.Problems{
		{Position: declare.Position{File: "objectives/shop.yml", Line: 14, Column: 12}, Field: "spec.service", Got: "chekout", Want: "a service of the catalogue", Hint: `did you mean "checkout"?`},
		{Position: declare.Position{File: "catalog/shop.yml", Line: 3}, Field: "spec.owner", Got: "<script>", Want: "a team", Warning: true},
	}
	e.fact(ago_(4*time.Minute), "workspace.refused", journal.System("declare"), 0, "the workspace has 1 error and is not used", "workspace/")
	return e
}

// fixtures are all states in which pages are looked at.
var fixtures = map[string]func(testing.TB) *estate{"busy": busy, "quiet": quiet, "empty": empty, "broken": broken}

// stepPicture is a signal that falls at the onset, with a gap.
func stepPicture(metric string, onset time.Time) respond.Picture {
	p := respond.Picture{Metric: metric, Base: 0.999, Onset: onset}
	for i := range 60 {
		v := 0.999 - 0.0004*float64(i%3)
		if i >= 40 {
			v = 0.974 + 0.002*float64(i%4)
		}
		if i < 20 || i > 24 {
			p.Points = append(p.Points, respond.Sample{At: onset.Add(time.Duration(i-40) * 15 * time.Second), Value: v})
		}
	}
	return p
}
