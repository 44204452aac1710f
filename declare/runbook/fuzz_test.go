package runbook

import (
	"testing"

	"github.com/evenkeel/evenkeel/declare"
)

func FuzzRead(f *testing.F) {
	f.Add([]byte("---\ntitle: Drain\nservices: [queue]\nparams: [{name: n, type: int, min: 1}]\nverify: {within: 10m}\n---\n# Drain\n\nText.\n\n```sh {name=one risk=low retry=safe}\necho $n\n```\n\n" +
		"```http {name=two expect=200}\nPOST http://127.0.0.1/${n}\nX: y\n\nbody\n```\n\n```promql {name=three expect=\"> 1\"}\nup\n```\n"))
	f.Add([]byte("```sh {name=\"\\\" risk}\n"))
	f.Add([]byte("---\n---\n\ufeff# x\r\n~~~~ sh {a=b}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var problems declare.Problems
		rb, _ := ReadLinked("runbooks/f.md", data, &problems)
		if rb == nil && len(problems) == 0 {
			t.Fatal("nothing, and nobody says why")
		}
		if rb == nil || len(problems.Errors()) > 0 {
			return
		}
		seen := map[string]bool{}
		for _, s := range rb.Steps {
			if seen[s.Name] || s.Name == "" || s.Risk.Rank() < 1 {
				t.Errorf("accepted: %+v", s)
			}
			seen[s.Name] = true
		}
	})
}
