package grafana

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/evenkeel/evenkeel/declare"
)

type panel struct {
	Title       string  `json:"title"`
	Description string  `json:"description"`
	Type        string  `json:"type"`
	Collapsed   bool    `json:"collapsed"`
	Repeat      string  `json:"repeat"`
	Span        float64 `json:"span"` // of twelve, of old
	GridPos     struct {
		X, Y, W float64
	} `json:"gridPos"`
	Panels          []panel           `json:"panels"`
	Targets         []target          `json:"targets"`
	Datasource      json.RawMessage   `json:"datasource"`
	Links           []json.RawMessage `json:"links"`
	Alert           json.RawMessage   `json:"alert"`
	Transformations []transformation  `json:"transformations"`
	LibraryPanel    json.RawMessage   `json:"libraryPanel"`
	FieldConfig     struct {
		Defaults  fieldConfig `json:"defaults"`
		Overrides []override  `json:"overrides"`
	} `json:"fieldConfig"`
	Options struct {
		Content       string `json:"content"`
		Mode          string `json:"mode"`
		ReduceOptions struct {
			Calcs []string `json:"calcs"`
		} `json:"reduceOptions"`
		ColorMode string `json:"colorMode"`
	} `json:"options"`
	TimeFrom  string `json:"timeFrom"`
	TimeShift string `json:"timeShift"`

	// Of the panels of old: graph, singlestat, table-old, text.
	Content   string `json:"content"`
	Mode      string `json:"mode"`
	Format    any    `json:"format"`
	ValueName string `json:"valueName"`
	Stack     bool   `json:"stack"`
	Yaxes     []struct {
		Format string `json:"format"`
		Min    any    `json:"min"`
		Max    any    `json:"max"`
		Show   *bool  `json:"show"`
	} `json:"yaxes"`
	SeriesOverrides []map[string]any `json:"seriesOverrides"`
	Thresholds      any              `json:"thresholds"`
}

type fieldConfig struct {
	Unit        string   `json:"unit"`
	DisplayName string   `json:"displayName"`
	Min         *float64 `json:"min"`
	Max         *float64 `json:"max"`
	Thresholds  struct {
		Mode  string `json:"mode"`
		Steps []struct {
			Color string   `json:"color"`
			Value *float64 `json:"value"`
		} `json:"steps"`
	} `json:"thresholds"`
	Mappings []struct {
		Type    string          `json:"type"`
		Options json.RawMessage `json:"options"`
		Value   any             `json:"value"`
		Text    string          `json:"text"`
	} `json:"mappings"`
	Custom struct {
		Stacking struct {
			Mode string `json:"mode"`
		} `json:"stacking"`
		ThresholdsStyle struct {
			Mode string `json:"mode"`
		} `json:"thresholdsStyle"`
	} `json:"custom"`
}

// kinds are types of panels by those of Grafana.
var kinds = map[string]string{
	"timeseries": declare.PanelTimeSeries, "graph": declare.PanelTimeSeries, "stat": declare.PanelStat, "singlestat": declare.PanelStat, "gauge": declare.PanelStat,
	"table": declare.PanelTable, "table-old": declare.PanelTable, "bargauge": declare.PanelBar, "barchart": declare.PanelBar, "piechart": declare.PanelBar, "grafana-piechart-panel": declare.PanelBar,
	"logs": declare.PanelLogs, "text": declare.PanelText, "heatmap": declare.PanelHeatmap, "state-timeline": declare.PanelTimeSeries, "status-history": declare.PanelTimeSeries,
}

// drawnAs says what is drawn in another way than Grafana does.
var drawnAs = map[string]string{
	"piechart": "bars, longest first", "grafana-piechart-panel": "bars, longest first", "state-timeline": "lines", "status-history": "lines",
}

