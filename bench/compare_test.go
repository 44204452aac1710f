package bench

import (
	"math"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql"
)

func TestDifference(t *testing.T) {
	var d Difference
	d.Value(1, true, 1, true)
	d.Value(math.NaN(), true, math.NaN(), true)
	d.Value(0, false, 0, false) // neither: nothing to compare
	if !d.Equal(0) || d.Values != 2 {
		t.Errorf("%+v", d)
	}
	d.Value(99, true, 100, true)
	if d.Equal(1e-3) || !d.Equal(0.011) || d.Quantile(0.99) != 0.01 {
		t.Errorf("%+v", d)
	}
	d.Value(1, true, 0, false)
	if d.Equal(1) || d.Missing != 1 {
		t.Errorf("%+v", d)
	}
	if got := d.String(); got != "4 values, 50.00 % the same bits, largest relative difference 0.01, 1 there in one only" {
		t.Error(got)
	}
	if (&Difference{}).Equal(1) {
		t.Error("nothing compared is not equal")
	}
}

func TestMatrices(t *testing.T) {
	m := func(p ...promql.FPoint) promql.Matrix { return promql.Matrix{{Floats: p}} }
	var d Difference
	d.Matrix(m(promql.FPoint{T: 1, F: 5}, promql.FPoint{T: 3, F: 6}), m(promql.FPoint{T: 1, F: 5}, promql.FPoint{T: 2, F: 1}, promql.FPoint{T: 3, F: 6}))
	d.Matrix(nil, m(promql.FPoint{T: 9, F: 1}))
	if d.Values != 4 || d.Same != 2 || d.Missing != 2 {
		t.Errorf("%+v", d)
	}
}

func TestPairs(t *testing.T) {
	var p Pairs
	for _, theirs := range []float64{30, 10, 20, 50, 40} {
		p.Add(10, theirs)
	}
	if m, least, most := p.Ratio(); m != 3 || least != 1 || most != 5 {
		t.Error(m, least, most)
	}
	if !p.Crosses() {
		t.Error("a pair that is even was not seen")
	}
	p = Pairs{}
	p.Add(1, 7)
	if p.Crosses() {
		t.Error("all pairs are on one side")
	}
}

func TestReport(t *testing.T) {
	r := &Report{Machine: []string{"a machine"}, Data: "some data"}
	r.Goal("faster", 3210.4, false, 3000, "")
	r.Goal("smaller", 2.1, true, 2, " KiB")
	r.Missed("the third", "no peer")
	r.Section("Ticks")
	r.Table([]string{"a", "b"}, []string{"1", "2"})
	var b strings.Builder
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"- a machine\n", "| faster | at least 3,000 | 3,210 | met |\n", "| smaller | at most 2 KiB | 2.1 KiB | **not met** |\n", "| the third |  | no peer | **not met** |\n", "\n## Ticks\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if r.Unmet() != 2 {
		t.Error(r.Unmet())
	}
}

func TestNumbers(t *testing.T) {
	for want, got := range map[string]string{
		"1,234,567": number(1234567), "0.00123": number(0.001234), "12.3": number(12.34), "160": number(159.6), "5": number(5), "-1,000": number(-1000),
		"1.5 ms": seconds(0.0015), "12 µs": seconds(12e-6), "640 ns": seconds(640e-9), "2 s": seconds(2), "1.5 KiB": size(1536), "nothing": number(math.NaN()),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
