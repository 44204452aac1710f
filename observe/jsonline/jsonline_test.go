package jsonline_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/observe/jsonline"
	"github.com/evenkeel/evenkeel/observe/logs"
)

func open(t testing.TB, l logs.Limits) *logs.Store {
	t.Helper()
	s, err := logs.Open(logs.Options{Dir: t.TempDir(), Limits: l})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func post(s *logs.Store, query, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	jsonline.Handler(s, func() int64 { return 1 << 20 }).ServeHTTP(w, httptest.NewRequest("POST", "/insert/jsonline?"+query, strings.NewReader(body)))
	return w
}

func TestLines(t *testing.T) {
	s := open(t, logs.Limits{})
	at := time.Now().UTC().Truncate(time.Millisecond)
	w := post(s, "_stream_fields=service,env&_time_field=ts&_msg_field=text,message&extra_fields=dc=eu", strings.Join([]string{
		`{"ts":"` + at.Format(time.RFC3339Nano) + `","service":"web","message":"one","n":{"a":[1]},"ok":true}`, ``, `{"service":"web","text":"two"}`, `nonsense`, `{"ts":"yesterday"}`,
	}, "\n"))
	if w.Code != 400 || !strings.HasPrefix(w.Body.String(), `2 stored, 2 refused, the first: line 4: got "nonsense"`) {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	s.Flush()
	q, err := logs.ParseQuery(`{service="web"} one`, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	if err := s.Each(t.Context(), q, func(r logs.Row) bool {
		found++
		if r.Time != at.UnixNano() || r.Field("n.a") != "[1]" || r.Field("ok") != "true" || r.Field("dc") != "eu" || r.Service() != "web" {
			t.Errorf("got %+v", r)
		}
		return true
	}); err != nil || found != 1 {
		t.Errorf("%d rows, %v", found, err)
	}
	if w := post(s, "", "{\"_msg\":\"fine\"}\n{\"_msg\":\"late\",\"_time\":\"2020-01-01T00:00:00Z\"}"); w.Code != 400 || !strings.HasPrefix(w.Body.String(), "1 stored, 1 refused, the first: line 2: got time 2020-01-01T00:00:00Z, expected within the retention") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	if w := post(s, "", `{"_msg":"fine"}`); w.Code != 200 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

func TestQuotaIsEachSendersOwn(t *testing.T) {
	s := open(t, logs.Limits{PerSource: 1000})
	send := func(address string) int {
		req := httptest.NewRequest("POST", "/insert/jsonline", strings.NewReader(`{"_msg":"`+strings.Repeat("x", 6000)+`"}`))
		req.RemoteAddr = address
		w := httptest.NewRecorder()
		jsonline.Handler(s, func() int64 { return 1 << 20 }).ServeHTTP(w, req)
		if w.Code == 429 && (w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), "limits.log_bytes_per_source")) {
			t.Errorf("a sender is not told: %v %s", w.Header(), w.Body)
		}
		return w.Code
	}
	if a, b, c := send("10.0.0.1:1"), send("10.0.0.1:2"), send("10.0.0.2:1"); a != 200 || b != 429 || c != 200 {
		t.Errorf("got %d, %d for one sender and %d for another", a, b, c)
	}
}

func FuzzLines(f *testing.F) {
	s := open(f, logs.Limits{})
	f.Add(`{"_time":"2026-01-02T03:04:05Z","_msg":"x","a":{"b":[1,null,"c"]}}`)
	f.Add("{\"_stream\":\"{a=\\\"b\\\"}\",\"\":\"\\u0000\"}\n{")
	f.Fuzz(func(t *testing.T, body string) {
		if w := post(s, "_stream_fields=a", body); w.Code >= 500 {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
	})
}
