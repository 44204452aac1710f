package jsonline

import (
	"bytes"
	"slices"
	"testing"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"github.com/evenkeel/evenkeel/observe/logs"
)

func TestFlatReadsWhatTheEngineReads(t *testing.T) {
	f := func(line string, want bool) {
		t.Helper()
		got, ok := flat([]byte(line), nil)
		if ok != want {
			t.Fatalf("%s: got %v, expected %v", line, ok, want)
		}
		if ok {
			same(t, []byte(line), got)
		}
	}
	f(`{"_time":"2026-01-02T15:04:05Z","service":"shop","status":200,"took":-1.5e3,"ok":true,"bad":false,"none":null,"empty":"","_msg":"a line"}`, true)
	f(`  {"a":1}`, false)
	f("{ \"a\" : 1 ,\t\"b\" : \"x\" } ", true)
	f(`{"a":"1","a":"2"}`, true)
	f(`{"größe":"überall ☃","x":"`+"\xff"+`"}`, true)
	for _, line := range []string{
		``, `{`, `{}`, `{ }`, `[]`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{"a":1}x`, `{"a":"x`, `{"a`, `{"a":01}`, `{"a":1.}`, `{"a":-}`, `{"a":1e}`, `{"a":nul}`, `{"a":tru}`,
		`{"":"x"}`, `{"a":"with \"quotes\""}`, `{"a\n":"x"}`, `{"a":{"b":1}}`, `{"a":[1,2]}`, `{"a":NaN}`, `{"a":1 "b":2}`, `{a:1}`,
	} {
		f(line, false)
	}
	f(`{"`+string(bytes.Repeat([]byte("k"), mostName))+`":1}`, true)
	f(`{"`+string(bytes.Repeat([]byte("k"), mostName+1))+`":1}`, false)
}

func FuzzFlat(f *testing.F) {
	f.Add([]byte(`{"_time":"2026-01-02T15:04:05Z","status":200,"took":-1.5e3,"ok":true,"none":null,"_msg":"a line"}`))
	f.Add([]byte(`{"a":"b" , "c":0.5}`))
	f.Add([]byte(`{"a":truefalse}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		if got, ok := flat(bytes.TrimSpace(line), nil); ok {
			same(t, bytes.TrimSpace(line), got)
		}
	})
}

func same(t *testing.T, line []byte, got []logs.Field) {
	t.Helper()
	p := logstorage.GetJSONParser()
	defer logstorage.PutJSONParser(p)
	if err := p.ParseLogMessage(bytes.Clone(line), nil, ""); err != nil {
		t.Fatalf("%q: read by us, refused by the engine: %v", line, err)
	}
	if !slices.Equal(got, p.Fields) {
		t.Fatalf("%q: got %q, expected %q", line, got, p.Fields)
	}
}
