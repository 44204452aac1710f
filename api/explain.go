package api

import (
	"context"
	"time"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/evenkeel/evenkeel/detect/evaluate"
)

// explainTime is how long an explanation may take: windows may have to be built for it.
const explainTime = 2 * time.Minute

// explainQuery asks how an expression is evaluated.
type explainQuery struct {
	Query   string    `query:"query" doc:"PromQL with a vector or a scalar as its result."`
	Time    time.Time `query:"time" doc:"Default: now."`
	Compare bool      `query:"compare" doc:"Have Prometheus' engine evaluate it as well, and say what that costs and whether the result is the same."`
}

// explainExpr says which parts of an expression are kept up to date from what changed, and
// what each costs.
func (s *server) explainExpr(c *call, q explainQuery) (*evaluate.Explanation, error) {
	if s.Explain == nil {
		return nil, invalid("query", q.Query, "a server that keeps samples")
	}
	e, err := parser.NewParser(parser.Options{}).ParseExpr(q.Query)
	if err != nil {
		return nil, invalid("query", q.Query, "PromQL: "+err.Error())
	}
	if t := e.Type(); t != parser.ValueTypeVector && t != parser.ValueTypeScalar {
		return nil, invalid("query", q.Query, "a vector or a scalar, not a "+string(t))
	}
	if q.Time.IsZero() {
		q.Time = c.now
	}
	ctx, cancel := context.WithTimeout(c.Context(), explainTime)
	defer cancel()
	x, err := s.Explain(ctx, q.Query, q.Time, q.Compare)
	if err != nil && c.Context().Err() == nil {
		return nil, invalid("query", q.Query, "an expression that can be evaluated: "+err.Error())
	}
	return x, err
}
