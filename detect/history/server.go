package history

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
)

const (
	maxAnswer = 1 << 30          // bytes of one answer
	piece     = 24 * time.Hour   // of the raw samples asked for at once
	patience  = 10 * time.Minute // for one answer
)

// server is a Prometheus-compatible query API. Raw samples are what an instant query
// with a range selector answers with, which all of them know. Markers of staleness are
// not among them: a series that ended is seen for the lookback longer.
type server struct {
	base   *url.URL
	client *http.Client
}

func openServer(ctx context.Context, o Options) (*History, error) {
	u, err := url.Parse(strings.TrimRight(o.Where, "/"))
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("cannot open history: got %q, expected an address such as http://prometheus:9090", o.Where)
	}
	s := &server{base: u, client: o.Client}
	if s.client == nil {
		s.client = http.DefaultClient
	}
	if _, err := s.query(ctx, "vector(1)", time.Now(), nil); err != nil {
		return nil, fmt.Errorf("cannot open history: %w", err)
	}
	return &History{Queryable: s, What: "the samples of " + u.Redacted()}, nil
}

// query asks for an instant query; result gets the raw result, and may be nil.
func (s *server) query(ctx context.Context, expr string, at time.Time, result any) (kind string, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	form := url.Values{"query": {expr}, "time": {seconds(at.UnixMilli())}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.base.JoinPath("/api/v1/query").String(), strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	var data struct {
		ResultType string          `json:"resultType"`
		Result     json.RawMessage `json:"result"`
	}
	if err := s.ask(req, &data); err != nil || result == nil {
		return data.ResultType, err
	}
	return data.ResultType, json.Unmarshal(data.Result, result)
}

func seconds(ms int64) string { return strconv.FormatFloat(float64(ms)/1000, 'f', 3, 64) }

// ask sends a request; data gets the answer's.
func (s *server) ask(req *http.Request, data any) error {
	resp, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var answer struct {
		Status string          `json:"status"`
		Error  string          `json:"error"`
		Data   json.RawMessage `json:"data"`
	}
	err = json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&answer)
	switch {
	case answer.Error != "":
		return fmt.Errorf("%s refuses: %s", s.base.Redacted(), answer.Error)
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("%s: %s", s.base.Redacted(), resp.Status)
	case err != nil || answer.Status != "success":
		return fmt.Errorf("%s: expected the answer of a Prometheus API: %w", s.base.Redacted(), errors.Join(err, errors.New("no status")))
	}
	return json.Unmarshal(answer.Data, data)
}

// Querier implements storage.Queryable.
func (s *server) Querier(mint, maxt int64) (storage.Querier, error) {
	return &serverQuerier{s: s, from: mint, to: maxt}, nil
}

type serverQuerier struct {
	s        *server
	from, to int64
}

func (q *serverQuerier) Close() error { return nil }

func (q *serverQuerier) Select(ctx context.Context, sortSeries bool, hints *storage.SelectHints, ms ...*labels.Matcher) storage.SeriesSet {
	from, to := q.from, q.to
	if hints != nil {
		from, to = max(from, hints.Start), min(to, hints.End)
	}
	m := NewMemory()
	for ; from <= to; from += piece.Milliseconds() {
		if err := q.s.raw(ctx, m, ms, from, min(to, from+piece.Milliseconds()-1)); err != nil {
			return storage.ErrSeriesSet(err)
		}
	}
	under, _ := m.Querier(math.MinInt64, math.MaxInt64)
	return under.Select(ctx, sortSeries, nil, ms...)
}

// raw reads the samples of some times, both included.
func (s *server) raw(ctx context.Context, m *Memory, ms []*labels.Matcher, from, to int64) error {
	var series []struct {
		Metric     map[string]string    `json:"metric"`
		Values     [][2]json.RawMessage `json:"values"`
		Histograms json.RawMessage      `json:"histograms"`
	}
	expr := fmt.Sprintf("%s[%dms]", selector(ms), to-from+1)
	if kind, err := s.query(ctx, expr, time.UnixMilli(to), &series); err != nil {
		return err
	} else if kind != "matrix" {
		return fmt.Errorf("%s: expected a matrix for %s, got a %s", s.base.Redacted(), expr, kind)
	}
	for _, one := range series {
		if len(one.Histograms) > 0 && string(one.Histograms) != "null" {
			return fmt.Errorf("%v has native histograms, which the query API does not give whole: replay a data folder", one.Metric)
		}
		points := make([]Point, 0, len(one.Values))
		for _, v := range one.Values {
			p, err := point(v)
			if err != nil {
				return fmt.Errorf("%s: %w", s.base.Redacted(), err)
			}
			if p.T >= from && p.T <= to {
				points = append(points, p)
			}
		}
		if err := m.Add(labels.FromMap(one.Metric), points...); err != nil {
			return err
		}
	}
	return nil
}

func point(v [2]json.RawMessage) (Point, error) {
	seconds, err := strconv.ParseFloat(string(v[0]), 64)
	if err != nil {
		return Point{}, fmt.Errorf("got %q, expected a time", v[0])
	}
	f, err := strconv.ParseFloat(strings.Trim(string(v[1]), `"`), 64)
	if err != nil {
		return Point{}, fmt.Errorf("got %q, expected a value", v[1])
	}
	return Point{T: int64(math.Round(seconds * 1000)), V: f}, nil
}

// LabelValues implements storage.LabelQuerier.
func (q *serverQuerier) LabelValues(ctx context.Context, name string, _ *storage.LabelHints, ms ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	out, err := q.names(ctx, q.s.base.JoinPath("/api/v1/label", name, "values"), ms)
	return out, nil, err
}

// LabelNames implements storage.LabelQuerier.
func (q *serverQuerier) LabelNames(ctx context.Context, _ *storage.LabelHints, ms ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	out, err := q.names(ctx, q.s.base.JoinPath("/api/v1/labels"), ms)
	return out, nil, err
}

func (q *serverQuerier) names(ctx context.Context, at *url.URL, ms []*labels.Matcher) (out []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	form := url.Values{"start": {seconds(q.from)}, "end": {seconds(q.to)}}
	if len(ms) > 0 {
		form.Set("match[]", selector(ms))
	}
	at.RawQuery = form.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, err
	}
	err = q.s.ask(req, &out)
	return out, err
}

func selector(ms []*labels.Matcher) string {
	parts := make([]string, len(ms))
	for i, m := range ms {
		parts[i] = m.String()
	}
	return "{" + strings.Join(parts, ",") + "}"
}
