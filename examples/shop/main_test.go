package shop

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
)

// TestMain lets the test program be the shop's processes, as the command is, and
// a whole shop of its own that a test can kill.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == Verb {
		if err := Main(context.Background(), os.Args[2:], os.Stdout, os.Stderr); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if len(os.Args) > 1 && os.Args[1] == "whole-shop" {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		defer stop()
		s, err := New(Options{})
		if err == nil {
			go func() {
				<-s.Ready()
				fmt.Println(s.ControlURL())
			}()
			err = s.Run(ctx)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	// The race detector otherwise has each process linger for a second at its end.
	if os.Getenv("GORACE") == "" {
		if err := os.Setenv("GORACE", "atexit_sleep_ms=0"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// open runs a shop on free ports until the test ends.
func open(t *testing.T, o Options) *Shop {
	t.Helper()
	if o.Log == nil {
		o.Log = io.Discard
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("the shop ended with: %v", err)
			}
		case <-time.After(20 * time.Second):
			t.Error("the shop does not end")
		}
	})
	select {
	case <-s.Ready():
	case err := <-ended:
		ended <- err
		t.Fatalf("the shop did not open: %v", err)
	case <-time.After(30 * time.Second):
		t.Fatal("the shop does not open")
	}
	return s
}

// eventually asks until the answer is yes.
func eventually(t *testing.T, limit time.Duration, what string, ask func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !ask(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", limit, what)
		}
	}
}

// scrape reads a service's /metrics: values by series, written as name{label="…"}.
func scrape(t *testing.T, s *Shop, service string) map[string]float64 {
	t.Helper()
	res, err := healthClient.Get(s.url(service) + "/metrics") // a new connection: the version that accepts now
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for name, f := range families {
		for _, m := range f.Metric {
			labels := model.LabelSet{}
			for _, l := range m.Label {
				labels[model.LabelName(l.GetName())] = model.LabelValue(l.GetValue())
			}
			switch {
			case m.Counter != nil:
				out[name+labels.String()] = m.Counter.GetValue()
			case m.Gauge != nil:
				out[name+labels.String()] = m.Gauge.GetValue()
			case m.Histogram != nil:
				out[name+"_count"+labels.String()] = float64(m.Histogram.GetSampleCount())
				for _, b := range m.Histogram.Bucket {
					out[fmt.Sprintf("%s_bucket%s le=%g", name, labels, b.GetUpperBound())] = float64(b.GetCumulativeCount())
				}
			}
		}
	}
	return out
}

// sum adds up the series whose text has all the words.
func sum(series map[string]float64, words ...string) (total float64) {
	for text, v := range series {
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) }) {
			total += v
		}
	}
	return total
}

const orders = `route="/orders"`

// failures watches checkout until at least so many more orders were answered, and
// returns the share of them that failed.
func failures(t *testing.T, s *Shop, atLeast float64) float64 {
	t.Helper()
	from := scrape(t, s, checkoutName)
	var now map[string]float64
	count := func(words ...string) float64 {
		words = append(words, "http_server_requests_total", orders)
		return sum(now, words...) - sum(from, words...)
	}
	eventually(t, 15*time.Second, fmt.Sprintf("%g orders", atLeast), func() bool {
		now = scrape(t, s, checkoutName)
		return count() >= atLeast
	})
	return (count(`code="500"`) + count(`code="502"`) + count(`code="504"`)) / count()
}

// call does a request to the deployer and returns status and body.
func call(t *testing.T, method, url, body string, headers ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

func mustDo(t *testing.T) func(Done, error) Done {
	return func(d Done, err error) Done {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
}

// ear is what Evenkeel is to the shop: it takes changes and OTLP metrics.
type ear struct {
	*httptest.Server
	mu      sync.Mutex
	deaf    bool // answers 503
	onStart func(Change)
	changes []Change
	tokens  []string
	sums    map[string]float64 // newest value by name and attributes, per instance
}

func listenIn(t *testing.T) *ear {
	t.Helper()
	e := &ear{sums: map[string]float64{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/evenkeel/v1/changes", func(w http.ResponseWriter, r *http.Request) {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.deaf {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		var c Change
		if err := json.NewDecoder(r.Body).Decode(&c); err != nil {
			t.Error(err)
		}
		if e.onStart != nil && c.EndedAt.IsZero() {
			e.onStart(c)
		}
		e.changes = append(e.changes, c)
		e.tokens = append(e.tokens, r.Header.Get("Authorization"))
		w.WriteHeader(http.StatusCreated)
	})
	mux.HandleFunc("POST /v1/metrics", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		req := pmetricotlp.NewExportRequest()
		if err == nil {
			err = req.UnmarshalProto(body)
		}
		if err != nil {
			t.Error(err)
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		e.take(req.Metrics())
		out, err := pmetricotlp.NewExportResponse().MarshalProto()
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
		_, _ = w.Write(out)
	})
	e.Server = httptest.NewServer(mux)
	t.Cleanup(e.Close)
	return e
}

func (e *ear) take(all pmetric.Metrics) {
	for _, rm := range all.ResourceMetrics().All() {
		instance, _ := rm.Resource().Attributes().Get("service.instance.id")
		for _, sm := range rm.ScopeMetrics().All() {
			for _, m := range sm.Metrics().All() {
				if m.Type() != pmetric.MetricTypeSum {
					continue
				}
				for _, p := range m.Sum().DataPoints().All() {
					key := instance.Str() + " " + m.Name()
					for k, v := range p.Attributes().All() {
						key += fmt.Sprintf(" %s=%q", k, v.Str())
					}
					e.sums[key] = float64(p.IntValue())
				}
			}
		}
	}
}

func (e *ear) heard() map[string]float64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := map[string]float64{}
	for k, v := range e.sums {
		out[k] = v
	}
	return out
}

// wholeShop starts a shop in a process of its own.
func wholeShop(t *testing.T) (pid int, control string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p, err := os.StartProcess(self, []string{self, "whole-shop"}, &os.ProcAttr{Files: []*os.File{nil, w, os.Stderr}, Env: os.Environ()})
	if err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	t.Cleanup(func() {
		_ = p.Kill()
		_, _ = p.Wait()
		_ = r.Close()
	})
	lines := bufio.NewScanner(r)
	if !lines.Scan() {
		t.Fatal("the shop said nothing")
	}
	return p.Pid, lines.Text()
}

// running says whether a process is there and not a zombie.
func running(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	return len(fields) > 0 && fields[0] != "Z"
}
