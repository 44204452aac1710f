package api

import (
	"math"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
)

// Finding is a detect.Finding whose value JSON can say: null stands for a value that
// is not a finite number.
type Finding struct {
	detect.Finding
	Value *float64 `json:"value" doc:"The query's value when it opened; null when that is not a finite number."`
}

func finding(f detect.Finding) Finding {
	if f.Labels == nil {
		f.Labels = map[string]string{}
	}
	return Finding{Finding: f, Value: finite(f.Value)}
}

// finite is nil for what JSON cannot say.
func finite(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

type findingQuery struct {
	Open     *bool             `query:"open" doc:"Only open ones, or only resolved ones."`
	Severity detect.Severity   `query:"severity"`
	Service  declare.ServiceID `query:"service"`
	Detector string            `query:"detector"`
	Incident int64             `query:"incident"`
	Text     string            `query:"text" doc:"A part of the name or the summary."`
	page
}

func (s *server) findings(c *call, q findingQuery) (List[Finding], error) {
	found, total, err := s.Findings.List(c.Context(), detect.Filter{
		Open: q.Open, Severity: q.Severity, Service: q.Service, Detector: q.Detector,
		Incident: q.Incident, Text: q.Text, Limit: q.limit(), Offset: q.Offset,
	})
	if err != nil {
		return List[Finding]{}, err
	}
	return List[Finding]{Items: each(found, finding), Total: &total, More: q.Offset+len(found) < total}, nil
}

func (s *server) finding(c *call, _ none) (Finding, error) {
	id, err := c.number("finding")
	if err != nil {
		return Finding{}, err
	}
	f, err := s.Findings.Get(c.Context(), id)
	return finding(f), err
}

// openFindings reads all open findings, a page at a time.
func (s *server) openFindings(c *call) ([]detect.Finding, error) {
	const size = 1000
	open := true
	var out []detect.Finding
	for {
		part, total, err := s.Findings.List(c.Context(), detect.Filter{Open: &open, Limit: size, Offset: len(out)})
		if err != nil {
			return nil, err
		}
		out = append(out, part...)
		if len(part) == 0 || len(out) >= total {
			return out, nil
		}
	}
}
