package reduce

import (
	"context"
	"fmt"
	"log/slog"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/observe/logs"
)

type samples struct{ got []string }

func (s *samples) AppenderV2(context.Context) storage.AppenderV2 { return s }
func (s *samples) Commit() error                                 { return nil }
func (s *samples) Rollback() error                               { return nil }
func (s *samples) Append(_ storage.SeriesRef, ls labels.Labels, _, _ int64, v float64, _ *histogram.Histogram, _ *histogram.FloatHistogram, _ storage.AOptions) (storage.SeriesRef, error) {
	s.got = append(s.got, fmt.Sprintf("%s %g", ls, v))
	return 0, nil
}

func TestDropAndAggregate(t *testing.T) {
	rec := &samples{}
	r := New(rec, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err := r.Apply([]declare.LogReduction{
		{Name: "health", Match: `{service.name="web"} "GET /health"`},
		{Name: "access", Match: `{service.name="web"} "GET /"`, Record: "web_requests", By: []string{"status"}},
	}); err != nil {
		t.Fatal(err)
	}
	s, err := logs.Open(logs.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.SetDrop(r.Drop)
	b := s.Begin(logs.Origin{Receiver: "test"})
	for i, line := range []string{"GET /health", "GET / a", "GET / b", "GET / c", "POST /", "started"} {
		if x := b.Add(0, []logs.Field{{Name: "service.name", Value: "web"}, {Value: line}, {Name: "status", Value: fmt.Sprint(200 + i%2)}}, 1); x != nil {
			t.Fatal(x)
		}
	}
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	s.Flush()
	var kept []string
	q, _ := logs.ParseQuery("*", time.Now())
	if err := s.Each(t.Context(), q, func(row logs.Row) bool { kept = append(kept, strings.Clone(row.Message())); return true }); err != nil {
		t.Fatal(err)
	}
	sort.Strings(kept)
	if got := strings.Join(kept, ","); got != "POST /,started" {
		t.Errorf("kept %s", got)
	}
	if a, b := testutil.ToFloat64(r.dropped.WithLabelValues("health")), testutil.ToFloat64(r.dropped.WithLabelValues("access")); a != 1 || b != 3 {
		t.Errorf("dropped %g and %g", a, b)
	}
	if err := r.write(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	sort.Strings(rec.got)
	want := `{__name__="web_requests", status="200"} 0|{__name__="web_requests", status="200"} 1|{__name__="web_requests", status="201"} 0|{__name__="web_requests", status="201"} 2`
	if got := strings.Join(rec.got, "|"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if err := r.Apply([]declare.LogReduction{{Name: "x", Match: "(("}}); err == nil {
		t.Error("a filter that cannot be read is taken")
	}
}
