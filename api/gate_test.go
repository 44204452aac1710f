package api

import (
	"fmt"
	"testing"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/act/gate"
	"github.com/evenkeel/evenkeel/act/verify"
)

// tryGate uses everything of the gate once, for the test of the document.
func (w *world) tryGate() {
	w.Helper()
	do[any](w, alice, "POST", "/gate", GateQuestion{Service: "checkout", Change: NewChange{To: "1.5.0"}}, 200)
	do[any](w, alice, "GET", "/gate", nil, 200)
	do[any](w, alice, "GET", "/delivery", nil, 200)
	do[any](w, alice, "POST", "/toil", NewToil{Duration: "20m", Text: "cleared the queue"}, 201)
	do[any](w, alice, "POST", "/toil", NewToil{Duration: "long", Text: "x"}, 400)
	do[any](w, alice, "GET", "/toil", nil, 200)
	q := do[RequestDetail](w, alice, "POST", "/requests", NewRequest{Item: "restart"}, 201)
	do[any](w, bob, "POST", fmt.Sprintf("/requests/%d/ask", q.ID), Words{"why?"}, 200)
	do[any](w, alice, "POST", fmt.Sprintf("/requests/%d/answer", q.ID), Words{"it hangs"}, 200)
	for _, path := range []string{"/request-items", "/requests", fmt.Sprintf("/requests/%d", q.ID), "/request-measures"} {
		do[any](w, alice, "GET", path, nil, 200)
	}
	c := act.Change{ID: "c-1", Kind: act.Deploy, Service: "checkout"}
	_, err := verify.NewBook(w.db).Record(w.Context(), w.now, c, verify.Judge([]verify.Signal{{Name: "x", Objective: true, Before: []float64{1}, After: []float64{2}}}), false)
	must(w, err)
	do[any](w, alice, "GET", "/changes/c-1/verification", nil, 200)
}

func TestTheGateAnswers(t *testing.T) {
	w := newWorld(t)
	ask := func(q GateQuestion, status int) gate.Decision {
		t.Helper()
		if status != 200 {
			do[ErrorBody](w, alice, "POST", "/gate", q, status)
			return gate.Decision{}
		}
		return do[gate.Decision](w, alice, "POST", "/gate", q, status)
	}
	if d := ask(GateQuestion{Service: "checkout", Change: NewChange{To: "1.5.0"}}, 200); d.Answer != gate.Yes || d.Change != "deploy of checkout to 1.5.0" || d.AskedBy != "person:alice" {
		t.Errorf("got %+v", d)
	}
	if d := ask(GateQuestion{Service: "checkout", Artefacts: []string{"k8s"}, Problems: []gate.ArtefactProblem{{File: "k8s/a.yml", Message: "privileged"}}}, 200); d.Answer != gate.No {
		t.Errorf("got %+v", d)
	}
	if d := ask(GateQuestion{Service: "nothing"}, 200); d.Answer != gate.Unknown {
		t.Errorf("got %+v", d)
	}
	ask(GateQuestion{Service: "checkout", Change: NewChange{Service: "payments"}}, 400)
	ask(GateQuestion{Service: "checkout", Change: NewChange{Risk: "enormous"}}, 400)
	ask(GateQuestion{Service: "checkout", Override: string(make([]byte, maxText+1))}, 400)
	if got := do[List[gate.Decision]](w, alice, "GET", "/gate?service=checkout&limit=1", nil, 200); len(got.Items) != 1 || !got.More {
		t.Errorf("got %+v", got)
	}
	if got := do[List[gate.Decision]](w, alice, "GET", "/gate?offset=99", nil, 200); len(got.Items) != 0 {
		t.Errorf("got %+v", got)
	}
	do[ErrorBody](w, alice, "GET", "/changes/c-9/verification", nil, 404)
}
