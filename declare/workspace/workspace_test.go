package workspace

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

var now = time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)

// whole is a small workspace with one of everything.
var whole = map[string]string{
	"evenkeel.yml": "levels: [{name: junior, alone: low}, {name: lead, alone: high, approve: high}]\n",
	"routing.yml":  "route: {receiver: phone}\nreceivers: [{name: phone, webhook_configs: [{url_file: secrets/hook}]}]\n",
	"scrape.yml":   "scrape_configs: [{job_name: shop, file_sd_configs: [{files: [targets.json]}]}]\n",
	"catalog/all.yml": `apiVersion: backstage.io/v1alpha1
kind: Group
metadata: {name: shop}
spec: {type: team, children: [], members: [bob]}
---
apiVersion: backstage.io/v1alpha1
kind: User
metadata: {name: alice, labels: {evenkeel.dev/level: lead}}
spec: {memberOf: [shop]}
---
apiVersion: backstage.io/v1alpha1
kind: User
metadata: {name: bob}
spec: {memberOf: []}
---
apiVersion: backstage.io/v1alpha1
kind: System
metadata: {name: store}
spec: {owner: shop}
---
apiVersion: backstage.io/v1alpha1
kind: Resource
metadata: {name: orders}
spec: {type: database, owner: shop}
---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: checkout}
spec: {type: service, lifecycle: production, owner: shop, system: store, dependsOn: ["resource:orders"]}
`,
	"objectives/checkout.yml": `apiVersion: openslo/v1
kind: SLO
metadata: {name: orders, annotations: {evenkeel.dev/runbook: drain}}
spec:
  service: checkout
  budgetingMethod: Occurrences
  timeWindow: [{duration: 30d, isRolling: true}]
  indicator: {metadata: {name: i}, spec: {ratioMetric: {counter: true, bad: {metricSource: {spec: {query: bad}}}, total: {metricSource: {spec: {query: total}}}}}}
  objectives: [{target: 0.99}]
`,
	"rules/shop.yml":      "groups: [{name: g, rules: [{alert: A, expr: up, labels: {service: checkout, team: shop}, annotations: {runbook: drain}}]}]\n",
	"rules/shop_test.yml": "rule_files: [shop.yml]\n",
	"oncall/shop.yml":     "schedules: [{name: shop, team: shop, layers: [{start: 2026-01-05T09:00, every: daily, people: [alice, bob]}]}]\n",
	"runbooks/drain.md":   "---\ntitle: Drain\nservices: [checkout]\nverify: {objective: orders}\n---\n# Drain\n\n```sh {name=drain risk=high}\ntrue\n```\n",
}

// folder writes a workspace; changes replace or, where empty, leave out files.
func folder(t testing.TB, changes map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range whole {
		if _, changed := changes[name]; !changed {
			write(t, dir, name, text)
		}
	}
	for name, text := range changes {
		if text != "" {
			write(t, dir, name, text)
		}
	}
	return dir
}

