//go:build volume

package cli

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

// TestVolume asks for more of a real logical volume and of a real project quota, in a
// virtual machine with the program in it: the shop's own item, approved by a senior, run by
// root. What there is no room for, and what has no quota, is not altered and says why.
func TestVolume(t *testing.T) {
	dir := os.Getenv("EVENKEEL_PEERS")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			t.Fatal(err)
		}
		dir = filepath.Join(home, ".cache", "evenkeel", "peers")
	}
	base, err := os.ReadFile(filepath.Join(dir, "volume/initramfs"))
	if err != nil {
		t.Fatalf("no virtual machine: make volume makes it (%v)", err)
	}
	root := t.TempDir()
	read := func(name string) string {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for name, text := range map[string]string{
		"init":                               read("testdata/volume-init"),
		"workspace/evenkeel.yml":             "runner: {user: root}\notlp: {grpc: \"off\"}\n",
		"workspace/requests/grow-volume.yml": read("../examples/shop/workspace/requests/grow-volume.yml"),
		"workspace/runbooks/grow-volume.md":  read("../examples/shop/workspace/runbooks/grow-volume.md"),
		"workspace/catalog/people.yml": `apiVersion: backstage.io/v1alpha1
kind: Group
metadata: {name: shop}
spec: {type: team, children: [], members: [alice, bob]}
---
apiVersion: backstage.io/v1alpha1
kind: User
metadata: {name: alice, labels: {evenkeel.dev/level: junior}}
spec: {memberOf: [shop]}
---
apiVersion: backstage.io/v1alpha1
kind: User
metadata: {name: bob, labels: {evenkeel.dev/level: senior}}
spec: {memberOf: [shop]}
`,
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	run := func(in []byte, name string, args ...string) []byte {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Stdin, cmd.Dir = bytes.NewReader(in), root
		cmd.Stderr = os.Stderr
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		return out
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	run(nil, "go", "build", "-C", here, "-o", filepath.Join(root, "bin/evenkeel"), "../cmd/evenkeel")
	ours := run(nil, "sh", "-c", "find . | cpio -o -H newc --quiet")
	for name, data := range map[string][]byte{"initramfs": append(base, ours...), "disk": nil} {
		if err := os.WriteFile(filepath.Join(root, "..", name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Truncate(filepath.Join(root, "../disk"), 1500<<20); err != nil {
		t.Fatal(err)
	}
	console := run(nil, "qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-m", "1024", "-nographic", "-no-reboot", "-nodefaults", "-serial", "stdio",
		"-kernel", filepath.Join(dir, "volume/vmlinuz"), "-initrd", filepath.Join(root, "../initramfs"), "-append", "console=ttyS0 quiet panic=-1",
		"-drive", "file="+filepath.Join(root, "../disk")+",format=raw,if=virtio")
	t.Logf("%s", console)
	got := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^HAS (\S+) (.*?)\r?$`).FindAllSubmatch(console, -1) {
		got[string(m[1])] = string(m[2])
	}
	for what, want := range map[string]string{
		"volume-before": "256.00", "request-1": "done", "volume-after": "1280.00", "blocks": "1310720",
		"limits-before": "51200/102400", "request-2": "done", "limits-after": "1099776/1150976",
		"request-3": "queued", "volume-end": "1280.00", "request-4": "queued", "room": "209715200", "data": "same", "own-1": "", "own-2": "", "end": "end",
	} {
		if got[what] != want {
			t.Errorf("%s: got %q, expected %q", what, got[what], want)
		}
	}
	for _, why := range []string{"KiB free, 1048576 needed", "/srv/orders/free has no project, so no quota", "nobody approves what they asked for themselves"} {
		if !bytes.Contains(console, []byte(why)) {
			t.Errorf("nothing says %q", why)
		}
	}
}
