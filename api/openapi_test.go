package api

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pb33f/libopenapi"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/act/view"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/observe/pattern"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/respond/alert"
)

func document(w *world) object {
	w.Helper()
	rec := w.send(request{as: alice, method: "GET", path: Root + "/openapi.json"})
	var doc object
	if err := json.Unmarshal(rec.Body.Bytes(), &doc); err != nil || rec.Code != http.StatusOK {
		w.Fatalf("got %d, %v", rec.Code, err)
	}
	return doc
}

// dig walks into a document by names.
func dig(v any, path ...string) any {
	for _, name := range path {
		m, _ := v.(object)
		v = m[name]
	}
	return v
}

func TestTheDocumentHasEveryRouteAndNoOther(t *testing.T) {
	w := newWorld(t)
	documented := map[string]bool{}
	ids := map[string]bool{}
	for path, item := range dig(document(w), "paths").(object) {
		for method, op := range item.(object) {
			documented[strings.ToUpper(method)+" "+path] = true
			id := dig(op, "operationId").(string)
			if ids[id] {
				t.Errorf("two operations are called %s", id)
			}
			ids[id] = true
		}
	}
	routes := (&server{}).routes()
	for _, r := range routes {
		if !documented[r.method+" "+r.path] {
			t.Errorf("%s %s is not in the document", r.method, r.path)
		}
		// And it is served: an answer that speaks of something else than the address.
		path := pathParam.ReplaceAllStringFunc(r.path, func(p string) string {
			if numbered[strings.Trim(p, "{}")] {
				return "999"
			}
			return "nothing"
		})
		if r.media == "text/event-stream" {
			continue // TestFactsArrive
		}
		rec := w.send(request{as: admin, method: r.method, path: Root + path, contentType: "application/json", body: "{}"})
		if rec.Code == http.StatusMethodNotAllowed || strings.Contains(rec.Body.String(), "there is nothing at") || rec.Code >= 500 {
			t.Errorf("%s %s: got %d %s", r.method, path, rec.Code, rec.Body)
		}
	}
	if len(documented) != len(routes) {
		t.Errorf("got %d documented operations, %d routes", len(documented), len(routes))
	}
}

