package alert

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/detect/finding"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/state"
)

// TestDeliveriesOnRecord: each is a row of its incident and a fact that names its
// cause; what fails again and again is written down once, and without its secret.
func TestDeliveriesOnRecord(t *testing.T) {
	hook, hookURL := web(t, always(200))
	broken, brokenURL := web(t, always(503))
	r := open(t, t.TempDir())
	r.route(t, fmt.Sprintf(`
route: {receiver: hook, group_by: [alertname, service], group_wait: 20ms, group_interval: 200ms, repeat_interval: 1h, routes: [{receiver: broken, matchers: [service=payments]}]}
receivers: [{name: hook, webhook_configs: [{url: %q}]}, {name: broken, webhook_configs: [{url: %q}]}]
`, hookURL, brokenURL+"/secret-path"))
	r.run(t)
	book, err := finding.Open(t.Context(), r.o.DB)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	paged, alone, failing := burning(0, "checkout"), burning(0, "cart"), burning(0, "payments")
	if err := book.Observe(t.Context(), now, []detect.Finding{paged, alone, failing}); err != nil {
		t.Fatal(err)
	}
	found := book.OpenFindings(detect.DetectorObjective)
	opened := journal.ID(0)
	if err := r.o.DB.Update(t.Context(), func(tx *state.Tx) error {
		var err error
		if opened, err = tx.Record(journal.Fact{At: now, Kind: "incident.opened", Actor: journal.System("respond"), Subject: "incident/7", Text: "opened", Cause: found[0].Fact}); err != nil {
			return err
		}
		_, err = tx.ExecContext(t.Context(), `INSERT INTO incidents (number, title, severity, status, fact) VALUES (7, 'x', 'page', 'open', ?)`, opened)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	found[0].Incident, found[2].Incident = 7, 99 // 99 is not there
	send(t, r, found...)

	f := func(ref journal.Ref, kind journal.Kind, cause journal.ID, refs ...journal.Ref) {
		t.Helper()
		var facts []journal.Fact
		until(t, hook, string(kind)+" on "+string(ref), func() bool {
			var err error
			if facts, err = r.o.DB.Facts(t.Context(), journal.Query{Ref: ref, Kind: kind}); err != nil {
				t.Fatal(err)
			}
			return len(facts) > 0
		})
		x := facts[0]
		if len(facts) != 1 || x.Cause != cause || x.Actor != journal.System("respond") || strings.Contains(x.Text, "secret-path") || !strings.Contains(x.Text, "ErrorBudgetBurn") {
			t.Errorf("%d facts, %+v, want cause %d", len(facts), x, cause)
		}
		for _, ref := range refs {
			on, err := r.o.DB.Facts(t.Context(), journal.Query{Ref: ref, Kind: kind})
			if err != nil || len(on) != 1 || on[0].ID != x.ID {
				t.Errorf("%s is not on the timeline of %s: %+v %v", kind, ref, on, err)
			}
		}
	}
	until(t, broken, "the third try", func() bool { return broken.count("payments burns") >= 3 })
	f("finding/1", "notification.sent", opened, "incident/7")
	f("finding/2", "notification.sent", found[1].Fact)
	f("finding/3", "notification.failed", 0, "incident/99")
	if a := hook.count(`"incident":"7"`); a != 1 {
		t.Errorf("the number of the incident is in %d messages:\n%s", a, hook)
	}
	var rows int
	if err := r.o.DB.Read().QueryRowContext(t.Context(), `SELECT count(*) FROM notifications WHERE incident = 7 AND receiver = 'hook' AND integration = 'webhook' AND status = 'sent' AND findings = '[1]'`).Scan(&rows); err != nil || rows != 1 {
		t.Errorf("%d rows, %v", rows, err)
	}
}
