// Package prometheus serves the Prometheus HTTP API over our stores, so that promtool
// and a Prometheus data source work unchanged.
//
// In: queries. Out: Prometheus' own answers: web/api/v1 of Prometheus does the work, and
// this is the one place where its many positional arguments are filled in.
package prometheus

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"runtime"
	"time"

	grafanaregexp "github.com/grafana/regexp"
	clientprom "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/route"
	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/features"
	"github.com/prometheus/prometheus/util/notifications"
	v1 "github.com/prometheus/prometheus/web/api/v1"
)

// Options of the API.
type Options struct {
	Queryable storage.SampleAndChunkQueryable
	Exemplars storage.ExemplarQueryable
	Engine    promql.QueryEngine
	Rules     v1.RulesRetriever // nil: no rules
	// Explain says how a rule is evaluated, in what /api/v1/rules answers; nil when nothing
	// is known of the rule. Optional.
	Explain    func(ctx context.Context, file, group, expr string) any
	Targets    v1.TargetRetriever // nil: no targets
	Gatherer   clientprom.Gatherer
	Registerer clientprom.Registerer
	Logger     *slog.Logger
	Parser     parser.Parser // nil: the standard one
	Version    string
	Timeout    time.Duration // of a query; default 2 minutes
}

// served are the endpoints that are offered; the library has more, which belong to
// Prometheus' own page, its administration, or to our own receivers.
var served = regexp.MustCompile(`^/api/v1/(query|query_range|query_exemplars|format_query|parse_query|labels|label/[^/]+/values|series|targets|targets/metadata|scrape_pools|metadata|rules|alerts|status/buildinfo)$`)

// New returns the handler for /api/v1/… and /federate.
func New(o Options) http.Handler {
	if o.Timeout == 0 {
		o.Timeout = 2 * time.Minute
	}
	if o.Parser == nil {
		o.Parser = parser.NewParser(parser.Options{})
	}
	if o.Targets == nil {
		o.Targets = noTargets{}
	}
	if o.Rules == nil {
		o.Rules = noRules{}
	}
	pass := func(h http.HandlerFunc) http.HandlerFunc { return h }
	api := v1.NewAPI(
		o.Engine, o.Queryable, nil, o.Exemplars,
		func(context.Context) v1.ScrapePoolsRetriever { return pools{o.Targets} },
		func(context.Context) v1.TargetRetriever { return o.Targets },
		func(context.Context) v1.AlertmanagerRetriever { return noAlertmanagers{} },
		func() promconfig.Config { return promconfig.DefaultConfig }, nil, v1.GlobalURLOptions{}, pass,
		nil, "", false, false, 0, o.Logger,
		func(context.Context) v1.RulesRetriever { return o.Rules },
		0, 0, 0, false, noCORS,
		func() (v1.RuntimeInfo, error) { return v1.RuntimeInfo{}, errors.New("not offered") },
		&v1.PrometheusVersion{Version: o.Version, GoVersion: runtime.Version()},
		func() []notifications.Notification { return nil },
		func() (<-chan notifications.Notification, func(), bool) { return nil, func() {}, false },
		o.Gatherer, o.Registerer, nil, false, nil, false, false, false,
		5*time.Minute, false, false, nil, features.NewRegistry(), v1.OpenAPIOptions{}, o.Parser, false, o.Timeout,
	)
	router := route.New()
	api.Register(router.WithPrefix("/api/v1"))
	mux := http.NewServeMux()
	mux.HandleFunc("/api/v1/", func(w http.ResponseWriter, r *http.Request) {
		if !served.MatchString(r.URL.Path) {
			http.NotFound(w, r)
			return
		}
		if r.Method == http.MethodPost {
			r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
		}
		if r.URL.Path == "/api/v1/rules" && o.Explain != nil {
			explainRules(router, o.Explain).ServeHTTP(w, r)
			return
		}
		router.ServeHTTP(w, r)
	})
	mux.Handle("GET /federate", &federation{queryable: o.Queryable, parser: o.Parser, now: time.Now, logger: o.Logger})
	return mux
}

type pools struct{ t v1.TargetRetriever }

func (p pools) ScrapePools() []string {
	out := []string{}
	for name := range p.t.TargetsActive() {
		out = append(out, name)
	}
	return out
}

type noRules struct{}

func (noRules) RuleGroups() []*rules.Group           { return nil }
func (noRules) AlertingRules() []*rules.AlertingRule { return nil }

type noAlertmanagers struct{}

func (noAlertmanagers) Alertmanagers() []*url.URL        { return nil }
func (noAlertmanagers) DroppedAlertmanagers() []*url.URL { return nil }

// noCORS lets no other origin's page read the answers.
var noCORS = grafanaregexp.MustCompile(`^$`)