func write(t testing.TB, dir, name, text string) {
	t.Helper()
	file := filepath.Join(dir, filepath.FromSlash(name))
	err := os.MkdirAll(filepath.Dir(file), 0o755)
	if err == nil {
		err = os.WriteFile(file, []byte(text), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// problems loads a folder that must not be valid.
func problems(t testing.TB, dir string) string {
	t.Helper()
	w, found, err := Load(dir, now)
	if err != nil {
		t.Fatal(err)
	}
	if (w == nil) != (len(found.Errors()) > 0) {
		t.Errorf("workspace %v with %v", w, found)
	}
	return found.Error()
}

func TestLoad(t *testing.T) {
	dir := folder(t, nil)
	w, found, err := Load(dir, now)
	if err != nil || w == nil || len(found) > 0 {
		t.Fatal(w, found, err)
	}
	if len(w.Services) != 1 || len(w.Resources) != 1 || len(w.Systems) != 1 || len(w.Teams) != 1 || len(w.People) != 2 || len(w.Objectives) != 1 ||
		len(w.RuleFiles) != 1 || len(w.Scrape) != 1 || len(w.Runbooks) != 1 || len(w.Schedules) != 1 || w.Routing.Route.Receiver != "phone" || !w.LoadedAt.Equal(now) {
		t.Errorf("%+v", w)
	}
	// Membership is the same from both sides.
	if m := w.Team("shop").Members; fmt.Sprint(m) != "[alice bob]" {
		t.Errorf("members %v", m)
	}
	if teams := w.Person("bob").Teams; fmt.Sprint(teams) != "[shop]" {
		t.Errorf("teams of bob: %v", teams)
	}
	if got := w.Routing.Receivers[0].WebhookConfigs[0].URLFile; got != filepath.Join(dir, "secrets/hook") {
		t.Errorf("secret in %s", got)
	}
	// The same files are the same revision, wherever they are; any other byte is another.
	same, _, err := Load(folder(t, nil), now.Add(time.Hour))
	if err != nil || same.Revision != w.Revision || len(w.Revision) != 16 {
		t.Errorf("%s and %s, %v", same.Revision, w.Revision, err)
	}
	other, _, err := Load(folder(t, map[string]string{"runbooks/drain.md": whole["runbooks/drain.md"] + "\n"}), now)
	if err != nil || other.Revision == w.Revision {
		t.Errorf("%s twice, %v", w.Revision, err)
	}
	empty, found, err := Load(t.TempDir(), now)
	if err != nil || empty == nil || len(found) > 0 || empty.Routing.Route.Receiver != "nobody" {
		t.Errorf("an empty folder: %v, %v", found, err)
	}
}

func TestNoWorkspace(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	write(t, filepath.Dir(file), "f", "")
	for dir, want := range map[string]string{
		file + "-gone": fmt.Sprintf("cannot read workspace %q: no such file or directory", file+"-gone"),
		file:           fmt.Sprintf("cannot read workspace %q: it is not a folder", file),
	} {
		if _, _, err := Load(dir, now); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		if _, err := New(Options{Dir: dir}); err == nil {
			t.Error("a watcher of nothing")
		}
	}
}

// TestDangling: each name that one file uses and no other declares.
func TestDangling(t *testing.T) {
	f := func(name, from, to, want string) {
		t.Helper()
		if !strings.Contains(whole[name], from) {
			t.Fatalf("%q is not in %s", from, name)
		}
		if got := problems(t, folder(t, map[string]string{name: strings.Replace(whole[name], from, to, 1)})); got != want {
			t.Errorf("%s: %s\ngot\n%s\nwant\n%s", name, to, got, want)
		}
	}
	f("catalog/all.yml", "production, owner: shop", "production, owner: shp", `catalog/all.yml:29:53: spec.owner: got "shp", expected a team that is declared (did you mean "shop"?)`)
	f("catalog/all.yml", "system: store", "system: stor", `catalog/all.yml:29:67: spec.system: got "stor", expected a system that is declared (did you mean "store"?)`)
	f("catalog/all.yml", `"resource:orders"`, `"component:orders"`, `catalog/all.yml:29:86: spec.dependsOn[0]: got "component:orders", expected a component or resource that is declared (did you mean "resource:default/orders"?)`)
	f("catalog/all.yml", "members: [bob]", "members: [bib]", `catalog/all.yml:4:44: spec.members[0]: got "bib", expected a person that is declared (did you mean "bob"?)`)
	f("catalog/all.yml", "memberOf: [shop]", "memberOf: [shop, sale]", `catalog/all.yml:9:25: spec.memberOf[1]: got "sale", expected a team that is declared`)
	f("catalog/all.yml", "level: lead", "level: leed", `catalog/all.yml:8:54: metadata.labels.evenkeel.dev/level: got "leed", expected a level that is declared (did you mean "lead"?)`+
		"\n"+`runbooks/drain.md:8: drain: risk: got "high", expected a risk that somebody's level may run or approve (no person of the catalogue has such a level)`)
	f("objectives/checkout.yml", "service: checkout", "service: chekout", `objectives/checkout.yml:5:12: spec.service: got "chekout", expected a service that is declared (did you mean "checkout"?)`)
	f("objectives/checkout.yml", "runbook: drain", "runbook: drian", `objectives/checkout.yml:3:62: metadata.annotations.evenkeel.dev/runbook: got "drian", expected a runbook that is declared (did you mean "drain"?)`)
	f("rules/shop.yml", "service: checkout", "service: chekcout", `rules/shop.yml:1:67: groups[0].rules[0].labels.service: got "chekcout", expected a service that is declared (did you mean "checkout"?)`)
	f("rules/shop.yml", "team: shop", "team: sop", `rules/shop.yml:1:83: groups[0].rules[0].labels.team: got "sop", expected a team that is declared (did you mean "shop"?)`)
	f("rules/shop.yml", "runbook: drain", "runbook: dra1n", `rules/shop.yml:1:113: groups[0].rules[0].annotations.runbook: got "dra1n", expected a runbook that is declared (did you mean "drain"?)`)
	f("rules/shop_test.yml", "shop.yml", "shpo.yml", `rules/shop_test.yml:1:14: rule_files[0]: got "shpo.yml", expected a rule file beside this one (did you mean "shop.yml"?)`)
	f("oncall/shop.yml", "people: [alice", "people: [alcie", `oncall/shop.yml:1:96: schedules[0].layers[0].people[0]: got "alcie", expected a person that is declared (did you mean "alice"?)`)
	f("oncall/shop.yml", "team: shop", "team: shops", `oncall/shop.yml:1:32: schedules[0].team: got "shops", expected a team that is declared (did you mean "shop"?)`)
	f("runbooks/drain.md", "services: [checkout]", "services: [check-out]", `runbooks/drain.md:3:12: services[0]: got "check-out", expected a service that is declared (did you mean "checkout"?)`)
	f("runbooks/drain.md", "objective: orders", "objective: order", `runbooks/drain.md:4:21: verify.objective: got "order", expected an objective that is declared (did you mean "orders"?)`)
	// A runbook that is kept elsewhere is a link.
	if got := problems(t, folder(t, map[string]string{"rules/shop.yml": strings.Replace(whole["rules/shop.yml"], "runbook: drain", "runbook: 'https://example.org/drain'", 1)})); got != "" {
		t.Error(got)
	}
	// Rules from elsewhere use these labels their own way.
	if got := problems(t, folder(t, map[string]string{
		"catalog/all.yml": "", "objectives/checkout.yml": "", "oncall/shop.yml": "",
		"runbooks/drain.md": strings.NewReplacer("services: [checkout]\n", "", "verify: {objective: orders}\n", "").Replace(whole["runbooks/drain.md"]),
	})); got != "" {
		t.Error(got)
	}
}

func TestTwice(t *testing.T) {
	f := func(name, text, want string) {
		t.Helper()
		if got := problems(t, folder(t, map[string]string{name: text})); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
	const head = "apiVersion: backstage.io/v1alpha1\nkind: "
	f("catalog/more.yml", head+"Component\nmetadata: {name: checkout}\nspec: {type: service, lifecycle: production, owner: shop}\n",
		`catalog/more.yml:3:18: name: got "checkout", expected each service once (it is also in catalog/all.yml:28:18)`)
	f("catalog/more.yml", head+"User\nmetadata: {name: bob}\nspec: {memberOf: []}\n", `catalog/more.yml:3:18: name: got "bob", expected each person once (it is also in catalog/all.yml:13:18)`)
	f("objectives/more.yml", strings.Replace(whole["objectives/checkout.yml"], "annotations", "labels", 1), `objectives/more.yml:3:18: name: got "orders", expected each objective once (it is also in objectives/checkout.yml:3:18)`)
	f("runbooks/deep/drain.md", whole["runbooks/drain.md"], `runbooks/drain.md:1: name: got "drain", expected each runbook once (it is also in runbooks/deep/drain.md:1)`)
	f("oncall/more.yml", whole["oncall/shop.yml"], `oncall/shop.yml:1:20: name: got "shop", expected each schedule once (it is also in oncall/more.yml:1:20)`)
}

// TestABrokenFile: what it would have declared is not missing elsewhere.
func TestABrokenFile(t *testing.T) {
	if got := problems(t, folder(t, map[string]string{"catalog/all.yml": whole["catalog/all.yml"] + "  bad: [\n"})); strings.Count(got, "\n") > 0 || !strings.HasPrefix(got, "catalog/all.yml:") {
		t.Errorf("got\n%s", got)
	}
	// All mistakes of all files at once, in order.
	got := problems(t, folder(t, map[string]string{"evenkeel.yml": "a: 1\n", "routing.yml": "route: {}\n", "scrape.yml": "a: 1\n", "oncall/shop.yml": "a: 1\n", "rules/shop.yml": "a: 1\n", "rules/z.yml": "b: 1\n"}))
	var files []string
	for _, line := range strings.Split(got, "\n") {
		file, _, _ := strings.Cut(line, ":")
		files = append(files, file)
	}
	if strings.Join(files, " ") != "evenkeel.yml oncall/shop.yml routing.yml rules/shop.yml rules/z.yml scrape.yml" {
		t.Errorf("got\n%s", got)
	}
}

func TestMisplacedNames(t *testing.T) {
	dir := folder(t, map[string]string{"objective/x.yml": "a: 1\n", "routing.yaml": "a: 1\n", "README.md": "x", "roles/x.yml": "a: 1\n", ".git/config": "x", "targets.json": "[]"})
	w, found, err := Load(dir, now)
	want := `objective: expected a name that belongs to a workspace (did you mean "objectives"? it is not read)
routing.yaml: expected a name that belongs to a workspace (did you mean "routing.yml"? it is not read)`
	if err != nil || w == nil || found.Error() != want || len(w.Problems) != 2 || !found[0].Warning {
		t.Errorf("%v\n%v", found, err)
	}
}

// TestLinks: what leads out of the workspace is refused; what stays inside is read once.
func TestLinks(t *testing.T) {
	link := func(dir, name, to string) {
		t.Helper()
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	outside := t.TempDir()
	write(t, outside, "secret.yml", "hunter2: [\n")
	f := func(name, to, want string) {
		t.Helper()
		dir := folder(t, nil)
		link(dir, name, to)
		if got := problems(t, dir); got != want {
			t.Errorf("%s -> %s\ngot\n%s\nwant\n%s", name, to, got, want)
		}
	}
	leads := func(name string) string {
		return name + ": expected a file inside of the workspace (the symbolic link leads out of it)"
	}
	f("catalog/x.yml", filepath.Join(outside, "secret.yml"), leads("catalog/x.yml"))
	f("catalog/deep", outside, leads("catalog/deep"))
	f("runbooks/x.md", "../../../../../../../../etc/passwd", leads("runbooks/x.md"))
	f("catalog/x.yml", "/dev/zero", leads("catalog/x.yml"))
	f("catalog/x.yml", "gone.yml", "catalog/x.yml: expected a readable file (lstat catalog/gone.yml: no such file or directory)")
	f("catalog/x.yml", "x.yml", "catalog/x.yml: expected a readable file (EvalSymlinks: too many links)")
	f("catalog/loop", ".", "") // around, but everything once
	f("catalog/x.yml", "all.yml", "")
	dir := folder(t, map[string]string{"routing.yml": ""})
	link(dir, "routing.yml", filepath.Join(outside, "secret.yml"))
	if got := problems(t, dir); got != leads("routing.yml") {
		t.Error(got)
	}
	// As Kubernetes mounts a ConfigMap: links inside of the folder, through ..data.
	mounted := t.TempDir()
	write(t, mounted, "..2026/evenkeel.yml", "external_url: https://keel.example.org\n")
	link(mounted, "..data", "..2026")
	link(mounted, "evenkeel.yml", "..data/evenkeel.yml")
	w, found, err := Load(mounted, now)
	if err != nil || w == nil || w.Settings.ExternalURL != "https://keel.example.org" {
		t.Errorf("%v, %v", found, err)
	}
	// A workspace that is itself a link is as good as any.
	at := filepath.Join(t.TempDir(), "current")
	if err := os.Symlink(folder(t, nil), at); err != nil {
		t.Fatal(err)
	}
	if got := problems(t, at); got != "" {
		t.Error(got)
	}
}

// TestNoFiles: nothing waits for a pipe's writer, and a folder is no file.
func TestNoFiles(t *testing.T) {
	dir := folder(t, map[string]string{"scrape.yml": "", "evenkeel.yml": "", "evenkeel.yml/x": "x", "oncall/x.yml/y": "y"})
	for _, name := range []string{"scrape.yml", "catalog/pipe.yml", "runbooks/pipe.md"} {
		if err := syscall.Mkfifo(filepath.Join(dir, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want := `catalog/pipe.yml: expected a regular file (it is a named pipe)
evenkeel.yml: expected a regular file (it is a folder)
runbooks/pipe.md: expected a regular file (it is a named pipe)
scrape.yml: expected a regular file (it is a named pipe)`
	got := problems(t, dir)
	// The levels are gone with evenkeel.yml.
	var lines []string
	for _, l := range strings.Split(got, "\n") {
		if !strings.Contains(l, "level") {
			lines = append(lines, l)
		}
	}
	if strings.Join(lines, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestBounds: what is too much is said and left out, in moments.
func TestBounds(t *testing.T) {
	began := time.Now()
	huge := folder(t, map[string]string{"catalog/huge.yml": strings.Repeat("#", yamldoc.MaxBytes+1)})
	if got, want := problems(t, huge), fmt.Sprintf("catalog/huge.yml: expected a file of at most %d bytes (it has %d)", yamldoc.MaxBytes, yamldoc.MaxBytes+1); got != want {
		t.Errorf("got %s", got)
	}
	// A hole of a terabyte takes no space, and must take no memory.
	sparse, err := os.Create(filepath.Join(huge, "catalog/huge.yml"))
	if err == nil {
		err = sparse.Truncate(1 << 40)
	}
	if err != nil {
		t.Fatal(err)
	}
	_ = sparse.Close()
	if got := problems(t, huge); !strings.HasSuffix(got, "(it has 1099511627776)") {
		t.Errorf("got %s", got)
	}
	deep := folder(t, map[string]string{"runbooks/" + strings.Repeat("a/", 12) + "x.md": "# X\n"})
	if got, want := problems(t, deep), "runbooks"+strings.Repeat("/a", 11)+": expected folders at most 10 deep"; got != want {
		t.Errorf("got %s", got)
	}
	bomb := "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
	for i := 1; i < 30; i++ {
		bomb += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i-1), 10), ","))
	}
	for _, name := range []string{"evenkeel.yml", "routing.yml", "scrape.yml", "catalog/b.yml", "objectives/b.yml", "rules/b.yml", "rules/b_test.yml", "oncall/b.yml", "runbooks/b.md"} {
		text := bomb
		if strings.HasSuffix(name, ".md") {
			text = "---\n" + bomb + "---\n# B\n"
		}
		if got := problems(t, folder(t, map[string]string{name: text})); !strings.Contains(got, "at most 500000 values after aliases are expanded") {
			t.Errorf("%s: got %.300s", name, got)
		}
	}
	if took := time.Since(began); took > time.Minute { // three seconds are usual
		t.Errorf("it took %s", took)
	}
}

// TestManyFiles: the first 20,000 are read, and it is said that there are more.
func TestManyFiles(t *testing.T) {
	dir := t.TempDir()
	one := filepath.Join(dir, "rules", "r.yml")
	write(t, dir, "rules/r.yml", "groups: []\n")
	for i := range maxFiles + 500 { // links to one file would be read once: these are files of their own
		if err := os.Link(one, filepath.Join(dir, "rules", fmt.Sprintf("r%05d.yml", i))); err != nil {
			write(t, dir, fmt.Sprintf("rules/r%05d.yml", i), "groups: []\n") // a limit of links
			one = filepath.Join(dir, "rules", fmt.Sprintf("r%05d.yml", i))
		}
	}
	if got, want := problems(t, dir), "expected at most 20000 files (this one and the following were not read)"; strings.Count(got, "\n") != 0 || !strings.HasSuffix(got, want) {
		t.Errorf("got %.500s", got)
	}
}

// TestManyProblems: nobody reads more than some thousand.
func TestManyProblems(t *testing.T) {
	var text strings.Builder
	text.WriteString("schedules:\n")
	for i := range maxProblems {
		fmt.Fprintf(&text, "  - {name: s%d, team: gone, layers: [{start: 2026-01-05T09:00, every: daily, people: [nobody]}]}\n", i)
	}
	_, found, err := Load(folder(t, map[string]string{"oncall/shop.yml": text.String()}), now)
	if err != nil || len(found) != maxProblems+1 || !strings.Contains(found[maxProblems].Error(), "expected fewer mistakes (") {
		t.Errorf("%d problems, %v", len(found), err)
	}
}

// TestSingleFiles is what an editor asks.
func TestSingleFiles(t *testing.T) {
	dir := folder(t, map[string]string{"oncall/shop.yml": strings.Replace(whole["oncall/shop.yml"], "alice", "alcie", 1)})
	var f Files
	check := func(name, want string) {
		t.Helper()
		found, err := f.Check(name, now)
		got := found.Error()
		if err != nil {
			got = err.Error()
		}
		if got = strings.ReplaceAll(got, dir, "DIR"); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
	}
	check(filepath.Join(dir, "oncall/shop.yml"), `DIR/oncall/shop.yml:1:96: schedules[0].layers[0].people[0]: got "alcie", expected a person that is declared (did you mean "alice"?)`)
	check(filepath.Join(dir, "catalog/all.yml"), "")
	check(filepath.Join(dir, "gone.yml"), `cannot read file "DIR/gone.yml": open DIR/gone.yml: no such file or directory`)
	check(dir, `cannot read file "DIR": it is a folder`)
	// Outside of any workspace a file is what it looks like, and its references are not looked up.
	alone := t.TempDir()
	for name, text := range map[string]string{
		"a.yml": whole["catalog/all.yml"], "b.yml": whole["objectives/checkout.yml"], "c.yml": whole["rules/shop.yml"], "d.yml": whole["rules/shop_test.yml"],
		"e.yml": whole["routing.yml"], "f.yml": whole["scrape.yml"], "g.yml": whole["oncall/shop.yml"], "h.yml": whole["evenkeel.yml"], "i.md": whole["runbooks/drain.md"],
	} {
		write(t, alone, name, text)
		check(filepath.Join(alone, name), "")
	}
	write(t, alone, "x.yml", "hello: world\n")
	if _, err := f.Check(filepath.Join(alone, "x.yml"), now); err == nil || !strings.Contains(err.Error(), "cannot tell what file ") {
		t.Errorf("got %v", err)
	}
	write(t, alone, "y.yml", "groups: [{name: g, rules: [{alert: A, expr: 'up('}]}]\n")
	found, err := f.Check(filepath.Join(alone, "y.yml"), now)
	if err != nil || len(found) != 1 || found[0].File != filepath.Join(alone, "y.yml") || found[0].Line != 1 {
		t.Errorf("%v, %v", found, err)
	}
}
