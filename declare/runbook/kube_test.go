package runbook

import (
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/declare"
)

// TestUndoOnce: an undo that was interrupted does not run again by itself.
func TestUndoOnce(t *testing.T) {
	for body, want := range map[string]string{
		"undo deployment/web namespace=shop":    "to undo twice is to do it again",
		"restart deployment/web namespace=shop": "",
	} {
		var problems declare.Problems
		Read("runbooks/x.md", []byte("---\ntitle: X\n---\n# X\n\n```kube {risk=medium retry=safe}\n"+body+"\n```\n"), &problems)
		var said []string
		for _, p := range problems {
			if !p.Warning {
				said = append(said, p.Error())
			}
		}
		if got := strings.Join(said, "\n"); (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
}
