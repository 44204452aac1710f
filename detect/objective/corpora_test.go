//go:build corpora

package objective

import (
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"go.yaml.in/yaml/v3"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/openslo"
)

// corpus is a folder of public files. EVENKEEL_CORPORA says where they are.
func corpus(t *testing.T, name string) string {
	t.Helper()
	root := os.Getenv("EVENKEEL_CORPORA")
	if root == "" {
		t.Skip("EVENKEEL_CORPORA is not set: it names the folder with the public data")
	}
	dir := filepath.Join(root, name)
	if _, err := os.Stat(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// spec is an SLO as Sloth's own files write it.
type spec struct {
	Service string
	SLOs    []struct {
		Name string
		SLI  struct {
			Events struct {
				Error string `yaml:"error_query"`
				Total string `yaml:"total_query"`
			}
		}
	}
}

// TestCorporaSloth gives the rules that Sloth generates and ours for the same
// objective the same made-up samples for four days: the recorded ratios must be the
// same numbers, and pages and tickets fire at the same times.
func TestCorporaSloth(t *testing.T) {
	dir := filepath.Join(corpus(t, "sloth"), "examples")
	files, err := filepath.Glob(filepath.Join(dir, "_gen", "*.y*ml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	objectives, pages, tickets := 0, 0, 0
	for _, file := range files {
		base := filepath.Base(file)
		for id, generated := range slothRules(t, file) {
			for how, o := range asOurs(t, filepath.Join(dir, base), id, generated) {
				t.Run(base+"/"+id+"/"+how, func(t *testing.T) {
					p, k := compareSloth(t, o, generated)
					objectives, pages, tickets = objectives+1, pages+p, tickets+k
				})
			}
		}
	}
	t.Logf("%d objectives, %d evaluations in which both page, %d in which both make a ticket", objectives, pages, tickets)
	if objectives < 20 || pages < 100 || tickets < 100 {
		t.Error("expected more to compare")
	}
}

// slothRules groups a generated file's rules by SLO. What Prometheus cannot parse is
// another engine's.
func slothRules(t *testing.T, file string) map[string][]rulefmt.Rule {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]rulefmt.Rule{}
	dec := yaml.NewDecoder(strings.NewReader(string(data)))
	for {
		var doc struct {
			Groups []rulefmt.RuleGroup
			Spec   struct{ Groups []rulefmt.RuleGroup }
		}
		if err := dec.Decode(&doc); err != nil {
			break
		}
		for _, g := range append(doc.Groups, doc.Spec.Groups...) {
			_, name, _ := strings.Cut(strings.TrimPrefix(g.Name, "sloth-slo-"), "-")
			id := strings.TrimPrefix(strings.TrimPrefix(name, "recordings-"), "alerts-")
			for _, r := range g.Rules {
				if l := r.Labels["sloth_id"]; l != "" {
					id = l
				}
			}
			id = strings.TrimPrefix(strings.TrimPrefix(id, "recordings-"), "alerts-")
			out[id] = append(out[id], g.Rules...)
		}
	}
	for id, all := range out {
		for _, r := range all {
			if _, err := promQL.ParseExpr(r.Expr); err != nil {
				t.Logf("%s, %s: left out, not PromQL: %v", filepath.Base(file), id, err)
				delete(out, id)
				break
			}
		}
	}
	return out
}

// asOurs writes an SLO as an objective of ours: from its queries where the file has
// them, and from the generated error ratio in any case.
func asOurs(t *testing.T, source, id string, generated []rulefmt.Rule) map[string]*declare.Objective {
	t.Helper()
	o := declare.Objective{Name: "it", Service: "it", Method: declare.Occurrences, MinEvents: 10}
	raw := ""
	for _, r := range generated {
		switch r.Record {
		case "slo:sli_error:ratio_rate5m":
			raw = r.Expr
		case "slo:objective:ratio":
			if _, err := fmt.Sscanf(r.Expr, "vector(%g)", &o.Target); err != nil {
				t.Fatal(err)
			}
			o.Target = round(o.Target)
		case "slo:time_period:days":
			var days float64
			if _, err := fmt.Sscanf(r.Expr, "vector(%g)", &days); err != nil {
				t.Fatal(err)
			}
			o.Window = declare.Window{Length: time.Duration(days * float64(day)), Text: fmt.Sprintf("%gd", days)}
		}
	}
	if raw == "" || o.Target == 0 || o.Window.Length == 0 || strings.Contains(raw, "slo:") {
		t.Logf("%s: left out, its plugins compute the ratio by another formula, or not at all", id)
		return nil
	}
	out := map[string]*declare.Objective{}
	with := o
	with.Ratio = &declare.Ratio{Raw: raw}
	out["ratio"] = &with
	data, err := os.ReadFile(source)
	if err != nil {
		return out
	}
	dec := yaml.NewDecoder(strings.NewReader(string(data)))
	for {
		var s spec
		if dec.Decode(&s) != nil {
			return out
		}
		for _, slo := range s.SLOs {
			if s.Service+"-"+slo.Name == id && slo.SLI.Events.Error != "" {
				with := o
				with.Ratio = &declare.Ratio{Counter: true, Bad: slo.SLI.Events.Error, Total: slo.SLI.Events.Total}
				out["events"] = &with
			}
		}
	}
}

type fixed struct{ rulefmt.RuleGroups }

func (f fixed) Load(string, bool, model.ValidationScheme) (*rulefmt.RuleGroups, []error) {
	return &f.RuleGroups, nil
}
func (f fixed) Parse(query string) (parser.Expr, error) { return promQL.ParseExpr(query) }

func compareSloth(t *testing.T, o *declare.Objective, generated []rulefmt.Rule) (pages, tickets int) {
	const scrape, every = 2 * time.Minute, 30 * time.Minute
	ours, theirs := newHistory(t), newHistory(t)
	ours.load(o, Target{Interval: interval})
	theirs.opts.GroupLoader = fixed{rulefmt.RuleGroups{Groups: []rulefmt.RuleGroup{{Name: "sloth", Rules: generated}}}}
	groups, errs := rules.NewManager(theirs.opts).LoadGroups(interval, labels.EmptyLabels(), "", nil, false, "generated")
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	for _, g := range groups {
		theirs.groups = append(theirs.groups, g)
	}
	alerting := slices.ContainsFunc(generated, func(r rulefmt.Rule) bool { return r.Alert != "" })

	life := madeFor(t, o)
	compared := 0
	for i := range int(4 * day / scrape) {
		at := start.Add(time.Duration(i) * scrape)
		samples := life(i)
		ours.put(at, samples)
		theirs.put(at, samples)
		if i == 0 || i%int(every/scrape) != 0 {
			continue
		}
		ours.evaluate(at)
		theirs.evaluate(at)
		for _, w := range Windows(o, interval) {
			a, b := ours.value(RatioSeries(w), at), theirs.value(RatioSeries(w), at)
			if !near(a, b) {
				t.Fatalf("%s at %s: ours %g, Sloth's %g", RatioSeries(w), at.Sub(start), a, b)
			}
			if !math.IsNaN(a) {
				compared++
			}
		}
		if !alerting {
			continue
		}
		for severity, n := range map[string]*int{"page": &pages, "ticket": &tickets} {
			a, b := firing(ours, "severity", severity), firing(theirs, "sloth_severity", severity)
			if a != b {
				t.Fatalf("%s at %s: ours fires: %v, Sloth's: %v", severity, at.Sub(start), a, b)
			}
			if a {
				*n++
			}
		}
	}
	if compared < 200 {
		t.Errorf("only %d ratios were compared", compared)
	}
	return pages, tickets
}

func firing(h *history, label, value string) bool {
	for _, g := range h.groups {
		for _, r := range g.AlertingRules() {
			if r.Labels().Get(label) == value && len(r.ActiveAlerts()) > 0 {
				return true
			}
		}
	}
	return false
}

// madeFor makes up samples for all metrics of an objective: a series for each of its
// selectors, those of errors in random bursts.
func madeFor(t *testing.T, o *declare.Objective) func(i int) map[string]float64 {
	t.Helper()
	type series struct {
		text                  string
		value                 float64
		errors, gauge, bucket bool
	}
	var all []*series
	for _, q := range []string{o.Ratio.Raw, o.Ratio.Bad, o.Ratio.Total} {
		expr, err := promQL.ParseExpr(openslo.Placeholder.ReplaceAllString(q, "5m"))
		if err != nil {
			continue
		}
		parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
			vs, ok := n.(*parser.VectorSelector)
			if !ok {
				return nil
			}
			s := &series{text: "{", gauge: strings.HasSuffix(vs.Name, "_ratio"), bucket: strings.HasSuffix(vs.Name, "_bucket")}
			for _, m := range vs.LabelMatchers {
				for _, v := range []string{m.Value, "500", "200", "GET", "something"} {
					if m.Matches(v) && v != "" {
						s.text += fmt.Sprintf("%q=%q,", m.Name, v)
						s.errors = s.errors || v == "500" || strings.HasPrefix(m.Value, "5")
						break
					}
				}
			}
			s.text += "}"
			if !slices.ContainsFunc(all, func(o *series) bool { return o.text == s.text }) {
				all = append(all, s)
			}
			return nil
		})
	}
	r := rand.New(rand.NewPCG(9, 9))
	share, until := 0.0, 0
	return func(i int) map[string]float64 {
		if i >= until {
			share, until = []float64{0, 0, 0.002, 0.03, 0.4}[r.IntN(5)], i+10+r.IntN(500)
		}
		out := map[string]float64{}
		events := float64(1000 + r.IntN(1000))
		for _, s := range all {
			switch {
			case s.gauge:
				s.value = 0.9 - share*r.Float64()*2
			case s.errors:
				s.value += math.Floor(events * share)
			case s.bucket: // those that were fast enough
				s.value += events - math.Floor(events*share)
			default:
				s.value += events
			}
			out[s.text] = s.value
		}
		return out
	}
}

// TestCorporaOpenSLO compiles every objective of the public OpenSLO files that the
// reader accepts; Prometheus must accept what comes out.
func TestCorporaOpenSLO(t *testing.T) {
	compiled := 0
	err := filepath.WalkDir(corpus(t, "openslo"), func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(file, ".yaml") {
			return err
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		var problems declare.Problems
		var f openslo.Folder
		f.Read(filepath.Base(file), data, &problems)
		objectives := f.Objectives()
		if len(problems) > 0 {
			t.Logf("%s: %d problems, the first: %v", filepath.Base(file), len(problems), problems[0])
			return nil
		}
		for _, o := range objectives {
			for _, g := range Compile(o, Target{Interval: interval, Now: start}) {
				for _, r := range g.Rules {
					if errs := r.Validate(rulefmt.RuleNode{}, 1, promQL); len(errs) > 0 {
						t.Errorf("%s: %s: %v\n%s", filepath.Base(file), o.Name, errs, r.Expr)
					}
				}
			}
			compiled++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d objectives compiled", compiled)
	if compiled < 5 {
		t.Error("expected more to compile")
	}
}
