package account

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/act"
)

// Scopes of tokens, and what each lets through. A token without scopes does what its
// person may.
var scopes = map[string]string{
	"read":     "read everything, and query",
	"write":    "send telemetry and alerts",
	"change":   "record changes",
	"gate":     "ask whether a change may go",
	"incident": "act on incidents",
	"request":  "ask for items of the catalogue",
	"run":      "run any runbook; run:NAME only that one",
}

// CheckScopes refuses a scope that there is not.
func CheckScopes(list []string) error {
	for _, s := range list {
		name, book, one := strings.Cut(s, ":")
		if scopes[name] == "" || (one && (name != "run" || book == "" || len(book) > 100)) {
			known := make([]string, 0, len(scopes))
			for k := range scopes {
				known = append(known, k)
			}
			slices.Sort(known)
			return &act.InvalidError{Field: "scopes", Got: s, Want: "one of " + strings.Join(known, ", ") + ", run:RUNBOOK"}
		}
	}
	return nil
}

const ours = "/api/evenkeel/v1"

// need is the scope that a request takes. "person" is nothing that a scope gives: an
// approval, an account, a token is a person's.
func need(method, path string) string {
	rest, api := strings.CutPrefix(path, ours)
	reads := method == http.MethodGet || method == http.MethodHead
	under := func(prefixes ...string) bool {
		return slices.ContainsFunc(prefixes, func(p string) bool { return rest == p || strings.HasPrefix(rest, p+"/") })
	}
	switch {
	case api && under("/gate", "/gates"):
		return "gate"
	case reads && api && under("/tokens"):
		return "person"
	case reads:
		return "read"
	case !api:
		for _, p := range []string{"/api/v1/query", "/api/v1/query_range", "/api/v1/series", "/api/v1/labels", "/api/v1/query_exemplars", "/api/v1/format_query", "/api/v1/parse_query", "/select/"} {
			if path == p || strings.HasSuffix(p, "/") && strings.HasPrefix(path, p) {
				return "read"
			}
		}
		for _, p := range []string{"/api/v1/write", "/v1/", "/loki/", "/insert/", "/api/v2/alerts"} {
			if strings.HasPrefix(path, p) {
				return "write"
			}
		}
		if strings.HasPrefix(path, "/hooks/") {
			return "change"
		}
		return "person"
	case strings.HasPrefix(rest, "/runs"):
		if strings.HasSuffix(rest, "/approve") || strings.HasSuffix(rest, "/refuse") || strings.HasSuffix(rest, "/voice") || strings.HasSuffix(rest, "/take") || strings.HasSuffix(rest, "/tick") {
			return "person"
		}
		return "run"
	case under("/runbooks"):
		if strings.HasSuffix(rest, "/can") {
			return "read"
		}
		return "person"
	case under("/changes"):
		return "change"
	case under("/incidents"):
		return "incident"
	case under("/requests"):
		return "request"
	case under("/backtest", "/plan"):
		return "read"
	}
	return "person"
}

// Allowed says whether somebody's token lets a request through, and why not. What the
// person may do beyond that is decided elsewhere.
func Allowed(id act.Identity, method, path string) (bool, string) {
	if len(id.Scopes) == 0 && !id.Service {
		return true, ""
	}
	n := need(method, path)
	// Whoever may run something may see what became of it.
	follows := n == "read" && strings.HasPrefix(path, ours+"/runs/")
	for _, s := range id.Scopes {
		if name, _, _ := strings.Cut(s, ":"); name == n || (follows && name == "run") {
			return true, ""
		}
	}
	if n == "person" {
		return false, fmt.Sprintf("token %s has scopes (%s), and this is a person's to do", id.Token, strings.Join(id.Scopes, ", "))
	}
	return false, fmt.Sprintf("token %s has scopes %s; this takes %s", id.Token, strings.Join(id.Scopes, ", "), n)
}

// MayRun says whether a token lets a runbook be run.
func MayRun(id act.Identity, runbook string) (bool, string) {
	if len(id.Scopes) == 0 && !id.Service {
		return true, ""
	}
	if slices.Contains(id.Scopes, "run") || slices.Contains(id.Scopes, "run:"+runbook) {
		return true, ""
	}
	return false, fmt.Sprintf("token %s has scopes %s; this takes run:%s", id.Token, strings.Join(id.Scopes, ", "), runbook)
}
