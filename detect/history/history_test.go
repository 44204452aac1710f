package history

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"

	"github.com/evenkeel/evenkeel/detect/evaluate"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// value evaluates over a history with both engines.
func value(t *testing.T, q storage.Queryable, expr string, at time.Time) string {
	t.Helper()
	e := evaluate.New(evaluate.Options{Queryable: q})
	inner, err := e.Query(t.Context(), expr, at)
	if err != nil {
		t.Fatal(err)
	}
	m, err := e.Range(t.Context(), expr, at, at, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	var v promql.Vector
	for _, s := range m {
		for _, f := range s.Floats {
			v = append(v, promql.Sample{Metric: s.Metric, T: f.T, F: f.F})
		}
	}
	if d := evaluate.Difference(inner, v); d > 1e-9 {
		t.Errorf("%s: %v by Prometheus, %v by the replay", expr, inner, v)
	}
	return v.String()
}

func TestTheSameSeriesFromEverySource(t *testing.T) {
	openmetrics, classic := "# TYPE hits counter\n", "# TYPE hits_total counter\n"
	dir := filepath.Join(t.TempDir(), "data")
	db, err := tsdb.Open(filepath.Join(dir, "metrics"), nil, nil, tsdb.DefaultOptions(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() }) // it is read while it is open
	app := db.Appender(t.Context())
	for i := range 61 {
		line := `hits_total{job="a"} ` + strconv.Itoa(i*10) + " " + strconv.Itoa(i*60)
		openmetrics += line + "\n"
		classic += line + "000\n"
		if _, err := app.Append(0, labels.FromStrings("__name__", "hits_total", "job", "a"), int64(i)*60_000, float64(i*10)); err != nil {
			t.Fatal(err)
		}
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
	for name, where := range map[string]string{
		"OpenMetrics": write(t, "a.om", openmetrics+"# EOF\n"),
		"text":        write(t, "a.prom", classic),
		"promqltest":  write(t, "a.test", "# comment\nload 1m\n  hits_total{job=\"a\"} 0+10x60\n\neval instant at 1m hits_total\n  {} 3\n"),
		"unit test":   write(t, "a.yml", "rule_files: [x.yml]\ntests:\n- interval: 1m\n  input_series:\n  - series: 'hits_total{job=\"a\"}'\n    values: '0+10x60'\n"),
		"folder":      dir,
		"store":       filepath.Join(dir, "metrics"),
	} {
		t.Run(name, func(t *testing.T) {
			h, err := Open(t.Context(), Options{Where: where})
			if err != nil {
				t.Fatal(err)
			}
			defer h.Close()
			if !h.Oldest.Equal(time.Unix(0, 0)) || !h.Newest.Equal(time.Unix(3600, 0)) {
				t.Errorf("reaches from %s to %s", h.Oldest.UTC(), h.Newest.UTC())
			}
			if got := value(t, h, `sum by (job) (increase(hits_total[30m]))`, time.Unix(3600, 0)); got != `{job="a"} => 300 @[3600000]` {
				t.Errorf("got %s", got)
			}
			if got := value(t, h, `hits_total`, time.Unix(600, 0)); got != `{__name__="hits_total", job="a"} => 100 @[600000]` {
				t.Errorf("got %s", got)
			}
		})
	}
}

func TestRubbishIsRefusedWithItsPlace(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "there is no sample",
		"{\x00":                         "after 0 samples",
		"up 1\n":                        "sample 1 of {__name__=\"up\"} has no time",
		"up 1 1000\nup 2 1000\n":        "sample 2: {__name__=\"up\"} has two samples at 1970-01-01T00:00:01Z",
		"load 0\n  up 1\n":              ":1: load: got \"0\"",
		"load 1m\n  up 1+1x9999999999":  ":2: got x9999",
		"load 1m\n  up{ 1":              ":2: ",
		"tests: []\n":                   "tests: got 0, expected one",
		"tests:\n- interval: yesterday": "tests[0].interval: got \"yesterday\"",
	} {
		_, err := Open(t.Context(), Options{Where: write(t, "f", text)})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, expected %q", text, err, want)
		}
	}
	if _, err := Open(t.Context(), Options{Where: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "there is no wal") {
		t.Errorf("an empty folder: %v", err)
	}
	if _, err := Open(t.Context(), Options{Where: "http://127.0.0.1:1"}); err == nil {
		t.Error("nobody listens, and it is opened")
	}
}

func TestServerIsReadInPieces(t *testing.T) {
	m := NewMemory()
	for i := range 3 * 24 * 60 {
		if err := m.Add(labels.FromStrings("__name__", "up", "job", "a"), Point{T: int64(i) * 60_000, V: float64(i)}); err != nil {
			t.Fatal(err)
		}
	}
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute, Parser: parser.NewParser(parser.Options{})})
	asked := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		d, _ := time.ParseDuration(r.FormValue("time") + "s")
		q, err := engine.NewInstantQuery(context.Background(), m, nil, r.FormValue("query"), time.UnixMilli(d.Milliseconds()))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		result := "[]"
		res := q.Exec(context.Background())
		if mx, ok := res.Value.(promql.Matrix); ok {
			var values []string
			for _, f := range mx[0].Floats {
				values = append(values, fmt.Sprintf(`[%g,"%g"]`, float64(f.T)/1000, f.F))
			}
			result = `[{"metric":{"__name__":"up","job":"a"},"values":[` + strings.Join(values, ",") + `]}]`
		}
		w.Write([]byte(`{"status":"success","data":{"resultType":"` + string(res.Value.Type()) + `","result":` + result + "}}"))
	}))
	defer srv.Close()
	h, err := Open(t.Context(), Options{Where: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	at := time.UnixMilli((3*24*60 - 1) * 60_000)
	got, err := evaluate.New(evaluate.Options{Queryable: h}).Range(t.Context(), `sum_over_time(up[2d])`, at, at, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	want, err := evaluate.New(evaluate.Options{Queryable: m}).Query(t.Context(), `sum_over_time(up[2d])`, at)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0].Floats[0].F != want[0].F {
		t.Errorf("got %v, expected %v", got, want)
	}
	if asked != 3 {
		t.Errorf("asked %d times, expected once to see that it answers and two pieces", asked)
	}
}

func TestOverHidesWhatIsRecordedAnew(t *testing.T) {
	base, top := NewMemory(), NewMemory()
	add := func(m *Memory, name, job string, v float64) {
		if err := m.Add(labels.FromStrings("__name__", name, "job", job), Point{T: 1000, V: v}); err != nil {
			t.Fatal(err)
		}
	}
	add(base, "a", "old", 1)
	add(base, "b", "old", 2)
	add(top, "a", "new", 3)
	q := Over(base, top, func(name string) bool { return name == "a" })
	at := time.UnixMilli(1000)
	for expr, want := range map[string]string{
		`a`:                        `{__name__="a", job="new"} => 3 @[1000]`,
		`b`:                        `{__name__="b", job="old"} => 2 @[1000]`,
		`count({__name__=~"a|b"})`: `{} => 2 @[1000]`,
	} {
		if got := value(t, q, expr, at); got != want {
			t.Errorf("%s: got %s, expected %s", expr, got, want)
		}
	}
}
