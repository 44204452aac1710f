//go:build kube

package runbook

import (
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/act"
)

// testApprovals: what was approved is what is done, or nothing is.
func testApprovals(t *testing.T, p *plane, b *bench) {
	p.namespace(t, "approvals")
	p.deploy(t, "approvals", "web", "web:1", 1)
	p.release(t, "approvals", "web", "web:2")
	p.available(t, "approvals", "web", 1)

	asked := func(book string, params map[string]string, told string) act.Run {
		t.Helper()
		run := b.until(b.start("alice", book, params).ID, "the evidence", func(r act.Run) bool {
			return len(r.Approvals) == 1 && r.Approvals[0].Evidence != ""
		})
		says(t, run.Approvals[0].Evidence, "the cluster: "+told)
		return run
	}
	approved := func(run act.Run) act.Run {
		t.Helper()
		if _, err := b.Decide(t.Context(), time.Now(), "bob", run.ID, 0, true, run.Approvals[0].ShownHash, ""); err != nil {
			t.Fatal(err)
		}
		return b.inTheEnd(t, run.ID)
	}
	refused := func(run act.Run, now string) {
		t.Helper()
		if run.Status != act.RunFailed || !strings.Contains(run.Reason, "the cluster has changed since this was approved; now "+now) {
			t.Errorf("%s %s", run.Status, run.Reason)
		}
	}
	web := map[string]string{"what": "web", "ns": "approvals"}

	// A release between the question and the answer: it is not the one to be taken back.
	run := asked("undo", web, "deployment/web goes back from revision 2 to 1: web:1 instead of web:2")
	p.release(t, "approvals", "web", "web:3")
	refused(approved(run), "deployment/web goes back from revision 3 to 2")
	if got := p.image(t, "approvals", "web"); got != "web:3" {
		t.Errorf("undone to %s all the same", got)
	}
	p.available(t, "approvals", "web", 1)
	// A pod that comes or goes, or a scaler, changes nothing of what was approved.
	run = asked("undo", web, "deployment/web goes back from revision 3 to 2: web:2 instead of web:3")
	p.must(t, "PATCH", "/apis/apps/v1/namespaces/approvals/deployments/web", object{"spec": object{"replicas": 2}})
	p.available(t, "approvals", "web", 2)
	if run = approved(run); run.Status != act.RunDone || p.image(t, "approvals", "web") != "web:2" {
		t.Errorf("%s %s", run.Status, run.Reason)
	}

	settings := map[string]string{"ns": "approvals", "mode": "dark"}
	run = asked("settings", settings, "ConfigMap/settings would be made")
	p.must(t, "POST", "/api/v1/namespaces/approvals/configmaps?fieldManager=evenkeel", object{"metadata": object{"name": "settings"}, "data": object{"theirs": "kept"}})
	refused(approved(run), "ConfigMap/settings would be changed: data.mode")
	run = asked("settings", settings, "ConfigMap/settings would be changed: data.mode")
	if run = approved(run); run.Status != act.RunDone {
		t.Errorf("%s %s", run.Status, run.Reason)
	}

	// Who is asked is told when the cluster cannot say.
	run = asked("undo", map[string]string{"what": "gone", "ns": "approvals"}, `cannot tell: the cluster says: deployments.apps "gone" not found (404)`)
	if run = approved(run); run.Status != act.RunFailed {
		t.Errorf("%s %s", run.Status, run.Reason)
	}
}
