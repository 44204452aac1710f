//go:build corpora

package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/evenkeel/evenkeel/detect/ruletest"
)

// TestCorporaRuleTests runs promtool's own test files, and all others among the public
// rules, with promtool and with us: the verdicts are the same.
func TestCorporaRuleTests(t *testing.T) {
	root := os.Getenv("EVENKEEL_CORPORA")
	if root == "" {
		t.Skip("EVENKEEL_CORPORA is not set: it names the folder with the public data")
	}
	promtool := peer(t, "promtool")
	passed, failed := 0, 0
	err := filepath.WalkDir(filepath.Join(root, "prometheus-rules"), func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() || !isYAML(path) {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil || !ruletest.Is(data) {
			return err
		}
		t.Run(e.Name(), func(t *testing.T) {
			out, err := exec.Command(promtool, "test", "rules", path).CombinedOutput()
			code := 0
			if err != nil {
				code = 1
				failed++
			} else {
				passed++
			}
			if stdout, _ := runCheck(t, code, "--test", path); code == 1 && stdout == "" {
				t.Errorf("it does not say what is wrong; promtool:\n%s", out)
			}
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d files pass and %d fail, by promtool and by us", passed, failed)
	if passed < 6 || failed < 6 {
		t.Error("expected more files of tests")
	}
}
