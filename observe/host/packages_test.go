package host

import (
	"maps"
	"os"
	"os/exec"
	"strings"
	"testing"
)

const status = `Package: openssl
Status: install ok installed
Architecture: amd64
Version: 3.0.11-1
Description: Secure Sockets Layer toolkit
 Package: not this one
 .
 more

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: libc6
Status: install ok triggers-pending
Architecture: i386
Version: 2.36-9

Package: libc6
Status: hold ok installed
Architecture: amd64
Version: 2.36-9`

func TestPackages(t *testing.T) {
	got, err := Packages(strings.NewReader(status))
	want := map[string]string{"openssl:amd64": "3.0.11-1", "libc6:i386": "2.36-9", "libc6:amd64": "2.36-9"}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("%v %v", got, err)
	}
	after := map[string]string{"openssl:amd64": "3.0.13-1", "libc6:amd64": "2.36-9", "curl:amd64": "7.88"}
	if d := strings.Join(Differences(want, after), ", "); d != "curl 7.88 (new), libc6 2.36-9 (gone), openssl 3.0.11-1 → 3.0.13-1" {
		t.Error(d)
	}
	if Digest(want) == Digest(after) || Digest(want) != Digest(maps.Clone(want)) || len(Digest(want)) != 12 {
		t.Error(Digest(want), Digest(after))
	}
	for _, bad := range []string{
		"Package openssl\n", "\x00\x01", "Status: install ok installed\nVersion: 1\n", "Package: x\nStatus: install ok installed\n",
		"Package: " + strings.Repeat("x", 400), strings.Repeat("A: b\n\n", maxStatus/6+1),
	} {
		if got, err := Packages(strings.NewReader(bad)); err == nil {
			t.Errorf("%.40q is taken for %v", bad, got)
		}
	}
	if got, err := Packages(strings.NewReader("Description: " + strings.Repeat("Version: 9 ", 20_000) + "\n" + status)); err != nil || len(got) != 3 {
		t.Errorf("a long line: %v %v", got, err)
	}
}

// TestPackagesOfThisMachine are what dpkg itself says of it.
func TestPackagesOfThisMachine(t *testing.T) {
	f, err := os.Open(DpkgStatus)
	if err != nil {
		t.Skip("this machine has no dpkg")
	}
	defer f.Close()
	got, err := Packages(f)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}:${Architecture} ${Version}\n").Output()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) == 3 && (f[0] == "installed" || strings.HasPrefix(f[0], "triggers-")) {
			want[f[1]] = f[2]
		}
	}
	if !maps.Equal(got, want) || len(want) == 0 {
		t.Errorf("%d packages, dpkg says %d: %v", len(got), len(want), Differences(want, got))
	}
}

func FuzzPackages(f *testing.F) {
	f.Add(status)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := Packages(strings.NewReader(text))
		for name, version := range got {
			if err == nil && (version == "" || !strings.Contains(text, version) || strings.ContainsAny(version, "\n")) {
				t.Errorf("%q has version %q", name, version)
			}
		}
	})
}
