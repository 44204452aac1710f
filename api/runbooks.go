package api

import (
	"slices"
	"time"

	"github.com/prometheus/common/model"

	"github.com/evenkeel/evenkeel/declare"
)

// Runbook is a runbook without its text.
type Runbook struct {
	Name     string              `json:"name"`
	Title    string              `json:"title"`
	Summary  string              `json:"summary,omitempty"`
	Services []declare.ServiceID `json:"services"`
	Params   []RunbookParam      `json:"params"`
	Risk     declare.Risk        `json:"risk" doc:"The highest of its steps."`
	Steps    int                 `json:"step_count"`
	VerifyBy time.Time           `json:"verify_by,omitzero" doc:"When somebody should have read it again."`
	Stale    bool                `json:"stale" doc:"That time is over."`
	Declared declare.Position    `json:"declared"`
}

// RunbookParam is a typed input.
type RunbookParam struct {
	Name        string            `json:"name"`
	Type        declare.ParamType `json:"type"`
	Description string            `json:"description,omitempty"`
	Required    bool              `json:"required"`
	Default     string            `json:"default,omitempty"`
	Pattern     string            `json:"pattern,omitempty"`
	Values      []string          `json:"values,omitempty"`
	Min         *float64          `json:"min,omitempty"`
	Max         *float64          `json:"max,omitempty"`
}

// RunbookText is a runbook whole.
type RunbookText struct {
	Runbook
	Objective declare.ObjectiveName `json:"verify_objective,omitempty" doc:"What verifies a run; the objective that paged when absent."`
	Within    string                `json:"verify_within" doc:"How long that may take."`
	StepList  []RunbookStep         `json:"steps"`
	Source    string                `json:"source" doc:"The Markdown."`
}

// RunbookStep is one fence that runs.
type RunbookStep struct {
	Index    int          `json:"index"`
	Name     string       `json:"name"`
	Language string       `json:"language"`
	Risk     declare.Risk `json:"risk"`
	Rollback bool         `json:"rollback,omitempty" doc:"Runs only when the run has failed."`
	Prose    string       `json:"prose,omitempty"`
	Body     string       `json:"body"`
	Expect   string       `json:"expect,omitempty"`
	Within   string       `json:"within,omitempty"`
	Timeout  string       `json:"timeout,omitempty"`
	Retry    bool         `json:"retry_safe,omitempty"`
	On       string       `json:"on,omitempty"`
}

type runbookQuery struct {
	Service declare.ServiceID `query:"service" doc:"Those for this service."`
}

func (s *server) runbooks(c *call, q runbookQuery) (List[Runbook], error) {
	var out []Runbook
	for _, rb := range s.Workspace().Runbooks {
		if q.Service == "" || slices.Contains(rb.Services, q.Service) {
			out = append(out, runbook(rb, c.now))
		}
	}
	return listOf(out), nil
}

func (s *server) runbook(c *call, _ none) (RunbookText, error) {
	name := c.PathValue("runbook")
	rb := s.Workspace().Runbook(name)
	if rb == nil {
		return RunbookText{}, unknown("runbook", name, "GET "+Root+"/runbooks lists them.")
	}
	return RunbookText{
		Runbook: runbook(rb, c.now), Objective: rb.Verify.Objective, Within: duration(rb.Verify.Within), Source: string(rb.Source),
		StepList: each(rb.Steps, func(st declare.Step) RunbookStep {
			return RunbookStep{
				Index: st.Index, Name: st.Name, Language: st.Language, Risk: st.Risk, Rollback: st.Rollback, Prose: st.Prose,
				Body: st.Body, Expect: st.Expect, Within: duration(st.Within), Timeout: duration(st.Timeout), Retry: st.Retry, On: st.On,
			}
		}),
	}, nil
}

func runbook(rb *declare.Runbook, now time.Time) Runbook {
	out := Runbook{
		Name: rb.Name, Title: rb.Title, Summary: rb.Summary, Services: filled(rb.Services), Steps: len(rb.Steps),
		Risk: declare.RiskNone, VerifyBy: rb.VerifyBy, Stale: !rb.VerifyBy.IsZero() && now.After(rb.VerifyBy), Declared: rb.Pos,
		Params: each(rb.Params, runbookParam),
	}
	for _, st := range rb.Steps {
		if st.Risk.Rank() > out.Risk.Rank() {
			out.Risk = st.Risk
		}
	}
	return out
}

// duration writes a duration as people do, "" for none.
func duration(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return model.Duration(d).String()
}

// runbookParam is an input as the document has it.
func runbookParam(p declare.Param) RunbookParam {
	return RunbookParam{
		Name: p.Name, Type: p.Type, Description: p.Description, Required: p.Required, Default: p.Default,
		Pattern: p.Pattern, Values: p.Values, Min: p.Min, Max: p.Max,
	}
}
