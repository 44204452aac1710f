package logs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Point is one result of a stats query. The metric has the name of the result as
// __name__, and the fields that were grouped by.
type Point struct {
	Metric map[string]string
	Time   int64 // Unix nanoseconds
	Value  string
}

const maxStatsPoints = 1_000_000

var errStats = errors.New("too many results: group by fewer fields, or make the step longer")

// StatsAt runs a query that ends in a stats pipe, at the time it was parsed for.
func (s *Store) StatsAt(ctx context.Context, q *Query) ([]Point, error) {
	labels, err := q.GetStatsLabels()
	if err != nil {
		return nil, fmt.Errorf("cannot evaluate: expected a query that ends in a stats pipe: %w", err)
	}
	return s.points(ctx, q, labels)
}

// StatsRange runs it for each step of its time range.
func (s *Store) StatsRange(ctx context.Context, q *Query, step time.Duration) ([]Point, error) {
	labels, err := q.GetStatsLabelsAddGroupingByTime(int64(step), 0)
	if err != nil {
		return nil, fmt.Errorf("cannot evaluate: expected a query that ends in a stats pipe: %w", err)
	}
	points, err := s.points(ctx, q, labels)
	slices.SortStableFunc(points, func(a, b Point) int { return int(min(1, max(-1, a.Time-b.Time))) })
	return points, err
}

func (s *Store) points(ctx context.Context, q *Query, labels []string) ([]Point, error) {
	var out []Point
	at := q.GetTimestamp()
	add := func(p Point, name string) {
		metric := map[string]string{"__name__": name}
		for k, v := range p.Metric {
			metric[k] = v
		}
		out = append(out, Point{Metric: metric, Time: p.Time, Value: p.Value})
	}
	err := s.Blocks(ctx, q, func(columns []Column) bool {
		for i := range columns[0].Values {
			base := Point{Metric: map[string]string{}, Time: at}
			for _, c := range columns {
				switch {
				case c.Name == "_time":
					if t, err := time.Parse(time.RFC3339Nano, c.Values[i]); err == nil {
						base.Time = t.UnixNano()
					}
				case slices.Contains(labels, c.Name):
					base.Metric[strings.Clone(c.Name)] = strings.Clone(c.Values[i])
				}
			}
			for _, c := range columns {
				if c.Name == "_time" || slices.Contains(labels, c.Name) {
					continue
				}
				name, value := strings.Clone(c.Name), strings.Clone(c.Values[i])
				if buckets := histogram(value); buckets != nil {
					for _, b := range buckets {
						p := Point{Metric: map[string]string{"vmrange": b.Range}, Time: base.Time, Value: strconv.FormatUint(b.Hits, 10)}
						for k, v := range base.Metric {
							p.Metric[k] = v
						}
						add(p, name+"_bucket")
					}
					continue
				}
				base.Value = value
				add(base, name)
			}
			if len(out) > maxStatsPoints {
				return false
			}
		}
		return true
	})
	if err == nil && len(out) > maxStatsPoints {
		err = errStats
	}
	return out, err
}

type bucket struct {
	Range string `json:"vmrange"`
	Hits  uint64 `json:"hits"`
}

// histogram reads the result of the histogram() function.
func histogram(value string) []bucket {
	if !strings.HasPrefix(value, `[{"vmrange":"`) {
		return nil
	}
	var out []bucket
	if json.Unmarshal([]byte(value), &out) != nil {
		return nil
	}
	return out
}
