package prometheus_test

import (
	"log/slog"
	"net/http"

	clientprom "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

var discard = slog.New(slog.DiscardHandler)

// exposition is a target with these metrics.
func exposition(collectors ...clientprom.Collector) http.Handler {
	reg := clientprom.NewRegistry()
	reg.MustRegister(collectors...)
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{})
}
