package prometheus

import (
	"cmp"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"google.golang.org/protobuf/proto"
)

// lookback is how old the newest sample of a federated series may be.
const lookback = 5 * time.Minute

// federation serves GET /federate: the newest sample of every series that a match[]
// selects. Native histograms are left out, as their text form does not exist.
type federation struct {
	queryable storage.Queryable
	parser    parser.Parser
	now       func() time.Time
	logger    *slog.Logger
}

func (f *federation) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	selectors, err := f.parser.ParseMetricSelectors(r.URL.Query()["match[]"])
	if err != nil {
		http.Error(w, "match[]: "+err.Error(), http.StatusBadRequest)
		return
	}
	if len(selectors) == 0 {
		http.Error(w, "expected at least one match[]", http.StatusBadRequest)
		return
	}
	now := f.now()
	from, to := now.Add(-lookback).UnixMilli(), now.UnixMilli()
	q, err := f.queryable.Querier(from, to)
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	defer q.Close()
	var sets []storage.SeriesSet
	for _, s := range selectors {
		sets = append(sets, q.Select(r.Context(), true, &storage.SelectHints{Start: from, End: to}, s...))
	}
	merged := storage.NewMergeSeriesSet(sets, 0, storage.ChainedSeriesMerge)
	families := map[string]*dto.MetricFamily{}
	for merged.Next() {
		addNewest(families, merged.At(), to)
	}
	if err := merged.Err(); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	sorted := make([]*dto.MetricFamily, 0, len(families))
	for _, fam := range families {
		sorted = append(sorted, fam)
	}
	slices.SortFunc(sorted, func(a, b *dto.MetricFamily) int { return cmp.Compare(a.GetName(), b.GetName()) })
	format := expfmt.Negotiate(r.Header)
	w.Header().Set("Content-Type", string(format))
	enc := expfmt.NewEncoder(w, format)
	for _, fam := range sorted {
		if err := enc.Encode(fam); err != nil {
			f.logger.Warn("cannot federate", "metric", fam.GetName(), "err", err)
			return
		}
	}
}

func addNewest(families map[string]*dto.MetricFamily, s storage.Series, to int64) {
	it := s.Iterator(nil)
	var t int64
	var v float64
	found := false
	for kind := it.Next(); kind != chunkenc.ValNone; kind = it.Next() {
		if kind != chunkenc.ValFloat {
			return
		}
		at, val := it.At()
		if at > to {
			break
		}
		t, v, found = at, val, true
	}
	if !found || value.IsStaleNaN(v) {
		return
	}
	m := &dto.Metric{Untyped: &dto.Untyped{Value: proto.Float64(v)}, TimestampMs: proto.Int64(t)}
	name, instance := "", false
	s.Labels().Range(func(l labels.Label) {
		if l.Name == labels.MetricName {
			name = strings.Clone(l.Value)
			return
		}
		instance = instance || l.Name == "instance"
		m.Label = append(m.Label, &dto.LabelPair{Name: proto.String(l.Name), Value: proto.String(l.Value)})
	})
	if !instance { // else its scraper would put our address there, also with honor_labels
		m.Label = append(m.Label, &dto.LabelPair{Name: proto.String("instance"), Value: proto.String("")})
	}
	fam := families[name]
	if fam == nil {
		fam = &dto.MetricFamily{Name: proto.String(name), Type: dto.MetricType_UNTYPED.Enum()}
		families[name] = fam
	}
	fam.Metric = append(fam.Metric, m)
}
