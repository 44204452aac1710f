//go:build corpora

package rule_test

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/tsdb"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/rulefile"
	"github.com/evenkeel/evenkeel/detect/evaluate"
)

// refused are the public files that may not load, and why, beside those that are called
// bad: Prometheus refuses them as well.
var refused = map[string]string{
	"bad-rules-syntax.yml":  "an expression that does not parse",
	"rules-bad.yml":         "a template with an unknown variable",
	"rules_extrafields.yml": "fields of another program",
	"features.yml":          "functions behind a switch of Prometheus that is off by default",
}

// TestCorporaRules loads the rules of kube-prometheus, of the mixins and of Prometheus' own
// tests as a workspace does, gives each to the engine, and says how many are incremental.
func TestCorporaRules(t *testing.T) {
	root := os.Getenv("EVENKEEL_CORPORA")
	if root == "" {
		t.Skip("EVENKEEL_CORPORA is not set: it names the folder with the public data")
	}
	db, err := tsdb.Open(t.TempDir(), nil, nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	engine := evaluate.New(evaluate.Options{Queryable: db})
	engine.Follow(db)
	var sum evaluate.Shares
	sum.Why = map[string]int{}
	files := 0
	err = filepath.WalkDir(filepath.Join(root, "prometheus-rules"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".yml") && !strings.HasSuffix(path, ".yaml") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(text), "groups:") || strings.Contains(string(text), "rule_files:") {
			return err
		}
		var problems declare.Problems
		file, _ := rulefile.Read(filepath.Base(path), text, &problems)
		bad := strings.Contains(d.Name(), ".bad.") || func() bool { _, ok := refused[d.Name()]; return ok }()
		mixin := filepath.Base(filepath.Dir(path)) == "prometheus-rules"
		if file == nil {
			if !bad || mixin {
				t.Errorf("%s is refused: %v", d.Name(), problems)
			}
			for _, p := range problems {
				if p.Got == "" && p.Want == "" {
					t.Errorf("%s is refused without a reason: %v", d.Name(), p)
				}
			}
			t.Logf("%s is refused: %s", d.Name(), problems[0].Error())
			return nil
		}
		files++
		var exprs []string
		for _, g := range file.Groups.Groups {
			var of []string
			for _, r := range g.Rules {
				of = append(of, r.Expr)
			}
			live, err := engine.Live(g.Name, of...)
			if err != nil {
				t.Errorf("%s, group %s: %v", d.Name(), g.Name, err)
				continue
			}
			for _, expr := range of {
				if _, err := live.Query(t.Context(), expr, time.Now()); err != nil {
					t.Errorf("%s: %s: %v", d.Name(), expr, err)
				}
			}
			live.Close()
			exprs = append(exprs, of...)
		}
		s, err := evaluate.Share(exprs...)
		if err != nil {
			t.Errorf("%s: %v", d.Name(), err)
		}
		if len(exprs) > 0 {
			t.Logf("%-50s %4d rules: %4d incremental, %3d in parts, %3d by Prometheus' engine %v", d.Name(), len(exprs), s.All, s.Some, s.None, s.Why)
		}
		if !mixin {
			return nil // odd expressions on purpose, and ten thousand of one kind
		}
		sum.All, sum.Some, sum.None = sum.All+s.All, sum.Some+s.Some, sum.None+s.None
		for why, n := range s.Why {
			sum.Why[why] += n
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	total := sum.All + sum.Some + sum.None
	if files < 10 || total < 200 {
		t.Fatalf("%d rules in %d files: the public data has gone", total, files)
	}
	t.Logf("of kube-prometheus and its mixins, %d rules: %d (%.1f %%) incremental, %d in parts, %d by Prometheus' engine alone", total, sum.All, 100*float64(sum.All)/float64(total), sum.Some, sum.None)
	for _, why := range slices.Sorted(maps.Keys(sum.Why)) {
		t.Log(fmt.Sprintf("%4d × %s", sum.Why[why], why))
	}
	if float64(sum.All) < 0.75*float64(total) || sum.None > 0 {
		t.Errorf("%d of %d rules are incremental and %d by Prometheus' engine alone, expected three quarters and none", sum.All, total, sum.None)
	}
}
