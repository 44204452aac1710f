package runbook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	parse "github.com/evenkeel/evenkeel/declare/runbook"
)

// maxBody is the most that is read of an answer.
const maxBody = 1 << 20

// request is an http step with its parameters filled in.
type request struct{ parse.Request }

// text is the request as an approver reads it.
func (r request) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", r.Method, r.URL)
	for _, h := range r.Headers {
		fmt.Fprintf(&b, "%s: %s\n", h[0], h[1])
	}
	if r.Body != "" {
		b.WriteString("\n" + r.Body + "\n")
	}
	return b.String()
}

// fill puts parameters into a request, each the way its place needs it: escaped in the
// URL, checked in a header, inside a string of a JSON body, escaped in a form.
func fill(text string, book *declare.Runbook, params map[string]string) (request, error) {
	r, err := parse.ParseRequest(text)
	if err != nil {
		return request{}, err
	}
	missing := ""
	put := func(s string, escape func(string) string) string {
		return parse.Reference.ReplaceAllStringFunc(s, func(ref string) string {
			v, ok := params[ref[2:len(ref)-1]]
			if !ok {
				missing = ref
			}
			return escape(v)
		})
	}
	path, query, hasQuery := strings.Cut(r.URL, "?")
	r.URL = put(path, url.PathEscape)
	if hasQuery {
		r.URL += "?" + put(query, url.QueryEscape)
	}
	kind := ""
	for i, h := range r.Headers {
		v := put(h[1], func(s string) string { return s })
		if strings.ContainsAny(v, "\r\n\x00") {
			return request{}, fmt.Errorf("header %s: expected a value without line breaks", h[0])
		}
		r.Headers[i][1] = v
		if strings.EqualFold(h[0], "Content-Type") {
			kind, _, _ = strings.Cut(strings.ToLower(v), ";")
		}
	}
	switch {
	case !parse.Reference.MatchString(r.Body):
	case strings.TrimSpace(kind) == "application/x-www-form-urlencoded":
		r.Body = put(r.Body, url.QueryEscape)
	case kind == "" || strings.Contains(kind, "json"):
		dec := json.NewDecoder(strings.NewReader(r.Body))
		dec.UseNumber()
		var v any
		if err := dec.Decode(&v); err != nil {
			return request{}, fmt.Errorf("body: parameters are put into JSON and forms only; this is no JSON: %w", err)
		}
		out, err := json.Marshal(intoJSON(v, book, params, put))
		if err != nil {
			return request{}, err
		}
		r.Body = string(out)
	default:
		return request{}, fmt.Errorf("body: parameters are put into JSON and forms only, not into %s", kind)
	}
	if missing != "" {
		return request{}, fmt.Errorf("no parameter %s", missing)
	}
	return request{r}, nil
}

// intoJSON fills in the strings of a JSON value. A string that is one reference alone,
// to a number or a truth value, becomes that.
func intoJSON(v any, book *declare.Runbook, params map[string]string, put func(string, func(string) string) string) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			v[k] = intoJSON(e, book, params, put)
		}
	case []any:
		for i, e := range v {
			v[i] = intoJSON(e, book, params, put)
		}
	case string:
		if whole := parse.Reference.FindString(v); whole == v && v != "" {
			for _, p := range book.Params {
				if p.Name != v[2:len(v)-1] || params[p.Name] == "" {
					continue
				}
				switch p.Type {
				case declare.ParamInt, declare.ParamNumber:
					return json.Number(params[p.Name])
				case declare.ParamBool:
					return params[p.Name] == "true"
				}
			}
		}
		return put(v, func(s string) string { return s })
	}
	return v
}

func (r *Runner) http(ctx context.Context, run *act.Run, step *declare.Step, values map[string]string, out io.Writer) result {
	filled, err := fill(step.Body, reread(run), values)
	if err != nil {
		return result{detail: err.Error()}
	}
	ctx, cancel := context.WithTimeout(ctx, step.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, filled.Method, filled.URL, strings.NewReader(filled.Body))
	if err != nil {
		return result{detail: err.Error()}
	}
	for _, h := range filled.Headers {
		if strings.EqualFold(h[0], "Host") {
			req.Host = h[1]
			continue
		}
		req.Header.Add(h[0], h[1])
	}
	if filled.Body != "" && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("User-Agent", "evenkeel")
	res, err := r.client.Do(req)
	if err != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return result{detail: fmt.Sprintf("no answer within %s", step.Timeout)}
		}
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err
		}
		return result{detail: err.Error()}
	}
	defer res.Body.Close()
	fmt.Fprintf(out, "%s\n", res.Status)
	if ct := res.Header.Get("Content-Type"); ct != "" {
		fmt.Fprintf(out, "Content-Type: %s\n", ct)
	}
	fmt.Fprintln(out)
	if _, err := io.Copy(out, io.LimitReader(res.Body, maxBody)); err != nil {
		return result{detail: "the answer broke off: " + err.Error()}
	}
	want := step.Expect
	if want == "" {
		want = "2xx"
	}
	got := fmt.Sprint(res.StatusCode)
	for i := range want {
		if want[i] != 'x' && want[i] != got[i] {
			return result{detail: fmt.Sprintf("got status %s, expected %s", res.Status, want)}
		}
	}
	return result{ok: true, detail: "status " + res.Status}
}
