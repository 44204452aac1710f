package declare

import "time"

// Runbook is a Markdown file whose fences can run.
type Runbook struct {
	Name     string // file name without .md
	Title    string // front matter title, else the first heading
	Summary  string // the first paragraph, as plain text
	Services []ServiceID
	Params   []Param
	Steps    []Step // in the file's order; rollback steps are among them
	Verify   Verify
	Secrets  []string // front matter secrets: names of evenkeel.yml's, which steps get beside the parameters
	Fault    string   // front matter rehearse: the fault of the demo that a rehearsal injects
	Tags     []string
	Owner    TeamID
	Locks    []string  // front matter locks: what else a run alters, as host/${host}
	VerifyBy time.Time // front matter verify_by: when somebody should have read it again
	Source   []byte    // the whole file
	Pos      Position
}

// Verify says how a run proves that it helped: the objective that paged (or the
// one named here) has stopped burning within the time.
type Verify struct {
	Objective ObjectiveName
	Within    time.Duration // default 10 minutes
}

// Param is a typed input of a runbook.
type Param struct {
	Name        string // [a-z][a-z0-9_]*
	Type        ParamType
	Description string
	Required    bool
	Default     string
	Pattern     string   // RE2, whole value; type string only
	Values      []string // type enum
	Min, Max    *float64 // int and number
	Pos         Position
}

// ParamType is the type of a parameter's value.
type ParamType string

// The types of parameters.
const (
	ParamString   ParamType = "string"
	ParamInt      ParamType = "int"
	ParamNumber   ParamType = "number"
	ParamBool     ParamType = "bool"
	ParamEnum     ParamType = "enum"
	ParamDuration ParamType = "duration"
	ParamService  ParamType = "service"
)

// Step is one fence that runs.
type Step struct {
	Index    int    // from 0, over all runnable fences of the file
	Name     string // attribute name, else step-N
	Language string // sh, ssh, http, promql, logsql, kube, terraform, manual, wait, runbook
	Risk     Risk   // default: low for promql, medium for the others
	Class    Class  // attribute class, else by language and risk
	Prose    string // Markdown between the fence before and this one
	Body     string
	Rollback bool          // attribute rollback: runs only when the run has failed
	Expect   string        // attribute expect: promql a comparison as "< 0.01", http a status as 200
	Within   time.Duration // attribute within: keep asking until Expect holds, at most so long; of wait: for
	Timeout  time.Duration // attribute timeout, default 60 s, of terraform 30 min
	Retry    bool          // attribute retry=safe: may run again after the server died in the middle of it
	On       string        // attribute on: where, as host:$host
	Attrs    map[string]string
	Pos      Position
}
