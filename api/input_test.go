package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/act"
)

func TestBadInputIsNamed(t *testing.T) {
	w := newWorld(t)
	w.burn()
	const jsonType = "application/json"
	f := func(method, path, contentType, body string, status int, want ...string) {
		t.Helper()
		rec := w.send(request{as: alice, method: method, path: Root + path, contentType: contentType, body: body})
		var e ErrorBody
		if err := json.Unmarshal(rec.Body.Bytes(), &e); err != nil || rec.Code != status || rec.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s %s %.60s: got %d %s, want %d", method, path, body, rec.Code, rec.Body, status)
			return
		}
		for _, part := range want {
			if !strings.Contains(e.Error.Message, part) {
				t.Errorf("%s %s %.60s: got %q, want %q in it", method, path, body, e.Error.Message, part)
			}
		}
	}
	// bodies
	f("POST", "/changes", jsonType, `{"kind": "deploy",`, 400, "line 1", "expected JSON")
	f("POST", "/changes", jsonType, "{\n\"kind\": deploy}", 400, "body, line 2, column 9")
	f("POST", "/changes", jsonType, `[]`, 400, `body: got "[]", expected an object`)
	f("POST", "/changes", jsonType, `null`, 400, "expected an object")
	f("POST", "/changes", jsonType, `{"kind":"deploy"} {"kind":"deploy"}`, 400, "one JSON value")
	f("POST", "/changes", jsonType, `{"kind":"deploy"}x`, 400, "one JSON value")
	f("POST", "/changes", jsonType, `{"kidn":"deploy"}`, 400, `got "kidn"`, `did you mean "kind"?`)
	f("POST", "/changes", jsonType, `{"kind":"deploy","kind":"config"}`, 400, "kind: expected the field once")
	f("POST", "/changes", jsonType, `{"kind":"deploy","labels":{"a":"1","a":"2"}}`, 400, "a: expected the field once")
	f("POST", "/changes", jsonType, `{"kind":5}`, 400, `kind: got "number", expected a string`)
	f("POST", "/changes", jsonType, `{"kind":"deploy","labels":{"a":1}}`, 400, "labels", "a string")
	f("POST", "/changes", jsonType, `{"service":"checkout"}`, 400, "kind: expected a string")
	f("POST", "/changes", jsonType, `{"kind":"deploy","service":"checkout","started_at":"yesterday"}`, 400, "yesterday")
	f("POST", "/changes", jsonType, "{\"kind\":\"dep\xffloy\"}", 400, "UTF-8")
	f("POST", "/changes", jsonType, strings.Repeat(`{"a":`, 100)+"1"+strings.Repeat("}", 100), 400, "levels of nesting")
	f("POST", "/changes", jsonType, strings.Repeat(`[`, 1<<19), 400)
	f("POST", "/changes", jsonType, `{"summary":"`+strings.Repeat("x", maxBody)+`"}`, 413, "too large")
	f("POST", "/changes", "", `{"kind":"deploy"}`, 415)
	f("POST", "/changes", "text/plain", `{"kind":"deploy"}`, 415)
	f("POST", "/changes", "application/x-www-form-urlencoded", `kind=deploy`, 415)
	f("POST", "/changes", "", ``, 400, "kind: expected")
	f("POST", "/changes", "application/json; charset=utf-8", `{"kind":"Deploy!","service":"checkout"}`, 400, `kind: got "Deploy!"`)
	f("POST", "/runs", jsonType, `{"runbook":"restart","params":{"greeting":5}}`, 400, "params", "a string")
	f("POST", "/runs", jsonType, `{"runbook":"restart","params":{"greeting":"shout"}}`, 400, "shout")
	f("POST", "/runs", jsonType, `{"runbook":"nothing"}`, 404)
	f("POST", "/incidents/1/notes", jsonType, `{"text":"  "}`, 400, "text")
	f("POST", "/incidents/1/notes", jsonType, `{"text":"`+strings.Repeat("x", maxText+1)+`"}`, 400, "10,000")
	f("POST", "/incidents/1/assign", jsonType, `{"person":"mallory"}`, 400, `person: got "mallory"`)
	f("POST", "/silences", jsonType, `{"matchers":[],"comment":"x","duration":"2h"}`, 400, "matchers")
	f("POST", "/silences", jsonType, `{"matchers":["a=b"],"comment":"x","duration":"forever"}`, 400, `duration: got "forever"`)
	// paths
	f("GET", "/incidents/seven", "", "", 400, `incident: got "seven", expected a number`)
	f("GET", "/incidents/-1", "", "", 400)
	f("GET", "/incidents/99999999999999999999", "", "", 400)
	f("GET", "/incidents/12", "", "", 404)
	f("GET", "/services/chekcout", "", "", 404, `no service "chekcout"`)
	f("GET", "/runs/..%2f..%2fetc", "", "", 404)
	f("GET", "/nowhere", "", "", 404, "there is nothing at")
	f("DELETE", "/incidents/1", "", "", 405, "DELETE is not offered")
	// queries
	f("GET", "/findings?sevrity=page", "", "", 400, `did you mean "severity"?`)
	f("GET", "/findings?severity=bad", "", "", 400, "one of page, ticket, info")
	f("GET", "/findings?open=maybe", "", "", 400, "true or false")
	f("GET", "/findings?open=true&open=false", "", "", 400, "once")
	f("GET", "/findings?limit=-1", "", "", 400, "from 0 to 1000")
	f("GET", "/findings?limit=1000000", "", "", 400, "from 0 to 1000")
	f("GET", "/changes?from=yesterday", "", "", 400, `from: got "yesterday"`)
	f("GET", "/whoami?x=1", "", "", 400, "no parameters")
	f("POST", "/changes?x=1", jsonType, `{}`, 400, "no parameters")
}

