//go:build corpora

package jaeger_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/api/jaeger"
	"github.com/evenkeel/evenkeel/observe/otlp"
)

// TestCorporaJaeger: each of the queries that Jaeger tests its own stores with finds
// exactly the traces it must.
func TestCorporaJaeger(t *testing.T) {
	root := os.Getenv("EVENKEEL_CORPORA")
	if root == "" {
		t.Skip("EVENKEEL_CORPORA is not set: it names the folder with the public data")
	}
	dir := filepath.Join(root, "jaeger", "fixtures")
	store := open(t)
	receiver := otlp.NewTraces(store, func() int64 { return 1 << 24 })
	files, err := filepath.Glob(filepath.Join(dir, "traces", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatal("no fixtures", err)
	}
	ids := map[string]string{}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		req := httptest.NewRequest(http.MethodPost, "/v1/traces", bytes.NewReader(raw))
		req.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		receiver.ServeHTTP(w, req)
		if w.Code != 200 || w.Body.String() != `{"partialSuccess":{}}` {
			t.Fatalf("%s: %d %s", f, w.Code, w.Body)
		}
		var td struct {
			ResourceSpans []struct {
				ScopeSpans []struct{ Spans []struct{ TraceID string } }
			}
		}
		if err := json.Unmarshal(raw, &td); err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(f)
		ids[name[:len(name)-len(".json")]] = td.ResourceSpans[0].ScopeSpans[0].Spans[0].TraceID
	}
	store.Rows().Flush()
	h := jaeger.New(jaeger.Options{Store: store})
	var queries []struct {
		Caption string
		Query   struct {
			ServiceName, OperationName string
			Tags                       map[string]any
			StartTimeMin, StartTimeMax time.Time
			DurationMin, DurationMax   time.Duration
			NumTraces                  int
		}
		ExpectedFixtures []string
	}
	raw, err := os.ReadFile(filepath.Join(dir, "queries.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &queries); err != nil {
		t.Fatal(err)
	}
	right := 0
	for _, q := range queries {
		v := url.Values{
			"service": {q.Query.ServiceName}, "start": {strconv.FormatInt(q.Query.StartTimeMin.UnixMicro(), 10)},
			"end": {strconv.FormatInt(q.Query.StartTimeMax.UnixMicro(), 10)}, "limit": {strconv.Itoa(q.Query.NumTraces)},
		}
		set := func(name, value string) {
			if value != "" && value != "0s" {
				v.Set(name, value)
			}
		}
		set("operation", q.Query.OperationName)
		set("minDuration", q.Query.DurationMin.String())
		set("maxDuration", q.Query.DurationMax.String())
		if len(q.Query.Tags) > 0 {
			raw, _ := json.Marshal(q.Query.Tags)
			set("tags", string(raw))
		}
		var want, got []string
		for _, f := range q.ExpectedFixtures {
			want = append(want, ids[f])
		}
		var answer struct{ Data []jaeger.Trace }
		get(t, h, "/jaeger/api/traces?"+v.Encode(), &answer)
		for _, tr := range answer.Data {
			got = append(got, tr.TraceID)
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(want, got) {
			t.Errorf("%s: found %v, expected %v", q.Caption, got, want)
			continue
		}
		right++
	}
	fmt.Printf("Jaeger's fixtures: %d traces, %d of %d queries find exactly the right ones\n", len(files), right, len(queries))
}
