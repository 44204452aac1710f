package grafana

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// v2 is a dashboard in the second version of Grafana's schema: panels by name, and a layout
// that says where each stands. What is inside of a panel is as it always was.
type v2 struct {
	Title        string                          `json:"title"`
	Description  string                          `json:"description"`
	TimeSettings struct{ From, AutoRefresh any } `json:"timeSettings"`
	Elements     map[string]kinded               `json:"elements"`
	Layout       kinded                          `json:"layout"`
	Variables    []kinded                        `json:"variables"`
	Annotations  []struct {
		Spec struct {
			Name    string `json:"name"`
			BuiltIn any    `json:"builtIn"`
		} `json:"spec"`
	} `json:"annotations"`
	Links []json.RawMessage `json:"links"`
}

// kinded is any of its parts.
type kinded struct {
	Kind  string          `json:"kind"`
	Group string          `json:"group"` // what a query or a picture is of, since v2beta1
	Spec  json.RawMessage `json:"spec"`
}

// of is what a query or a picture is of; at first it was its kind.
func (k kinded) of() string {
	if k.Kind == "DataQuery" || k.Kind == "VizConfig" {
		return k.Group
	}
	return k.Kind
}

type v2Panel struct {
	Title       string            `json:"title"`
	Description string            `json:"description"`
	Links       []json.RawMessage `json:"links"`
	Data        struct {
		Spec struct {
			Queries []struct {
				Spec struct {
					RefID  string `json:"refId"`
					Hidden bool   `json:"hidden"`
					Query  kinded `json:"query"`
				} `json:"spec"`
			} `json:"queries"`
			Transformations []struct {
				Kind  string          `json:"kind"`
				Group string          `json:"group"`
				Spec  json.RawMessage `json:"spec"`
			} `json:"transformations"`
			QueryOptions struct{ TimeFrom, TimeShift string } `json:"queryOptions"`
		} `json:"spec"`
	} `json:"data"`
	VizConfig kinded `json:"vizConfig"`
}

type repeat struct {
	Value string `json:"value"`
}

// layout is any kind of it, whose spec has one of the lists.
type layout struct {
	Items []struct {
		Spec struct {
			X, Y, Width float64
			Element     struct{ Name string }
			Repeat      *repeat
		} `json:"spec"`
	} `json:"items"`
	Rows []part `json:"rows"`
	Tabs []part `json:"tabs"`
}

// part is a row or a tab.
type part struct {
	Spec struct {
		Title                string
		Collapse             bool
		Repeat               *repeat
		Layout               kinded
		ConditionalRendering json.RawMessage
		Variables            []kinded
	} `json:"spec"`
}

// fromV2 reads one as the classic JSON would have it. Tabs become rows.
func fromV2(raw []byte) (*source, []Loss, error) {
	var in v2
	if err := json.Unmarshal(raw, &in); err != nil {
		return nil, nil, fmt.Errorf("cannot read the dashboard: expected the second version of Grafana's schema: %w", err)
	}
	c := converter{elements: in.Elements, used: map[string]bool{}}
	src := &source{Title: in.Title, Description: in.Description, Refresh: in.TimeSettings.AutoRefresh, Links: in.Links}
	src.Time.From = in.TimeSettings.From
	for _, a := range in.Annotations {
		src.Annotations.List = append(src.Annotations.List, struct {
			Name    string `json:"name"`
			BuiltIn any    `json:"builtIn"`
		}{a.Spec.Name, a.Spec.BuiltIn})
	}
	c.variables(src, in.Variables)
	c.src = src
	if err := c.layout("", in.Layout, 0); err != nil {
		return nil, nil, err
	}
	for _, name := range sorted(in.Elements) {
		if !c.used[name] {
			c.lost = append(c.lost, Loss{name, "the panel", "the layout has no place for it"})
		}
	}
	return src, c.lost, nil
}

type converter struct {
	src      *source
	elements map[string]kinded
	used     map[string]bool
	lost     []Loss
}

