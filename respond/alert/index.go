package alert

import (
	"slices"

	"github.com/prometheus/alertmanager/pkg/labels"
	"github.com/prometheus/common/model"
)

// index finds which of many lists of matchers may hold for a set of labels, without
// trying each: a list that wants a label to have one value is found by that value.
type index struct {
	byValue map[model.LabelName]map[model.LabelValue][]int
	others  []int // those that want no label to have one value; always candidates
}

// add notes the list with number i; the numbers must ascend.
func (x *index) add(i int, all labels.Matchers) {
	for _, m := range all {
		if m.Type != labels.MatchEqual || m.Value == "" { // "" also holds for a label that is not there
			continue
		}
		if x.byValue == nil {
			x.byValue = map[model.LabelName]map[model.LabelValue][]int{}
		}
		name, value := model.LabelName(m.Name), model.LabelValue(m.Value)
		if x.byValue[name] == nil {
			x.byValue[name] = map[model.LabelValue][]int{}
		}
		x.byValue[name][value] = append(x.byValue[name][value], i)
		return
	}
	x.others = append(x.others, i)
}

// candidates are the numbers of those that may hold, ascending; whether they do is still
// to be asked. It may use buf.
func (x *index) candidates(set model.LabelSet, buf []int) []int {
	out := append(buf[:0], x.others...)
	sorted := true
	for name, values := range x.byValue {
		if found := values[set[name]]; len(found) > 0 {
			sorted = sorted && len(out) == 0
			out = append(out, found...)
		}
	}
	if !sorted {
		slices.Sort(out)
	}
	return out
}
