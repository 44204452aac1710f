package alert

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// counters are those of Alertmanager's own metrics that dashboards and alerts are built on.
type counters struct {
	messages, failed, requests, requestsFailed, suppressed *prometheus.CounterVec
	latency                                                *prometheus.HistogramVec
}

func newCounters(r prometheus.Registerer, groups func() float64) *counters {
	f := promauto.With(r)
	count := func(name, help string, labels ...string) *prometheus.CounterVec {
		return f.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	f.NewGaugeFunc(prometheus.GaugeOpts{Name: "alertmanager_dispatcher_aggregation_groups", Help: "Groups of alerts."}, groups)
	return &counters{
		messages:       count("alertmanager_notifications_total", "Messages that were to be sent.", "integration"),
		failed:         count("alertmanager_notifications_failed_total", "Messages that could not be sent, after all attempts.", "integration", "reason"),
		requests:       count("alertmanager_notification_requests_total", "Attempts to send a message.", "integration"),
		requestsFailed: count("alertmanager_notification_requests_failed_total", "Attempts that failed.", "integration"),
		suppressed:     count("alertmanager_notifications_suppressed_total", "Alerts that were not told because they are silenced, inhibited or at a muted time.", "reason"),
		latency: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "alertmanager_notification_latency_seconds", Help: "How long an attempt takes.", Buckets: []float64{1, 5, 10, 15, 20},
		}, []string{"integration"}),
	}
}

func (c *counters) attempt(integration string, took time.Duration, err error) {
	c.requests.WithLabelValues(integration).Inc()
	c.latency.WithLabelValues(integration).Observe(took.Seconds())
	if err != nil {
		c.requestsFailed.WithLabelValues(integration).Inc()
	}
}
