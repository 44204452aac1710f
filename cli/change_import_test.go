package cli

import (
	"strings"
	"testing"
)

func TestReadChanges(t *testing.T) {
	f := func(format, text string, want int, problem string) {
		t.Helper()
		got, err := readChanges(strings.NewReader(text), "x", format)
		switch {
		case problem == "" && err != nil:
			t.Error(err)
		case problem != "" && (err == nil || !strings.Contains(err.Error(), problem)):
			t.Errorf("%.60q: got %v, want %q", text, err, problem)
		case len(got) != want:
			t.Errorf("%.60q: got %d, want %d", text, len(got), want)
		}
	}
	f("jsonl", `{"id":"a","kind":"deploy","service":"s","started_at":"2026-01-01T00:00:00Z"}`+"\n\n"+`{"id":"b","kind":"flag","service":"s","started_at":"2026-01-01T00:00:00Z","evidence":{"reviewers":["bob"]}}`, 2, "")
	f("jsonl", `{"id":"a","kind":"deploy"}`, 0, "x:1: started_at")
	f("jsonl", `{"kind":"deploy","started_at":"2026-01-01T00:00:00Z"}`, 0, "x:1: id")
	f("jsonl", "\n[1]", 0, "x:2: got")
	f("jsonl", `{"id":"a","knid":"deploy"}`, 0, "knid")
	f("jsonl", "", 0, "no change in it")
	f("jsonl", `{"id":"a","kind":"deploy","started_at":"2026-01-01T00:00:00Z"}`+"\n"+`{"id":"a","kind":"deploy","started_at":"2026-01-01T00:00:00Z"}`, 0, "also on x:1")
	f("csv", "id,kind,service,started_at,reviewers,label.team\na,deploy,s,2026-01-01 10:00,bob; carol,x\n\"b\",flag,s,2026-01-02,,\n", 2, "")
	f("csv", "id,colour\na,red\n", 0, `got column "colour"`)
	f("csv", "id,id\na,b\n", 0, "twice")
	f("csv", "id,started_at\na,yesterday\n", 0, "x:2: started_at: got \"yesterday\"")
	f("csv", "id,started_at\na\n", 0, "record on line 2")
	f("jsonl", `{"id":"a","kind":"deploy","started_at":"2026-01-01T00:00:00Z","summary":"caf`+"\xe9"+`"}`, 0, `expected text in UTF-8`)
	f("csv", "id,started_at,summary\na,2026-01-01,caf\xe9\n", 0, `x:2: summary: got "caf\xe9", expected text in UTF-8`)
	f("csv", "", 0, "no change in it")
	f("xml", "", 0, "expected jsonl or csv")
	got, err := readChanges(strings.NewReader("id,started_at,reviewers,label.team\na,2026-01-01T00:00:00+02:00,bob; carol,shop\n"), "x", "csv")
	if err != nil || got[0].StartedAt.Hour() != 22 || len(got[0].Evidence.Reviewers) != 2 || got[0].Labels["team"] != "shop" {
		t.Errorf("got %+v %v", got, err)
	}
}
