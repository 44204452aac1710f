package yamldoc

import (
	"fmt"
	"strings"
)

// Suggest returns `did you mean "x"?` for the candidate nearest to what was
// written, or "" when none is near: about a third of its letters may differ.
func Suggest(got string, candidates []string) string {
	if near := nearest(got, candidates, max(1, (len([]rune(got))+1)/3)); near != "" && near != got {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return ""
}

// nearest is the candidate with the least distance, the first of several, or "" when
// all are further away than most. Case does not count.
func nearest(got string, candidates []string, most int) string {
	best, least := "", most
	for _, c := range candidates {
		if d := distance(strings.ToLower(got), strings.ToLower(c), least); d <= least && (best == "" || d < least) {
			best, least = c, d
		}
	}
	return best
}

// distance is the Levenshtein distance with swaps of neighbours counted as one,
// or more than most when it is more than that.
func distance(a, b string, most int) int {
	x, y := []rune(a), []rune(b)
	if len(x)-len(y) > most || len(y)-len(x) > most || len(x) > 256 || len(y) > 256 {
		return most + 1
	}
	prev2, prev, cur := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(x); i++ {
		cur[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return prev[len(y)]
}
