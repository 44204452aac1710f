package cli

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestWhatCannotBeSentIsRefused: JSON would carry another text, and nobody would know.
func TestWhatCannotBeSentIsRefused(t *testing.T) {
	f := func(want string, args ...string) {
		t.Helper()
		cmd := &cobra.Command{}
		r := newRemote(cmd)
		cmd.Flags().StringArrayP("param", "p", nil, "")
		if err := cmd.ParseFlags(args); err != nil {
			t.Fatal(err)
		}
		_, err := r.client(cmd)
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", args, err, want)
		}
	}
	f("", "name", "-p", "version=1.4.2", "-p", "who=Zoë, „ok“")
	f(`cannot use --param: got "b=\xff1", expected text in UTF-8`, "name", "-p", "a=1", "-p", "b=\xff1")
	f(`cannot use argument 2: got "\xe9", expected text in UTF-8`, "name", "\xe9")
}

func TestPairs(t *testing.T) {
	f := func(problem string, list ...string) {
		t.Helper()
		got, err := pairs("parameter", list)
		if problem == "" && (err != nil || len(got) != len(list)) {
			t.Errorf("%q: got %q %v", list, got, err)
		}
		if problem != "" && (err == nil || err.Error() != problem) {
			t.Errorf("%q: got %v, want %q", list, err, problem)
		}
	}
	f("")
	f("", "a=1", "b=", "c=x=y")
	f(`cannot use parameter "a": expected name=value`, "a")
	f(`cannot use parameter "=1": expected name=value`, "=1")
	f(`cannot use parameter "a": got "1" and "2", expected it once`, "a=1", "b=1", "a=2")
}
