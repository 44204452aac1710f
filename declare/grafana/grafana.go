// Package grafana reads Grafana's dashboards, as its JSON has them, and makes ours of them.
//
// In: the JSON of a dashboard, alone, in the API's envelope, or as a resource with a spec;
// with panels, nested rows, the rows of old, or in the second version of the schema. Out: a dashboard that is valid, and a list
// of everything that has no counterpart here: which panel, what, why. Promise: nothing is
// left out silently, but how a picture looks (colours, line widths, places of legends).
package grafana

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/dashboard"
)

// MaxBytes bounds a file.
const MaxBytes = 16 << 20

// Loss is something that did not map.
type Loss struct {
	Panel string `json:"panel"` // its title; "" for the dashboard
	What  string `json:"what"`
	Why   string `json:"why"`
}

// source is a dashboard as Grafana writes it, as far as it is read.
type source struct {
	Title       string             `json:"title"`
	Description string             `json:"description"`
	Refresh     any                `json:"refresh"` // a duration, or false
	Time        struct{ From any } `json:"time"`
	Panels      []panel            `json:"panels"`
	Rows        []oldRow           `json:"rows"`
	Templating  struct {
		List []variable `json:"list"`
	} `json:"templating"`
	Annotations struct {
		List []struct {
			Name    string `json:"name"`
			BuiltIn any    `json:"builtIn"`
		} `json:"list"`
	} `json:"annotations"`
	Links []json.RawMessage `json:"links"`
}

type oldRow struct {
	Title    string  `json:"title"`
	Collapse bool    `json:"collapse"`
	Repeat   string  `json:"repeat"`
	Panels   []panel `json:"panels"`
}

type importer struct {
	d     *declare.Dashboard
	vars  map[string]string // by Grafana's name; "" for those that are left out
	multi map[string]bool   // variables of which several can be chosen
	fixed map[string]string // constants and datasources: put in at once
	lost  []Loss
	at    string   // the panel that is being read
	refs  []string // the names of its queries, of those that map
}

func (im *importer) lose(what, format string, args ...any) {
	im.lost = append(im.lost, Loss{im.at, what, fmt.Sprintf(format, args...)})
}

// Import makes a dashboard of Grafana's. The error says what the data are instead.
func Import(data []byte) (*declare.Dashboard, []Loss, error) {
	if len(data) > MaxBytes {
		return nil, nil, fmt.Errorf("cannot read the dashboard: got %d bytes, expected at most %d", len(data), MaxBytes)
	}
	raw, second, err := unwrap(data)
	if err != nil {
		return nil, nil, err
	}
	src := &source{}
	var lost []Loss
	var odd *json.UnmarshalTypeError // a field of another type: the rest has been read
	if second {
		if src, lost, err = fromV2(raw); err != nil {
			return nil, nil, err
		}
	} else if err := json.Unmarshal(raw, src); err != nil && !errors.As(err, &odd) {
		return nil, nil, fmt.Errorf("cannot read the dashboard: expected a Grafana dashboard as JSON: %w", err)
	}
	if len(src.Panels)+len(src.Rows) == 0 {
		return nil, nil, fmt.Errorf("cannot read the dashboard: got JSON without panels and rows, expected a Grafana dashboard")
	}
	im := &importer{d: &declare.Dashboard{Title: cmp.Or(strings.TrimSpace(src.Title), "Without a title"), Description: src.Description}, vars: map[string]string{}, multi: map[string]bool{}, fixed: map[string]string{}, lost: lost}
	if odd != nil {
		im.lose("field "+odd.Field, "got a %s where Grafana has another type", odd.Value)
	}
	im.times(src)
	for _, v := range inOrder(src.Templating.List) {
		im.variable(v)
	}
	im.panels(src)
	im.at = ""
	for _, a := range src.Annotations.List {
		if a.BuiltIn == nil || a.BuiltIn == 0.0 || a.BuiltIn == false {
			im.lose("annotation "+a.Name, "changes and alerts are drawn by themselves")
		}
	}
	if n := len(src.Links); n > 0 {
		im.lose(fmt.Sprintf("%d links of the dashboard", n), "there are none here: put them into a panel of text")
	}
	if im.d.Panels() == 0 {
		return nil, im.lost, fmt.Errorf("cannot make a dashboard of %q: none of its panels maps", src.Title)
	}
	// What is made is held to what files are held to.
	text, err := dashboard.Write(im.d)
	if err != nil {
		return nil, im.lost, err
	}
	var problems declare.Problems
	if dashboard.Read("dashboards/imported.yml", text, &problems); len(problems.Errors()) > 0 {
		return nil, im.lost, fmt.Errorf("cannot make a valid dashboard of %q: %w", src.Title, problems.Errors())
	}
	return im.d, im.lost, nil
}

