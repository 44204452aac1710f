package prometheus_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
)

func TestEndpoints(t *testing.T) {
	s := serve(t)
	now := time.Now()
	g := s.store.Guarded("test", true).Begin(context.Background())
	for _, v := range []string{"1", "2"} {
		ls := labels.FromStrings("__name__", "a", "v", v)
		ref, err := g.Append(0, ls, 0, now.Add(-time.Minute).UnixMilli(), 7, nil, nil, storage.AOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := g.AppendExemplars(ref, ls, []exemplar.Exemplar{{Labels: labels.FromStrings("trace_id", "t"+v), Value: 7, Ts: now.Add(-time.Minute).UnixMilli(), HasTs: true}}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := g.Append(0, labels.FromStrings("__name__", "old"), 0, now.Add(-6*time.Minute).UnixMilli(), 7, nil, nil, storage.AOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := g.Commit(); err != nil {
		t.Fatal(err)
	}
	f := func(method, path string, form url.Values, status int, texts ...string) {
		t.Helper()
		target, body := s.URL+path, io.Reader(nil)
		if method == http.MethodPost {
			body = strings.NewReader(form.Encode())
		} else {
			target += "?" + form.Encode()
		}
		req, err := http.NewRequest(method, target, body)
		if err != nil {
			t.Fatal(err)
		}
		if method == http.MethodPost {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		got, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != status {
			t.Errorf("%s %s: %d %v, expected %d: %.300s", method, path, resp.StatusCode, err, status, got)
		}
		for _, text := range texts {
			if !strings.Contains(string(got), text) {
				t.Errorf("%s %s: expected %q in %.500s", method, path, text, got)
			}
		}
	}
	around := func(more url.Values) url.Values {
		v := url.Values{"start": {seconds(now.Add(-time.Hour))}, "end": {seconds(now)}}
		for k, x := range more {
			v[k] = x
		}
		return v
	}
	for _, m := range []string{http.MethodGet, http.MethodPost} {
		f(m, "/api/v1/query", url.Values{"query": {"sum(a)"}}, 200, `"14"`)
		f(m, "/api/v1/query_range", around(url.Values{"query": {"sum(a)"}, "step": {"10s"}}), 200, `"matrix"`, `"14"`)
		f(m, "/api/v1/series", around(url.Values{"match[]": {"a"}}), 200, `{"__name__":"a","v":"1"}`)
		f(m, "/api/v1/labels", around(nil), 200, `["__name__","v"]`)
		f(m, "/api/v1/query_exemplars", around(url.Values{"query": {"a"}}), 200, `"trace_id":"t2"`)
		f(m, "/api/v1/format_query", url.Values{"query": {"sum( a )"}}, 200, `"sum(a)"`)
		f(m, "/api/v1/parse_query", url.Values{"query": {"sum(a)"}}, 200, `"aggregation"`)
		f(m, "/api/v1/query", url.Values{"query": {"sum("}}, 400, `"bad_data"`, "1:5")
	}
	f(http.MethodGet, "/api/v1/label/v/values", around(nil), 200, `["1","2"]`)
	f(http.MethodGet, "/api/v1/metadata", nil, 200, `"success"`)
	f(http.MethodGet, "/api/v1/targets", nil, 200, `"activeTargets":[]`)
	f(http.MethodGet, "/api/v1/scrape_pools", nil, 200, `"success"`)
	f(http.MethodGet, "/api/v1/rules", nil, 200, `"groups":[]`)
	f(http.MethodGet, "/api/v1/alerts", nil, 200, `"alerts":[]`)
	f(http.MethodGet, "/api/v1/status/buildinfo", nil, 200, `"version":"test"`)
	f(http.MethodPost, "/api/v1/query", url.Values{"query": {strings.Repeat("(", 2<<20)}}, 400, `"error"`)

	// What is not ours to offer.
	f(http.MethodPost, "/api/v1/admin/tsdb/delete_series", url.Values{"match[]": {"a"}}, 404)
	f(http.MethodPost, "/api/v1/admin/tsdb/snapshot", nil, 404)
	f(http.MethodDelete, "/api/v1/series", nil, 405)
	f(http.MethodPost, "/api/v1/read", nil, 404)
	f(http.MethodGet, "/api/v1/status/config", nil, 404)
	f(http.MethodGet, "/api/v1/status/flags", nil, 404)
	f(http.MethodGet, "/api/v1/features", nil, 404)

	f(http.MethodGet, "/federate", url.Values{"match[]": {"a", `{__name__=~"a|old"}`}}, 200, "# TYPE a untyped", `a{v="1",instance=""} 7 `)
	f(http.MethodGet, "/federate", nil, 400, "match[]")
	f(http.MethodGet, "/federate", url.Values{"match[]": {"a{"}}, 400, "match[]")
	resp, err := http.Get(s.URL + "/federate?match[]=old")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || len(body) > 0 {
		t.Errorf("a sample older than the lookback is federated: %q %v", body, err)
	}
}
