package app

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/act"
)

// TestAPackageUpgradeThatNobodyRecordedIsFound: it is found once, when dpkg has ended, with
// the packages that are other ones now; over a restart too. A patch of the machine on record
// explains it.
func TestAPackageUpgradeThatNobodyRecordedIsFound(t *testing.T) {
	a := newApp(t, map[string]string{})
	ctx := t.Context()
	file := filepath.Join(t.TempDir(), "status")
	start := time.Now().Add(-3 * time.Hour).Truncate(time.Second)
	installed := func(at time.Duration, versions ...string) {
		t.Helper()
		var b strings.Builder
		for i, v := range versions {
			if v != "" {
				fmt.Fprintf(&b, "Package: p%d\nStatus: install ok installed\nArchitecture: amd64\nVersion: %s\n\n", i, v)
			}
		}
		if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, start.Add(at), start.Add(at)); err != nil {
			t.Fatal(err)
		}
	}
	a.installed = &packages{path: file, resource: "resource/default/web-1"}
	look := func(at time.Duration) (out []string) {
		t.Helper()
		if err := a.lookForUnrecorded(ctx, start.Add(at)); err != nil {
			t.Fatal(err)
		}
		for _, f := range a.findings.OpenFindings(detectorChange) {
			out = append(out, f.Summary)
		}
		return out
	}
	look(0) // there is no dpkg
	installed(-time.Hour, "1", "1", "1", "1", "1", "1", "1")
	if got := look(time.Minute); len(got) != 0 {
		t.Fatalf("what was there ever: %q", got)
	}
	installed(10*time.Minute, "2", "1", "1", "1", "1", "1", "1") // in the middle of it
	look(10*time.Minute + 30*time.Second)
	installed(11*time.Minute, "2", "2", "2", "2", "", "2", "1", "1")
	look(11*time.Minute + 30*time.Second)
	a.installed = &packages{path: file, resource: "resource/default/web-1"} // a restart
	look(14 * time.Minute)
	got := look(22 * time.Minute)
	want := "packages of resource/default/web-1 were altered (p0 1 → 2, p1 1 → 2, p2 1 → 2, p3 1 → 2, p4 1 (gone), and 2 more) at " + start.Add(11*time.Minute).UTC().Format("2006-01-02 15:04") + ", and no change on record says why"
	if len(got) != 1 || got[0] != want {
		t.Fatalf("got %q\nexpected %q", got, want)
	}
	if _, err := a.changes.Record(ctx, time.Now(), "person:alice", act.Change{Kind: act.Patch, Resources: []string{"resource/default/web-1"}, StartedAt: start.Add(9 * time.Minute)}); err != nil {
		t.Fatal(err)
	}
	if got := look(23 * time.Minute); len(got) != 0 {
		t.Errorf("it is on record: %q", got)
	}
	installed(time.Hour, "2", "broken")
	if err := os.WriteFile(file, []byte("rubbish\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(file, start.Add(time.Hour), start.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if got := look(2 * time.Hour); len(got) != 0 {
		t.Errorf("a file that cannot be read is no change: %q", got)
	}
}
