package logsql

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/observe/logs"
)

var errTails = fmt.Errorf("%d live tails are running: end one", tailsMost)

// maxPoints bounds the points of one answer.
const maxPoints = 1_000_000

// hitSeries are counts over time of rows with equal fields.
type hitSeries struct {
	Fields     map[string]string `json:"fields"`
	Timestamps []string          `json:"timestamps"`
	Values     []uint64          `json:"values"`
	Total      uint64            `json:"total"`
	at         map[int64]uint64
}

// hits counts rows over time.
func (h *handler) hits(w http.ResponseWriter, q *request) error {
	if q.r.FormValue("step") == "" {
		return bad("got no step, expected a duration: step=1m")
	}
	step, err := duration(q.r, "step", time.Minute)
	if err != nil {
		return err
	}
	most, err := number(q.r, "fields_limit")
	if err != nil {
		return err
	}
	offset := int64(0)
	if q.r.FormValue("offset") != "" {
		d, err := duration(q.r, "offset", 0)
		if err != nil {
			return err
		}
		offset = int64(d)
	}
	if q.start != math.MinInt64 && q.end != math.MaxInt64 && (q.end-q.start)/int64(step) > maxPoints {
		return bad("step: got %s, expected one that makes at most %d points of the range", step, maxPoints)
	}
	q.q.AddCountByTimePipe(int64(step), offset, q.r.Form["field"])
	all := map[string]*hitSeries{}
	points := 0
	if err := h.o.Store.Blocks(q.ctx, q.q, func(columns []logs.Column) bool {
		times, counts := column(columns, "_time"), columns[len(columns)-1].Values
		var by []logs.Column
		for _, c := range columns[:len(columns)-1] {
			if c.Name != "_time" {
				by = append(by, c)
			}
		}
		for i := range counts {
			at, err := time.Parse(time.RFC3339Nano, times[i])
			n, err2 := strconv.ParseUint(counts[i], 10, 64)
			if err != nil || err2 != nil {
				continue
			}
			fields := map[string]string{}
			for _, c := range by {
				fields[strings.Clone(c.Name)] = strings.Clone(c.Values[i])
			}
			key, _ := json.Marshal(fields)
			s := all[string(key)]
			if s == nil {
				s = &hitSeries{Fields: fields, at: map[int64]uint64{}}
				all[string(key)] = s
			}
			s.at[at.UnixNano()] += n
			s.Total += n
			if points++; points > maxPoints {
				return false
			}
		}
		return true
	}); err != nil {
		return err
	}
	if points > maxPoints {
		return bad("step: got %s, expected one that makes at most %d points", step, maxPoints)
	}
	return send(w, map[string]any{"hits": fill(top(all, int(most)), q.start, q.end, int64(step), offset)})
}

// top keeps the largest series and adds the others up.
func top(all map[string]*hitSeries, most int) []*hitSeries {
	list := make([]*hitSeries, 0, len(all))
	keys := make([]string, 0, len(all))
	for k := range all {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		list = append(list, all[k])
	}
	if most <= 0 || len(list) <= most {
		return list
	}
	slices.SortStableFunc(list, func(a, b *hitSeries) int { return int(int64(b.Total) - int64(a.Total)) })
	rest := &hitSeries{Fields: map[string]string{}, at: map[int64]uint64{}}
	for _, s := range list[most:] {
		for at, n := range s.at {
			rest.at[at] += n
		}
		rest.Total += s.Total
	}
	return append(list[:most], rest)
}

// fill puts zeros where nothing was seen.
func fill(list []*hitSeries, start, end, step, offset int64) []*hitSeries {
	if start == math.MinInt64 || end == math.MaxInt64 {
		low, high := int64(math.MaxInt64), int64(math.MinInt64)
		for _, s := range list {
			for at := range s.at {
				low, high = min(low, at), max(high, at)
			}
		}
		if start == math.MinInt64 {
			start = low
		}
		if end == math.MaxInt64 {
			end = high
		}
	}
	start = floor(start-offset, step) + offset
	for _, s := range list {
		if end >= start && (end-start)/step <= maxPoints/int64(len(list)) {
			for at := start; at <= end; at += step {
				s.at[at] += 0
			}
		}
		ats := make([]int64, 0, len(s.at))
		for at := range s.at {
			ats = append(ats, at)
		}
		slices.Sort(ats)
		s.Timestamps, s.Values = make([]string, len(ats)), make([]uint64, len(ats))
		for i, at := range ats {
			s.Timestamps[i], s.Values[i] = time.Unix(0, at).UTC().Format(time.RFC3339Nano), s.at[at]
		}
	}
	if list == nil {
		list = []*hitSeries{}
	}
	return list
}

