package cli

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestSavedViews saves a page by its path and as the address bar has it; a page of another
// server is refused.
func TestSavedViews(t *testing.T) {
	p := newProcess(t)
	p.start()
	run := func(want string, args ...string) {
		t.Helper()
		cmd := exec.Command(os.Args[0], append([]string{"view"}, args...)...)
		cmd.Env = append(os.Environ(), runAsCLI+"=1", "EVENKEEL_URL=http://"+p.addr, "EVENKEEL_TOKEN="+p.token)
		out, _ := cmd.CombinedOutput()
		if got := strings.Join(strings.Fields(string(out)), " "); !strings.Contains(got, want) {
			t.Errorf("view %s: got %q, expected %q", strings.Join(args, " "), got, want)
		}
	}
	run("No view is saved.", "list")
	run("1", "save", "errors", "/explore?logs=error")
	run("2", "save", "failed", "http://"+p.addr+"/traces?q=%7Bstatus%3Derror%7D")
	run("url: got", "save", "elsewhere", "http://example.com/explore?logs=error")
	run("ID NAME TEAM BY PAGE 1 errors - carol /explore?logs=error 2 failed - carol /traces?q=%7Bstatus%3Derror%7D", "list")
	run("", "remove", "1")
	run("ID NAME TEAM BY PAGE 2 failed", "list")
	run("cannot remove view 9: not found", "remove", "9")
}
