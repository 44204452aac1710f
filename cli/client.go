package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/evenkeel/evenkeel/api"
)

// Where a client verb finds its server and its token.
const (
	envURL     = "EVENKEEL_URL"
	envToken   = "EVENKEEL_TOKEN" //nolint:gosec // a name
	defaultURL = "http://127.0.0.1:7070"
)

// maxAnswer bounds what is read of one answer.
const maxAnswer = 256 << 20

// remote holds the flags that all verbs share which speak to a server.
type remote struct {
	url, tokenFile string
	timeout        time.Duration
	format         format
	dryRun         bool
}

// newRemote gives a noun's command the shared flags.
func newRemote(cmd *cobra.Command) *remote {
	r := &remote{}
	f := cmd.PersistentFlags()
	f.StringVar(&r.url, "url", "", "server (default $"+envURL+", else "+defaultURL+")")
	f.StringVar(&r.tokenFile, "token-file", "", "file that holds the token (default: the token is in $"+envToken+")")
	f.DurationVar(&r.timeout, "timeout", 30*time.Second, "give up on an answer after")
	r.format.flag(cmd, f)
	return r
}

// changes marks a command as one that changes something: it gets --dry-run.
func (r *remote) changes(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().BoolVar(&r.dryRun, "dry-run", false, "print the request instead of sending it")
	return cmd
}

// client speaks to one server.
type client struct {
	base  *url.URL
	token string
	http  *http.Client
	wait  time.Duration
}

// client reads the environment and the flags. What it finds strange goes to stderr.
func (r *remote) client(cmd *cobra.Command) (*client, error) {
	if err := legible(cmd); err != nil {
		return nil, err
	}
	text := r.url
	if text == "" {
		text = os.Getenv(envURL)
	}
	if text == "" {
		text = defaultURL
	}
	base, err := url.Parse(text)
	if err != nil || (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" || base.User != nil || base.RawQuery != "" {
		return nil, fmt.Errorf("cannot use server %q: expected a URL as %s", text, defaultURL)
	}
	token, err := r.token()
	if err != nil {
		return nil, err
	}
	if token != "" && base.Scheme == "http" && !loopback(base.Hostname()) {
		fmt.Fprintf(cmd.ErrOrStderr(), "evenkeel: warning: the token travels to %s without encryption\n", base.Host)
	}
	return &client{base: base, token: token, wait: r.timeout, http: &http.Client{
		CheckRedirect: func(req *http.Request, _ []*http.Request) error {
			return fmt.Errorf("the server redirects to %s: set %s to where it lives", req.URL.Redacted(), envURL)
		},
	}}, nil
}

// legible refuses what cannot be sent as it is: JSON would carry something else.
func legible(cmd *cobra.Command) (err error) {
	look := func(what, text string) {
		if err == nil && !utf8.ValidString(text) {
			err = fmt.Errorf("cannot use %s: got %s, expected text in UTF-8", what, strconv.QuoteToASCII(clip(text, 60)))
		}
	}
	for i, arg := range cmd.Flags().Args() {
		look(fmt.Sprintf("argument %d", i+1), arg)
	}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		values := []string{f.Value.String()}
		if many, ok := f.Value.(pflag.SliceValue); ok {
			values = many.GetSlice()
		}
		for _, v := range values {
			look("--"+f.Name, v)
		}
	})
	return err
}

func (r *remote) token() (string, error) {
	if r.tokenFile == "" {
		return strings.TrimSpace(os.Getenv(envToken)), nil
	}
	data, err := os.ReadFile(r.tokenFile)
	if err != nil {
		return "", fmt.Errorf("cannot read token: %w", err)
	}
	token := strings.TrimSpace(string(data))
	if token == "" || strings.ContainsAny(token, " \t\r\n") {
		return "", fmt.Errorf("cannot read token %q: expected one line as ek_…", r.tokenFile)
	}
	return token, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// answerError is an answer that is not 2xx.
type answerError struct {
	what   string // as: acknowledge incident 7
	status int
	answer api.Error
}

func (e *answerError) Error() string {
	text := fmt.Sprintf("cannot %s: %s", e.what, printable(e.answer.Message))
	if e.answer.Hint != "" {
		text += "\n  hint: " + printable(e.answer.Hint)
	}
	return text
}

// get reads JSON into v and returns it as it came. what says the act for errors.
func (c *client) get(ctx context.Context, what, path string, q url.Values, v any) ([]byte, error) {
	return c.do(ctx, what, http.MethodGet, path, q, nil, v)
}

// do sends a request below the API's root, or to a path that begins with a foreign
// format's own root.
func (c *client) do(ctx context.Context, what, method, path string, q url.Values, body, v any) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.wait)
	defer cancel()
	req, err := c.request(ctx, method, path, q, body)
	if err != nil {
		return nil, fmt.Errorf("cannot %s: %w", what, err)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(what, err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return nil, c.unreachable(what, err)
	}
	if len(raw) > maxAnswer {
		return nil, fmt.Errorf("cannot %s: the answer is larger than %d MiB", what, maxAnswer>>20)
	}
	if res.StatusCode/100 != 2 {
		return raw, refused(what, res, raw)
	}
	if v != nil && len(raw) > 0 {
		if err := json.Unmarshal(raw, v); err != nil {
			return nil, fmt.Errorf("cannot %s: %s does not answer as Evenkeel does (%w)", what, c.base.Redacted(), err)
		}
	}
	return raw, nil
}

// at is the URL of a path.
func (c *client) at(path string, q url.Values) *url.URL {
	if !strings.HasPrefix(path, "/api/") && !strings.HasPrefix(path, "/select/") {
		path = api.Root + path
	}
	u := c.base.JoinPath(strings.Split(path, "/")...)
	u.RawQuery = q.Encode()
	return u
}

func (c *client) request(ctx context.Context, method, path string, q url.Values, body any) (*http.Request, error) {
	var r io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		r = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.at(path, q).String(), r)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	return req, nil
}

// refused turns an answer into an error, whichever format's words it has.
func refused(what string, res *http.Response, raw []byte) error {
	e := &answerError{what: what, status: res.StatusCode}
	var ours api.ErrorBody
	var foreign struct{ Error string }
	switch {
	case json.Unmarshal(raw, &ours) == nil && ours.Error.Message != "":
		e.answer = ours.Error
	case json.Unmarshal(raw, &foreign) == nil && foreign.Error != "":
		e.answer.Message = foreign.Error
	default:
		e.answer.Message = "the server answered " + res.Status
	}
	return e
}

// unreachable says what a person can do about a server that does not answer.
func (c *client) unreachable(what string, err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	hint := "set " + envURL + " or --url to where the server is"
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("cannot %s: interrupted", what)
	case errors.Is(err, context.DeadlineExceeded):
		err, hint = fmt.Errorf("no answer within %s", c.wait), "--timeout waits for longer"
	case errors.Is(err, syscall.ECONNREFUSED):
		err = errors.New("nothing listens there")
		hint = "start it with `evenkeel serve` or `evenkeel demo`, or " + hint
	}
	return fmt.Errorf("cannot %s: cannot reach %s: %w\n  hint: %s", what, c.base.Redacted(), err, hint)
}
