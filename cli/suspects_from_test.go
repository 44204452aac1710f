package cli

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/respond/suspect"
)

// TestSuspectsFromAFolder compares what the command prints with what the ranking says:
// five resources for programs, only those that stand out for people.
func TestSuspectsFromAFolder(t *testing.T) {
	const start, onset, end = 1_700_000_000, 1_700_003_600, 1_700_004_200
	rng := rand.New(rand.NewPCG(1, 2))
	var metrics strings.Builder
	metrics.WriteString("time,resource,metric,value\n")
	for at := start; at < end; at += 15 {
		for _, resource := range []string{"front", "shop", "user", "pay", "stock", "mail"} {
			cpu := 100 + 5*rng.NormFloat64()
			if resource == "pay" && at >= onset {
				cpu *= 4
			}
			fmt.Fprintf(&metrics, "%d,%s,cpu,%g\n", at, resource, cpu)
		}
	}
	dir := t.TempDir()
	write(t, dir, "metrics.csv", metrics.String())
	write(t, dir, "case.json", fmt.Sprintf(`{"onset": %d}`, onset))
	write(t, dir, "changes.jsonl", fmt.Sprintf("{\"time\": %d, \"resource\": \"pay\", \"kind\": \"deploy\", \"summary\": \"pay 1.4.1\"}\n{\"time\": %d, \"resource\": \"mail\", \"kind\": \"deploy\", \"summary\": \"mail 2\"}\n", onset-60, onset-30))

	c, err := suspect.Read(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	r := suspect.Rank(c)
	got := runJSON[suspected](t, 0, "suspects", "--from", dir)
	want := append(r.Suspects, r.Weak...)
	if got.Verdict != suspect.Suspects || len(got.Suspects) != len(want) || len(want) < 5 {
		t.Fatalf("got %s with %d, expected suspects with %d, five and more", got.Verdict, len(got.Suspects), len(want))
	}
	for i, s := range got.Suspects {
		if s.Rank != i+1 || s.Resource != want[i].Resource || s.Score != want[i].Score || s.Weak != (i >= len(r.Suspects)) || len(s.Evidence) != len(want[i].Evidence) {
			t.Errorf("got %+v, expected %+v", s, want[i])
		}
	}
	if first := got.Suspects[0]; first.Resource != "pay" || first.Change != "pay 1.4.1" {
		t.Errorf("got %s and %q first, expected pay and its change", first.Resource, first.Change)
	}
	table, _ := run(t, 0, "suspects", "--from", dir)
	if lines := strings.Count(table, "\n"); lines != 1+len(r.Suspects) {
		t.Errorf("got %d lines, expected a header and %d suspects:\n%s", lines, len(r.Suspects), table)
	}
}
