package suspect

import (
	"bytes"
	"compress/gzip"
	"math"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

func in(files map[string]string) fstest.MapFS {
	m := fstest.MapFS{}
	for name, text := range files {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return m
}

func TestRead(t *testing.T) {
	c, err := Read(in(map[string]string{
		"metrics.csv":   "time,resource,metric,value\n2026-03-01T12:00:30Z,a,cpu,2\n1772366400,a,cpu,1\n1772366460,a,cpu,\n1772366520,a,cpu,NaN\n1772366400,\"b, c\",mem,1e9\n",
		"edges.csv":     "callee,caller\nb,a\n",
		"changes.jsonl": `{"time":"2026-03-01T11:59:00Z","resource":"a","kind":"deploy","summary":"a 2"}` + "\n\n" + `{"time":1772366400,"resources":["b"],"kind":"flag","id":"c-7"}`,
		"logs.jsonl":    `{"time":"2026-03-01T12:00:00.5Z","resource":"a","severity":"ERROR","body":"no"}`,
		"spans.jsonl":   `{"time":1772366400.25,"duration_ms":12.5,"trace":"t","span":"s","parent":"","resource":"a","operation":"GET /","status":"error"}` + "\n" + `{"time":1772366400,"duration_ms":1,"resource":"b","status":200}`,
		"case.json":     `{"onset":"2026-03-01T12:00:00Z","quiet_from":1772362800,"quiet_to":1772366340,"target":"a"}`,
	}))
	if err != nil {
		t.Fatal(err)
	}
	a := c.Signals[0]
	if len(c.Signals) != 2 || len(a.Times) != 2 || a.Values[0] != 1 || a.Values[1] != 2 || c.Signals[1].Resource != "b, c" {
		t.Errorf("signals: %+v", c.Signals)
	}
	if c.Edges[0] != (Edge{"a", "b"}) {
		t.Errorf("edges: %+v", c.Edges)
	}
	if len(c.Changes) != 2 || c.Changes[0].Name() != "a 2" || c.Changes[1].Name() != "c-7" {
		t.Errorf("changes: %+v", c.Changes)
	}
	if s := c.Spans[0]; !s.Failed || s.Duration != 12500*time.Microsecond || s.At.UnixMilli() != 1772366400250 || c.Spans[1].Failed {
		t.Errorf("spans: %+v", c.Spans)
	}
	if !c.Onset.Equal(time.Unix(1772366400, 0)) || c.Target != "a" || c.To.Unix() != 1772366340 {
		t.Errorf("case: %+v", c)
	}
}

func TestReadSaysWhatIsWrong(t *testing.T) {
	f := func(name, text string, want ...string) {
		t.Helper()
		files := map[string]string{"changes.jsonl": `{"time":1772366400,"resource":"a","kind":"deploy"}`, name: text}
		_, err := Read(in(files))
		if err == nil {
			t.Fatalf("%s %q: taken", name, text)
		}
		for _, w := range append(want, name) {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: got %q, want %q in it", name, err, w)
			}
		}
	}
	f("metrics.csv", "", "header")
	f("metrics.csv", "time,metric,value\n", ":1", "time,resource,metric,value")
	f("metrics.csv", "time,resource,metric,value\nyesterday,a,cpu,1\n", ":2", `"yesterday"`, "RFC 3339")
	f("metrics.csv", "time,resource,metric,value\n1772366400,a,cpu,much\n", ":2", `"much"`, "a number")
	f("metrics.csv", "time,resource,metric,value\n1772366400,,cpu,1\n", ":2", "resource")
	f("metrics.csv", "time,resource,metric,value\n1772366400,a\n", ":2", "columns")
	f("metrics.csv", "time,resource,metric,value\n1772366400,\"a,cpu,1\n", "comma-separated")
	f("edges.csv", "from,to\na,b\n", "caller,callee")
	f("changes.jsonl", `{"time":1772366400}`, ":1", "resource")
	f("changes.jsonl", `{"resource":"a"}`, ":1", "time")
	f("changes.jsonl", `{"time":{},"resource":"a"}`, ":1", "time")
	f("changes.jsonl", `[1]`, ":1")
	f("logs.jsonl", "{}\n", ":1")
	f("logs.jsonl", `{"time":1772366400,"resource":7}`, ":1", "resource", "string")
	f("logs.jsonl", `[{"time":1772366400,"resource":"a"}]`, ":1", "one object")
	f("metrics.csv", "\x1f\x8bnot gzip", "gzip")
	f("spans.jsonl", `{"time":1772366400,"resource":"a","duration_ms":"long"}`, ":1", "duration_ms", `"long"`)
	f("spans.jsonl", `{"time":1772366400,"resource":"a","duration_ms":"NaN"}`, ":1", "duration_ms")
	f("case.json", `[]`, "one object")
	f("spans.jsonl", `{"time":1772366400,"resource":"a","duration_ms":-1}`, ":1", "duration_ms")
	f("case.json", `{"onset":"soon"}`, `"soon"`, "RFC 3339")
	f("case.json", `{"quiet_from":1772366400,"quiet_to":1772366300}`, "quiet_to")
	f("case.json", `not JSON`, "object")
	if _, err := Read(in(nil)); err == nil || !strings.Contains(err.Error(), "metrics.csv") {
		t.Errorf("an empty folder: %v", err)
	}
	if _, err := Read(in(map[string]string{"case.json": "{}"})); err == nil {
		t.Error("a case without anything to judge by is taken")
	}
}

func TestParseTime(t *testing.T) {
	f := func(text string, want int64) {
		t.Helper()
		got, err := parseTime(text)
		if err != nil || got.UnixMilli() != want {
			t.Errorf("%q: got %v, %v, want %d", text, got, err, want)
		}
	}
	f("1772366400", 1772366400000)
	f("1772366400.5", 1772366400500)
	f("1.7723664e9", 1772366400000)
	f("1772366400123", 1772366400123)
	f("1772366400123456789", 1772366400123)
	f("2026-03-01T12:00:00Z", 1772366400000)
	f("2026-03-01T13:00:00+01:00", 1772366400000)
	f("2026-03-01 12:00:00", 1772366400000)
	for _, bad := range []string{"", "noon", "-5", "NaN", "Inf", "0", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00Z"} {
		if got, err := parseTime(bad); err == nil {
			t.Errorf("%q: got %v", bad, got)
		}
	}
}

// FuzzReadAndRank: whatever a folder holds, it is refused with a reason or ranked, with
// scores that are numbers.
func FuzzReadAndRank(f *testing.F) {
	f.Add("time,resource,metric,value\n1772366400,a,cpu,1\n1772366460,a,cpu,9\n", "caller,callee\na,b\n", `{"time":1772366400,"resource":"a","kind":"deploy"}`,
		`{"time":1772366400,"resource":"a","severity":"error","body":"x"}`, `{"time":1772366400,"duration_ms":3,"trace":"1","span":"1","parent":"1","resource":"a"}`, `{"onset":1772366430,"target":"a"}`)
	f.Add("time,resource,metric,value\n1,a,cpu,1e308\n99999999999,a,cpu,-1e308\n", "caller,callee\na,a\n", "", "", "", `{"quiet_from":1,"quiet_to":2}`)
	for _, s := range [][6]string{
		{"time,resource,metric,value\n1772366400,a,cpu,1\n1772366460,a,cpu,NaN\n1772366520,b,latency,-1e308\n", "caller,callee\na,b\nb,a\na,a\n", `{"time":1772366340,"resource":"a","kind":"deploy"}`, `{"time":1772366400,"resource":"a","severity":"error","body":"b is gone"}`, `{"time":1772366400,"duration_ms":1,"trace":"t","span":"s","parent":"s","resource":"a","operation":"x"}`, `{"onset":1772366400,"target":"a"}`},
		{"\ufefftime;resource\r\n", "", "[]", "null", "{}", "[]"},
		{"\x1f\x8b", "caller,callee\n\"", "\x00", `{"time":1e400}`, `{"time":-1}`, `{"quiet_from":5,"quiet_to":4}`},
		{"time,resource,metric,value\n9e18,a,m,1\n1,a,m,2\n", "callee,caller\n,\n", "", "", `{"time":1,"duration_ms":1e12,"resource":"a"}`, `{"onset":9e10}`},
	} {
		f.Add(s[0], s[1], s[2], s[3], s[4], s[5])
	}
	f.Fuzz(func(t *testing.T, metrics, edges, changes, logs, spans, about string) {
		files := map[string]string{}
		for name, text := range map[string]string{"metrics.csv": metrics, "edges.csv": edges, "changes.jsonl": changes, "logs.jsonl": logs, "spans.jsonl": spans, "case.json": about} {
			if text != "" {
				files[name] = text
			}
		}
		c, err := Read(in(files))
		if err != nil {
			if !strings.HasPrefix(err.Error(), "cannot read case: ") {
				t.Errorf("got %q", err)
			}
			return
		}
		r := Rank(c)
		for _, s := range r.Suspects {
			if math.IsNaN(s.Score) || s.Score < 0 || s.Score > 1 || s.Resource == "" {
				t.Errorf("%+v", s)
			}
		}
		if (r.Verdict == Nobody) != (len(r.Suspects) == 0) {
			t.Errorf("verdict %s with %d suspects", r.Verdict, len(r.Suspects))
		}
	})
}

// TestReadTakes what exporters write: packed files, byte order marks, CRLF, milliseconds,
// columns and fields that nobody asked for, numbers as text and text as numbers.
func TestReadTakes(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write([]byte("\ufeffzone,time,resource,metric,value\r\neu,1772366400000.0,a,cpu,1\r\neu,1772366460000,a,cpu,1e999\r\n"))
	_ = z.Close()
	c, err := Read(in(map[string]string{
		"metrics.csv.gz": packed.String(),
		"changes.jsonl":  "\ufeff" + `{"time":"1772366340.5","resource":"a","kind":null,"to":2,"extra":{}}` + "\r\n\r\n",
		"logs.jsonl":     `{"time":1772366400000,"resource":"a","severity":17,"body":{"code":5}}`,
		"spans.jsonl":    `{"time":1772366400,"duration_ms":"1.5","trace":1,"span":2,"parent":null,"resource":"a","status":null}`,
		"case.json":      "\ufeff" + `{"onset":null,"target":null,"name":"x"}`,
	}))
	if err != nil {
		t.Fatal(err)
	}
	if s := c.Signals[0]; len(s.Times) != 1 || s.Times[0] != 1772366400000 {
		t.Errorf("signals: %+v", c.Signals)
	}
	if ch := c.Changes[0]; ch.To != "2" || ch.At.UnixMilli() != 1772366340500 || ch.Name() != "change at 2026-03-01T11:59:00Z" {
		t.Errorf("changes: %+v %q", ch, ch.Name())
	}
	if l := c.Logs[0]; l.Body != `{"code":5}` || severity(l.Severity, l.Body) != 1 {
		t.Errorf("logs: %+v", c.Logs)
	}
	if s := c.Spans[0]; s.Trace != "1" || s.Duration != 1500*time.Microsecond {
		t.Errorf("spans: %+v", c.Spans)
	}
}
