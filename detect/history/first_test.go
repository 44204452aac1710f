package history

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"
)

// TestFirst: a server says only which labels there are between two times.
func TestFirst(t *testing.T) {
	begin := time.Date(2026, 3, 20, 7, 0, 0, 0, time.UTC)
	asked := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/labels" {
			fmt.Fprint(w, `{"status":"success","data":{"resultType":"vector","result":[]}}`)
			return
		}
		asked++
		end, err := strconv.ParseFloat(r.FormValue("end"), 64)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if int64(end) < begin.Unix() {
			fmt.Fprint(w, `{"status":"success","data":[]}`)
			return
		}
		fmt.Fprint(w, `{"status":"success","data":["__name__","job"]}`)
	}))
	defer srv.Close()
	h, err := Open(t.Context(), Options{Where: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		from, to, want time.Time
		off            time.Duration
	}{
		{begin.Add(-30 * 24 * time.Hour), begin.Add(5 * 24 * time.Hour), begin, time.Hour},
		{begin.Add(-time.Hour), begin.Add(time.Hour), begin, 3 * time.Minute},
		{begin.Add(24 * time.Hour), begin.Add(48 * time.Hour), begin.Add(24 * time.Hour), 0},
	} {
		got, err := h.First(t.Context(), test.from, test.to)
		if err != nil || got.After(test.want) || test.want.Sub(got) > test.off {
			t.Errorf("from %s to %s they begin at %s (%v), expected %s or up to %s before", test.from, test.to, got, err, test.want, test.off)
		}
	}
	if asked > 40 {
		t.Errorf("asked %d times", asked)
	}
	known := &History{Oldest: begin}
	if got, err := known.First(t.Context(), begin.Add(-time.Hour), begin.Add(time.Hour)); err != nil || !got.Equal(begin) {
		t.Errorf("what is known: %s, %v", got, err)
	}
	srv.Close()
	if _, err := h.First(t.Context(), begin.Add(-time.Hour), begin); err == nil {
		t.Error("nobody answers, and it is known")
	}
}
