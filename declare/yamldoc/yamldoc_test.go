package yamldoc

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/declare"
)

func one(t *testing.T, text string) (Node, *declare.Problems) {
	t.Helper()
	var problems declare.Problems
	n, ok := One("f.yml", []byte(text), &problems)
	if !ok {
		t.Fatalf("%q: no document: %v", text, problems)
	}
	return n, &problems
}

func TestWhatCannotBeRead(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		var problems declare.Problems
		Read("f.yml", []byte(text), &problems)
		if got := problems.Error(); got != strings.Join(want, "\n") {
			t.Errorf("%.60q: got\n%s\nwant\n%s", text, got, strings.Join(want, "\n"))
		}
	}
	f("")
	f("# only a comment\n---\n---\n")
	f("\ufeffa: 1\n")
	f("a: b: c", "f.yml:1: expected valid YAML (mapping values are not allowed in this context)")
	f("a: 1\nb: [1, 2\nc: 3\n", "f.yml:3: expected valid YAML (did not find expected ',' or ']')")
	f("- a\nb: 1\n", "f.yml:2: expected valid YAML (did not find expected '-' indicator)")
	f("a: 1\nb: \x01\n", "f.yml:2: expected valid YAML (control characters are not allowed (value: 1))")
	f("a: 1\nb: \xff\n", "f.yml:2: expected valid UTF-8")
	f("a: *nobody\n", "f.yml:1: expected valid YAML (unknown anchor 'nobody' referenced)")
	f("a: 1\nb: 2\na: 3\n", `f.yml:3:1: a: got "a", expected each key once (it is also on line 1)`)
	f("x:\n  - y: {z: 1, z: 2}\n", `f.yml:2:15: x[0].y.z: got "z", expected each key once (it is also on line 2)`)
	f(strings.Repeat(" ", MaxBytes+1), fmt.Sprintf("f.yml: expected a file of at most %d bytes (it has %d)", MaxBytes, MaxBytes+1))
	f(strings.Repeat("--- a\n", MaxDocuments+5), fmt.Sprintf("f.yml: expected at most %d documents in a file", MaxDocuments))
	f(strings.Repeat("[", 150)+strings.Repeat("]", 150), "f.yml:1: expected nesting of at most 100 levels")
	f("a: &a [*a]\n", "f.yml:1: expected nesting of at most 100 levels")
}

// TestBombs must take moments: each of these is small, and huge when it is expanded.
func TestBombs(t *testing.T) {
	laughs := "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
	for i := 1; i < 30; i++ {
		laughs += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i-1), 10), ","))
	}
	merges := "a0: &a0 {x0: 1, y0: 1}\n"
	for i := 1; i < 30; i++ {
		merges += fmt.Sprintf("a%d: &a%d {<<: [%s], x%d: 1}\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i-1), 10), ","), i)
	}
	f := func(name, text, want string) {
		t.Helper()
		var problems declare.Problems // without bounds the first two would take days: the test's own limit is the clock
		for _, d := range Read("f.yml", []byte(text), &problems) {
			d.StringMap()
		}
		if len(problems) == 0 || !strings.Contains(problems[0].Error(), want) {
			t.Errorf("%s: got %.200q, want %q", name, problems.Error(), want)
		}
	}
	f("billion laughs", laughs, "at most 500000 values")
	f("billion merges", merges, "at most 500000 values")
	f("a key as long as the file", "? "+strings.Repeat("k", 2<<20)+"\n: ["+strings.Repeat("1,", 400_000)+"1]", "a text")
	var keys strings.Builder
	for i := range 200_000 {
		fmt.Fprintf(&keys, "k%d: []\n", i)
	}
	f("many keys", keys.String(), "a text")
	f("many doubles", strings.Repeat("k: 1\n", 200_000), "each key once")
}

func TestProblemsNamePlaceAndType(t *testing.T) {
	f := func(text string, read func(Node), want ...string) {
		t.Helper()
		n, problems := one(t, text)
		read(n)
		if got := problems.Error(); got != strings.Join(want, "\n") {
			t.Errorf("%q: got\n%s\nwant\n%s", text, got, strings.Join(want, "\n"))
		}
	}
	f("a: 1\nspce: {}\n", func(n Node) { n.Only("a", "spec") }, `f.yml:2:1: spce: got "spce", expected one of a, spec (did you mean "spec"?)`)
	f("- 1\n", func(n Node) { n.Only("a") }, `f.yml:1:1: got "a list", expected a mapping`)
	f("a:\n  b: {c: d}\n", func(n Node) { _ = n.At("a", "b").String() }, `f.yml:2:6: a.b: got "a mapping", expected a text`)
	f("a:\n  b: x\n", func(n Node) { n.At("a", "b").List() }, `f.yml:2:6: a.b: got "x", expected a list`)
	f("a: [1, {b: x}]\n", func(n Node) { n.Field("a").List()[1].Field("b").Int() }, `f.yml:1:12: a[1].b: got "x", expected a whole number`)
	f("a: 1\nb: {}\n", func(n Node) { n.At("b", "c", "d").Required("a thing") }, `f.yml:2:4: b.c.d: expected a thing (it is missing)`)
	f("a: ~\n", func(n Node) { n.Field("a").Required("a thing") }, `f.yml:1:4: a: expected a thing (it is missing)`)
	for _, text := range []string{"x", "NaN", ".nan", "inf", "-Inf", "1e999", "[1]", "{}"} {
		f("a: "+text, func(n Node) {
			if v, ok := n.Field("a").Float(); ok {
				t.Errorf("%s is a number: %v", text, v)
			}
		}, fmt.Sprintf("f.yml:1:4: a: got %q, expected a number", map[string]string{"[1]": "a list", "{}": "a mapping"}[text]+map[bool]string{true: text}[!strings.ContainsAny(text, "[{")]))
	}
	f("a: 5", func(n Node) { n.Field("a").Duration() }, `f.yml:1:4: a: got "5", expected a duration as 15s, 5m or 30d`)
	f("a: yes", func(n Node) { n.Field("a").Bool() }, `f.yml:1:4: a: got "yes", expected true or false`)
	f("a: "+strings.Repeat("é", 100), func(n Node) { n.Field("a").Int() }, fmt.Sprintf("f.yml:1:4: a: got %q, expected a whole number", strings.Repeat("é", 79)+"…"))
	f("a: 1\n---\nb: 2\n", func(n Node) {}, `f.yml:3:1: got "another document", expected one document in this file (what stands after --- would not be read)`)
}

