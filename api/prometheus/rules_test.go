package prometheus

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

func TestRulesSayHowTheyAreEvaluated(t *testing.T) {
	explain := func(_ context.Context, file, group, expr string) any {
		if group == "unknown" {
			return nil
		}
		return map[string]string{"of": file + " " + group + " " + expr}
	}
	ask := func(code int, body string) (int, string) {
		t.Helper()
		inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Accept-Encoding") != "" {
				t.Error("the answer would be compressed")
			}
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", fmt.Sprint(len(body)))
			w.WriteHeader(code)
			fmt.Fprint(w, body)
		})
		r := httptest.NewRequest(http.MethodGet, "/api/v1/rules", nil)
		r.Header.Set("Accept-Encoding", "gzip")
		rec := httptest.NewRecorder()
		explainRules(inner, explain).ServeHTTP(rec, r)
		if rec.Header().Get("Content-Length") != "" || rec.Header().Get("Content-Type") != "application/json" {
			t.Errorf("headers %v", rec.Header())
		}
		return rec.Code, rec.Body.String()
	}
	_, body := ask(200, `{"status":"success","data":{"groups":[{"name":"a","file":"f.yml","interval":15,"rules":[{"name":"x","query":"up","health":"ok"},{"name":"y","query":"down"}]},{"name":"unknown","file":"g.yml","rules":[{"name":"z","query":"up"}]}],"groupNextToken":"t"},"warnings":["w"]}`)
	var got struct {
		Status   string
		Warnings []string
		Data     struct {
			GroupNextToken string
			Groups         []struct {
				Name     string
				Interval float64
				Rules    []struct {
					Name, Query, Health string
					Evaluation          map[string]string
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	g := got.Data.Groups
	if got.Status != "success" || len(got.Warnings) != 1 || got.Data.GroupNextToken != "t" || len(g) != 2 || g[0].Interval != 15 || len(g[0].Rules) != 2 || g[0].Rules[0].Health != "ok" {
		t.Errorf("what was there has changed: %s", body)
	}
	if of := g[0].Rules[1].Evaluation["of"]; of != "f.yml a down" {
		t.Errorf("rule y is evaluated as %q", of)
	}
	if g[1].Rules[0].Evaluation != nil {
		t.Errorf("of a rule that is not known: %v", g[1].Rules[0].Evaluation)
	}
	for _, odd := range []string{"", "null", "[]", `{"data":3}`, `{"data":{"groups":[{"rules":1}]}}`, "{"} {
		if code, same := ask(200, odd); code != 200 || same != odd {
			t.Errorf("%q became %q", odd, same)
		}
	}
	if code, same := ask(400, `{"status":"error","data":{"groups":[]}}`); code != 400 || same != `{"status":"error","data":{"groups":[]}}` {
		t.Errorf("an error became %d %q", code, same)
	}
}

// TestManyRulesAreNotExplained: an answer that is very long goes out as Prometheus gives it.
func TestManyRulesAreNotExplained(t *testing.T) {
	explained := 0
	explain := func(context.Context, string, string, string) any { explained++; return "x" }
	for _, n := range []int{10, 100_000} {
		answer := `{"status":"success","data":{"groups":[{"name":"g","file":"f","rules":[` + strings.TrimSuffix(strings.Repeat(`{"name":"r","query":"sum(some_metric)"},`, n), ",") + `]}]}}`
		w := httptest.NewRecorder()
		explained = 0
		explainRules(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			for part := range slices.Chunk([]byte(answer), 100_000) {
				_, _ = w.Write(part)
			}
		}), explain).ServeHTTP(w, httptest.NewRequest("GET", "/api/v1/rules", nil))
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%d rules: %d %v", n, w.Code, w.Header())
		}
		if long := len(answer) > maxExplained; long != (w.Body.String() == answer) || long != (explained == 0) {
			t.Errorf("%d rules in %d bytes: %d explained, %d bytes answered", n, len(answer), explained, w.Body.Len())
		}
	}
}
