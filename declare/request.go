package declare

import "time"

// RequestItem is something that people may ask for, a file in requests/.
type RequestItem struct {
	Name       string // file name without .yml
	Title      string
	Summary    string
	Owner      TeamID
	Form       []Param
	Guardrails []RequestRule
	Approve    LevelName // the lowest level that approves; "" for nobody: self-service
	Runbook    string    // fulfils it; its parameters are those of the form
	Blueprint  string    // or this one does; neither: the owner does it by hand
	Within     time.Duration
	Pos        Position
}

// RequestRule is CEL over form and person that a request has to satisfy.
type RequestRule struct {
	Expr    string
	Message string
}

// Blueprint is a golden path: what it creates and adds to, from a form's values.
type Blueprint struct {
	Name    string
	Kind    string // of the change that it is: config, network, infrastructure
	Files   []BlueprintFile
	Appends []BlueprintAppend
	Pos     Position
}

// BlueprintFile is a file to create. Both are templates; To is relative to the workspace.
type BlueprintFile struct{ To, Template string }

// BlueprintAppend adds a line to a text file, or a value to a list of a YAML file.
type BlueprintAppend struct {
	File string // template
	Line string // template; a line of text
	List string // path to a list, as schedules[name=shop].layers[0].people
	Item string // template; what is added to it
}

// RequestItem returns the item of that name, or nil.
func (w *Workspace) RequestItem(name string) *RequestItem {
	return find(w.Requests, name, func(r *RequestItem) string { return r.Name })
}

// Blueprint returns the blueprint of that name, or nil.
func (w *Workspace) Blueprint(name string) *Blueprint {
	return find(w.Blueprints, name, func(b *Blueprint) string { return b.Name })
}
