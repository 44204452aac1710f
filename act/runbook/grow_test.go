package runbook

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/act"
)

// TestGrowVolumeUnderLeastRights runs the shop's own runbook as the runner runs it, on a
// real file system in a file: without the right to write it, it says so before anything
// is altered; with it, the file system grows, over what a step may write otherwise.
func TestGrowVolumeUnderLeastRights(t *testing.T) {
	t.Setenv("PATH", os.Getenv("PATH")+":/sbin:/usr/sbin")
	if _, err := exec.LookPath("mkfs.ext4"); err != nil {
		t.Skip("mkfs.ext4 is not installed: scripts/test-tools does")
	}
	text, err := os.ReadFile("../../examples/shop/workspace/runbooks/grow-volume.md")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "grow")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	image := filepath.Join(dir, "disk.img")
	if out, err := exec.CommandContext(t.Context(), "sh", "-c", "truncate -s 64M "+image+" && mkfs.ext4 -q -F "+image).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	mode := os.FileMode(0o444)
	if err := os.Chmod(image, mode); err != nil {
		t.Fatal(err)
	}
	b := newBench(t, t.TempDir(), map[string]string{"grow-volume": string(text)}, func(o *Options) { o.User = "nobody" })
	grow := func() act.Run { // bob, a senior, makes a normal change alone when its checks have passed
		return b.ended(b.start("bob", "grow-volume", map[string]string{"volume": image, "gib": "2"}).ID)
	}
	size := func() int64 {
		info, err := os.Stat(image)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	if run := grow(); run.Status != act.RunFailed || !strings.Contains(run.Steps[0].Output, "may not write "+image) || run.Steps[1].Attempt != 0 || size() != 64<<20 {
		t.Errorf("without the right: %+v", run)
	}
	if err := os.Chmod(image, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := handOver(image, "nobody"); err != nil {
		t.Fatal(err)
	}
	if run := grow(); run.Status != act.RunDone || size() != 64<<20+2<<30 {
		t.Errorf("%d bytes: %+v", size(), run)
	}
	out, err := exec.CommandContext(t.Context(), "dumpe2fs", "-h", image).Output()
	if err != nil || !strings.Contains(string(out), fmt.Sprintf("Block count:              %d\n", (64<<20+2<<30)/4096)) && !strings.Contains(string(out), fmt.Sprint((64<<20+2<<30)/1024)) {
		t.Errorf("%v: %s", err, out)
	}
}
