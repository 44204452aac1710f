package rulefile

import (
	"testing"

	"github.com/evenkeel/evenkeel/declare"
)

func FuzzRead(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte(prometheusRule()))
	f.Add([]byte("kind: PrometheusRule\nspec: {groups: []}\n"))
	f.Add([]byte("kind: PrometheusRule\nspec: &a\n  groups: [*a]\n"))
	f.Add([]byte("rule_files: [a.yml]\ntests: [{input_series: [{series: 'up', values: '0+1x999'}]}]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var problems declare.Problems
		rf, _ := Read("f.yml", data, &problems)
		if (rf == nil) != (len(problems.Errors()) > 0) {
			t.Errorf("%v with %v", rf, problems)
		}
		ReadTest("f_test.yml", data, &problems)
	})
}
