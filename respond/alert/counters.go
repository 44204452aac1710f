package alert

import (
	"context"
	"time"

	amalert "github.com/prometheus/alertmanager/alert"
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

// standing counts the alerts that fire when somebody looks, as Alertmanager does.
type standing struct{ p *Pipeline }

var alertsGauge = prometheus.NewDesc("alertmanager_alerts", "Alerts that fire, by state: active, or suppressed by a silence or an inhibition.", []string{"state"}, nil)

// Describe implements prometheus.Collector.
func (standing) Describe(out chan<- *prometheus.Desc) { out <- alertsGauge }

// Collect implements prometheus.Collector.
func (s standing) Collect(out chan<- prometheus.Metric) {
	ctx, now := context.Background(), time.Now()
	count := map[amalert.AlertState]float64{amalert.AlertStateActive: 0, amalert.AlertStateSuppressed: 0}
	for _, a := range s.p.alerts.list() {
		switch {
		case a.ResolvedAt(now):
		case s.p.quiet.mutes(ctx, now, a.Labels) || s.p.inhibitions.mutes(a.Labels, nil):
			count[amalert.AlertStateSuppressed]++
		default:
			count[amalert.AlertStateActive]++
		}
	}
	for state, n := range count {
		out <- prometheus.MustNewConstMetric(alertsGauge, prometheus.GaugeValue, n, string(state))
	}
}
