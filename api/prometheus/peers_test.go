package prometheus_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	clientprom "github.com/prometheus/client_golang/prometheus"
	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery"

	"github.com/evenkeel/evenkeel/api/prometheus"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/settings"
	"github.com/evenkeel/evenkeel/detect/evaluate"
	"github.com/evenkeel/evenkeel/observe/metrics"
	"github.com/evenkeel/evenkeel/observe/remotewrite"
	"github.com/evenkeel/evenkeel/observe/scrape"
)

// peer is the path of a real Prometheus program.
func peer(t *testing.T, name string) string {
	t.Helper()
	dir := os.Getenv("EVENKEEL_PEERS")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			t.Fatal(err)
		}
		dir = filepath.Join(home, ".cache", "evenkeel", "peers")
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%s is not there: %v; `make test` installs it, or set EVENKEEL_PEERS to the folder that has it", name, err)
	}
	return path
}

// server is our receiver and our API over one store.
type server struct {
	*httptest.Server
	store   *metrics.Store
	scraper *scrape.Scraper
}

func serve(t *testing.T) *server {
	t.Helper()
	reg := clientprom.NewRegistry()
	store, err := metrics.Open(metrics.Options{Dir: t.TempDir(), Settings: settings.Default(), Logger: discard, Registerer: reg})
	if err != nil {
		t.Fatal(err)
	}
	scraper, err := scrape.New(store, discard, reg)
	if err != nil {
		t.Fatal(err)
	}
	engine := evaluate.New(evaluate.Options{Queryable: store, Logger: discard, Registerer: reg})
	mux := http.NewServeMux()
	mux.Handle("POST /api/v1/write", remotewrite.Handler(store, discard))
	mux.Handle("/", prometheus.New(prometheus.Options{
		Queryable: store, Exemplars: store, Engine: engine.QueryEngine(), Targets: scraper.Targets(), Gatherer: reg, Registerer: reg, Logger: discard, Version: "test",
	}))
	s := &server{Server: httptest.NewServer(mux), store: store, scraper: scraper}
	t.Cleanup(func() {
		s.Close()
		_ = store.Close()
	})
	return s
}

// get asks our API and returns the data of the answer.
func (s *server) get(t *testing.T, path string, form url.Values) json.RawMessage {
	t.Helper()
	resp, err := http.Get(s.URL + path + "?" + form.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var r struct {
		Status, Error string
		Data          json.RawMessage
	}
	if err := json.NewDecoder(resp.Body).Decode(&r); err != nil || r.Status != "success" {
		t.Fatalf("%s: %s %v %s", path, resp.Status, err, r.Error)
	}
	return r.Data
}

// vector is the answer to an instant query, as value by labels.
func (s *server) vector(t *testing.T, expr string) map[string]string {
	t.Helper()
	var data struct {
		Result []struct {
			Metric map[string]string
			Value  [2]any
		}
	}
	if err := json.Unmarshal(s.get(t, "/api/v1/query", url.Values{"query": {expr}}), &data); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, r := range data.Result {
		out[fmt.Sprint(r.Metric)] = fmt.Sprint(r.Value[1])
	}
	return out
}

// eventually polls until it is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !so(); {
		if time.Now().After(deadline) {
			t.Fatalf("not in a minute: %s", what)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// runPrometheus runs a real Prometheus until the test ends.
func runPrometheus(t *testing.T, config string, port int) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	cmd := exec.Command(peer(t, "prometheus"), "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"),
		fmt.Sprintf("--web.listen-address=127.0.0.1:%d", port))
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("prometheus said:\n%s", log.String())
		}
	})
}

