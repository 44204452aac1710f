package cli

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/runbook"
)

func TestRunbooksAreLinted(t *testing.T) {
	dir := t.TempDir()
	all, files := map[string]*declare.Runbook{}, map[string]string{}
	write := func(name, text string) {
		t.Helper()
		files[name] = filepath.Join(dir, name+".md")
		if err := os.WriteFile(files[name], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var problems declare.Problems
		if all[name] = runbook.Read(files[name], []byte(text), &problems); len(problems) > 0 {
			t.Fatal(problems)
		}
	}
	write("good", "---\nverify_by: 2027-01-01\n---\n# Good\n\nSee [the other](loop.md) and [a page](/services/checkout) and [afar](https://example.org).\n\n```sh {risk=low}\nif true; then echo; fi\n```\n")
	write("shell", "# Shell\n\n```sh {name=broken risk=low}\nif true; then echo\n```\n")
	write("commands", "# Commands\n\n```sh {name=go risk=low}\nretry() { for i in 1 2 3; do \"$@\" && return; done; }\nretry deployctl-of-nobody forward\ncd /tmp && cat x | nosuch-filter --all > y\n[ -n \"$(nosuch-in-a-substitution)\" ] || /nosuch/at-all\nnosuch-filter; \"$tool\" x; ./made-here; LANG=C ls\n```\n\n```ssh {host=web-1 risk=low}\nnosuch-there\n```\n")
	write("old", "---\nverify_by: 2026-01-01\n---\n# Old\n\n[gone](gone.md)\n")
	write("loop", "# Loop\n\n```runbook {run=back}\n```\n")
	write("back", "# Back\n\n```runbook {run=loop}\n```\n\n```runbook {run=nowhere}\n```\n")
	write("infra", "# Infra\n\n```terraform {name=go action=apply plan=missing}\n```\n")
	f := func(name string, want ...string) {
		t.Helper()
		got := lint(t.Context(), files[name], all[name], all, time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC))
		if len(got) != len(want) {
			t.Errorf("%s: got %v, want %q", name, got, want)
			return
		}
		for i, w := range want {
			if !strings.Contains(got[i].Error(), w) {
				t.Errorf("%s: got %q, want %q", name, got[i].Error(), w)
			}
		}
	}
	f("good")
	f("shell", "a text that sh can read")
	f("commands", `commands.md:6: command: got "nosuch-filter", expected a command of this machine`, `commands.md:7: command: got "nosuch-in-a-substitution"`, `commands.md:7: command: got "/nosuch/at-all"`)
	for _, p := range lint(t.Context(), files["commands"], all["commands"], all, time.Now()) {
		if !p.Warning {
			t.Errorf("%v is an error: it may be there where the step runs", p)
		}
	}
	f("old", "a date to come", "a file that is there")
	f("loop", "come")
	f("back", "come", "the name of a runbook")
	f("infra", "a terraform plan step before it")
}

// TestLinksAreFollowed: each once, by GET where there is no HEAD; what is gone, silent or
// runs in circles is named with its place.
func TestLinksAreFollowed(t *testing.T) {
	asked := make(chan string, 100)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /good", func(_ http.ResponseWriter, r *http.Request) { asked <- r.Method })
	mux.HandleFunc("POST /posts", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /private", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	mux.HandleFunc("GET /round", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/round", http.StatusFound) })
	mux.HandleFunc("/get-only", func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			w.WriteHeader(http.StatusMethodNotAllowed)
		}
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	text := strings.ReplaceAll("# Links\n\n[a](URL/good) [b](URL/good#part)\n[c](URL/gone) [d](URL/private)\n[e](URL/round)\n[f](URL/get-only) [g](mailto:a@example.org) [h](other.md)\n[i](http://127.0.0.1:1/)\n", "URL", srv.URL)
	got := follow(t.Context(), outward("links.md", []byte(text)))
	if len(got) != 3 {
		t.Fatalf("got %v, expected the gone one, the circle and the silent one", got)
	}
	for i, w := range []string{"404", "more than 5 redirects", "refused"} {
		if !got[i].Warning || got[i].Line != []int{4, 5, 7}[i] || !strings.Contains(got[i].Hint, w) {
			t.Errorf("got %+v, want line %d and %q", got[i], []int{4, 5, 7}[i], w)
		}
	}
	if len(asked) != 1 {
		t.Errorf("a link that stands twice was asked %d times", len(asked))
	}
}