func (im *importer) panel(p panel) (declare.Panel, bool) {
	im.at = p.Title
	if im.at == "" {
		im.at = "(" + p.Type + " without a title)"
	}
	kind, ok := kinds[p.Type]
	switch {
	case len(p.LibraryPanel) > 0 && len(p.Targets) == 0 && string(p.LibraryPanel) != "null":
		im.lose("the panel", "it is kept in Grafana's library: export the dashboard with what it holds")
		return declare.Panel{}, false
	case !ok:
		im.lose("the panel", "panels of type %s are not there", p.Type)
		return declare.Panel{}, false
	}
	if as := drawnAs[p.Type]; as != "" {
		im.lose("how a "+p.Type+" looks", "it is drawn as %s", as)
	}
	out := declare.Panel{Title: im.text(p.Title), Description: strings.TrimSpace(p.Description), Type: kind, Width: width(p), Repeat: im.repeat(p.Repeat)}
	if kind == declare.PanelText {
		out.Text = p.Options.Content
		if out.Text == "" {
			out.Text = p.Content
		}
		if p.Options.Mode == "html" || p.Mode == "html" {
			im.lose("HTML", "text is Markdown here, and HTML is shown as it is written")
		}
		if out.Text = im.text(out.Text); strings.TrimSpace(out.Text) == "" {
			im.lose("the panel", "its text is empty")
			return out, false
		}
		return out, true
	}
	im.targets(p, &out)
	if len(out.Queries) == 0 {
		im.lose("the panel", "none of its queries maps")
		return out, false
	}
	im.overrides(&p, &out)
	im.organize(&p, &out)
	im.values(p, &out)
	im.rest(p)
	return out, true
}

func width(p panel) int {
	w := p.Span
	if p.GridPos.W > 0 {
		w = p.GridPos.W / 2
	}
	if w == 0 {
		return 0
	}
	return int(math.Max(1, math.Min(12, math.Round(w))))
}

// values are unit, bounds, thresholds, words and what a value is taken of.
func (im *importer) values(p panel, out *declare.Panel) {
	f := p.FieldConfig.Defaults
	format := f.Unit
	if s, ok := p.Format.(string); ok && format == "" && p.Type == "singlestat" {
		format = s
	}
	if len(p.Yaxes) > 0 && format == "" {
		format = p.Yaxes[0].Format
		for i, axis := range p.Yaxes[:1] {
			if x, ok := number(axis.Min); ok && i == 0 {
				out.Min = &x
			}
			if x, ok := number(axis.Max); ok {
				out.Max = &x
			}
		}
	}
	var known bool
	if out.Unit, known = unit(format); !known {
		im.lose("unit "+format, "numbers are no times here")
	}
	if f.Min != nil {
		out.Min = f.Min
	}
	if f.Max != nil {
		out.Max = f.Max
	}
	if out.Min != nil && out.Max != nil && *out.Min >= *out.Max {
		out.Min, out.Max = nil, nil
	}
	out.Stack = out.Type == declare.PanelTimeSeries && (p.Stack || f.Custom.Stacking.Mode == "normal" || f.Custom.Stacking.Mode == "percent")
	if f.Custom.Stacking.Mode == "percent" {
		im.lose("stacked to 100 %", "it is stacked as it is: divide by the sum in the query")
	}
	if out.Type == declare.PanelStat || out.Type == declare.PanelBar {
		im.reduce(p, out)
	}
	plain := p.Type == "stat" && p.Options.ColorMode == "none" // there its thresholds are not seen
	lines := !plain && out.Type != declare.PanelTimeSeries || out.Type == declare.PanelTimeSeries && f.Custom.ThresholdsStyle.Mode != "" && f.Custom.ThresholdsStyle.Mode != "off"
	if lines && f.Thresholds.Mode != "percentage" {
		for _, s := range f.Thresholds.Steps {
			if s.Value != nil {
				out.Thresholds = append(out.Thresholds, declare.PanelThreshold{Value: *s.Value, Level: level(s.Color)})
			}
		}
	}
	if lines && f.Thresholds.Mode == "percentage" && len(f.Thresholds.Steps) > 1 {
		if out.Max == nil {
			im.lose("thresholds", "they are per cent of a maximum that is not set")
		} else {
			lo := 0.0
			if out.Min != nil {
				lo = *out.Min
			}
			for _, s := range f.Thresholds.Steps {
				if s.Value != nil {
					out.Thresholds = append(out.Thresholds, declare.PanelThreshold{Value: lo + *s.Value/100*(*out.Max-lo), Level: level(s.Color)})
				}
			}
		}
	}
	im.oldThresholds(p, out)
	im.words(f, out)
}