func TestMergeKeys(t *testing.T) {
	n, problems := one(t, "base: &base {a: 1, b: 2}\nother: &other {b: 3, c: 4}\nx: {<<: [*base, *other], a: 5}\n")
	got := n.Field("x").StringMap()
	if got["a"] != "5" || got["b"] != "2" || got["c"] != "4" || len(got) != 3 || len(*problems) != 0 {
		t.Errorf("got %v, %v", got, *problems)
	}
}

func TestMisspeltIsForNearMissesOnly(t *testing.T) {
	f := func(key string, want bool) {
		t.Helper()
		n, problems := one(t, key+": 1\n")
		n.Misspelt("owner", "type", "uid", "dependsOn", "lifecycle")
		if got := len(*problems) == 1; got != want {
			t.Errorf("%s: %v", key, *problems)
		}
	}
	f("onwer", true)
	f("Owner", true)
	f("dependson", true)
	f("depends_on", true)
	f("lifecicle", true)
	f("owner", false)
	f("url", false) // open formats have keys of others
	f("id", false)
	f("types", true)
	f("tags", false)
	f("language", false)

	n, problems := one(t, "type: a\ntypes: b\n")
	n.Misspelt("type")
	if len(*problems) != 0 {
		t.Errorf("where type is there, types is something else: %v", *problems)
	}
}

func TestSuggest(t *testing.T) {
	names := []string{"checkout", "payments", "web", "api", "routing.yml"}
	f := func(got, want string) {
		t.Helper()
		if want != "" {
			want = fmt.Sprintf("did you mean %q?", want)
		}
		if s := Suggest(got, names); s != want {
			t.Errorf("%s: got %q, want %q", got, s, want)
		}
	}
	f("chekcout", "checkout")
	f("Checkout", "checkout")
	f("checkout-api", "checkout")
	f("payment", "payments")
	f("routes.yml", "routing.yml")
	f("ap", "api")
	f("db", "")
	f("inventory", "")
	f("", "")
	f("checkout", "")
	f(strings.Repeat("x", 10_000), "")
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{
		"a: 1\n", "a: &a [*a]\n", "<<: {a: 1}\n", "a: {<<: [*x]}\n", "- - - x\n", "? [a]\n: b\n", "a: !!binary x\n", "--- |\n text\n...\n", "\ufeffa: 1\r\nb: 2\r\n",
		"a: &x {b: 1}\nc: {<<: *x, b: 2}\n", "%YAML 1.2\n---\na\n", "a: \"\\u0000\"\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var problems declare.Problems
		docs := Read("f.yml", data, &problems)
		for _, d := range docs {
			touch(d, 0)
		}
		lines := 1 + strings.Count(string(data), "\n") + strings.Count(string(data), "\r") + strings.Count(string(data), "\u0085") +
			strings.Count(string(data), "\u2028") + strings.Count(string(data), "\u2029")
		for _, p := range problems {
			if p.File != "f.yml" || p.Want == "" || p.Line < 0 || p.Line > lines+1 {
				t.Errorf("a problem without a place: %+v", p)
			}
			if strings.ContainsAny(p.Error(), "\n") && !strings.Contains(p.Field, "\n") {
				t.Errorf("a problem of several lines: %q", p.Error())
			}
		}
	})
}

// touch calls every accessor on every node.
func touch(n Node, depth int) {
	n.Only("a", "b")
	n.Misspelt("alpha", "beta")
	n.Float()
	n.Int()
	n.Bool()
	n.Duration()
	_ = n.Required("x")
	_ = n.Raw()
	if depth > 6 {
		return
	}
	for _, p := range n.Pairs() {
		if !slices.Contains([]string{""}, p.Key.Text()) {
			_ = n.Field(p.Key.Text()).Missing()
		}
		touch(p.Value, depth+1)
	}
	if n.IsList() {
		for _, c := range n.List() {
			touch(c, depth+1)
		}
	}
}
