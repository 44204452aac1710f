package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/declare"
)

// Bounds of following links over the network.
const (
	linkPatience = 10 * time.Second
	linksAtOnce  = 8
	maxHops      = 5
)

// outward are the links of a runbook that lead over the network, and where they are.
func outward(file string, source []byte) map[string][]declare.Position {
	out := map[string][]declare.Position{}
	for i, line := range bytes.Split(source, []byte("\n")) {
		for _, m := range link.FindAllSubmatch(line, -1) {
			if u, err := url.Parse(string(m[1])); err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https") {
				u.Fragment = ""
				out[u.String()] = append(out[u.String()], declare.Position{File: file, Line: i + 1})
			}
		}
	}
	return out
}

// follow asks each link once, and warns of those that do not answer well. A page that
// wants to know who asks is there all the same.
func follow(ctx context.Context, links map[string][]declare.Position) (out declare.Problems) {
	client := &http.Client{Timeout: linkPatience, CheckRedirect: func(_ *http.Request, via []*http.Request) error {
		if len(via) > maxHops {
			return fmt.Errorf("more than %d redirects", maxHops)
		}
		return nil
	}}
	var mu sync.Mutex
	var wg sync.WaitGroup
	turn := make(chan struct{}, linksAtOnce)
	for to, places := range links {
		wg.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			said := answer(ctx, client, to)
			if said == "" {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			for _, at := range places {
				out = append(out, declare.Problem{Position: at, Field: "link", Got: to, Want: "a page that answers", Hint: said, Warning: true})
			}
		})
	}
	wg.Wait()
	slices.SortFunc(out, func(a, b declare.Problem) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), strings.Compare(a.Got, b.Got))
	})
	return out
}

// answer is what is wrong with a link; "" for nothing.
func answer(ctx context.Context, client *http.Client, to string) string {
	said := ""
	for _, method := range []string{http.MethodHead, http.MethodGet} { // some serve no HEAD
		req, err := http.NewRequestWithContext(ctx, method, to, nil)
		if err != nil {
			return err.Error()
		}
		req.Header.Set("User-Agent", "evenkeel-runbook-check")
		res, err := client.Do(req)
		if err != nil {
			if e := (*url.Error)(nil); errors.As(err, &e) {
				err = e.Err
			}
			return err.Error()
		}
		_, _ = io.CopyN(io.Discard, res.Body, 4<<10) // so that the connection can be used again
		_ = res.Body.Close()
		switch code := res.StatusCode; {
		case code < http.StatusBadRequest, code == http.StatusUnauthorized, code == http.StatusForbidden, code == http.StatusTooManyRequests:
			return ""
		default:
			said = "it answers " + res.Status
		}
	}
	return said
}