// oldThresholds are "80,90" of a singlestat, and a list of a graph.
func (im *importer) oldThresholds(p panel, out *declare.Panel) {
	switch t := p.Thresholds.(type) {
	case string:
		for i, text := range strings.Split(t, ",") {
			if x, err := strconv.ParseFloat(strings.TrimSpace(text), 64); err == nil {
				out.Thresholds = append(out.Thresholds, declare.PanelThreshold{Value: x, Level: []string{"warn", "bad"}[min(i, 1)]})
			}
		}
	case []any:
		for _, one := range t {
			m, ok := one.(map[string]any)
			if !ok {
				continue
			}
			if x, ok := m["value"].(float64); ok {
				color, _ := m["colorMode"].(string)
				out.Thresholds = append(out.Thresholds, declare.PanelThreshold{Value: x, Level: level(color)})
			}
		}
	}
}

func level(color string) string {
	c := strings.ToLower(color)
	switch {
	case strings.Contains(c, "green") || c == "ok" || c == "transparent" || strings.Contains(c, "blue") || c == "text" || c == "#299c46" || c == "rgba(50, 172, 45, 0.97)":
		return "ok"
	case strings.Contains(c, "orange") || strings.Contains(c, "yellow") || c == "warning" || strings.HasPrefix(c, "rgba(237") || c == "#eab839":
		return "warn"
	}
	return "bad"
}

var reduces = map[string]string{
	"": "", "last": "", "lastNotNull": "", "current": "", "mean": "mean", "avg": "mean", "max": "max", "min": "min", "sum": "sum", "total": "sum",
}

func (im *importer) reduce(p panel, out *declare.Panel) {
	calc := p.ValueName
	if len(p.Options.ReduceOptions.Calcs) > 0 {
		calc = p.Options.ReduceOptions.Calcs[0]
	}
	how, ok := reduces[calc]
	if !ok {
		im.lose("value by "+calc, "the last one is shown")
	}
	out.Reduce = how
}

func (im *importer) words(f fieldConfig, out *declare.Panel) {
	for _, m := range f.Mappings {
		if m.Type == "value" {
			var options map[string]struct {
				Text string `json:"text"`
			}
			if json.Unmarshal(m.Options, &options) == nil {
				for value, o := range options {
					if _, err := strconv.ParseFloat(value, 64); err == nil && o.Text != "" {
						if out.Words == nil {
							out.Words = map[string]string{}
						}
						out.Words[value] = o.Text
					}
				}
				continue
			}
		}
		if m.Type == "special" || m.Text == "N/A" {
			continue // what has no value says so by itself
		}
		if m.Type != "" || m.Text != "" {
			im.lose("a mapping of values", "only single values are put into words")
		}
	}
}

// rest tells of what has no counterpart.
func (im *importer) rest(p panel) {
	for _, t := range p.Transformations {
		if !t.Disabled && !t.done {
			im.lose("transformation "+t.ID, "write it into the query")
		}
	}
	counted := map[string]int{}
	for _, o := range p.FieldConfig.Overrides {
		for _, prop := range o.Properties {
			switch prop.ID {
			case "unit", "custom.transform", "custom.stacking", "mappings", "thresholds", "min", "max", "displayName", "links":
				if !prop.done {
					counted[prop.ID]++
				}
			}
		}
	}
	for _, o := range p.SeriesOverrides {
		for _, key := range []string{"transform", "yaxis", "stack"} {
			if v := o[key]; v != nil && v != 1.0 {
				counted[key]++
			}
		}
	}
	for _, id := range sorted(counted) {
		im.lose(fmt.Sprintf("%s of single series (%d)", strings.TrimPrefix(id, "custom."), counted[id]), "all series of a panel are drawn alike")
	}
	if len(p.Links) > 0 {
		im.lose(fmt.Sprintf("%d links", len(p.Links)), "a panel leads to its queries and to what lies behind them")
	}
	if len(p.Alert) > 0 && string(p.Alert) != "null" {
		im.lose("its alert", "alerts are rules: write it into rules/")
	}
	if p.TimeFrom != "" || p.TimeShift != "" {
		im.lose("a time of its own", "all panels show the time of the page")
	}
}

// number is a JSON number, or text that is one.
func number(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case string:
		f, err := strconv.ParseFloat(v, 64)
		return f, err == nil && !math.IsNaN(f) && !math.IsInf(f, 0)
	}
	return 0, false
}
