//go:build corpora

package pattern_test

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sort"
	"syscall"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/observe/pattern"
)

// TestCorporaGrouping measures grouping accuracy: the share of lines whose group is
// exactly the one that people made.
func TestCorporaGrouping(t *testing.T) {
	root := os.Getenv("EVENKEEL_CORPORA")
	if root == "" {
		t.Skip("EVENKEEL_CORPORA is not set: it names the folder with the public data")
	}
	files, _ := filepath.Glob(filepath.Join(root, "loghub", "*", "*_2k.log_structured.csv"))
	if len(files) < 4 {
		t.Fatalf("found %d sets of lines in %s, expected 4", len(files), root)
	}
	sum := 0.0
	var speeds []float64
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(f).ReadAll()
		_ = f.Close()
		if err != nil {
			t.Fatal(err)
		}
		content, event := -1, -1
		for i, name := range rows[0] {
			switch name {
			case "Content":
				content = i
			case "EventId":
				event = i
			}
		}
		m := pattern.NewMiner()
		var got []*pattern.Template
		for _, r := range rows[1:] {
			got = append(got, m.Add(r[content]))
		}
		truth, found := map[string][]int{}, map[*pattern.Template][]int{}
		for i, r := range rows[1:] {
			truth[r[event]] = append(truth[r[event]], i)
			c := got[i].Canonical()
			found[c] = append(found[c], i)
		}
		right := 0
		type miss struct {
			event string
			lines int
			parts map[*pattern.Template]int
		}
		var misses []miss
		for id, lines := range truth {
			parts := map[*pattern.Template]int{}
			for _, i := range lines {
				parts[got[i].Canonical()]++
			}
			c := got[lines[0]].Canonical()
			if len(parts) == 1 && len(found[c]) == len(lines) {
				right += len(lines)
			} else {
				misses = append(misses, miss{id, len(lines), parts})
			}
		}
		accuracy := float64(right) / float64(len(rows)-1)
		sum += accuracy
		var text []string
		for _, r := range rows[1:] {
			text = append(text, r[content])
		}
		speed := linesPerCPUSecond(t, text)
		speeds = append(speeds, speed)
		t.Logf("%-12s %.2f million lines a CPU second", filepath.Base(filepath.Dir(file)), speed/1e6)
		t.Logf("%-12s %.4f  %d templates, people made %d", filepath.Base(filepath.Dir(file)), accuracy, len(found), len(truth))
		sort.Slice(misses, func(i, j int) bool { return misses[i].lines > misses[j].lines })
		for _, ms := range misses[:min(6, len(misses))] {
			for p, n := range ms.parts {
				t.Logf("    %s (%d lines): %d of %d in %q", ms.event, ms.lines, n, len(found[p]), p.String())
			}
		}
	}
	if slowest := slices.Min(speeds); slowest < 1e6 {
		t.Errorf("the slowest set: got %.0f lines a CPU second, expected a million", slowest)
	}
	if average := sum / float64(len(files)); average <= 0.95 {
		t.Errorf("grouping accuracy: got %.4f, expected more than 0.95", average)
	} else {
		t.Logf("average %.4f", average)
	}
}

// linesPerCPUSecond mines the lines many times over with one miner; what is new in them
// is new the first time.
func linesPerCPUSecond(t *testing.T, lines []string) float64 {
	const rounds = 200
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	used := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(1, &u); err != nil { // of this thread
			t.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	m := pattern.NewMiner()
	before := used()
	for range rounds {
		for _, l := range lines {
			m.Add(l)
		}
	}
	return float64(rounds*len(lines)) / (used() - before).Seconds()
}
