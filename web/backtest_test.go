package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestBacktestPage(t *testing.T) {
	e := newEstate(t, "testdata/shop")
	h := e.handler()
	rule := func(expr string) string {
		return "groups:\n  - name: tried\n    rules:\n      - alert: TooManyErrors\n        expr: " + expr + "\n        labels: {severity: page, service: checkout}\n"
	}
	for _, test := range []struct {
		rules string
		code  int
		want  []string
	}{
		{rule("checkout_error_ratio > 0.03"), http.StatusOK, []string{"TooManyErrors", "<svg", "#7", "useful alerts told again", "false (inferred)", "quiet", "Each page, by the clock"}},
		{rule("checkout_error_ratio > 7"), http.StatusOK, []string{"TooManyErrors", "not caught"}},
		{rule("checkout_error_ratio >"), http.StatusUnprocessableEntity, []string{"rules/tried.yml:5"}},
		{"groups: 3", http.StatusUnprocessableEntity, []string{"rules/tried.yml:1"}},
		{rule(`<script>alert(1)</script>`), http.StatusUnprocessableEntity, nil},
	} {
		res := post(t, h, e, "alice", "/backtest", url.Values{"rules": {test.rules}, "range": {"30d"}})
		text := body(t, res)
		if res.StatusCode != test.code {
			t.Errorf("%s: %s, expected %d", test.rules, res.Status, test.code)
		}
		for _, want := range test.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: the page does not say %q:\n%s", test.rules, want, text)
			}
		}
		if strings.Contains(text, "<script>alert") {
			t.Errorf("%s: comes back unescaped", test.rules)
		}
	}
}
