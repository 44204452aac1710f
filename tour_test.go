package evenkeel

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// tour is every package in reading order, and the law of imports: a package
// imports only packages on earlier lines. Those on one line do not import each
// other. Changing it is a design decision: write a note in docs/decisions.
var tour = []string{
	"journal",
	"state",
	"declare",
	"declare/yamldoc",
	"declare/blueprint declare/catalog declare/dashboard declare/gatefile declare/manifest declare/oncall declare/openslo declare/planfile declare/routing declare/rulefile declare/runbook declare/scrapefile declare/settings",
	"declare/grafana declare/request",
	"declare/workspace",
	"observe",
	"observe/logs observe/metrics",
	"observe/contrast observe/trace",
	"observe/doctor observe/host observe/journald observe/jsonline observe/loki observe/otlp observe/overview observe/pattern observe/reduce observe/remotewrite observe/scrape observe/syslog observe/tail observe/usage observe/zipkin",
	"detect",
	"detect/window",
	"detect/evaluate",
	"detect/dependency detect/finding detect/history detect/objective detect/surge",
	"detect/backtest detect/budget detect/logrule detect/rule detect/ruletest",
	"detect/hygiene",
	"detect/coverage",
	"respond",
	"respond/link",
	"respond/alert respond/incident respond/outcome respond/status respond/suspect",
	"respond/escalation respond/oncall respond/reach",
	"respond/why",
	"act",
	"act/account act/authority act/change act/view",
	"act/hook act/gate act/request act/runbook act/verify",
	"learn",
	"learn/approval learn/delivery learn/review learn/toil learn/tune",
	"api/jaeger api/logsql api/prometheus",
	"api web",
	"app",
	"examples/shop",
	"cli",
	"cmd/evenkeel",
	"bench",
	"bench/run",
}

const module = "github.com/evenkeel/evenkeel/"

func TestImportsFollowTheTour(t *testing.T) {
	line := map[string]int{}
	for i, l := range tour {
		for _, pkg := range strings.Fields(l) {
			line[pkg] = i
		}
	}
	seen := map[string]bool{}
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && file != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "node_modules") {
			return fs.SkipDir
		}
		if d.IsDir() && file != "." {
			if _, err := os.Stat(filepath.Join(file, "go.mod")); err == nil { // another module
				return fs.SkipDir
			}
		}
		if !strings.HasSuffix(file, ".go") || path.Dir(filepath.ToSlash(file)) == "." {
			return nil
		}
		pkg := path.Dir(filepath.ToSlash(file))
		seen[pkg] = true
		at, listed := line[pkg]
		if !listed {
			t.Errorf("%s: package %q is not on the tour", file, pkg)
			return nil
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, imp := range tree.Imports {
			name, _ := strconv.Unquote(imp.Path.Value)
			other, ours := strings.CutPrefix(name, module)
			if !ours || other == pkg { // an external test imports what it tests
				continue
			}
			if to, ok := line[other]; !ok || to >= at {
				t.Errorf("%s imports %q, which does not stand before %q", file, other, pkg)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range line {
		if !seen[pkg] {
			t.Errorf("package %q is on the tour but not there", pkg)
		}
	}
	if len(seen) < 10 {
		t.Errorf("saw only %d packages: is the walk right? %v", len(seen), slices.Sorted(func(yield func(string) bool) {
			for p := range seen {
				if !yield(p) {
					return
				}
			}
		}))
	}
}
