package runbook

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// Request is an http step as written, parameters not yet filled in.
type Request struct {
	Method  string
	URL     string
	Headers [][2]string // in order
	Body    string
}

// Reference is how a parameter is referred to in http and promql steps: ${name}.
var Reference = regexp.MustCompile(`\$\{([a-z][a-z0-9_]*)\}`)

var (
	method     = regexp.MustCompile(`^(GET|HEAD|POST|PUT|PATCH|DELETE)$`)
	headerName = regexp.MustCompile(`^[A-Za-z0-9!#$%&'*+.^_|~-]+$`)
)

// ParseRequest reads "METHOD URL", headers, an empty line and a body.
func ParseRequest(text string) (Request, error) {
	text = strings.TrimLeft(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	head, body, _ := strings.Cut(text, "\n\n")
	lines := strings.Split(strings.TrimRight(head, "\n"), "\n")
	words := strings.Fields(lines[0])
	if len(words) < 2 || len(words) > 3 || (len(words) == 3 && !strings.HasPrefix(words[2], "HTTP/")) {
		return Request{}, fmt.Errorf("the first line must be METHOD URL")
	}
	r := Request{Method: words[0], URL: words[1], Body: strings.TrimRight(body, "\n")}
	if !method.MatchString(r.Method) {
		return Request{}, fmt.Errorf("got method %q, expected GET, HEAD, POST, PUT, PATCH or DELETE", r.Method)
	}
	u, err := url.Parse(Reference.ReplaceAllString(r.URL, "x"))
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return Request{}, fmt.Errorf("got URL %q, expected an absolute http or https URL", r.URL)
	}
	if u.User != nil {
		return Request{}, fmt.Errorf("expected no user or password in the URL")
	}
	if at := Reference.FindStringIndex(r.URL); at != nil {
		// A parameter must not choose the server that is spoken to.
		hostEnd := strings.Index(r.URL, "//") + 2
		if slash := strings.IndexAny(r.URL[hostEnd:], "/?#"); slash < 0 || at[0] < hostEnd+slash {
			return Request{}, fmt.Errorf("expected parameters only after the host")
		}
	}
	for _, l := range lines[1:] {
		name, value, ok := strings.Cut(l, ":")
		if !ok || !headerName.MatchString(name) {
			return Request{}, fmt.Errorf("got header %q, expected Name: value", l)
		}
		r.Headers = append(r.Headers, [2]string{name, strings.TrimSpace(value)})
	}
	return r, nil
}
