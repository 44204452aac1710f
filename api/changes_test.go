package api

import (
	"fmt"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
)

func TestImportIsWholeOrNothing(t *testing.T) {
	w := newWorld(t)
	c := func(id, kind string) string {
		return fmt.Sprintf(`{"id":%q,"kind":%q,"service":"checkout","started_at":"2026-03-01T12:00:00Z"}`, id, kind)
	}
	send := func(body string, status int) string {
		t.Helper()
		rec := w.send(request{as: alice, method: "POST", path: Root + "/imports/changes", contentType: "application/json", body: body})
		if rec.Code != status {
			t.Errorf("%.60s: got %d %s, want %d", body, rec.Code, rec.Body, status)
		}
		return strings.TrimSpace(rec.Body.String())
	}
	send(`{"changes":[`+c("i1", "deploy")+`,`+c("i2", "No")+`]}`, 400)
	if found := do[List[act.Change]](w, alice, "GET", "/changes", nil, 200); len(found.Items) != 0 {
		t.Errorf("a part was recorded: %+v", found.Items)
	}
	if got := send(`{"changes":[`+c("i1", "deploy")+`,`+c("i2", "config")+`]}`, 200); got != `{"recorded":2,"unchanged":0}` {
		t.Error(got)
	}
	if got := send(`{"changes":[`+c("i1", "deploy")+`,`+c("i3", "patch")+`]}`, 200); got != `{"recorded":1,"unchanged":1}` {
		t.Error(got)
	}
	send(`{"changes":[]}`, 400)
	send(`{"changes":[{"kind":"deploy","service":"checkout"}]}`, 400)
}

func TestAChangeSaysHowItWasMade(t *testing.T) {
	w := newWorld(t)
	do[act.Change](w, alice, "POST", "/changes", NewChange{ID: "c1", Kind: act.Deploy, Service: "checkout", Evidence: act.Evidence{Author: "alice", Reviewers: []string{"bob"}, Rollback: "restart"}}, 201)
	got := do[ChangeDetail](w, alice, "GET", "/changes/c1", nil, 200)
	if got.Risk == "" || len(got.RiskWhy) == 0 || len(got.Hygiene.Items) != 5 || got.Hygiene.Score != 0.75 {
		t.Errorf("got %+v", got)
	}
}

func TestAnUnknownServiceIsRecordedWithAWarning(t *testing.T) {
	w := newWorld(t)
	got := do[RecordedChange](w, alice, "POST", "/changes", NewChange{ID: "c1", Kind: act.Deploy, Service: "chekout"}, 201)
	if got.ID != "c1" || len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], `no service "chekout"`) || !strings.HasSuffix(got.Warnings[0], `did you mean "checkout"?`) {
		t.Errorf("got %+v", got)
	}
	if got := do[RecordedChange](w, alice, "POST", "/changes", NewChange{Kind: act.Deploy, Service: "checkout"}, 201); got.Warnings != nil {
		t.Errorf("a known one: got %q", got.Warnings)
	}
	if got := do[RecordedChange](w, alice, "POST", "/changes", NewChange{Kind: act.Deploy, Resources: []string{"resource/default/x"}}, 201); got.Warnings != nil {
		t.Errorf("none: got %q", got.Warnings)
	}
	var in Import
	for i := range 3 {
		for _, s := range []declare.ServiceID{"nope", "checkout", declare.ServiceID(fmt.Sprintf("other-%d", i))} {
			in.Changes = append(in.Changes, NewChange{ID: fmt.Sprintf("%s-%d", s, i), Kind: act.Deploy, Service: s, StartedAt: at})
		}
	}
	done := do[Imported](w, alice, "POST", "/imports/changes", in, 200)
	if done.Recorded != 9 || len(done.Warnings) != 4 || !strings.Contains(done.Warnings[0], "nope") {
		t.Errorf("got %+v", done)
	}
	if got := do[ChangeDetail](w, alice, "GET", "/changes/nope-2", nil, 200); got.Service != "nope" {
		t.Errorf("got %+v", got)
	}
}
