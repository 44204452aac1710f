package oncall

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

// Fetch reads the calendar behind an http, https or webcal URL: at most 1 MiB, within
// 10 seconds. Its errors name the host alone: such a URL is often a secret.
func Fetch(ctx context.Context, client *http.Client, address string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return nil, errors.New("cannot read calendar: expected a URL as https://calendar.example.org/cover.ics")
	}
	fail := func(got, want string) ([]byte, error) {
		return nil, fmt.Errorf("cannot read calendar at %s: got %s, expected %s", u.Host, got, want)
	}
	if strings.EqualFold(u.Scheme, "webcal") {
		u.Scheme = "https"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return fail("a URL that cannot be asked", "one as https://calendar.example.org/cover.ics")
	}
	req.Header.Set("Accept", "text/calendar")
	res, err := client.Do(req)
	if err != nil {
		return fail(cause(err), "an answer")
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fail("HTTP "+res.Status, "200")
	}
	data, err := io.ReadAll(io.LimitReader(res.Body, maxCalendar+1))
	switch {
	case err != nil:
		return fail(cause(err), "a whole answer")
	case len(data) > maxCalendar:
		return fail("more than 1 MiB", "at most 1 MiB")
	}
	return data, nil
}

// cause is an error of the network without the URL.
func cause(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Sprintf("no whole answer within %s", readWithin)
	}
	return yamldoc.Cut(err.Error())
}
