package app

import (
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	v1 "github.com/prometheus/prometheus/web/api/v1"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/act/account"
	apiprom "github.com/evenkeel/evenkeel/api/prometheus"
	"github.com/evenkeel/evenkeel/observe/remotewrite"
)

// routes composes the one listener. Who may do what is decided here, by path:
//
//	telemetry in, foreign read-only queries   open on loopback, else a token
//	acts of foreign formats (silences, reload) a person or a token
//	webhooks                                   who signs with the source's secret
//	pages, our own API                         a person or a token
//	health, sign-in, one-time links, styles    open
func (a *App) routes() (http.Handler, error) {
	mux := http.NewServeMux()
	var targets v1.TargetRetriever
	if a.scraper != nil {
		targets = a.scraper.Targets()
	}
	prom := apiprom.New(apiprom.Options{
		Explain:   a.ruleEvaluation,
		Queryable: a.metrics, Exemplars: a.metrics, Engine: asking{a.engine.QueryEngine(), a.askedMetrics}, Rules: a.rules.Manager(), Targets: targets,
		Gatherer: a.reg, Registerer: a.reg, Logger: a.o.Logger.With("room", "api"), Version: a.o.Version,
	})
	open, person := a.openOnLoopback, a.person
	mux.Handle("POST /api/v1/write", open(remotewrite.Handler(a.metrics, a.o.Logger.With("room", "observe"))))
	mux.Handle("POST /v1/metrics", open(a.otlp))
	a.logRoutes(mux, open)
	a.traceRoutes(mux, open)
	mux.Handle("/api/v1/", open(prom))
	mux.Handle("GET /federate", open(prom))
	mux.Handle("GET /metrics", open(promhttp.HandlerFor(a.reg, promhttp.HandlerOpts{EnableOpenMetrics: true})))
	mux.Handle("/api/v2/", open(a.alerts.Handler()))
	mux.Handle("POST /api/v2/silences", person(a.alerts.Handler()))
	mux.Handle("DELETE /api/v2/silence/{id}", person(a.alerts.Handler()))
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("healthy\n")) })
	mux.HandleFunc("GET /-/ready", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ready\n")) })
	mux.Handle("POST /-/reload", person(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := a.Reload(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusUnprocessableEntity)
			return
		}
		_, _ = w.Write([]byte("loaded " + a.ws().Revision + "\n"))
	})))
	mux.Handle("/hooks/{source}", a.hooks())
	mux.Handle("POST /hooks/slack/actions", a.slackActions())
	faces, err := a.faces()
	if err != nil {
		return nil, err
	}
	for path, h := range faces {
		mux.Handle(path, h)
	}
	return a.identify(http.NewCrossOriginProtection().Handler(mux)), nil
}

// identify finds out who is behind a request; handlers decide whether that is enough.
func (a *App) identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if id, ok := a.accounts.Authenticate(r, time.Now()); ok {
			if may, why := account.Allowed(id, r.Method, r.URL.Path); !may {
				deny(w, why)
				return
			}
			r = act.WithIdentity(r, id)
		}
		w.Header().Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

// deny tells a token that it is not for this.
func deny(w http.ResponseWriter, why string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusForbidden)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]string{"code": "denied", "message": why}})
}

// openOnLoopback lets requests of this machine through without a token, where that was
// not switched off.
func (a *App) openOnLoopback(next http.Handler) http.Handler {
	strict := a.person(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.o.OpenOnLoopback && a.local(r) {
			next.ServeHTTP(w, r)
			return
		}
		strict.ServeHTTP(w, r)
	})
}

// local says whether a request comes from this machine and was meant for it: a foreign
// name in Host is a page elsewhere that has its name point here.
func (a *App) local(r *http.Request) bool {
	from, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil || !net.ParseIP(from).IsLoopback() {
		return false
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	return host == "localhost" || host == a.url.Hostname() || net.ParseIP(host).IsLoopback()
}

// person asks for a session or a token.
func (a *App) person(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := act.IdentityOf(r); ok {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("WWW-Authenticate", `Bearer realm="evenkeel"`)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]string{
			"code": "unauthenticated", "message": "this needs a person or a token",
			"hint": "make a token under Account, or with: evenkeel token create --person NAME -d DATA; send it as Authorization: Bearer ek_…",
		}})
	})
}
