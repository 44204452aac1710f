package evaluate

import (
	"slices"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
)

func TestOnlyGroupsThatChangedAreMadeAgain(t *testing.T) {
	s := &shape{}
	for _, l := range [][2]string{{"a", "1"}, {"b", "1"}, {"a", "2"}, {"c", "1"}} {
		s.rows = append(s.rows, labels.FromStrings("group", l[0], "row", l[1]))
	}
	by := newGrouping([]string{"group"}, false)
	var g grouped
	g.regroup(project(s, by.of))
	vals := []float64{1, 2, 3, 4}
	f := func(what string, args []float64, want ...string) {
		t.Helper()
		var made []string
		_ = g.each(vector{s, 1, vals}, 0, args, func(group int, rows []int32) error {
			for _, i := range rows {
				if got := s.rows[i].Get("group"); got != g.to.rows[group].Get("group") {
					t.Errorf("%s: a row of group %s is in group %s", what, got, g.to.rows[group])
				}
			}
			made = append(made, g.to.rows[group].Get("group"))
			return nil
		})
		if !slices.Equal(made, want) {
			t.Errorf("%s: made %v, expected %v", what, made, want)
		}
	}
	f("the first time", []float64{1}, "a", "b", "c")
	f("nothing changed", []float64{1})
	vals[2] = 5
	f("a row of one group", []float64{1}, "a")
	f("the parameter", []float64{2}, "a", "b", "c")
	err := g.each(vector{s, 1, []float64{0, 0, 0, 0}}, 0, []float64{2}, func(int, []int32) error { return errTied })
	if err != errTied {
		t.Errorf("error %v", err)
	}
	f("after an error", []float64{2}, "a", "b", "c")
	g.regroup(project(&shape{s.rows[:2]}, by.of))
	if g.made || len(g.members) != 2 {
		t.Errorf("other rows: %+v", g)
	}
}
