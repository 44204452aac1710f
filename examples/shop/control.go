package shop

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
)

// control is the deployer's API and page. It obeys everybody on this machine, as
// the page says; it does not obey other web sites that a browser on this machine
// shows: their requests, and those under a foreign host name, are refused.
//
//	GET  /status                     everything, as JSON
//	POST /deploy                     {"service": "checkout", "version": "1.4.1", "actor": "ci"}
//	POST /rollback                   {"service": "checkout"}; with a version, back to that one
//	POST /restart                    {"service": "checkout"}
//	POST /flags                      {"service": "newsletter", "flag": "weekly_digest", "value": "on"}
//	POST, DELETE /faults/{name}      roll a fault out, end it
//	POST, GET /inbox                 the on-call phone
func (s *Shop) control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.page)
	mux.HandleFunc("GET /style.css", style)
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) { reply(w, http.StatusOK, s.Status(r.Context())) })
	mux.HandleFunc("GET /faults", func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, s.Faults()) })
	mux.HandleFunc("GET /inbox", s.inbox.list)
	mux.HandleFunc("POST /inbox", s.inbox.receive)
	order := func(do func(Order) (Done, error)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			o, form, err := readOrder(w, r)
			if err != nil {
				fail(w, err)
				return
			}
			answer(w, r, form, func() (Done, error) { return do(o) })
		}
	}
	named := func(do func(name, actor string) (Done, error)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			o, form, err := readOrder(w, r)
			if err != nil {
				fail(w, err)
				return
			}
			if o.Actor == "" {
				o.Actor = "ci"
			}
			answer(w, r, form, func() (Done, error) { return do(r.PathValue("name"), o.Actor) })
		}
	}
	mux.HandleFunc("POST /deploy", order(s.Deploy))
	mux.HandleFunc("POST /rollback", order(s.Rollback))
	mux.HandleFunc("POST /restart", order(s.Restart))
	mux.HandleFunc("POST /flags", order(s.SetFlag))
	mux.HandleFunc("POST /faults/{name}", named(s.Inject))
	mux.HandleFunc("DELETE /faults/{name}", named(s.End))
	mux.HandleFunc("POST /faults/{name}/end", named(s.End)) // for forms, which cannot DELETE
	return localOnly(http.NewCrossOriginProtection().Handler(mux))
}

// localOnly refuses requests under a host name that is not this machine's: a name
// on the web that was pointed at 127.0.0.1 would otherwise pass as the same site.
func localOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			fail(w, &RequestError{http.StatusForbidden, "denied", fmt.Sprintf("got host %q, expected this machine's loopback", r.Host), "open http://127.0.0.1"})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// readOrder reads JSON or a form; an empty body is an empty order.
func readOrder(w http.ResponseWriter, r *http.Request) (o Order, form bool, err error) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<16)
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind == "application/x-www-form-urlencoded" {
		if err := r.ParseForm(); err != nil {
			return o, true, malformed(err)
		}
		get := r.PostForm.Get
		return Order{Service: get("service"), Version: get("version"), Flag: get("flag"), Value: get("value"), Actor: get("actor")}, true, nil
	}
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&o); err != nil && !errors.Is(err, io.EOF) {
		return o, false, malformed(err)
	}
	return o, false, nil
}

func malformed(err error) error {
	return &RequestError{http.StatusBadRequest, "malformed", "cannot read order: " + err.Error(), `expected JSON as {"service": "checkout", "version": "1.4.0"}`}
}

// answer does it, and writes JSON, or sends a browser back to the page.
func answer(w http.ResponseWriter, r *http.Request, form bool, do func() (Done, error)) {
	done, err := do()
	switch {
	case err != nil:
		fail(w, err)
	case form:
		http.Redirect(w, r, "/", http.StatusSeeOther)
	default:
		reply(w, http.StatusOK, done)
	}
}

// fail writes an error with code, message and hint.
func fail(w http.ResponseWriter, err error) {
	e := &RequestError{Status: http.StatusInternalServerError, Code: "internal", Message: err.Error()}
	errors.As(err, &e)
	text := map[string]string{"code": e.Code, "message": e.Message}
	if e.Hint != "" {
		text["hint"] = e.Hint
	}
	reply(w, e.Status, map[string]any{"error": text})
}
