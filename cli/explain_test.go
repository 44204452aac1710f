package cli

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/detect/evaluate"
)

const explained = `groups:
  - name: first
    rules:
      - record: worst
        expr: topk(1, rate(jobs_total[10m]))
      - record: late
        expr: histogram_quantile(0.9, sum by (le) (rate(wait_seconds_bucket[10m])))
  - name: second
    rules:
      - record: busy
        expr: sum(rate(jobs_total[10m]))
      - record: peak
        expr: max_over_time(rate(jobs_total[5m])[10m:1m])
`

// TestExplainSaysWhichPartsAreIncremental asks a server how it evaluates, by the command and
// at /api/v1/rules.
func TestExplainSaysWhichPartsAreIncremental(t *testing.T) {
	p := newProcess(t)
	write(t, filepath.Join(p.dir, "workspace"), "rules/explained.yml", explained)
	p.start()
	t.Setenv(envToken, p.token)
	begin := time.Now().Add(-15 * time.Minute)
	for k := range 60 {
		at := begin.Add(time.Duration(k) * 15 * time.Second)
		if err := p.write(at, map[string]float64{"jobs_total": float64(10 * k), "wait_seconds_bucket": float64(k)}); err != nil {
			t.Fatal(err)
		}
	}
	url := []string{"--url", "http://" + p.addr}
	f := func(expr, incremental string, hows ...string) {
		t.Helper()
		x := runJSON[evaluate.Explanation](t, 0, append(url, "query", "--explain", "--compare", expr)...)
		if x.Incremental != incremental || x.Left != "" || x.Difference > 1e-9 || x.EngineSeconds == 0 {
			t.Errorf("%s: %+v, expected %s of it to be incremental", expr, x, incremental)
		}
		var got []string
		var visit func(evaluate.Part)
		visit = func(p evaluate.Part) {
			got = append(got, p.How)
			for _, c := range p.Parts {
				visit(c)
			}
		}
		visit(x.Part)
		if strings.Join(got, " ") != strings.Join(hows, " ") {
			t.Errorf("%s: its parts are %v, expected %v", expr, got, hows)
		}
	}
	f("topk(1, rate(jobs_total[10m]))", "all", "aggregation", "window", "constant")
	f("histogram_quantile(0.9, sum by (le) (rate(wait_seconds_bucket[10m])))", "all", "function", "aggregation", "window", "constant")
	f(`count_values("v", label_replace(jobs_total, "a", "b", "", ""))`, "all", "aggregation", "function", "current value")
	f("max_over_time(rate(jobs_total[5m])[10m:1m]) + quantile(0.5, jobs_total)", "some", "operation", "engine", "aggregation", "current value", "constant")
	text, _ := run(t, 0, append(url, "query", "--explain", "topk(1, rate(jobs_total[10m]))")...)
	for _, want := range []string{"Incremental: all of it", "groups are made again when a value in them changes", "rate(jobs_total[10m])"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	var answer struct {
		Data struct {
			Groups []struct {
				Name  string
				Rules []struct {
					Name       string
					Evaluation *evaluate.Explanation
				}
			}
		}
	}
	got := map[string]string{}
	for range 100 { // until each was evaluated once
		p.ask("/api/v1/rules", &answer)
		for _, g := range answer.Data.Groups {
			for _, r := range g.Rules {
				if r.Evaluation != nil && (g.Name == "first" || g.Name == "second") {
					got[r.Name] = r.Evaluation.Incremental
				}
			}
		}
		if len(got) == 4 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	for name, want := range map[string]string{"worst": "all", "late": "all", "busy": "all", "peak": "none"} {
		if got[name] != want {
			t.Errorf("/api/v1/rules says that %q of %s is incremental, expected %q", got[name], name, want)
		}
	}
}
