package evaluate

import (
	"strings"

	"github.com/grafana/regexp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// relabelled is label_replace and label_join: other labels for the same values. What they
// become is found out once for each row.
type relabelled struct {
	state
	of     node
	change func(labels.Labels) labels.Labels
	p      *projection
}

func (r *relabelled) eval(e *env) (vector, error) {
	in, err := e.eval(r.of)
	if err != nil {
		return in, err
	}
	if r.p == nil || r.p.from != in.shape {
		r.p = e.plans.project(in.shape, r.text, r.change)
	}
	return r.p.apply(in)
}

// relabel returns the change of labels of a call, nil when the inner engine has to say what
// is wrong with it.
func relabel(e *parser.Call) func(labels.Labels) labels.Labels {
	var args []string
	for _, a := range e.Args[1:] {
		s, ok := bare(a).(*parser.StringLiteral)
		if !ok {
			return nil
		}
		args = append(args, s.Val)
	}
	if !model.UTF8Validation.IsValidLabelName(args[0]) {
		return nil
	}
	if e.Func.Name == "label_join" {
		for _, source := range args[2:] {
			if !model.UTF8Validation.IsValidLabelName(source) {
				return nil
			}
		}
		return func(ls labels.Labels) labels.Labels {
			values := make([]string, 0, len(args)-2)
			for _, source := range args[2:] {
				values = append(values, ls.Get(source))
			}
			return labels.NewBuilder(ls).Set(args[0], strings.Join(values, args[1])).Labels()
		}
	}
	into, template, source := args[0], args[1], args[2]
	re, err := regexp.Compile("^(?s:" + args[3] + ")$")
	if err != nil {
		return nil
	}
	return func(ls labels.Labels) labels.Labels {
		value := ls.Get(source)
		match := re.FindStringSubmatchIndex(value)
		if match == nil {
			return ls
		}
		return labels.NewBuilder(ls).Set(into, string(re.ExpandString(nil, template, value, match))).Labels()
	}
}
