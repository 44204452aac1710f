package prometheus

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
)

// maxExplained is the longest answer, in bytes, in which rules are explained: an explanation
// takes several times the room of its rule. Those who want more of them ask by group.
const maxExplained = 4 << 20

// explainRules adds to Prometheus' answer about rules how each is evaluated: clients that
// do not know of it pass it over. An answer that is very long, or not as expected, stays as
// it is.
func explainRules(next http.Handler, explain func(ctx context.Context, file, group, expr string) any) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := &recorded{to: w, header: http.Header{}, code: http.StatusOK}
		plain := r.Clone(r.Context())
		plain.Header.Del("Accept-Encoding") // it has to be read here
		next.ServeHTTP(rec, plain)
		if rec.passed {
			return
		}
		body := rec.body.Bytes()
		if rec.code == http.StatusOK {
			if more, err := withEvaluation(r.Context(), body, explain); err == nil {
				body = more
			}
		}
		rec.begin()
		_, _ = w.Write(body) // who has gone does not read it
	})
}

// withEvaluation adds "evaluation" to each rule.
func withEvaluation(ctx context.Context, body []byte, explain func(ctx context.Context, file, group, expr string) any) ([]byte, error) {
	var top, data map[string]json.RawMessage
	var groups []map[string]json.RawMessage
	if err := json.Unmarshal(body, &top); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(top["data"], &data); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data["groups"], &groups); err != nil {
		return nil, err
	}
	for _, g := range groups {
		var name, file string
		var rules []map[string]json.RawMessage
		if err := json.Unmarshal(g["rules"], &rules); err != nil {
			return nil, err
		}
		_ = json.Unmarshal(g["name"], &name)
		_ = json.Unmarshal(g["file"], &file)
		for _, rule := range rules {
			var expr string
			_ = json.Unmarshal(rule["query"], &expr)
			if x := explain(ctx, file, name, expr); x != nil {
				text, err := json.Marshal(x)
				if err != nil {
					return nil, err
				}
				rule["evaluation"] = text
			}
		}
		text, err := json.Marshal(rules)
		if err != nil {
			return nil, err
		}
		g["rules"] = text
	}
	text, err := json.Marshal(groups)
	if err != nil {
		return nil, err
	}
	data["groups"] = text
	if top["data"], err = json.Marshal(data); err != nil {
		return nil, err
	}
	return json.Marshal(top)
}

// recorded is an answer that is not sent yet, unless it is too long.
type recorded struct {
	to     http.ResponseWriter
	header http.Header
	code   int
	body   bytes.Buffer
	passed bool
}

// begin sends what comes before the body.
func (r *recorded) begin() {
	for k, v := range r.header {
		if k != "Content-Length" {
			r.to.Header()[k] = v
		}
	}
	r.to.WriteHeader(r.code)
}

func (r *recorded) Header() http.Header  { return r.header }
func (r *recorded) WriteHeader(code int) { r.code = code }

func (r *recorded) Write(b []byte) (int, error) {
	if !r.passed && r.body.Len()+len(b) > maxExplained {
		r.passed = true
		r.begin()
		if _, err := r.to.Write(r.body.Bytes()); err != nil {
			return 0, err
		}
		r.body = bytes.Buffer{}
	}
	if r.passed {
		return r.to.Write(b)
	}
	return r.body.Write(b)
}
