package declare

// Dashboard is a page of panels, a file in dashboards/.
type Dashboard struct {
	Name        string              `json:"name" yaml:"-"` // file name without .yml
	Title       string              `json:"title" yaml:"title"`
	Description string              `json:"description,omitempty" yaml:"description,omitempty"`
	Service     ServiceID           `json:"service,omitempty" yaml:"service,omitempty"` // whose changes, alerts and objectives are drawn; "" for all
	Range       Span                `json:"range_seconds" yaml:"range,omitempty"`       // shown when nobody says otherwise; default 1h
	Refresh     Span                `json:"refresh_seconds" yaml:"refresh,omitempty"`   // of an open page that shows now; default 30s
	Variables   []DashboardVariable `json:"variables,omitempty" yaml:"variables,omitempty"`
	Rows        []DashboardRow      `json:"rows" yaml:"rows"`
	Pos         Position            `json:"-" yaml:"-"`
}

// DashboardVariable is chosen by whoever looks. Its values are those of a label in the
// metrics, of a field in the logs, fixed ones, or any text.
type DashboardVariable struct {
	Name    string   `json:"name" yaml:"name"`
	Title   string   `json:"title,omitempty" yaml:"title,omitempty"`
	Label   string   `json:"label,omitempty" yaml:"label,omitempty"`     // of metrics
	Of      string   `json:"of,omitempty" yaml:"of,omitempty"`           // the series that have it, a selector; "" for all
	Field   string   `json:"field,omitempty" yaml:"field,omitempty"`     // of log lines
	In      string   `json:"in,omitempty" yaml:"in,omitempty"`           // the lines that have it, LogsQL; "" for all
	Match   string   `json:"match,omitempty" yaml:"match,omitempty"`     // only values that this regular expression finds; its first group is taken
	Values  []string `json:"values,omitempty" yaml:"values,omitempty"`   // fixed ones
	Text    bool     `json:"text,omitempty" yaml:"text,omitempty"`       // any
	Default []string `json:"default,omitempty" yaml:"default,omitempty"` // chosen when nobody says otherwise; none: the first value, or all
	Multi   bool     `json:"multi,omitempty" yaml:"multi,omitempty"`     // several may be chosen
	All     bool     `json:"all,omitempty" yaml:"all,omitempty"`         // all may be chosen at once
}

// DashboardRow is panels beside each other, twelve columns wide.
type DashboardRow struct {
	Title     string  `json:"title,omitempty" yaml:"title,omitempty"`
	Repeat    string  `json:"repeat,omitempty" yaml:"repeat,omitempty"` // once for each chosen value of this variable
	Collapsed bool    `json:"collapsed,omitempty" yaml:"collapsed,omitempty"`
	Panels    []Panel `json:"panels" yaml:"panels"`
}

// The types of panels.
const (
	PanelTimeSeries = "timeseries"
	PanelStat       = "stat"
	PanelTable      = "table"
	PanelBar        = "bar"
	PanelHeatmap    = "heatmap"
	PanelLogs       = "logs"
	PanelText       = "text"
)

// Panel is one picture, or text.
type Panel struct {
	Title       string            `json:"title,omitempty" yaml:"title,omitempty"`
	Description string            `json:"description,omitempty" yaml:"description,omitempty"`
	Type        string            `json:"type" yaml:"type"`
	Width       int               `json:"width" yaml:"width,omitempty"` // of twelve columns
	Repeat      string            `json:"repeat,omitempty" yaml:"repeat,omitempty"`
	Unit        string            `json:"unit,omitempty" yaml:"unit,omitempty"` // see docs/dashboards.md
	Min         *float64          `json:"min,omitempty" yaml:"min,omitempty"`
	Max         *float64          `json:"max,omitempty" yaml:"max,omitempty"`
	Stack       bool              `json:"stack,omitempty" yaml:"stack,omitempty"`
	Reduce      string            `json:"reduce,omitempty" yaml:"reduce,omitempty"` // of a stat, table or bar: last, mean, min, max, sum; default last
	Limit       int               `json:"limit,omitempty" yaml:"limit,omitempty"`   // rows of a table, bars, lines
	Words       map[string]string `json:"words,omitempty" yaml:"words,omitempty"`   // shown in the place of a value
	Thresholds  []PanelThreshold  `json:"thresholds,omitempty" yaml:"thresholds,omitempty"`
	Queries     []PanelQuery      `json:"queries,omitempty" yaml:"queries,omitempty"`
	Text        string            `json:"text,omitempty" yaml:"text,omitempty"` // Markdown
	Pos         Position          `json:"-" yaml:"-"`
}

// PanelQuery is PromQL or LogsQL, with $variables.
type PanelQuery struct {
	PromQL string `json:"promql,omitempty" yaml:"promql,omitempty"`
	LogsQL string `json:"logsql,omitempty" yaml:"logsql,omitempty"`
	Legend string `json:"legend,omitempty" yaml:"legend,omitempty"` // with {{label}}; "" for the labels that differ
}

// PanelThreshold is a value from which on a level counts.
type PanelThreshold struct {
	Value float64 `json:"value" yaml:"value"`
	Level string  `json:"level" yaml:"level"` // ok, warn, bad
	Label string  `json:"label,omitempty" yaml:"label,omitempty"`
}

// Dashboard returns the dashboard of that name, or nil.
func (w *Workspace) Dashboard(name string) *Dashboard {
	return find(w.Dashboards, name, func(d *Dashboard) string { return d.Name })
}

// Variable returns the variable of that name, or nil.
func (d *Dashboard) Variable(name string) *DashboardVariable {
	for i := range d.Variables {
		if d.Variables[i].Name == name {
			return &d.Variables[i]
		}
	}
	return nil
}

// Panels counts them.
func (d *Dashboard) Panels() int {
	n := 0
	for _, r := range d.Rows {
		n += len(r.Panels)
	}
	return n
}
