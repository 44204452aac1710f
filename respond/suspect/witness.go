package suspect

import (
	"maps"
	"math"
	"slices"
)

// tell keeps the strongest that one says of another.
func tell(of *map[string]float64, by string, strength float64) {
	if strength <= 0 {
		return
	}
	if *of == nil {
		*of = map[string]float64{}
	}
	(*of)[by] = math.Max((*of)[by], strength)
}

// agreed is what several say of one: the strongest in full, and of the others a part,
// because what two see is less likely the doing of the one who sees it.
func agreed(of map[string]float64) float64 {
	top, sum := 0.0, 0.0
	for _, name := range slices.Sorted(maps.Keys(of)) { // in order: the same sum each time
		top, sum = math.Max(top, of[name]), sum+of[name]
	}
	return top + both*(sum-top)
}