func TestTheMethodsThatAreOfferedAreNamed(t *testing.T) {
	w := newWorld(t)
	rec := w.send(request{as: alice, method: "PATCH", path: Root + "/incidents/1/review"})
	if got := rec.Header().Get("Allow"); rec.Code != http.StatusMethodNotAllowed || got != "GET, POST, PUT" {
		t.Errorf("got %d %q", rec.Code, got)
	}
}

// FuzzDecode looks for inputs that decode although they are not what was documented,
// and for any that panic.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"kind":"deploy","service":"checkout","labels":{"a":"b"},"started_at":"2026-03-02T12:00:00Z"}`, `{"kind":"a","kind":"b"}`,
		`[[[[]]]]`, `{"labels":{"a":{"b":[1,2,{"c":null}]}}}`, `{"kind":"\ud800"}`, "{\"kind\":\"\xff\"}", `{"kind":1e999}`, `{} {}`, `null`, ``, ` `, `{"a":}`, `{,}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var in NewChange
		err := decodeJSON(body, &in)
		if err != nil {
			var bad *act.InvalidError
			if !errors.As(err, &bad) || bad.Field == "" || bad.Want == "" {
				t.Fatalf("%q: got %v, expected an error that names the field and what was wanted", body, err)
			}
			return
		}
		// What was accepted means the same when it is written and read again.
		again, err := json.Marshal(in)
		if err != nil {
			t.Fatalf("%q: %v", body, err)
		}
		var back NewChange
		if err := decodeJSON(again, &back); err != nil {
			t.Fatalf("%q became %s: %v", body, again, err)
		}
		if !in.StartedAt.Equal(back.StartedAt) || !in.EndedAt.Equal(back.EndedAt) {
			t.Fatalf("%q: got %v, then %v", body, in, back)
		}
		back.StartedAt, back.EndedAt = in.StartedAt, in.EndedAt // equal, but perhaps of another zone
		if len(in.Labels) == 0 {
			in.Labels = nil
		}
		if len(in.Resources) == 0 {
			in.Resources = nil
		}
		if !reflect.DeepEqual(in, back) {
			t.Fatalf("%q: got %+v, then %+v", body, in, back)
		}
	})
}