func TestTheDocumentIsOpenAPI(t *testing.T) {
	w := newWorld(t)
	rec := w.send(request{as: alice, method: "GET", path: Root + "/openapi.json"})
	doc, err := libopenapi.NewDocument(rec.Body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	model, err := doc.BuildV3Model()
	if err != nil {
		t.Fatal(err)
	}
	if v := model.Model.Version; v != "3.1.0" || model.Model.Paths.PathItems.Len() < 30 {
		t.Errorf("got version %q and %d paths", v, model.Model.Paths.PathItems.Len())
	}
}

// TestAnswersAreAsDocumented plays a story through the API and holds each answer
// against the schema of its route.
func TestAnswersAreAsDocumented(t *testing.T) {
	w, pager := newPager(t)
	doc := document(w)
	seen := map[string]bool{}
	inner := w.handler
	w.handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		inner.ServeHTTP(rec, r)
		rw.WriteHeader(rec.Code)
		_, _ = rw.Write(rec.Body.Bytes())
		op, name := operationOf(doc, r)
		seen[name] = true
		content := dig(op, "responses", fmt.Sprint(rec.Code), "content", "application/json", "schema")
		if rec.Code >= 400 {
			content = dig(doc, "components", "responses", "Problem", "content", "application/json", "schema")
		} else if dig(op, "responses", fmt.Sprint(rec.Code)) == nil {
			t.Errorf("%s: the status %d is not documented", name, rec.Code)
		}
		if content == nil {
			return
		}
		var body any
		must(t, json.Unmarshal(rec.Body.Bytes(), &body))
		for _, p := range conform(doc, content.(object), body, name) {
			t.Errorf("%s\n\tin %s", p, rec.Body)
		}
	})
	w.burn()
	if _, err := pager.Tick(t.Context(), w.now); err != nil {
		t.Fatal(err)
	}
	do[any](w, alice, "POST", "/incidents/1/escalate", Packet{Impact: "x", Tried: "x", Evidence: "x", Question: "x"}, 201)
	do[any](w, alice, "POST", "/contacts", NewContact{Kind: declare.ContactNtfy, Address: "https://ntfy.sh/x", Severities: []detect.Severity{detect.Page}}, 201)
	do[any](w, alice, "POST", "/incidents/1/acknowledge", nil, 200)
	do[any](w, alice, "POST", "/incidents/1/assign", Assignment{"bob"}, 200)
	do[any](w, alice, "POST", "/changes", NewChange{ID: "c-1", Kind: "deploy", Service: "checkout", From: "1", To: "2", Labels: map[string]string{"a": "b"}}, 201)
	run := do[act.Run](w, alice, "POST", "/runs", NewRun{Runbook: "restart", Incident: 1}, 201)
	until(t, "the run waits", func() bool {
		run = do[act.Run](w, alice, "GET", "/runs/"+run.ID, nil, 200)
		return run.Status == act.RunWaiting
	})
	if may := do[MayDo](w, alice, "POST", "/runbooks/restart/can", Can{}, 200); len(may.Steps) != 2 || may.Steps[1].Verdict.Answer != "ask" || may.Steps[1].Verdict.Why == "" {
		t.Errorf("%+v", may)
	}
	do[any](w, alice, "POST", "/runbooks/none/can", Can{}, 404)
	do[any](w, alice, "POST", "/runs/"+run.ID+"/take", nil, 409)
	do[any](w, alice, "POST", "/runs/"+run.ID+"/steps/1/tick", Ticking{}, 409)
	do[any](w, alice, "POST", "/runs/"+run.ID+"/steps/1/voice", Voice{Commander: "bob", ShownHash: run.Approvals[0].ShownHash, Words: "go"}, 403)
	do[any](w, alice, "POST", "/runbooks/restart/read", nil, 204)
	do[any](w, alice, "POST", "/runbooks/restart/breaker", Closing{"x"}, 403)
	do[any](w, bob, "POST", "/runbooks/restart/breaker", Closing{"x"}, 404)
	do[any](w, alice, "POST", "/runs/"+run.ID+"/vote", Voting{Useful: true}, 409)
	do[any](w, alice, "POST", "/duties/1", Fulfilment{Verdict: "confirmed", Text: "x"}, 404)
	do[any](w, bob, "POST", "/loans", Lending{Borrower: "alice", Duration: "7d", Reason: "away"}, 201)
	do[any](w, bob, "POST", "/loans", Lending{Borrower: "bob", Duration: "7d", Reason: "away"}, 400)
	do[any](w, bob, "POST", "/loans", Lending{Borrower: "nobody", Duration: "7d", Reason: "away"}, 400)
	do[any](w, bob, "POST", "/loans", Lending{Borrower: "alice", Duration: "70d", Reason: "away"}, 400)
	do[any](w, admin, "POST", "/tokens", NewToken{Note: "ci", Person: "ci", Service: true, Scopes: []string{"change", "run:restart"}, Duration: "30d"}, 201)
	do[any](w, alice, "POST", "/tokens", NewToken{Note: "ci", Person: "ci2", Service: true, Scopes: []string{"change"}, Duration: "30d"}, 403)
	do[any](w, admin, "POST", "/tokens", NewToken{Note: "ci", Person: "ci", Service: true, Scopes: []string{"everything"}, Duration: "30d"}, 400)
	do[any](w, admin, "POST", "/tokens", NewToken{Note: "ci", Person: "ci", Service: true, Scopes: []string{"read"}}, 400)
	do[any](w, bob, "POST", "/runs/"+run.ID+"/steps/1/refuse", Refusing{run.Approvals[0].ShownHash, "no"}, 200)
	do[any](w, bob, "POST", "/runs/"+run.ID+"/steps/1/retry", nil, 409)
	do[any](w, alice, "POST", "/incidents/1/suspects/1/verdict", SuspectVerdict{Verdict: "confirmed", Note: "seen"}, 200)
	do[any](w, alice, "POST", "/incidents/1/suspects/9/verdict", SuspectVerdict{Verdict: "confirmed"}, 400)
	do[any](w, alice, "POST", "/incidents/1/review", nil, 200)
	do[any](w, alice, "PUT", "/incidents/1/review", ReviewText{Publish: true}, 200)
	do[any](w, alice, "POST", "/incidents/1/review/follow-ups", NewFollowUp{Text: "sleep"}, 201)
	do[any](w, alice, "PUT", "/incidents/1/severity", Severing{"sev1", "nobody can pay"}, 200)
	do[any](w, alice, "PUT", "/incidents/1/roles", RoleGiven{"commander", "bob"}, 200)
	do[any](w, alice, "PUT", "/incidents/1/clock", ClockPoint{"impact", at.Add(-time.Minute), "a customer called"}, 200)
	do[any](w, alice, "PUT", "/incidents/1/clock", ClockPoint{"impact", at, ""}, 400)
	do[any](w, alice, "POST", "/incidents/1/tasks", NewTask{"call the bank", "bob"}, 201)
	do[any](w, alice, "POST", "/incidents/1/tasks/1/done", nil, 200)
	do[any](w, alice, "POST", "/incidents/1/links", NewLink{Kind: "change", Ref: "c-1"}, 201)
	if u := do[respond.IncidentUpdate](w, alice, "POST", "/incidents/1/updates", NewUpdate{Phase: "identified", Public: true}, 201); !strings.Contains(u.Text, "checkout") {
		t.Errorf("no template: %+v", u)
	}
	do[any](w, alice, "POST", "/status-pages/shop/subscribers", NewSubscriber{"https://hooks.example.org"}, 201)
	do[any](w, alice, "POST", "/incidents/1/merge", Merging{Into: 1}, 400)
	do[any](w, alice, "POST", "/incidents/1/split", Splitting{Findings: []int64{1}}, 400)
	do[any](w, alice, "PUT", "/findings/1/outcome", OutcomeGiven{"false", "a test"}, 200)
	do[any](w, alice, "PUT", "/findings/1/outcome", OutcomeGiven{"meh", ""}, 400)
	do[any](w, alice, "PUT", "/incidents/1/outcome", OutcomeGiven{Outcome: "action"}, 200)
	do[any](w, alice, "GET", "/alert-review/change?alert=Gone", nil, 404)
	do[any](w, alice, "POST", "/alert-review/apply", Applying{Alert: "Gone"}, 404)
	w.now = time.Now()
	s := do[alert.Silence](w, alice, "POST", "/silences", NewSilence{Matchers: []string{"a=b"}, Comment: "x", Duration: "1h"}, 201)
	do[any](w, alice, "POST", "/oncall/overrides", NewOverride{Schedule: "shop", Person: "bob", From: w.now, To: w.now.Add(time.Hour)}, 201)
	do[any](w, alice, "POST", "/tokens", NewToken{Note: "x"}, 201)
	do[any](w, admin, "POST", "/invitations", NewInvitation{Person: "alice", Admin: true}, 201)
	for _, path := range []string{
		"/whoami", "/status", "/workspace", "/explain?query=up", "/traces?limit=1", "/traces/" + theTrace, "/calls", "/differences?query=error", "/differences?of=traces&query=%7B%7D", "/services", "/services/checkout", "/teams", "/people", "/objectives", "/objectives/checkout-availability", "/objectives/checkout-availability/budget",
		"/findings", "/findings/1", "/incidents", "/incidents/1", "/incidents/1/timeline", "/incidents/1/suspects", "/incidents/1/notifications", "/incidents/1/review",
		"/incidents/1/alike", "/status-pages/shop", "/status-pages/shop/subscribers", "/findings/1/outcome", "/outcomes", "/alert-review?days=7", "/incidents/1/tasks", "/incidents/1/links", "/incidents/1/updates", "/incidents/1/updates/template?phase=resolved",
		"/reviews", "/changes", "/changes/c-1", "/runbooks", "/runbooks/restart", "/runs", "/journal", "/journal/2/causes", "/oncall", "/oncall/shifts", "/oncall/overrides", "/oncall/calendars", "/oncall/calendars/schedule/shop", "/oncall/load", "/silences", "/tokens",
		"/findings/1/why", "/oncall/explain?labels=severity%3Dpage", "/incidents/1/escalation", "/incidents/1/handups", "/handups", "/incidents/1/deliveries", "/deliveries", "/contacts", "/quiet-hours",
		"/duties", "/loans", "/upkeep", "/approvals?days=7", "/patterns?limit=1", "/patterns/" + patternsUntil(w.now).List("", w.now.Add(-time.Hour), w.now)[0].ID, "/pattern-shifts?service=checkout&quiet=30m",
		"/telemetry", "/dashboards", "/dashboards/orders", "/services/checkout/dashboard", "/views",
	} {
		do[any](w, alice, "GET", path, nil, 200)
	}
	w.tryGate()
	do[any](w, alice, "GET", "/dashboards/none", nil, 404)
	saved := do[view.View](w, alice, "POST", "/views", NewView{Name: "slow", URL: "/explore?traces=%7B%7D"}, 201)
	do[any](w, alice, "POST", "/views", NewView{Name: "slow", URL: "/explore"}, 400)
	do[any](w, alice, "POST", "/views", NewView{Name: "away", URL: "https://elsewhere.example/"}, 400)
	do[any](w, alice, "POST", "/views", NewView{Name: "theirs", URL: "/explore", Team: "nobodys"}, 403)
	do[any](w, bob, "DELETE", fmt.Sprintf("/views/%d", saved.ID), nil, 404)
	if found := do[List[view.View]](w, alice, "GET", "/views", nil, 200); len(found.Items) != 1 || found.Items[0].URL != "/explore?traces=%7B%7D" || found.Items[0].Owner != "alice" {
		t.Errorf("%+v", found)
	}
	do[any](w, alice, "DELETE", fmt.Sprintf("/views/%d", saved.ID), nil, 204)
	do[any](w, alice, "DELETE", "/silences/"+s.ID, nil, 204)
	do[any](w, alice, "GET", "/nothing", nil, 404)
	do[any](w, alice, "GET", "/traces/abcdef", nil, 404)
	do[any](w, alice, "GET", "/traces/zz", nil, 400)
	do[any](w, alice, "GET", "/traces?q=%7B", nil, 400)
	do[any](w, alice, "GET", "/differences?of=stars", nil, 400)
	do[any](w, alice, "GET", "/patterns/nonsense", nil, 404)
	do[any](w, alice, "GET", "/pattern-shifts?quiet=long", nil, 400)
	if got := do[List[pattern.Anomaly]](w, alice, "GET", "/pattern-shifts", nil, 200); len(got.Items) != 1 || got.Items[0].Kind != pattern.New || got.Items[0].Severity != "error" {
		t.Errorf("shifts: %+v", got)
	}
	for _, r := range (&server{}).routes() {
		if r.method == "GET" && r.media == "" && !seen["GET "+r.path] {
			t.Errorf("GET %s was not tried", r.path)
		}
	}
}

