package api

import (
	"context"
	"reflect"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/respond/why"
)

// Whys answer why something paged a person, or did not, and what would.
type Whys struct {
	Trace   func(ctx context.Context, now time.Time, finding int64) (why.Trace, error)
	Explain func(ctx context.Context, labels map[string]string, at time.Time) (why.Forecast, error)
}

func init() {
	enums[reflect.TypeFor[why.Outcome]()] = []string{string(why.Passed), string(why.Stopped), string(why.Waits), string(why.Nothing)}
}

func (s *server) findingWhy(c *call, _ none) (why.Trace, error) {
	id, err := c.number("finding")
	if err != nil {
		return why.Trace{}, err
	}
	if s.Whys.Trace == nil {
		return why.Trace{}, errNotReaching
	}
	t, err := s.Whys.Trace(c.Context(), c.now, id)
	t.Steps = filled(t.Steps)
	return t, err
}

type forecastQuery struct {
	Labels string    `query:"labels" doc:"As severity=page,service=checkout."`
	At     time.Time `query:"at" doc:"Default now."`
}

func (s *server) explainLabels(c *call, q forecastQuery) (why.Forecast, error) {
	if s.Whys.Explain == nil {
		return why.Forecast{}, errNotReaching
	}
	labels, err := ParseLabels(q.Labels)
	if err != nil {
		return why.Forecast{}, err
	}
	if q.At.IsZero() {
		q.At = c.now.UTC().Truncate(time.Second)
	}
	f, err := s.Whys.Explain(c.Context(), labels, q.At)
	f.Steps = filled(f.Steps)
	f.Reached = each(f.Reached, func(r why.Reached) why.Reached { r.By = filled(r.By); return r })
	return f, err
}

// ParseLabels reads labels as k=v,k2=v2, or as Prometheus prints them: {k="v", k2="v2"}.
func ParseLabels(text string) (map[string]string, error) {
	out := map[string]string{}
	text = strings.TrimSpace(text)
	if inner, ok := strings.CutPrefix(text, "{"); ok {
		text = strings.TrimSuffix(inner, "}")
	}
	for _, pair := range strings.Split(text, ",") {
		k, v, ok := strings.Cut(strings.TrimSpace(pair), "=")
		k, v = strings.TrimSpace(k), strings.Trim(strings.TrimSpace(v), `"`)
		if !ok || k == "" || strings.HasSuffix(k, "!") || strings.HasPrefix(v, "~") || len(out) == 100 || len(pair) > 2000 {
			return nil, invalid("labels", pair, "labels as severity=page,service=checkout, at most 100")
		}
		out[k] = v
	}
	return out, nil
}

func (s *server) whyRoutes() []route {
	return []route{
		get("/findings/{finding}/why", "Every decision on its way to people, each with the setting behind it.", s.findingWhy),
		get("/oncall/explain", "Whom a finding with these labels would reach at a time, how and when.", s.explainLabels),
	}
}
