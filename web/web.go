package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
)

// SessionCookie carries the session's secret.
const SessionCookie = "evenkeel_session"

// maxForm bounds the body of a form: a review is the largest.
const maxForm = 1 << 20

// site is the pages with the parts that they are made from.
type site struct {
	Options
	pages *pages
	tails chan struct{} // one for each live tail that is open
}

// handler answers one request of a signed-in person; an error becomes a page.
type handler func(w http.ResponseWriter, r *http.Request, me act.Identity) error

// New returns the handler of all pages. It expects that requests carry their
// identity already, where they have one.
func New(opts Options) (http.Handler, error) {
	if err := opts.check(); err != nil {
		return nil, err
	}
	p, err := loadPages(func(id declare.ServiceID) bool { return opts.Workspace().Service(id) != nil })
	if err != nil {
		return nil, err
	}
	s := &site{Options: opts, pages: p, tails: make(chan struct{}, tailsMost)}

	mux := http.NewServeMux()
	mux.Handle("GET /static/", p.static)
	s.open(mux)
	for _, some := range []map[string]handler{s.routes(), s.deskRoutes(), s.outcomeRoutes(), s.statusRoutes()} {
		for pattern, h := range some {
			mux.Handle(pattern, s.signedIn(h))
		}
	}
	mux.Handle("/", s.signedIn(func(http.ResponseWriter, *http.Request, act.Identity) error { return act.ErrNotFound }))

	cross := http.NewCrossOriginProtection()
	cross.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, act.Identity{}, &act.DeniedError{Why: "this form was sent by another site"})
	}))
	return headers(cross.Handler(bounded(mux))), nil
}

// open are the pages for those who are not signed in.
func (s *site) open(mux *http.ServeMux) {
	mux.HandleFunc("GET /sign-in", s.signInForm)
	mux.HandleFunc("POST /sign-in", s.signIn)
	mux.HandleFunc("GET /invite/{secret}", s.inviteForm)
	mux.HandleFunc("POST /invite/{secret}", s.accept)
	mux.HandleFunc("POST /theme", s.theme)
	mux.HandleFunc("GET /ack/{token}", s.ackForm)
	mux.HandleFunc("POST /ack/{token}", s.ackFromMessage)
	mux.HandleFunc("GET /outcome/{token}", s.outcomeLink)
	mux.HandleFunc("POST /outcome/{token}", s.useOutcomeLink)
	s.openStatus(mux)
	mux.HandleFunc("GET /ical/{kind}/{name}/{file}", s.calendar)
}

