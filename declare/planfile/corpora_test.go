//go:build corpora

package planfile

import (
	"os"
	"path/filepath"
	"testing"
)

// TestCorporaPlans: the plans of Terraform's own tests are read; none of them destroys what
// keeps data.
func TestCorporaPlans(t *testing.T) {
	root := os.Getenv("EVENKEEL_CORPORA")
	if root == "" {
		t.Skip("EVENKEEL_CORPORA is not set: it names the folder with the public data")
	}
	files, err := filepath.Glob(filepath.Join(root, "terraform-plans", "testdata", "*", "plan.json"))
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		got := Read(filepath.Base(filepath.Dir(name)), data, nil)
		if invalid := filepath.Base(filepath.Dir(name)) == "invalid"; !Is(data) || (len(got.Errors()) > 0) != invalid {
			t.Errorf("%s: is a plan: %v; %v", name, Is(data), got)
		}
	}
}
