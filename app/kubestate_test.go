package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/evenkeel/evenkeel/detect"
)

// TestWhatKubeStateMetricsTells finds what nobody recorded in what kube-state-metrics
// 2.18 has told of a real cluster (Kubernetes 1.37) before and after somebody changed an
// image, replicas and a ConfigMap in it.
func TestWhatKubeStateMetricsTells(t *testing.T) {
	component := func(name string) string {
		return "\n---\napiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {name: " + name + "}\nspec: {type: service, lifecycle: production, owner: shop}\n"
	}
	a := newApp(t, map[string]string{"evenkeel.yml": "metrics: {out_of_order: 2h}\n", "catalog/shop.yml": estate + component("web") + component("db")})
	start := time.Now().Add(-40 * time.Minute).Truncate(time.Second)
	see := func(after time.Duration, file string) {
		t.Helper()
		f, err := os.Open(filepath.Join("testdata", "kube-state-metrics", file))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		parser := expfmt.NewTextParser(model.UTF8Validation)
		families, err := parser.TextToMetricFamilies(f)
		if err != nil {
			t.Fatal(err)
		}
		at := start.Add(after)
		for name, family := range families {
			for _, m := range family.GetMetric() {
				ls := []string{"__name__", name, "job", "kube-state-metrics", "instance", "ksm:8080"}
				for _, l := range m.GetLabel() {
					if l.GetValue() != "" {
						ls = append(ls, l.GetName(), l.GetValue())
					}
				}
				a.sample(t, at, m.GetUntyped().GetValue(), ls...)
			}
		}
		if err := a.lookForUnrecorded(t.Context(), at); err != nil {
			t.Fatal(err)
		}
	}
	see(0, "before.txt")
	see(10*time.Minute, "after.txt")
	see(25*time.Minute, "after.txt")
	got := map[string]detect.Finding{}
	for _, f := range a.findings.OpenFindings(detectorChange) {
		got[f.Labels["attribute"]+" "+string(f.Service)] = f
	}
	for what, want := range map[string]string{
		"image checkout":                 "image of checkout went from registry.example/checkout:1.4.0 to registry.example/checkout:1.5.0",
		"version checkout":               "version of checkout went from 1.4.0 to 1.5.0",
		"replicas in shop checkout":      "replicas in shop of checkout went from 2 to 3",
		"configuration in shop checkout": "configuration in shop of checkout went from ",
		"replicas in shop db":            "replicas in shop of db went from 1 to 2",
	} {
		if f, ok := got[what]; !ok || !strings.Contains(f.Summary, want) {
			t.Errorf("%s: got %q", what, f.Summary)
		}
		delete(got, what)
	}
	for what, f := range got { // what an autoscaler scales among them
		t.Errorf("%s: %s", what, f.Summary)
	}
}