// variables are as in classic JSON, but the type is the kind, and a query stands in a query.
func (c *converter) variables(src *source, list []kinded) {
	for _, k := range list {
		var v variable
		var odd struct {
			Query json.RawMessage `json:"query"`
		}
		_ = json.Unmarshal(k.Spec, &v) // a field of another type is as none
		v.Type = strings.ToLower(strings.TrimSuffix(k.Kind, "Variable"))
		if v.Type == "text" {
			v.Type = "textbox"
		}
		var query kinded
		if json.Unmarshal(k.Spec, &odd) == nil && json.Unmarshal(odd.Query, &query) == nil && len(query.Spec) > 0 {
			var legacy struct {
				Text string `json:"__legacyStringValue"`
			}
			v.Query = query.Spec
			if json.Unmarshal(query.Spec, &legacy) == nil && legacy.Text != "" {
				v.Query, _ = json.Marshal(legacy.Text) // text is always JSON
			}
		}
		src.Templating.List = append(src.Templating.List, v)
	}
}

const deepest = 8 // layouts within layouts

func (c *converter) layout(title string, k kinded, depth int) error {
	var l layout
	if len(k.Spec) == 0 {
		return nil
	}
	if err := json.Unmarshal(k.Spec, &l); err != nil || depth > deepest {
		return fmt.Errorf("cannot read the dashboard: got the layout %q, expected one with items, rows or tabs, at most %d within each other", k.Kind, deepest)
	}
	for _, it := range l.Items {
		p, ok := c.panel(it.Spec.Element.Name)
		if !ok {
			continue
		}
		p.GridPos.X, p.GridPos.Y, p.GridPos.W = it.Spec.X, it.Spec.Y, it.Spec.Width
		if it.Spec.Repeat != nil {
			p.Repeat = it.Spec.Repeat.Value
		}
		if len(c.src.Rows) == 0 {
			c.src.Rows = append(c.src.Rows, oldRow{})
		}
		last := &c.src.Rows[len(c.src.Rows)-1]
		last.Panels = append(last.Panels, p)
		slices.SortStableFunc(last.Panels, byPlace)
	}
	for _, one := range slices.Concat(l.Tabs, l.Rows) {
		s := one.Spec
		name := strings.Trim(title+" / "+s.Title, " /")
		if len(s.ConditionalRendering) > 0 && string(s.ConditionalRendering) != "null" {
			c.lost = append(c.lost, Loss{name, "when it is shown", "it is always shown"})
		}
		if len(s.Variables) > 0 {
			c.lost = append(c.lost, Loss{name, fmt.Sprintf("%d variables of its own", len(s.Variables)), "variables are of the dashboard"})
		}
		row := oldRow{Title: name, Collapse: s.Collapse}
		if s.Repeat != nil {
			row.Repeat = s.Repeat.Value
		}
		c.src.Rows = append(c.src.Rows, row)
		if err := c.layout(name, s.Layout, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (c *converter) panel(name string) (panel, bool) {
	k, there := c.elements[name]
	if !there || k.Kind != "Panel" {
		c.used[name] = true
		why := "its element is not there"
		if there {
			why = "it is kept in Grafana's library: export the dashboard with what it holds"
		}
		c.lost = append(c.lost, Loss{name, "the panel", why})
		return panel{}, false
	}
	c.used[name] = true
	var in v2Panel
	var p panel
	if err := json.Unmarshal(k.Spec, &in); err != nil {
		c.lost = append(c.lost, Loss{name, "the panel", "got " + short(err.Error())})
		return panel{}, false
	}
	_ = json.Unmarshal(in.VizConfig.Spec, &p) // options and fieldConfig, as far as they are what they should be
	p.Type, p.Title, p.Description, p.Links = in.VizConfig.of(), in.Title, in.Description, in.Links
	p.TimeFrom, p.TimeShift = in.Data.Spec.QueryOptions.TimeFrom, in.Data.Spec.QueryOptions.TimeShift
	for _, q := range in.Data.Spec.Queries {
		var t target
		_ = json.Unmarshal(q.Spec.Query.Spec, &t)
		t.RefID, t.Hide = q.Spec.RefID, q.Spec.Hidden
		t.Datasource, _ = json.Marshal(q.Spec.Query.of())
		p.Targets = append(p.Targets, t)
	}
	for _, tr := range in.Data.Spec.Transformations {
		var one transformation
		_ = json.Unmarshal(tr.Spec, &one)
		if one.ID == "" {
			if one.ID = tr.Group; one.ID == "" {
				one.ID = tr.Kind
			}
		}
		p.Transformations = append(p.Transformations, one)
	}
	return p, true
}
