package metrics

import (
	"math/rand/v2"
	"testing"

	"github.com/prometheus/prometheus/storage"
)

func TestNewest(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	n := newNewest()
	for batch := range 50 {
		want := map[storage.SeriesRef]sample{}
		for range rng.IntN(5000) {
			id := storage.SeriesRef(rng.Uint64()>>(rng.IntN(50)+1) | 1)
			got := n.of(id)
			if had, is := want[id]; is != (got != nil) || is && *got != had {
				t.Fatalf("batch %d: series %d has %v, want %v (%t)", batch, id, got, had, is)
			}
			s := sample{t: rng.Int64(), v: rng.Float64()}
			n.put(id, s)
			want[id] = s
		}
		for id, s := range want {
			if got := n.of(id); got == nil || *got != s {
				t.Fatalf("batch %d: series %d has %v, want %v", batch, id, got, s)
			}
		}
		n.begin()
	}
}
