package window

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestStreamGivesBackEveryBit(t *testing.T) {
	f := func(name string, points []Point) {
		t.Helper()
		at := place{Point: points[0]}
		var b []byte
		for _, p := range points[1:] {
			b = put(b, &at, p)
		}
		at, off := place{Point: points[0]}, 0
		for i, p := range points[1:] {
			off = next(b, off, &at)
			if at.T != p.T || math.Float64bits(at.V) != math.Float64bits(p.V) {
				t.Fatalf("%s: sample %d: got %v, expected %v", name, i+1, at.Point, p)
			}
		}
		if off != len(b) {
			t.Errorf("%s: %d of %d bytes read", name, off, len(b))
		}
	}
	odd := []float64{0, math.Copysign(0, -1), 1, -1, math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, math.SmallestNonzeroFloat64, 1 << 53, -(1 << 53), 1<<53 - 1, 0.1, 1e16}
	var points []Point
	for i, v := range odd {
		for j, w := range odd {
			points = append(points, Point{int64(i*100 + j*7), v}, Point{int64(i*100 + j*7 + 3), w})
		}
	}
	f("odd values", points)
	rng := rand.New(rand.NewPCG(1, 2))
	points = nil
	at := int64(1_700_000_000_000)
	for range 10_000 {
		at += 1 + rng.Int64N(1<<rng.IntN(40))
		points = append(points, Point{at, math.Float64frombits(rng.Uint64())})
	}
	f("random bits", points)
}

func TestStreamOfARegularCounterIsSmall(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	at := place{Point: Point{1_700_000_000_000, 123_456_789}, step: 15_000}
	p := at.Point
	var b []byte
	for range 1000 {
		p.T += 15_000
		p.V += float64(rng.IntN(800))
		b = put(b, &at, p)
	}
	if len(b) > 2100 {
		t.Errorf("1000 samples take %d bytes, expected about two each", len(b))
	}
}

func TestSegmentGivesBackEveryBit(t *testing.T) {
	f := func(name string, points []Point) (bytes int) {
		t.Helper()
		var b []byte
		var edges []*edge
		const each = 37
		for at := 0; at+1 < len(points); at += each {
			w := &edge{place: place{Point: points[at]}}
			b = w.pack(b, 0, points[at+1:min(at+1+each, len(points))])
			edges = append(edges, w)
		}
		for i := range points[1:] {
			w := edges[i/each]
			w.next(b)
			p := w.Point
			if want := points[i+1]; p.T != want.T || math.Float64bits(p.V) != math.Float64bits(want.V) {
				t.Fatalf("%s: sample %d: got %v, expected %v", name, i+1, p, want)
			}
		}
		if last := edges[len(edges)-1]; last.left != 0 {
			t.Errorf("%s: %d samples are left at the end", name, last.left)
		}
		return len(b)
	}
	odd := []float64{0, math.Copysign(0, -1), 1, -1, math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, math.SmallestNonzeroFloat64, 1 << 53, -(1 << 53), 1<<52 - 1, -(1<<52 - 1), 0.1, 1e16}
	var points []Point
	for i, v := range odd {
		for j, w := range odd {
			points = append(points, Point{int64(i*100 + j*6), v}, Point{int64(i*100 + j*6 + 3), w})
		}
	}
	f("odd values", points)
	rng := rand.New(rand.NewPCG(1, 2))
	for _, kind := range []string{"bits", "whole numbers", "a counter", "a gauge"} {
		points = nil
		at, v := int64(1_700_000_000_000), 0.0
		for range 10_000 {
			at += 1 + rng.Int64N(1<<rng.IntN(40))
			switch kind {
			case "bits":
				v = math.Float64frombits(rng.Uint64())
			case "whole numbers":
				v = float64(rng.Int64N(1<<52) - rng.Int64N(1<<52))
			case "a counter":
				v += float64(rng.IntN(1000))
			case "a gauge":
				v += rng.NormFloat64()
			}
			points = append(points, Point{at, v})
		}
		f(kind, points)
	}
	points = points[:0]
	for i := range 371 {
		points = append(points, Point{int64(i) * 15_000, float64(i * i)})
	}
	if n := f("a regular counter", points); n > 371*3/2 {
		t.Errorf("371 samples of a regular counter take %d bytes", n)
	}
	missed := slices.Clone(points)
	for i := range missed {
		missed[i].T += int64(i/20) * 15_000
	}
	if n := f("a counter whose scrapes were missed now and then", missed); n > 371*2 {
		t.Errorf("371 samples with a missed scrape after each twentieth take %d bytes", n)
	}
	missed[100].T++ // no multiple any more
	f("a counter with a scrape that came late", missed)
}