// TestPrometheusWrites: a real Prometheus scrapes itself and writes to us, by each
// message of remote write; promtool asks us for what it wrote.
func TestPrometheusWrites(t *testing.T) {
	t.Parallel()
	f := func(message string) {
		t.Run(message, func(t *testing.T) {
			t.Parallel()
			promtool := peer(t, "promtool")
			s := serve(t)
			port := freePort(t)
			runPrometheus(t, fmt.Sprintf(`
global: {scrape_interval: 1s, external_labels: {sender: real}}
scrape_configs:
  - job_name: self
    static_configs: [{targets: ['127.0.0.1:%d']}]
remote_write:
  - url: %s/api/v1/write
    protobuf_message: %s
    send_exemplars: true
    send_native_histograms: true
    queue_config: {batch_send_deadline: 200ms}
`, port, s.URL, message), port)
			eventually(t, "five scrapes", func() bool {
				for _, n := range s.vector(t, `count_over_time(up{job="self",sender="real"}[1m])`) {
					return n >= "5" || len(n) > 1
				}
				return false
			})
			ask := func(want string, args ...string) {
				t.Helper()
				out, err := exec.Command(promtool, args...).CombinedOutput()
				if err != nil || !strings.Contains(string(out), want) {
					t.Errorf("promtool %s: %v, expected %q in\n%.2000s", strings.Join(args, " "), err, want, out)
				}
			}
			now := time.Now()
			ask(fmt.Sprintf(`up{instance="127.0.0.1:%d", job="self", sender="real"} => 1 @`, port), "query", "instant", s.URL, `up{job="self"}`)
			ask(`1 @[`, "query", "range", "--start", fmt.Sprint(now.Add(-time.Minute).Unix()), "--end", fmt.Sprint(now.Unix()), "--step=1s", s.URL, `up{job="self"}`)
			ask("real", "query", "labels", s.URL, "sender")
			ask(`__name__="up"`, "query", "series", "--match", `up{job="self"}`, s.URL)
			ask("1", "query", "instant", s.URL, `count(prometheus_tsdb_head_series)`)
			// Its counters arrive whole: what it scraped is what we have.
			ask("=> 1 @", "query", "instant", s.URL, `count(rate(prometheus_tsdb_head_samples_appended_total{type="float"}[30s]) > 0)`)
			for ls, n := range s.vector(t, `{__name__=~"prometheus_remote_storage_samples_(failed|dropped|retried)_total"} > 0`) {
				t.Errorf("the sender lost samples: %s %s", ls, n)
			}
		})
	}
	f("prometheus.WriteRequest")
	f("io.prometheus.write.v2.Request")
}

// TestScrapeAndTargets: our own scraper, the list of targets, and a real Prometheus
// that federates from us.
func TestScrapeAndTargets(t *testing.T) {
	t.Parallel()
	s := serve(t)
	requests := clientprom.NewCounter(clientprom.CounterOpts{Name: "shop_requests_total", Help: "Requests."})
	requests.Add(41)
	target := httptest.NewServer(exposition(requests))
	defer target.Close()
	address := strings.TrimPrefix(target.URL, "http://")

	cfg, err := promconfig.Load(fmt.Sprintf(`
scrape_configs:
  - job_name: shop
    scrape_interval: 200ms
    scrape_timeout: 200ms
    static_configs: [{targets: ['%s'], labels: {zone: a, dropped: x}}]
    metric_relabel_configs: [{action: labeldrop, regex: dropped}]
`, address), discard)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.scraper.Run(ctx) }()
	if err := s.scraper.Apply(&declare.Workspace{Scrape: cfg.ScrapeConfigs}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a sample of the target", func() bool {
		return s.vector(t, "shop_requests_total")[fmt.Sprintf("map[__name__:shop_requests_total instance:%s job:shop zone:a]", address)] == "41"
	})
	// The zero at the counter's start makes its first value an increase.
	eventually(t, "the counter's start", func() bool {
		for _, v := range s.vector(t, "max_over_time(shop_requests_total[1m]) - min_over_time(shop_requests_total[1m])") {
			return v == "41"
		}
		return false
	})
	if got := string(s.get(t, "/api/v1/targets", nil)); !strings.Contains(got, `"health":"up"`) || !strings.Contains(got, address) {
		t.Errorf("targets: %s", got)
	}
	if got := string(s.get(t, "/api/v1/metadata", url.Values{"metric": {"shop_requests_total"}})); !strings.Contains(got, `"type":"counter"`) {
		t.Errorf("metadata: %s", got)
	}

	port := freePort(t)
	runPrometheus(t, fmt.Sprintf(`
scrape_configs:
  - job_name: federate
    scrape_interval: 1s
    honor_labels: true
    metrics_path: /federate
    params: {'match[]': ['{job="shop"}']}
    static_configs: [{targets: ['%s']}]
`, strings.TrimPrefix(s.URL, "http://")), port)
	eventually(t, "a federated sample", func() bool {
		resp, err := http.PostForm(fmt.Sprintf("http://127.0.0.1:%d/api/v1/query", port), url.Values{"query": {`shop_requests_total{job="shop",zone="a"}`}})
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return strings.Contains(string(body), `"41"`) && strings.Contains(string(body), address)
	})

	// A workspace without the target: its series end.
	without := *cfg.ScrapeConfigs[0]
	without.ServiceDiscoveryConfigs = discovery.Configs{discovery.StaticConfig{}}
	if err := s.scraper.Apply(&declare.Workspace{Scrape: []*promconfig.ScrapeConfig{&without}}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end of the series", func() bool { return len(s.vector(t, "shop_requests_total")) == 0 })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
