package bench

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

func parse(t *testing.T, text string) map[string][]rulefmt.Rule {
	t.Helper()
	groups, errs := rulefmt.Parse([]byte(text), false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	out := map[string][]rulefmt.Rule{}
	for _, g := range groups.Groups {
		for _, kind := range []string{"sli-recordings", "meta-recordings", "alerts"} {
			if strings.HasPrefix(g.Name, "sloth-slo-"+kind) {
				out[kind] = g.Rules
			}
		}
	}
	return out
}

func TestSlothRules(t *testing.T) {
	rules := parse(t, SlothRules(Data{Services: 1}.Objectives()[0]))
	if a, b, c := len(rules["sli-recordings"]), len(rules["meta-recordings"]), len(rules["alerts"]); a != 8 || b != 7 || c != 2 {
		t.Fatalf("%d, %d and %d rules, expected 8, 7 and 2", a, b, c)
	}
	if got := rules["sli-recordings"][7]; got.Record != "slo:sli_error:ratio_rate30d" || !strings.Contains(got.Expr, "sum_over_time(slo:sli_error:ratio_rate5m{") {
		t.Errorf("the longest ratio: %+v", got)
	}
}

// TestCorporaSlothShape compares with a file that Sloth's authors publish.
func TestCorporaSlothShape(t *testing.T) {
	root := os.Getenv("EVENKEEL_CORPORA")
	if root == "" {
		t.Skip("EVENKEEL_CORPORA is not set: it names the folder with the public data")
	}
	text, err := os.ReadFile(filepath.Join(root, "sloth", "examples", "_gen", "getting-started.yml"))
	if err != nil {
		t.Fatal(err)
	}
	published := parse(t, string(text))
	o := Objective{
		Service: "myservice", Name: "requests-availability", Target: 0.999,
		Bad: `http_request_duration_seconds_count{job="myservice",code=~"(5..|429)"}`, Total: `http_request_duration_seconds_count{job="myservice"}`,
	}
	p := parser.NewParser(parser.Options{})
	canonical := func(expr string) string {
		// It computes the target with other rounding.
		for _, odd := range []string{"0.9990000000000001", "0.0009999999999999432", "0.0010000000000000009"} {
			expr = strings.ReplaceAll(expr, odd, map[bool]string{true: "0.999", false: "0.001"}[strings.HasPrefix(odd, "0.999")])
		}
		e, err := p.ParseExpr(expr)
		if err != nil {
			t.Fatal(err)
		}
		return e.String()
	}
	for kind, ours := range parse(t, SlothRules(o)) {
		theirs := published[kind]
		if len(ours) != len(theirs) {
			t.Fatalf("%s: %d rules, theirs %d", kind, len(ours), len(theirs))
		}
		for i := range ours {
			if ours[i].Record != theirs[i].Record || canonical(ours[i].Expr) != canonical(theirs[i].Expr) {
				t.Errorf("%s:\n%s\ntheirs:\n%s", kind, canonical(ours[i].Expr), canonical(theirs[i].Expr))
			}
			for name := range ours[i].Labels {
				if _, ok := theirs[i].Labels[name]; !ok {
					t.Errorf("%s: label %s is not theirs", ours[i].Record, name)
				}
			}
		}
	}
}

// TestAlertsFromRaw: the same conditions, with the raw ratios in them.
func TestAlertsFromRaw(t *testing.T) {
	o := Data{Services: 1}.Objectives()[0]
	for _, expr := range o.Alerts(func(w time.Duration) string { return "(" + o.Ratio(w) + ")" }) {
		if _, err := parser.NewParser(parser.Options{}).ParseExpr(expr); err != nil {
			t.Errorf("%v in\n%s", err, expr)
		}
	}
}
