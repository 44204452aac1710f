package api

import (
	"context"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/observe/usage"
)

// TelemetryItem is what one service sends by one receiver.
type TelemetryItem struct {
	usage.Item
	Owner declare.TeamID `json:"owner,omitempty"`
}

// Cardinality is how many series or values something has.
type Cardinality struct {
	Name  string `json:"name"`
	Count uint64 `json:"count"`
}

// Telemetry is what is sent, by whom, and whether anybody looks at it.
type Telemetry struct {
	Items       []TelemetryItem `json:"items"`
	Series      uint64          `json:"series" doc:"Active ones."`
	SeriesBy    []Cardinality   `json:"series_by_metric" doc:"Metrics with most series."`
	ValuesBy    []Cardinality   `json:"values_by_label" doc:"Labels with most values."`
	JobsBy      []Cardinality   `json:"series_by_job" doc:"Jobs with most series."`
	LogValuesBy []Cardinality   `json:"values_by_stream_field" doc:"Stream fields of logs with most values, of the last hour."`
	UnusedBy    []Cardinality   `json:"unused_metrics" doc:"Metrics with most series that no query and no rule has named for 30 days."`
	Unused      uint64          `json:"unused_series" doc:"Series of all metrics that no query and no rule has named for 30 days."`
}

type telemetryQuery struct {
	From time.Time `query:"from" doc:"Volume from then; default a day before to."`
	To   time.Time `query:"to" doc:"Volume before then; default now."`
}

func (s *server) telemetry(c *call, q telemetryQuery) (Telemetry, error) {
	span, err := patternQuery{From: q.From, To: q.To}.span(c.now, 24*time.Hour)
	if err != nil {
		return Telemetry{}, err
	}
	var t Telemetry
	if s.Telemetry != nil {
		if t, err = s.Telemetry(c.Context(), span.From, span.To); err != nil {
			return t, err
		}
	}
	w := s.Workspace()
	for i := range t.Items {
		if svc := w.Service(declare.ServiceID(t.Items[i].Service)); svc != nil {
			t.Items[i].Owner = svc.Owner
		}
	}
	t.Items, t.SeriesBy, t.ValuesBy, t.JobsBy = filled(t.Items), filled(t.SeriesBy), filled(t.ValuesBy), filled(t.JobsBy)
	t.LogValuesBy, t.UnusedBy = filled(t.LogValuesBy), filled(t.UnusedBy)
	return t, nil
}

// TelemetryReport makes the report.
type TelemetryReport = func(ctx context.Context, from, to time.Time) (Telemetry, error)
