package shop

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"
)

// route is one thing that a service answers. codes are those it is known to
// answer with: they are counted from 0, so that the first error is an increase.
type route struct {
	method, path string
	codes        []int
	handle       http.HandlerFunc
}

// meter counts what a service answers and what it asks of others.
type meter interface {
	// expect makes the series of a route, at 0.
	expect(r route)
	// answered counts one answer.
	answered(r route, code int, took time.Duration)
}

// reply writes v as JSON.
func reply(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // the client may have gone: nothing to do about it
}

// refuse writes an error as JSON.
func refuse(w http.ResponseWriter, code int, message string) {
	reply(w, code, map[string]any{"error": map[string]string{"message": message}})
}

// serveRoutes puts the routes on a mux, each counted, timed, and guarded against
// panics. While draining holds, clients are asked to take a new connection, which
// leads them to the next version.
func serveRoutes(mux *http.ServeMux, routes []route, m meter, tel *telemetry, draining *atomic.Bool, log *slog.Logger) {
	for _, r := range routes {
		m.expect(r)
		mux.HandleFunc(r.method+" "+r.path, func(w http.ResponseWriter, req *http.Request) {
			if draining.Load() {
				w.Header().Set("Connection", "close")
			}
			seen := &codeSeen{ResponseWriter: w}
			start := time.Now()
			req, span := tel.begin(req, r)
			defer func() {
				if p := recover(); p != nil {
					log.Error("panic", "route", r.path, "panic", p)
					tel.say(req.Context(), slog.LevelError, fmt.Sprintf("panic: %v", p), slog.String("http.route", r.path))
					if seen.code == 0 {
						refuse(seen, http.StatusInternalServerError, "internal error")
					}
				}
				if seen.code == 0 {
					seen.code = http.StatusOK
				}
				m.answered(r, seen.code, time.Since(start))
				tel.end(req.Context(), span, r, seen.code, seen.said)
			}()
			r.handle(seen, req)
		})
	}
}

// codeSeen remembers the status code.
type codeSeen struct {
	http.ResponseWriter
	code int
	said string // the beginning of an error's answer
}

func (c *codeSeen) Write(b []byte) (int, error) {
	if c.code >= http.StatusInternalServerError && c.said == "" {
		var answer struct{ Error struct{ Message string } }
		if json.Unmarshal(b, &answer) == nil {
			c.said = answer.Error.Message
		}
	}
	return c.ResponseWriter.Write(b)
}

func (c *codeSeen) WriteHeader(code int) {
	if c.code == 0 {
		c.code = code
	}
	c.ResponseWriter.WriteHeader(code)
}

// drainBody reads what is left, so that the connection can be used again.
func drainBody(r io.Reader) { _, _ = io.Copy(io.Discard, io.LimitReader(r, 1<<20)) }
