package scrape_test

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/scrapefile"
	"github.com/evenkeel/evenkeel/declare/settings"
	"github.com/evenkeel/evenkeel/observe/metrics"
	"github.com/evenkeel/evenkeel/observe/scrape"
)

var discard = slog.New(slog.DiscardHandler)

// series are the labels of the stored series of a metric.
func series(t *testing.T, store *metrics.Store, name string) []string {
	t.Helper()
	q, err := store.Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	var out []string
	for set := q.Select(context.Background(), true, nil, labels.MustNewMatcher(labels.MatchEqual, "__name__", name)); set.Next(); {
		out = append(out, set.At().Labels().String())
	}
	return out
}

func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !so(); {
		if time.Now().After(deadline) {
			t.Fatalf("not in 30 s: %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// TestDiscovery: targets of a workspace's scrape.yml by file and HTTP discovery, with
// relabelling; a talkative target is held by the same limits as any sender.
func TestDiscovery(t *testing.T) {
	s := settings.Default()
	s.Limits.ActiveSeries, s.Limits.LabelValueBytes = 200, 50
	store, err := metrics.Open(metrics.Options{Dir: t.TempDir(), Settings: s, Logger: discard, Registerer: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		switch r.URL.Path {
		case "/quiet":
			fmt.Fprintf(w, "good 1\nlong{v=%q} 1\nahead 1 %d\n", strings.Repeat("x", 51), time.Now().Add(time.Hour).UnixMilli())
		case "/talkative":
			for i := range 5000 {
				fmt.Fprintf(w, "many{i=\"%d\"} 1\n", i)
			}
		}
	}))
	defer target.Close()
	address := strings.TrimPrefix(target.URL, "http://")
	found := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `[{"targets":[%q],"labels":{"from":"http"}}]`, address)
	}))
	defer found.Close()

	dir := t.TempDir()
	var problems declare.Problems
	configs := scrapefile.Read(dir, "scrape.yml", []byte(fmt.Sprintf(`
global: {scrape_interval: 200ms, scrape_timeout: 200ms}
scrape_configs:
  - job_name: file
    metrics_path: /quiet
    file_sd_configs: [{files: ['targets/*.json']}]
    relabel_configs: [{source_labels: [zone], regex: (.*), replacement: 'zone-$1', target_label: zone}]
  - job_name: http
    metrics_path: /talkative
    http_sd_configs: [{url: '%s'}]
`, found.URL)), &problems)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	scraper, err := scrape.New(store, discard, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- scraper.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	if err := os.MkdirAll(filepath.Join(dir, "targets"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "targets", "a.json"), []byte(fmt.Sprintf(`[{"targets":[%q],"labels":{"zone":"a"}}]`, address)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := scraper.Apply(&declare.Workspace{Scrape: configs[:1]}); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`{__name__="good", instance=%q, job="file", zone="zone-a"}`, address)
	eventually(t, want, func() bool { return fmt.Sprint(series(t, store, "good")) == "["+want+"]" })
	if err := scraper.Apply(&declare.Workspace{Scrape: configs}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "what HTTP discovery found", func() bool { return len(series(t, store, "many")) > 100 })
	if n := store.Head().NumSeries(); n > 200 {
		t.Errorf("%d series, expected at most 200", n)
	}
	for _, name := range []string{"long", "ahead"} {
		if got := series(t, store, name); len(got) > 0 {
			t.Errorf("%s is past a limit, and stored: %v", name, got)
		}
	}
	if n := len(scraper.Targets().TargetsActive()["file"]); n != 1 {
		t.Errorf("%d targets of file, expected 1", n)
	}
}
