package api

import (
	"fmt"
	"testing"

	"github.com/evenkeel/evenkeel/act"
)

func TestARequestIsAskedForAndLetThrough(t *testing.T) {
	w := newWorld(t)
	do[ErrorBody](w, alice, "POST", "/requests", NewRequest{Item: "nothing"}, 404)
	do[ErrorBody](w, alice, "POST", "/requests", NewRequest{Item: "restart", Form: map[string]string{"greeting": "shout"}}, 400)
	q := do[RequestDetail](w, alice, "POST", "/requests", NewRequest{Item: "restart"}, 201)
	path := fmt.Sprintf("/requests/%d", q.ID)
	if q.Status != act.RequestWaiting || q.Form["greeting"] != "hello" {
		t.Errorf("got %+v", q)
	}
	do[ErrorBody](w, alice, "POST", path+"/approve", Words{}, 403)
	do[ErrorBody](w, bob, "POST", path+"/refuse", Words{}, 400) // without a reason
	do[ErrorBody](w, bob, "POST", path+"/reopen", Words{"x"}, 403)
	if q = do[RequestDetail](w, bob, "POST", path+"/approve", Words{}, 200); q.Status != act.RequestRunning || q.Run == "" {
		t.Errorf("got %+v", q)
	}
	do[ErrorBody](w, bob, "POST", path+"/approve", Words{}, 409)
	do[ErrorBody](w, alice, "GET", "/requests/99", nil, 404)
	do[ErrorBody](w, alice, "GET", "/requests/abc", nil, 400)
	if got := do[List[RequestDetail]](w, alice, "GET", "/requests?open=true", nil, 200); len(got.Items) != 1 {
		t.Errorf("got %+v", got)
	}
	if got := do[List[RequestItem]](w, alice, "GET", "/request-items", nil, 200); len(got.Items) != 1 || got.Items[0].Approve != "senior" {
		t.Errorf("got %+v", got)
	}
}