// operationOf finds the operation that a request is for.
func operationOf(doc object, r *http.Request) (op any, name string) {
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, Root), "/")
	for path, item := range dig(doc, "paths").(object) {
		pattern := strings.Split(path, "/")
		if len(pattern) == len(parts) {
			match := true
			for i := range parts {
				match = match && (pattern[i] == parts[i] || strings.HasPrefix(pattern[i], "{"))
			}
			if match && dig(item, strings.ToLower(r.Method)) != nil {
				return dig(item, strings.ToLower(r.Method)), r.Method + " " + path
			}
		}
	}
	return nil, r.Method + " " + r.URL.Path
}

// conform checks a value against a schema of those that schemas.of makes.
func conform(doc, schema object, v any, path string) (problems []string) {
	if ref, ok := schema["$ref"].(string); ok {
		target, ok := dig(doc, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...).(object)
		if !ok {
			return []string{path + ": " + ref + " is not there"}
		}
		return conform(doc, target, v, path)
	}
	if choices, ok := schema["oneOf"].([]any); ok {
		for _, c := range choices {
			if len(conform(doc, c.(object), v, path)) == 0 {
				return nil
			}
		}
		return []string{path + ": fits none of the choices"}
	}
	var types []string
	switch t := schema["type"].(type) {
	case nil:
		return nil // anything
	case string:
		types = []string{t}
	case []any:
		for _, x := range t {
			types = append(types, x.(string))
		}
	}
	is := "null"
	switch x := v.(type) {
	case string:
		is = "string"
		if words, ok := schema["enum"].([]any); ok && !slices.Contains(words, v) {
			problems = append(problems, fmt.Sprintf("%s: %q is none of %v", path, x, words))
		}
		if schema["format"] == "date-time" {
			if when, err := time.Parse(time.RFC3339, x); err != nil || when.Location() != time.UTC {
				problems = append(problems, fmt.Sprintf("%s: %q is no RFC 3339 time in UTC", path, x))
			}
		}
	case bool:
		is = "boolean"
	case float64:
		is = "number"
		if x == math.Trunc(x) && slices.Contains(types, "integer") {
			is = "integer"
		}
	case []any:
		is = "array"
		for i, item := range x {
			if items, ok := schema["items"].(object); ok {
				problems = append(problems, conform(doc, items, item, fmt.Sprintf("%s[%d]", path, i))...)
			}
		}
	case object:
		is = "object"
		properties, _ := schema["properties"].(object)
		rest, open := schema["additionalProperties"].(object)
		for name, item := range x {
			switch p, ok := properties[name].(object); {
			case ok:
				problems = append(problems, conform(doc, p, item, path+"."+name)...)
			case open:
				problems = append(problems, conform(doc, rest, item, path+"."+name)...)
			default:
				problems = append(problems, path+"."+name+": is not documented")
			}
		}
		required, _ := schema["required"].([]any)
		for _, name := range required {
			if _, ok := x[name.(string)]; !ok {
				problems = append(problems, fmt.Sprintf("%s.%s: is missing", path, name))
			}
		}
	}
	if !slices.Contains(types, is) {
		problems = append(problems, fmt.Sprintf("%s: got %s, expected %v", path, is, types))
	}
	return problems
}