func floor(v, step int64) int64 {
	r := v % step
	if r < 0 {
		r += step
	}
	return v - r
}

// facets are the most frequent values of each field.
func (h *handler) facets(w http.ResponseWriter, q *request) error {
	perField, err := number(q.r, "max_values_per_field")
	if err != nil {
		return err
	}
	length, err := number(q.r, "max_value_len")
	if err != nil {
		return err
	}
	q.q.AddFacetsPipe(int(q.limit), int(perField), int(length), q.r.FormValue("keep_const_fields") == "1")
	type value struct {
		Value string `json:"field_value"`
		Hits  uint64 `json:"hits"`
	}
	type facet struct {
		Name   string  `json:"field_name"`
		Values []value `json:"values"`
	}
	found := map[string]*facet{}
	if err := h.o.Store.Blocks(q.ctx, q.q, func(columns []logs.Column) bool {
		names, values, hits := column(columns, "field_name"), column(columns, "field_value"), column(columns, "hits")
		for i := range names {
			n, _ := strconv.ParseUint(hits[i], 10, 64)
			f := found[names[i]]
			if f == nil {
				f = &facet{Name: strings.Clone(names[i])}
				found[f.Name] = f
			}
			f.Values = append(f.Values, value{strings.Clone(values[i]), n})
		}
		return true
	}); err != nil {
		return err
	}
	out := make([]*facet, 0, len(found))
	for _, f := range found {
		slices.SortFunc(f.Values, func(a, b value) int {
			if a.Hits != b.Hits {
				return int(int64(b.Hits) - int64(a.Hits))
			}
			return strings.Compare(a.Value, b.Value)
		})
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b *facet) int { return strings.Compare(a.Name, b.Name) })
	return send(w, map[string]any{"facets": out})
}

// stats answers a query that ends in a stats pipe, at one time.
func (h *handler) stats(w http.ResponseWriter, q *request) error {
	points, err := h.o.Store.StatsAt(q.ctx, q.q)
	if err != nil {
		return err
	}
	type sample struct {
		Metric map[string]string `json:"metric"`
		Value  [2]any            `json:"value"`
	}
	out := make([]sample, len(points))
	for i, p := range points {
		out[i] = sample{p.Metric, [2]any{float64(p.Time) / 1e9, p.Value}}
	}
	return send(w, map[string]any{"status": "success", "data": map[string]any{"resultType": "vector", "result": out}})
}

// statsRange answers the same over time.
func (h *handler) statsRange(w http.ResponseWriter, q *request) error {
	if q.r.FormValue("step") == "" {
		return bad("got no step, expected a duration: step=1m")
	}
	step, err := duration(q.r, "step", time.Minute)
	if err != nil {
		return err
	}
	points, err := h.o.Store.StatsRange(q.ctx, q.q, step)
	if err != nil {
		return err
	}
	type series struct {
		Metric map[string]string `json:"metric"`
		Values [][2]any          `json:"values"`
		key    string
	}
	found := map[string]*series{}
	var list []*series
	for _, p := range points {
		key, _ := json.Marshal(p.Metric)
		s := found[string(key)]
		if s == nil {
			s = &series{Metric: p.Metric, key: string(key)}
			found[s.key], list = s, append(list, s)
		}
		s.Values = append(s.Values, [2]any{float64(p.Time) / 1e9, p.Value})
	}
	slices.SortFunc(list, func(a, b *series) int { return strings.Compare(a.key, b.key) })
	if list == nil {
		list = []*series{}
	}
	return send(w, map[string]any{"status": "success", "data": map[string]any{"resultType": "matrix", "result": list}})
}
