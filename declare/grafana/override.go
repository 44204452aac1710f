package grafana

import (
	"fmt"
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/declare"
)

// override is what one panel says of some of its series.
type override struct {
	Matcher struct {
		ID      string `json:"id"`
		Options any    `json:"options"`
	} `json:"matcher"`
	Properties []property `json:"properties"`
}

type property struct {
	ID    string `json:"id"`
	Value any    `json:"value"`
	done  bool   // it has a counterpart here
}

type transformation struct {
	ID       string         `json:"id"`
	Disabled bool           `json:"disabled"`
	Options  map[string]any `json:"options"`
	done     bool
}

// queryOf is the query whose series a field's name stands for: Grafana calls the values of
// query A "Value #A", and "Value" where there is one query. -1 when it stands for none.
func (im *importer) queryOf(name string, out *declare.Panel) int {
	if ref, ok := strings.CutPrefix(name, "Value #"); ok {
		return slices.Index(im.refs, ref)
	}
	if name == "Value" && len(out.Queries) == 1 {
		return 0
	}
	found := -1
	for i, q := range out.Queries {
		if q.Legend != "" && q.Legend == im.legend(name) {
			if found >= 0 {
				return -1
			}
			found = i
		}
	}
	return found
}

// called gives the series of a query a name, where it is one.
func (im *importer) called(q *declare.PanelQuery, name any) bool {
	text, ok := name.(string)
	if !ok || text == "" || strings.Contains(text, "__field") || strings.Contains(text, "__series") || strings.Contains(text, "__cell") {
		return false
	}
	legend := im.legend(text)
	if im.unknown(legend) != "" {
		return false
	}
	q.Legend = legend
	return true
}

// overrides are mapped where they are of whole queries: a name is the query's legend, and
// a unit that all queries have is the panel's.
func (im *importer) overrides(p *panel, out *declare.Panel) {
	units := map[int]*property{}
	var names []func() // all overrides are looked at before a name changes what they are found by
	for i := range p.FieldConfig.Overrides {
		o := &p.FieldConfig.Overrides[i]
		name, _ := o.Matcher.Options.(string)
		at := -1
		switch o.Matcher.ID {
		case "byFrameRefID":
			at = slices.Index(im.refs, name)
		case "byName":
			at = im.queryOf(name, out)
		}
		if at < 0 {
			continue
		}
		for j := range o.Properties {
			switch prop := &o.Properties[j]; prop.ID {
			case "unit":
				units[at] = prop
			case "displayName":
				names = append(names, func() { prop.done = im.called(&out.Queries[at], prop.Value) })
			}
		}
	}
	if len(units) == len(out.Queries) && len(units) > 0 {
		unit, same := units[0].Value.(string)
		for _, u := range units {
			same = same && u.Value == any(unit)
		}
		if same {
			p.FieldConfig.Defaults.Unit = unit
			for _, u := range units {
				u.done = true
			}
		}
	}
	for _, name := range names {
		name()
	}
	if name := p.FieldConfig.Defaults.DisplayName; name != "" {
		if len(out.Queries) != 1 || !im.called(&out.Queries[0], name) {
			im.lose("the name of all series: "+short(name), "each query has a legend of its own")
		}
	}
}

// organize maps the transformations that make a table of several queries: here each
// series is a row and each query a column, with its labels beside.
func (im *importer) organize(p *panel, out *declare.Panel) {
	for i := range p.Transformations {
		t := &p.Transformations[i]
		table := out.Type == declare.PanelTable
		switch t.ID {
		case "merge", "labelsToFields":
			t.done = table
		case "joinByField", "seriesToColumns":
			by, _ := t.Options["byField"].(string)
			t.done = table && by != "" && by != "Time"
		case "organize":
			t.done = true
			var left []string
			for _, name := range keys(t.Options["renameByName"]) {
				to, _ := t.Options["renameByName"].(map[string]any)[name].(string)
				if to == "" || to == name {
					continue
				}
				if at := im.queryOf(name, out); at < 0 || !im.called(&out.Queries[at], to) {
					left = append(left, name+" as "+to)
				}
			}
			for _, name := range keys(t.Options["excludeByName"]) {
				hidden, _ := t.Options["excludeByName"].(map[string]any)[name].(bool)
				if hidden && name != "Time" && !strings.HasPrefix(name, "Time ") && name != "__name__" {
					left = append(left, "without "+name)
				}
			}
			if len(left) > 0 && !t.Disabled {
				im.lose(fmt.Sprintf("transformation organize (%s)", short(strings.Join(left, ", "))), "labels are called what they are called, and all are shown: aggregate by those that should be seen")
			}
		}
	}
}

// keys are the keys of a JSON object in their order; none of anything else.
func keys(v any) []string {
	m, _ := v.(map[string]any)
	return sorted(m)
}
