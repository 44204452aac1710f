package cli

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

// TestGuide: a verb that is not there is an error that names those that are, and a wrong
// number of arguments says which are expected.
func TestGuide(t *testing.T) {
	f := func(code int, want string, args ...string) {
		t.Helper()
		var out, errs bytes.Buffer
		got := Run(context.Background(), args, strings.NewReader(""), &out, &errs)
		if got != code || !strings.Contains(out.String()+errs.String(), want) {
			t.Errorf("%v: got %d %q %q, want %d and %q", args, got, out.String(), errs.String(), code, want)
		}
	}
	f(ExitError, `got "frob", expected one of calendar, explain, gaps`, "oncall", "frob")
	f(ExitError, `got "frob", expected one of`, "incident", "frob")
	f(ExitError, `usage: evenkeel oncall override add SCHEDULE PERSON`, "oncall", "override", "add")
	f(ExitError, `usage: evenkeel incident ack N`, "incident", "ack", "1", "2")
	f(ExitFine, "Available Commands", "oncall")
	f(ExitFine, "Available Commands", "oncall", "--help")
}
