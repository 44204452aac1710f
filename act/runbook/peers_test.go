//go:build kube || tofu

package runbook

import (
	"os"
	"path/filepath"
	"testing"
)

// peer finds a program that one of the scripts builds.
func peer(t *testing.T, name, how string) string {
	t.Helper()
	dir := os.Getenv("EVENKEEL_PEERS")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			t.Fatal(err)
		}
		dir = filepath.Join(home, ".cache", "evenkeel", "peers")
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("no %s: %s builds it (%v)", name, how, err)
	}
	return path
}
