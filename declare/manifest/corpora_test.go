//go:build corpora

package manifest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/declare"
)

// TestCorporaPodSecurity: the pods that the Kubernetes project has for its own baseline
// pass and fail here as they do there.
func TestCorporaPodSecurity(t *testing.T) {
	root := corpora(t)
	n := map[string]int{}
	for _, verdict := range []string{"pass", "fail"} {
		files, err := filepath.Glob(filepath.Join(root, "pod-security", "baseline-*", verdict, "*.yaml"))
		if err != nil || len(files) < 10 {
			t.Fatalf("%v, %d files", err, len(files))
		}
		for _, f := range files {
			n[verdict]++
			var found declare.Problems
			for _, p := range read(t, f).Errors() {
				if !beyondBaseline(p) {
					found = append(found, p)
				}
			}
			// 1.24 did not know that pods may have users of their own.
			if old := strings.Contains(f, "v1.24") && strings.Contains(f, "procmount"); (verdict == "fail") != (len(found) > 0) && !old {
				t.Errorf("%s: %v", f, found)
			}
		}
	}
	t.Logf("%d pass, %d fail", n["pass"], n["fail"])
}

// beyondBaseline says whether a problem is of what we want beside the baseline; some of
// the names there have underscores, which the API refuses.
func beyondBaseline(p declare.Problem) bool {
	for _, part := range []string{"image", "resources.", "metadata.name", "runAsNonRoot", "allowPrivilegeEscalation"} {
		if strings.Contains(p.Field, part) {
			return true
		}
	}
	return false
}

// TestCorporaPolaris: what Polaris fails, fails or warns here, in the checks that both have.
func TestCorporaPolaris(t *testing.T) {
	root := corpora(t)
	about := map[string]string{
		"dangerousCapabilities": "capabilities.add", "hostPortSet": "hostPort",
		"hostIPCSet": "hostIPC", "hostPIDSet": "hostPID",
		"memoryRequestsMissing": "requests.memory", "privilegeEscalationAllowed": "allowPrivilegeEscalation",
		"runAsPrivileged": "privileged", "tagNotSpecified": "image",
	}
	n := 0
	for check, field := range about {
		files, err := filepath.Glob(filepath.Join(root, "polaris", check, "*.yaml"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", check, err)
		}
		for _, f := range files {
			base := filepath.Base(f)
			if !strings.HasPrefix(base, "failure") && !strings.HasPrefix(base, "success") {
				continue
			}
			n++
			found := false
			for _, p := range read(t, f) {
				// A field that a pod does not have is told of, too, and is another matter.
				found = found || (strings.HasSuffix(p.Field, field) || strings.Contains(p.Field, field+"[")) && !strings.HasPrefix(p.Want, "a field of")
			}
			if found != strings.HasPrefix(base, "failure") {
				t.Errorf("%s/%s: found %v", check, base, found)
			}
		}
	}
	t.Logf("%d files", n)
}

func corpora(t *testing.T) string {
	root := os.Getenv("EVENKEEL_CORPORA")
	if root == "" {
		t.Skip("EVENKEEL_CORPORA is not set: it names the folder with the public data")
	}
	return root
}

func read(t *testing.T, file string) declare.Problems {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return Check([]File{{file, data}})
}