// unwrap takes a dashboard out of the API's envelope and out of a resource, and says
// whether it is in the second version of the schema.
func unwrap(data []byte) (raw json.RawMessage, second bool, err error) {
	raw = data
	for range 3 { // an envelope in an envelope
		var in struct {
			Dashboard, Spec, Elements json.RawMessage
		}
		if err := json.Unmarshal(raw, &in); err != nil {
			return nil, false, fmt.Errorf("cannot read the dashboard: expected a Grafana dashboard as JSON: %w", err)
		}
		switch {
		case isObject(in.Elements):
			return raw, true, nil
		case isObject(in.Dashboard):
			raw = in.Dashboard
		case isObject(in.Spec):
			raw = in.Spec
		default:
			return raw, false, nil
		}
	}
	return raw, false, nil
}

func isObject(raw json.RawMessage) bool { return len(raw) > 0 && raw[0] == '{' }

func (im *importer) times(src *source) {
	if from, ok := src.Time.From.(string); ok {
		if text, ok := strings.CutPrefix(from, "now-"); ok {
			text, _, _ = strings.Cut(text, "/")
			if d, err := model.ParseDuration(text); err == nil && time.Duration(d) >= time.Minute {
				im.d.Range = declare.Span(d)
			}
		}
	}
	if text, ok := src.Refresh.(string); ok && text != "" {
		if d, err := model.ParseDuration(text); err == nil && time.Duration(d) <= 24*time.Hour {
			im.d.Refresh = declare.Span(max(time.Duration(d), 5*time.Second))
		}
	}
}

// panels reads them in their order, put into rows: a row of Grafana's holds what stands
// below it, or inside of it when it is collapsed.
func (im *importer) panels(src *source) {
	rows := []declare.DashboardRow{{}}
	into := func(p panel) {
		if one, ok := im.panel(p); ok {
			last := &rows[len(rows)-1]
			last.Panels = append(last.Panels, one)
		}
	}
	for _, r := range src.Rows {
		im.at = r.Title
		rows = append(rows, declare.DashboardRow{Title: im.text(r.Title), Collapsed: r.Collapse && r.Title != "", Repeat: im.repeat(r.Repeat)})
		for _, p := range r.Panels {
			into(p)
		}
	}
	slices.SortStableFunc(src.Panels, byPlace)
	for _, p := range src.Panels {
		if p.Type != "row" {
			into(p)
			continue
		}
		im.at = p.Title
		rows = append(rows, declare.DashboardRow{Title: im.text(p.Title), Collapsed: p.Collapsed && p.Title != "", Repeat: im.repeat(p.Repeat)})
		for _, inner := range p.Panels {
			into(inner)
		}
	}
	im.d.Rows = slices.DeleteFunc(rows, func(r declare.DashboardRow) bool { return len(r.Panels) == 0 })
	// A row of Grafana's may hold any number of panels, a dashboard of ours 200 in all.
	left := dashboard.MaxPanels
	for i := range im.d.Rows {
		r := &im.d.Rows[i]
		if len(r.Panels) > left {
			for _, p := range r.Panels[left:] {
				im.at = p.Title
				im.lose("the panel", "a dashboard has at most %d", dashboard.MaxPanels)
			}
			r.Panels = r.Panels[:left]
		}
		left -= len(r.Panels)
	}
	im.d.Rows = slices.DeleteFunc(im.d.Rows, func(r declare.DashboardRow) bool { return len(r.Panels) == 0 })
}

// byPlace is the order in which panels are read: down, and to the right.
func byPlace(a, b panel) int {
	return cmp.Or(cmp.Compare(a.GridPos.Y, b.GridPos.Y), cmp.Compare(a.GridPos.X, b.GridPos.X))
}

func (im *importer) repeat(name string) string {
	if name == "" {
		return ""
	}
	if v := im.d.Variable(im.vars[name]); v == nil || v.Text {
		im.lose("repeat by "+name, "the variable did not map")
		return ""
	}
	return im.vars[name]
}