// routes are the pages and acts for those who are.
func (s *site) routes() map[string]handler {
	return map[string]handler{
		"GET /{$}":    s.now,
		"GET /live":   s.live,
		"GET /search": s.search,
		"GET /help":   s.help,

		"GET /services":      s.services,
		"GET /services/{id}": s.service,
		"GET /workspace":     s.workspace,

		"GET /objectives":        s.objectives,
		"GET /objectives/{name}": s.objective,

		"GET /dashboards":              s.dashboards,
		"GET /dashboards/{name}":       s.dashboard,
		"GET /services/{id}/dashboard": s.serviceDashboard,

		"GET /patterns":      s.patterns,
		"GET /patterns/{id}": s.pattern,
		"GET /explore":       s.explore,
		"GET /explore/tail":  s.tail,

		"GET /views":              s.views,
		"POST /views":             s.saveView,
		"POST /views/{id}/delete": s.deleteView,

		"GET /traces/{id}": s.trace,

		"GET /rules":      s.rules,
		"GET /rules/rule": s.rule,

		"GET /backtest":  s.backtest,
		"POST /backtest": s.runBacktest,

		"GET /findings":      s.findings,
		"GET /findings/{id}": s.finding,

		"GET /incidents":                       s.incidents,
		"GET /incidents/{n}":                   s.incident,
		"POST /incidents/{n}/do":               s.doIncident,
		"POST /incidents/{n}/assign":           s.assignIncident,
		"POST /incidents/{n}/note":             s.noteIncident,
		"POST /incidents/{n}/suspects/{rank}":  s.judgeSuspect,
		"GET /incidents/{n}/review":            s.review,
		"GET /incidents/{n}/review.md":         s.reviewMarkdown,
		"POST /incidents/{n}/review":           s.saveReview,
		"POST /incidents/{n}/review/draft":     s.draftReview,
		"POST /incidents/{n}/review/redraft":   s.redraftReview,
		"POST /incidents/{n}/review/followups": s.addFollowUp,
		"POST /followups/{id}/done":            s.finishFollowUp,

		"POST /incidents/{n}/still":               s.stillAtIt,
		"POST /incidents/{n}/escalate":            s.handUp,
		"POST /incidents/{n}/handups/{id}/{verb}": s.decideHandup,
		"GET /account/contacts":                   s.contacts,
		"POST /account/contacts":                  s.addContact,
		"POST /account/contacts/{id}/verify":      s.verifyContact,
		"POST /account/contacts/{id}/remove":      s.removeContact,
		"POST /account/quiet":                     s.setQuiet,

		"GET /oncall/explain": s.explainPage,

		"GET /oncall":                                s.onCallPage,
		"POST /oncall/overrides":                     s.addOverride,
		"POST /oncall/overrides/{id}/remove":         s.removeOverride,
		"POST /oncall/swaps":                         s.swapShifts,
		"POST /oncall/calendars/{kind}/{name}/renew": s.renewCalendar,

		"GET /silences":              s.silences,
		"POST /silences":             s.addSilence,
		"POST /silences/{id}/expire": s.expireSilence,

		"GET /runbooks":                 s.runbooks,
		"GET /runbooks/{name}":          s.runbook,
		"POST /runbooks/{name}":         s.startRun,
		"POST /runbooks/{name}/read":    s.readRunbook,
		"POST /runbooks/{name}/breaker": s.closeBreaker,
		"GET /runs":                     s.runs,
		"GET /runs/{id}":                s.run,
		"POST /runs/{id}/decide":        s.decideStep,
		"POST /runs/{id}/continue":      s.continueStep,
		"POST /runs/{id}/cancel":        s.cancelRun,
		"POST /runs/{id}/take":          s.takeRun,
		"POST /runs/{id}/vote":          s.voteRun,
		"GET /upkeep":                   s.upkeep,
		"POST /runs/{id}/voice":         s.voiceStep,
		"POST /runs/{id}/tick":          s.tickStep,

		"GET /authority":       s.authority,
		"POST /duties/{id}":    s.fulfil,
		"POST /loans":          s.lend,
		"POST /loans/{id}/end": s.endLoan,

		"GET /changes":      s.changes,
		"POST /changes":     s.recordChange,
		"GET /changes/{id}": s.change,

		"GET /requests":             s.requests,
		"GET /requests/new/{item}":  s.requestForm,
		"POST /requests/new/{item}": s.submitRequest,
		"GET /requests/{n}":         s.requestPage,
		"POST /requests/{n}":        s.doRequest,

		"GET /delivery": s.delivery,
		"GET /toil":     s.toil,
		"POST /toil":    s.logToil,

		"GET /gate":  s.gate,
		"POST /gate": s.askGate,

		"GET /reviews": s.reviews,
		"GET /journal": s.journal,

		"GET /journal/{id}": s.fact,

		"GET /account":                     s.account,
		"POST /account/tokens":             s.createToken,
		"POST /account/tokens/{id}/revoke": s.revokeToken,
		"POST /sign-out":                   s.signOut,
		"GET /admin/people":                s.people,
		"POST /admin/people/invite":        s.invite,
		"POST /admin/people/disable":       s.disable,
	}
}

// signedIn lets only people with an identity through. A page sends the others to
// the sign-in and back; anything else is refused.
func (s *site) signedIn(h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		me, ok := act.IdentityOf(r)
		switch {
		case ok:
			if err := h(w, r, me); err != nil {
				s.fail(w, r, me, err)
			}
		case r.Method != http.MethodGet || r.URL.Path == "/live" || r.URL.Path == "/explore/tail":
			w.Header().Set("Cache-Control", "no-store")
			http.Error(w, "sign in first: "+s.url("/sign-in"), http.StatusUnauthorized)
		default:
			to := "/sign-in"
			if r.URL.Path != "/" || r.URL.RawQuery != "" {
				to += "?next=" + url.QueryEscape(r.URL.RequestURI())
			}
			http.Redirect(w, r, to, http.StatusSeeOther)
		}
	})
}

// url is a path as people outside of this process reach it.
func (s *site) url(path string) string {
	if s.Link != nil {
		return s.Link(path)
	}
	return strings.TrimSuffix(s.Workspace().Settings.ExternalURL, "/") + path
}

func bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		next.ServeHTTP(w, r)
	})
}

// form reads a posted form; what is too long or not a form is the sender's error.
func form(r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return &act.InvalidError{Field: "form", Got: err.Error(), Want: fmt.Sprintf("a form of at most %d bytes", maxForm)}
	}
	return nil
}
