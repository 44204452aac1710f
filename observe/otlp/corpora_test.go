//go:build corpora

package otlp_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/evenkeel/evenkeel/observe/logs"
	"github.com/evenkeel/evenkeel/observe/otlp"
	"github.com/evenkeel/evenkeel/observe/trace"
)

// TestCorporaTraces: the canonical example of a trace comes back as it was sent.
func TestCorporaTraces(t *testing.T) {
	root := os.Getenv("EVENKEEL_CORPORA")
	if root == "" {
		t.Skip("EVENKEEL_CORPORA is not set: it names the folder with the public data")
	}
	raw, err := os.ReadFile(filepath.Join(root, "otlp-examples", "trace.json"))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := logs.Open(logs.Options{Dir: t.TempDir(), Name: "traces", Retention: 20 * 365 * 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	store := trace.New(rows, nil)
	req := httptest.NewRequest(http.MethodPost, "/v1/traces", bytes.NewReader(raw))
	req.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	otlp.NewTraces(store, func() int64 { return 1 << 24 }).ServeHTTP(w, req)
	if w.Code != 200 {
		t.Fatal(w.Code, w.Body)
	}
	rows.Flush()
	sent, err := (&ptrace.JSONUnmarshaler{}).UnmarshalTraces(raw)
	if err != nil {
		t.Fatal(err)
	}
	id := sent.ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0).TraceID().String()
	got, err := store.Trace(t.Context(), id, time.Time{}, time.Time{})
	if err != nil || got == nil {
		t.Fatal(got, err)
	}
	m := &ptrace.JSONMarshaler{}
	a, _ := m.MarshalTraces(sent)
	b, _ := m.MarshalTraces(trace.Traces(got.Spans))
	if !bytes.Equal(a, b) {
		t.Errorf("sent\n%s\ncame back\n%s", a, b)
	}
	fmt.Printf("OTLP's example trace: %d bytes sent, the same %d come back\n", len(a), len(b))
}
