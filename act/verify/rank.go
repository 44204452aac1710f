package verify

import (
	"cmp"
	"math"
	"slices"
)

// maxExact bounds the values for which every arrangement is counted; above it the
// normal distribution is close enough.
const maxExact = 40

// Greater is the probability that values of after as large as these would come from the
// same source as before: the one-sided test of Mann and Whitney. It counts exactly for
// up to 40 values, ties too, and approximates above. NaN where one side is empty.
func Greater(before, after []float64) float64 {
	n, m := len(before), len(after)
	if n == 0 || m == 0 {
		return math.NaN()
	}
	ranks, ties := midranks(before, after)
	// Ranks are doubled, so that the middle of a tie is a whole number.
	sum := 0
	for _, r := range ranks[n:] {
		sum += r
	}
	if n+m <= maxExact {
		return exact(ranks, m, sum)
	}
	total := float64(n + m)
	mean := float64(m) * (total + 1) / 2
	variance := float64(n) * float64(m) / 12 * ((total + 1) - ties/(total*(total-1)))
	if variance <= 0 {
		return 1
	}
	z := (float64(sum)/2 - mean - 0.5) / math.Sqrt(variance)
	return 0.5 * math.Erfc(z/math.Sqrt2)
}

// midranks gives each value twice its rank, the middle of its ties.
func midranks(before, after []float64) (doubled []int, ties float64) {
	type value struct {
		v float64
		i int
	}
	all := make([]value, 0, len(before)+len(after))
	for i, v := range slices.Concat(before, after) {
		all = append(all, value{v, i})
	}
	slices.SortFunc(all, func(a, b value) int { return cmp.Compare(a.v, b.v) })
	doubled = make([]int, len(all))
	for i := 0; i < len(all); {
		j := i
		for j < len(all) && all[j].v == all[i].v {
			j++
		}
		for k := i; k < j; k++ {
			doubled[all[k].i] = i + 1 + j // 2 × the mean of i+1 … j
		}
		t := float64(j - i)
		ties += t*t*t - t
		i = j
	}
	return doubled, ties
}

// exact counts the choices of m of the ranks whose sum is at least that one, over all
// choices.
func exact(ranks []int, m, atLeast int) float64 {
	most := 0
	for _, r := range ranks {
		most += r
	}
	// ways[k][s] is how many choices of k ranks have the sum s. Floats are exact enough:
	// the largest number is 40 over 20, 1.4e11.
	ways := make([][]float64, m+1)
	for k := range ways {
		ways[k] = make([]float64, most+1)
	}
	ways[0][0] = 1
	for i, r := range ranks {
		for k := min(i+1, m); k >= 1; k-- {
			for s := most; s >= r; s-- {
				ways[k][s] += ways[k-1][s-r]
			}
		}
	}
	all, reached := 0.0, 0.0
	for s, w := range ways[m] {
		all += w
		if s >= atLeast {
			reached += w
		}
	}
	return reached / all
}

// least is the smallest probability that so many values can yield at all: above alpha
// nothing could be shown, whatever happened.
func least(n, m int) float64 {
	choose := 1.0
	for i := 1; i <= m; i++ {
		choose = choose * float64(n+i) / float64(i)
	}
	return 1 / choose
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(v))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}
