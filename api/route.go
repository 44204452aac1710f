package api

import (
	"net/http"
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

// route is one line of the table: what it takes and gives, and who does it.
type route struct {
	method  string
	path    string // after Root, as ServeMux writes it
	summary string
	query   reflect.Type // a struct with query tags, nil for none
	in      reflect.Type // the body, nil for none
	out     reflect.Type // the answer, nil for none
	media   string       // content type of an answer that the handler writes itself
	status  int
	admin   bool
	body    int64 // bytes that a body may have, where that is more than maxBody
	run     func(c *call) (any, error)
}

// get reads: the query's parameters come as a Q.
func get[Q, Out any](path, summary string, fn func(*call, Q) (Out, error)) route {
	return route{
		method: http.MethodGet, path: path, summary: summary, status: http.StatusOK,
		query: structOf[Q](), out: structOf[Out](),
		run: func(c *call) (any, error) {
			var q Q
			if err := decodeQuery(c.URL.Query(), reflect.ValueOf(&q).Elem()); err != nil {
				return nil, err
			}
			return fn(c, q)
		},
	}
}

// send changes something: the body comes as an In.
func send[In, Out any](method, path, summary string, status int, fn func(*call, In) (Out, error)) route {
	return route{
		method: method, path: path, summary: summary, status: status,
		in: structOf[In](), out: structOf[Out](),
		run: func(c *call) (any, error) {
			if err := decodeQuery(c.URL.Query(), reflect.ValueOf(&struct{}{}).Elem()); err != nil {
				return nil, err
			}
			var in In
			if err := decodeBody(c.Request, &in); err != nil {
				return nil, err
			}
			return fn(c, in)
		},
	}
}

// raw answers with something else than JSON, written by the handler.
func raw[Q any](path, summary, media string, fn func(*call, Q) error) route {
	r := get(path, summary, func(c *call, q Q) (struct{}, error) { return struct{}{}, fn(c, q) })
	r.out, r.media = nil, media
	return r
}

// remove ends what the path names, and answers with nothing.
func remove[Q any](path, summary string, fn func(*call, Q) (none, error)) route {
	r := get(path, summary, fn)
	r.method, r.status, r.out = http.MethodDelete, http.StatusNoContent, nil
	return r
}

// withFiles lets a body be as large as a workspace.
func withFiles(r route) route {
	r.body = 32 << 20
	return r
}

// byAdmin restricts a route.
func byAdmin(r route) route {
	r.admin = true
	return r
}

// none is for a route that takes or gives nothing.
type none = struct{}

// structOf is nil for none.
func structOf[T any]() reflect.Type {
	if t := reflect.TypeFor[T](); t != reflect.TypeFor[none]() {
		return t
	}
	return nil
}

var pathParam = regexp.MustCompile(`\{(\w+)\}`)

// numbered are the path parameters that are numbers; the others are names.
var numbered = map[string]bool{"incident": true, "finding": true, "fact": true, "step": true, "follow_up": true, "request": true, "override": true, "task": true, "subscriber": true, "duty": true, "loan": true}

// number reads a path parameter that is a number.
func (c *call) number(name string) (int64, error) {
	text := c.PathValue(name)
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, invalid(strings.ReplaceAll(name, "_", "-"), text, "a number")
	}
	return n, nil
}
