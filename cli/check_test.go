package cli

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// brokenShop has one mistake of each kind that check is for: a name that is misspelt, a
// runbook that is not there, and a file name that nobody reads.
const brokenShop = `
-- catalog/shop.yml --
apiVersion: backstage.io/v1alpha1
kind: Group
metadata: {name: shop}
spec: {type: team, members: [alice]}
---
apiVersion: backstage.io/v1alpha1
kind: User
metadata: {name: alice, labels: {evenkeel.dev/level: lead}}
spec: {memberOf: [shop]}
---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: checkout}
spec: {type: service, lifecycle: production, owner: shpo}
-- rules/shop.yml --
groups:
  - name: shop
    rules:
      - alert: Down
        expr: up == 0
        annotations: {runbook: "100%, gone"}
-- routes.yml --
`

func unpack(t *testing.T, archive string) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range txtar.Parse([]byte(archive)).Files {
		name := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func runCheck(t *testing.T, wantCode int, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, talk bytes.Buffer
	if code := Run(t.Context(), append([]string{"check"}, args...), strings.NewReader(""), &out, &talk); code != wantCode {
		t.Fatalf("check %v: exit code %d, want %d\nstdout:\n%s\nstderr:\n%s", args, code, wantCode, &out, &talk)
	}
	return out.String(), talk.String()
}

func TestCheckNamesEveryMistakeInOnePass(t *testing.T) {
	t.Chdir(unpack(t, brokenShop))
	stdout, stderr := runCheck(t, ExitFound)
	want := `catalog/shop.yml:14:53: error: spec.owner: got "shpo", expected a team that is declared (did you mean "shop"?)
routes.yml: warning: expected a name that belongs to a workspace (did you mean "routing.yml"? it is not read)
rules/shop.yml:6:32: error: groups[0].rules[0].annotations.runbook: got "100%, gone", expected a runbook that is declared (none is declared)
`
	if stdout != want {
		t.Errorf("got\n%s\nwant\n%s", stdout, want)
	}
	if stderr != "2 errors, 1 warning in 3 files\n" {
		t.Errorf("summary %q", stderr)
	}
}

func TestCheckOfWhatIsFine(t *testing.T) {
	t.Chdir(unpack(t, strings.Replace(brokenShop, "shpo", "shop", 1)))
	if err := os.Remove("rules/shop.yml"); err != nil {
		t.Fatal(err)
	}
	stdout, stderr := runCheck(t, ExitFine, ".")
	if !strings.HasPrefix(stdout, "routes.yml: warning:") || strings.Count(stdout, "\n") != 1 || stderr != "0 errors, 1 warning in 1 file\n" {
		t.Errorf("a warning is told and is no error: %q, %q", stdout, stderr)
	}
	if err := os.Remove("routes.yml"); err != nil {
		t.Fatal(err)
	}
	stdout, stderr = runCheck(t, ExitFine)
	if stdout != "" || stderr != ".: fine: 1 service, 0 objectives, 0 rules, 0 runbooks, 1 person\n" {
		t.Errorf("got %q, %q", stdout, stderr)
	}
	if stdout, _ = runCheck(t, ExitFine, "-o", "json"); stdout != "[]\n" {
		t.Errorf("no problems are an empty list in JSON, got %q", stdout)
	}
}

func TestCheckThatCannotBeDone(t *testing.T) {
	f := func(want string, args ...string) {
		t.Helper()
		if _, stderr := runCheck(t, ExitError, args...); !strings.Contains(stderr, want) {
			t.Errorf("check %v: got %q, want %q in it", args, stderr, want)
		}
	}
	t.Chdir(t.TempDir())
	if err := os.WriteFile("notes.yml", []byte("shopping: [milk]\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	f("no such file", "nowhere")
	f("cannot tell what file", "notes.yml")
	f("expected one of table, json", "-o", "csv")
}

func TestCheckOfSingleFiles(t *testing.T) {
	dir := unpack(t, brokenShop)
	t.Chdir(dir)
	stdout, _ := runCheck(t, ExitFound, "catalog/shop.yml")
	if strings.Count(stdout, "\n") != 1 || !strings.Contains(stdout, "did you mean \"shop\"?") {
		t.Errorf("a file of a workspace is checked with all that it refers to, got %q", stdout)
	}
	f := func(code int, name, content, want string) {
		t.Helper()
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		stdout, _ := runCheck(t, code, file)
		if !strings.Contains(stdout, want) || (want != "" && !strings.HasPrefix(stdout, file+":")) {
			t.Errorf("%s: got %q, want %q in it", name, stdout, want)
		}
	}
	f(ExitFound, "catalog-info.yaml", "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {name: x}\nspec: {onwer: shop}\n", `did you mean "owner"?`)
	f(ExitFine, "catalog-info.yaml", "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {name: x}\nspec: {owner: shop}\n", "")
	f(ExitFound, "slo.yaml", "apiVersion: openslo/v1alpha\nkind: SLO\nmetadata: {name: x}\n", "expected openslo/v1")
	f(ExitFound, "a.yml", "groups: [{name: g, rules: [{alert: A, expr: 'up =='}]}]\n", "parse error")
	f(ExitFound, "am.yml", "route: {receiver: a}\nreceivers: [{name: b}]\n", "undefined receiver")
	f(ExitFound, "settings.yml", "evaluation: {intervall: 5s}\n", `did you mean "interval"?`)
	f(ExitFound, "duty.yml", "schedules: [{name: s, team: t, layers: []}]\n", "at least one layer")
	f(ExitFound, "book.md", "```promql {name=x}\nup ==\n```\n", "expected PromQL")
	f(ExitFine, "book.md", "# Prose\n", "")
}

func TestCheckForTools(t *testing.T) {
	t.Chdir(unpack(t, brokenShop))

	stdout, _ := runCheck(t, ExitFound, "-o", "json")
	var items []map[string]any
	if err := json.Unmarshal([]byte(stdout), &items); err != nil || len(items) != 3 {
		t.Fatalf("%v: %s", err, stdout)
	}
	if i := items[0]; i["file"] != "catalog/shop.yml" || i["line"] != 14.0 || i["column"] != 53.0 || i["severity"] != "error" ||
		i["field"] != "spec.owner" || i["got"] != "shpo" || i["hint"] != `did you mean "shop"?` || !strings.HasPrefix(i["message"].(string), "spec.owner: got") {
		t.Errorf("JSON: %v", i)
	}
	if items[1]["severity"] != "warning" {
		t.Errorf("JSON: %v", items[1])
	}

	stdout, _ = runCheck(t, ExitFound, "-o", "github")
	if want := `::error file=rules/shop.yml,line=6,col=32,title=evenkeel check::groups[0].rules[0].annotations.runbook: got "100%25, gone", expected`; !strings.Contains(stdout, want) {
		t.Errorf("annotations: got\n%s\nwant\n%s", stdout, want)
	}

	stdout, _ = runCheck(t, ExitFound, "-o", "junit")
	var suites junitSuites
	if err := xml.Unmarshal([]byte(stdout), &suites); err != nil || suites.Tests != 3 || suites.Failures != 2 || len(suites.Suites) != 3 {
		t.Errorf("JUnit: %v: %s", err, stdout)
	}

	stdout, _ = runCheck(t, ExitFound, "-o", "sarif")
	var log sarifLog
	if err := json.Unmarshal([]byte(stdout), &log); err != nil || log.Version != "2.1.0" || len(log.Runs) != 1 || len(log.Runs[0].Results) != 3 {
		t.Fatalf("SARIF: %v: %s", err, stdout)
	}
	r := log.Runs[0].Results[0]
	if r.RuleID != "evenkeel/catalog" || log.Runs[0].Tool.Driver.Rules[r.RuleIndex].ID != r.RuleID || r.Level != "error" ||
		r.Locations[0].Physical.Artifact.URI != "catalog/shop.yml" || r.Locations[0].Physical.Region.StartLine != 14 {
		t.Errorf("SARIF: %+v", r)
	}
	// Lines that come before a problem move it and do not make another of it.
	old, err := os.ReadFile("catalog/shop.yml")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("catalog/shop.yml", append([]byte("# A comment.\n\n"), old...), 0o644); err != nil {
		t.Fatal(err)
	}
	stdout, _ = runCheck(t, ExitFound, "-o", "sarif")
	var moved sarifLog
	if err := json.Unmarshal([]byte(stdout), &moved); err != nil {
		t.Fatal(err)
	}
	m := moved.Runs[0].Results[0]
	if m.Locations[0].Physical.Region.StartLine != 16 || m.PartialFingerprints["evenkeel/v1"] != r.PartialFingerprints["evenkeel/v1"] {
		t.Errorf("SARIF: fingerprint %v became %v", r, m)
	}
}

func TestCheckPrintsNoControlCharacters(t *testing.T) {
	t.Chdir(unpack(t, "-- evenkeel.yml --\n\"\\e[2Jx\": 1\n\"levels\\nx\": 1\n"))
	for _, how := range []string{"table", "github"} {
		stdout, _ := runCheck(t, ExitFound, "-o", how)
		if strings.ContainsRune(stdout, 0x1b) || strings.Count(stdout, "\n") != 2 {
			t.Errorf("%s: %q", how, stdout)
		}
	}
}
