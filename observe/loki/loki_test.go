package loki_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/evenkeel/evenkeel/observe/logs"
	"github.com/evenkeel/evenkeel/observe/loki"
)

func open(t testing.TB) *logs.Store {
	t.Helper()
	s, err := logs.Open(logs.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func post(s *logs.Store, kind, body string) *httptest.ResponseRecorder {
	req := httptest.NewRequest("POST", "/loki/api/v1/push", strings.NewReader(body))
	req.Header.Set("Content-Type", kind)
	w := httptest.NewRecorder()
	loki.Handler(s, func() int64 { return 1 << 20 }).ServeHTTP(w, req)
	return w
}

// ask returns rows as time, stream fields and others, in one text each.
func ask(t *testing.T, s *logs.Store, query string, fields ...string) []string {
	t.Helper()
	s.Flush()
	q, err := logs.ParseQuery(query+" | sort by (_time)", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	if err := s.Each(t.Context(), q, func(r logs.Row) bool {
		var text []string
		for _, f := range fields {
			text = append(text, r.Field(f))
		}
		out = append(out, fmt.Sprint(r.Time, " ", strings.Join(text, "|")))
		return true
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

func bytesField(num protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, num, protowire.BytesType), value)
}

func varint(num protowire.Number, v int64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, num, protowire.VarintType), uint64(v))
}

func join(parts ...[]byte) (out []byte) {
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

// push is a request as promtail and Alloy send it.
func push(at time.Time, labels, line string) []byte {
	stamp := join(varint(1, at.Unix()), varint(2, int64(at.Nanosecond())))
	meta := join(bytesField(1, []byte("trace_id")), bytesField(2, []byte("abc")))
	entry := join(bytesField(1, stamp), bytesField(2, []byte(line)), bytesField(3, meta))
	return bytesField(1, join(bytesField(1, []byte(labels)), bytesField(2, entry)))
}

func TestProtobuf(t *testing.T) {
	s := open(t)
	at := time.Now().Add(-time.Second)
	w := post(s, "application/x-protobuf", string(snappy.Encode(nil, push(at, `{job="shop", env="prod"}`, "hello"))))
	if w.Code != 204 {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	want := fmt.Sprint(at.UnixNano(), " shop|prod|hello|abc")
	if got := ask(t, s, `{job="shop",env="prod"}`, "service.name", "env", "", "trace_id"); len(got) != 1 || got[0] != want {
		t.Errorf("got %q, expected %q", got, want)
	}
	if w := post(s, "application/x-protobuf", string(snappy.Encode(nil, push(at, `{job=`, "hello")))); w.Code != 400 || !strings.Contains(w.Body.String(), "0 stored, 1 refused, the first: stream 0") {
		t.Errorf("bad labels: %d %s", w.Code, w.Body)
	}
	if w := post(s, "application/x-protobuf", string(snappy.Encode(nil, push(at.AddDate(1, 0, 0), `{job="shop"}`, "hello")))); w.Code != 400 || !strings.Contains(w.Body.String(), "stream 0, value 0: got time ") {
		t.Errorf("a year ahead: %d %s", w.Code, w.Body)
	}
	if w := post(s, "application/x-protobuf", "nonsense"); w.Code != 400 {
		t.Errorf("nonsense: %d %s", w.Code, w.Body)
	}
}

func TestJSON(t *testing.T) {
	s := open(t)
	now := time.Now().UnixNano()
	w := post(s, "application/json", fmt.Sprintf(`{"streams":[{"stream":{"app":"a"},"values":[["%d","one"],["%d","two",{"app":"other","user":"u"}],["%d","old"],["x","three"],["1"]]}]}`, now, now+1, now-int64(9*24*time.Hour)))
	if w.Code != 400 || !strings.HasPrefix(w.Body.String(), "2 stored, 3 refused, the first: stream 0, value 2: got time ") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	got := ask(t, s, `{app="a"}`, "", "user", "metadata.app")
	if want := []string{fmt.Sprint(now, " one||"), fmt.Sprint(now+1, " two|u|other")}; strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got %q, expected %q", got, want)
	}
	if w := post(s, "application/json", "[]"); w.Code != 400 {
		t.Errorf("a list: %d", w.Code)
	}
	if w := post(s, "text/plain", "x"); w.Code != 415 {
		t.Errorf("plain text: %d", w.Code)
	}
}

func FuzzPush(f *testing.F) {
	s := open(f)
	f.Add(true, string(push(time.Now(), `{a="b"}`, "x")))
	f.Add(false, `{"streams":[{"stream":{"a":"b"},"values":[["1","x",{"c":"d"}]]}]}`)
	f.Fuzz(func(t *testing.T, proto bool, body string) {
		kind := "application/json"
		if proto {
			kind, body = "application/x-protobuf", string(snappy.Encode(nil, []byte(body)))
		}
		if w := post(s, kind, body); w.Code >= 500 {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
	})
}
