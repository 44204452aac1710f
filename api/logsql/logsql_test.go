package logsql_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/api/logsql"
	"github.com/evenkeel/evenkeel/observe/logs"
)

func store(t *testing.T) *logs.Store {
	t.Helper()
	s, err := logs.Open(logs.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func add(t *testing.T, s *logs.Store, at time.Time, service, line string) {
	t.Helper()
	b := s.Begin(logs.Origin{Receiver: "test"})
	if r := b.Add(at.UnixNano(), []logs.Field{{Name: "service.name", Value: service}, {Value: line}}, 1); r != nil {
		t.Fatal(r)
	}
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
}

func TestQueries(t *testing.T) {
	s := store(t)
	base := time.Now().Add(-time.Hour).Truncate(time.Hour)
	for i := range 10 {
		add(t, s, base.Add(time.Duration(i)*time.Minute), []string{"a", "b"}[i%2], fmt.Sprintf("line %d", i))
	}
	s.Flush()
	h := logsql.New(logsql.Options{Store: s})
	f := func(path string, q url.Values, status int, want ...string) {
		t.Helper()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/select/logsql/"+path+"?"+q.Encode(), nil))
		for _, text := range want {
			if w.Code != status || !strings.Contains(w.Body.String(), text) {
				t.Errorf("%s: got %d %s, expected %d and %s", path, w.Code, w.Body, status, text)
			}
		}
	}
	all := url.Values{"query": {"*"}}
	with := func(pairs ...string) url.Values {
		q := url.Values{"query": {"*"}}
		for i := 0; i < len(pairs); i += 2 {
			q.Set(pairs[i], pairs[i+1])
		}
		return q
	}
	f("query", with("limit", "1"), 200, `"_msg":"line 9"`)
	f("query", with("query", `{service.name="a"} "line 4"`), 200, `"_stream":"{service.name=\"a\"}"`)
	f("query", with("start", base.Format(time.RFC3339), "end", base.Add(time.Minute).Format(time.RFC3339), "query", "* | count() n"), 200, `{"n":"2"}`)
	f("query", with("format", "csv", "query", "* | sort by (_time) | fields _msg | limit 2"), 200, "_msg\nline 0\nline 1\n")
	f("hits", with("step", "5m", "field", "service.name"), 200, `"fields":{"service.name":"a"}`, `"values":[3,2],"total":5`)
	f("hits", all, 400, "step")
	f("field_names", all, 200, `{"value":"service.name","hits":10}`)
	f("field_values", with("field", "service.name"), 200, `{"value":"a","hits":5}`)
	f("field_values", all, 400, "field=")
	f("streams", all, 200, `{"value":"{service.name=\"b\"}","hits":5}`)
	f("facets", all, 200, `"field_name":"service.name"`)
	f("stats_query", with("query", "* | stats by (service.name) count() n"), 200, `"resultType":"vector"`, `{"__name__":"n","service.name":"a"},"value":[`, `"5"]`)
	f("stats_query", all, 422, "stats pipe")
	f("stats_query_range", with("query", "* | count() n", "step", "5m"), 200, `"resultType":"matrix"`, fmt.Sprintf(`[%d,"5"]`, base.Unix()))
	f("query", with("query", "((("), 400, "cannot parse the query")
	f("query", url.Values{}, 400, "query=")
	f("query", with("start", "soon"), 400, `got \"soon\"`)
	f("query", with("query", strings.Repeat("a", 100_000)), 400, "at most")
	f("tail", with("query", "* | count()"), 400, "cannot be followed")
	f("tail", with("query", "* | fields _msg"), 400, "cannot be followed", "add _time")
	f("tail", with("query", "* | delete _time"), 400, "add _time")
}

func TestTail(t *testing.T) {
	s := store(t)
	closing := make(chan struct{})
	srv := httptest.NewServer(logsql.New(logsql.Options{Store: s, Closing: closing}))
	defer srv.Close()
	add(t, s, time.Now(), "a", "before")
	res, err := http.Get(srv.URL + "/select/logsql/tail?query=*&offset=1ms&refresh_interval=100ms")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	next := func() string {
		t.Helper()
		if !lines.Scan() {
			t.Fatal("the tail has ended: ", lines.Err())
		}
		var row map[string]string
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			t.Fatal(err)
		}
		return row["_msg"]
	}
	if got := next(); got != "before" {
		t.Errorf("got %q", got)
	}
	for i := range 3 {
		add(t, s, time.Now(), "a", fmt.Sprint("live ", i))
	}
	for i := range 3 {
		if got := next(); got != fmt.Sprint("live ", i) {
			t.Errorf("got %q, expected live %d", got, i)
		}
	}
	close(closing)
	if lines.Scan() {
		t.Errorf("after the end: %s", lines.Text())
	}
}
