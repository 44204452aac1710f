package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
)

// Root is where the API lives.
const Root = "/api/evenkeel/v1"

// maxBody bounds a request's body.
const maxBody = 1 << 20

// server holds the parts; handlers are its methods.
type server struct {
	Options
	document []byte // OpenAPI
}

// call is one request of somebody.
type call struct {
	*http.Request
	me  act.Identity
	now time.Time
	w   http.ResponseWriter // only for answers that are not one JSON value
}

// New returns the handler for everything under Root.
func New(o Options) (http.Handler, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	s := &server{Options: o}
	routes := s.routes()
	document, err := json.MarshalIndent(openapi(routes, o.Version), "", "  ")
	if err != nil {
		return nil, err
	}
	s.document = document

	mux := http.NewServeMux()
	methods := map[string][]string{}
	for _, r := range routes {
		mux.Handle(r.method+" "+Root+r.path, s.serve(r))
		methods[r.path] = append(methods[r.path], r.method)
	}
	for path, allowed := range methods {
		mux.Handle(Root+path, s.refuseMethod(allowed))
	}
	mux.HandleFunc(Root+"/", func(w http.ResponseWriter, r *http.Request) {
		s.answer(w, r, nil, &httpError{http.StatusNotFound, Error{
			Code: "not_found", Message: "there is nothing at " + cut(r.URL.Path), Hint: "GET " + Root + "/openapi.json lists what there is.",
		}})
	})
	// A page of another origin must not act with the cookie of whoever looks at it.
	cross := http.NewCrossOriginProtection()
	cross.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.answer(w, r, nil, &httpError{http.StatusForbidden, Error{
			Code: "cross_site", Message: "a page of another site may not act here", Hint: "Programs send a token and no Origin header.",
		}})
	}))
	return s.guard(cross.Handler(mux)), nil
}

// guard sets what every answer has, lets nobody in without a name, and survives a
// handler that panics.
func (s *server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler { //nolint:errorlint // as net/http compares it
				panic(p)
			}
			s.Logger.Error("panic in the API", "method", r.Method, "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
			s.write(w, http.StatusInternalServerError, ErrorBody{Error{Code: "internal", Message: "The server could not answer.", Hint: "The server's log has the reason."}})
		}()
		if _, ok := act.IdentityOf(r); !ok {
			h.Set("WWW-Authenticate", `Bearer realm="evenkeel"`)
			s.answer(w, r, nil, &httpError{http.StatusUnauthorized, Error{
				Code: "unauthenticated", Message: "nobody is signed in, or the token is not valid",
				Hint: "Create a token on your account page, or with `evenkeel token create --person NAME -d DATA` where the server runs, and send it as `Authorization: Bearer ek_…`.",
			}})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// serve turns a route into a handler.
func (s *server) serve(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		me, _ := act.IdentityOf(r) // guard has looked
		c := &call{Request: r, me: me, now: s.Now(), w: w}
		if rt.admin && !me.Admin {
			s.answer(w, r, nil, &act.DeniedError{Why: "only an administrator may do this"})
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, max(maxBody, rt.body))
		out, err := rt.run(c)
		if err == nil && rt.media != "" {
			return // written by the handler
		}
		s.answer(c.w, r, &reply{rt.status, out}, err)
	})
}

// reply is a good answer.
type reply struct {
	status int
	body   any
}

// answer writes a good answer or an error.
func (s *server) answer(w http.ResponseWriter, r *http.Request, good *reply, err error) {
	if err == nil {
		s.write(w, good.status, good.body)
		return
	}
	status, e := explain(err)
	if status == 0 {
		return
	}
	if status >= http.StatusInternalServerError {
		s.Logger.Error("cannot answer the API", "method", r.Method, "path", r.URL.Path, "err", err)
	}
	s.write(w, status, ErrorBody{e})
}

func (s *server) write(w http.ResponseWriter, status int, body any) {
	if status == http.StatusNoContent {
		w.WriteHeader(status)
		return
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false) // nosniff and the content type keep it from being read as a page
	if err := enc.Encode(body); err != nil {
		s.Logger.Error("cannot encode an answer", "err", err)
		status = http.StatusInternalServerError
		buf.Reset()
		buf.WriteString(`{"error":{"code":"internal","message":"The server could not answer."}}` + "\n")
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if _, err := w.Write(buf.Bytes()); err != nil {
		s.Logger.Debug("an answer was not taken", "err", err)
	}
}

func (s *server) refuseMethod(allowed []string) http.Handler {
	slices.Sort(allowed)
	list := strings.Join(allowed, ", ")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", list)
		s.answer(w, r, nil, &httpError{http.StatusMethodNotAllowed, Error{
			Code: "method_not_allowed", Message: r.Method + " is not offered at " + cut(r.URL.Path), Got: r.Method, Want: list,
		}})
	})
}
