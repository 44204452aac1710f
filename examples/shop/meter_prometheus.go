package shop

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// durationBuckets are in seconds; the objectives use 0.1 and 0.25.
var durationBuckets = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5}

// scraped is what a service shows at /metrics. Everything carries the label
// service.
type scraped struct {
	registry *prometheus.Registry
	labelled prometheus.Registerer

	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

// newScraped shows the process, the Go runtime and the build.
func newScraped(service, version string) *scraped {
	reg := prometheus.NewRegistry()
	s := &scraped{registry: reg, labelled: prometheus.WrapRegistererWith(prometheus.Labels{"service": service}, reg)}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "build_info", Help: "The version that runs: always 1.", ConstLabels: prometheus.Labels{"version": version},
	})
	build.Set(1)
	s.labelled.MustRegister(build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return s
}

// countRequests adds the counters of answers: for all but payments, which sends
// its own by OTLP.
func (s *scraped) countRequests() {
	s.requests = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "http_server_requests_total", Help: "Requests answered.",
	}, []string{"route", "method", "code"})
	s.duration = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "http_server_request_duration_seconds", Help: "Time from a request's first line to its answer.", Buckets: durationBuckets,
	}, []string{"route", "method"})
	s.labelled.MustRegister(s.requests, s.duration)
}

func (s *scraped) expect(r route) {
	for _, code := range r.codes {
		s.requests.WithLabelValues(r.path, r.method, strconv.Itoa(code))
	}
	s.duration.WithLabelValues(r.path, r.method)
}

func (s *scraped) answered(r route, code int, took time.Duration) {
	s.requests.WithLabelValues(r.path, r.method, strconv.Itoa(code)).Inc()
	s.duration.WithLabelValues(r.path, r.method).Observe(took.Seconds())
}

// countCalls adds the counters of what this service asks of the targets, and
// returns what counts one: code 0 is a call without an answer.
func (s *scraped) countCalls(targets ...string) func(target string, code int, took time.Duration) {
	calls := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "http_client_requests_total", Help: "Requests to other services; code 0: no answer.",
	}, []string{"target", "code"})
	duration := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "http_client_request_duration_seconds", Help: "Time until another service had answered.", Buckets: durationBuckets,
	}, []string{"target"})
	s.labelled.MustRegister(calls, duration)
	for _, t := range targets {
		for _, code := range []string{"0", "200", "400", "404", "500", "503"} {
			calls.WithLabelValues(t, code)
		}
		duration.WithLabelValues(t)
	}
	return func(target string, code int, took time.Duration) {
		calls.WithLabelValues(target, strconv.Itoa(code)).Inc()
		duration.WithLabelValues(target).Observe(took.Seconds())
	}
}

// countLetters adds the newsletter's counter.
func (s *scraped) countLetters() func(digest bool) {
	letters := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "newsletter_letters_total", Help: "Letters written.",
	}, []string{"digest"})
	s.labelled.MustRegister(letters)
	on, off := letters.WithLabelValues("on"), letters.WithLabelValues("off")
	return func(digest bool) {
		if digest {
			on.Inc()
			return
		}
		off.Inc()
	}
}

func (s *scraped) handler() http.Handler {
	return promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{})
}
