package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/spf13/cobra"
)

// list asks for a list and prints it.
func list[T any](cmd *cobra.Command, r *remote, what, path string, q url.Values, none string, show func(items []T) *table) error {
	c, err := r.client(cmd)
	if err != nil {
		return err
	}
	var answer struct {
		Items []T  `json:"items"`
		Total int  `json:"total"`
		More  bool `json:"more"`
	}
	raw, err := c.get(cmd.Context(), what, path, q, &answer)
	if err != nil {
		return err
	}
	if err := r.format.print(cmd, raw, func(w io.Writer) {
		if len(answer.Items) > 0 {
			show(answer.Items).write(w)
		}
	}); err != nil {
		return err
	}
	switch talk := cmd.ErrOrStderr(); {
	case r.format.name != formatTable:
	case len(answer.Items) == 0:
		fmt.Fprintln(talk, none)
	case answer.Total > len(answer.Items):
		fmt.Fprintf(talk, "%d of %d: --limit shows more\n", len(answer.Items), answer.Total)
	case answer.More:
		fmt.Fprintln(talk, "There are more: --limit shows them.")
	}
	return nil
}

// one asks for one thing and prints it.
func one[T any](cmd *cobra.Command, r *remote, what, path string, show func(w io.Writer, v T)) error {
	c, err := r.client(cmd)
	if err != nil {
		return err
	}
	var v T
	raw, err := c.get(cmd.Context(), what, path, nil, &v)
	if err != nil {
		return err
	}
	return r.format.print(cmd, raw, func(w io.Writer) { show(w, v) })
}

// change sends an act and prints its answer; with --dry-run it prints the request.
// show may be nil for an act that answers with nothing worth a table.
func change[T any](cmd *cobra.Command, r *remote, what, method, path string, body any, show func(w io.Writer, v T)) error {
	c, err := r.client(cmd)
	if err != nil {
		return err
	}
	if r.dryRun {
		return c.dry(cmd.OutOrStdout(), method, path, body)
	}
	var v T
	raw, err := c.do(cmd.Context(), what, method, path, nil, body, &v)
	if err != nil {
		return err
	}
	return r.format.print(cmd, raw, func(w io.Writer) {
		if show != nil {
			show(w, v)
		}
	})
}

// dry prints a request as it would be sent, without the token.
func (c *client) dry(w io.Writer, method, path string, body any) error {
	fmt.Fprintf(w, "%s %s\n", method, c.at(path, nil))
	if body == nil {
		return nil
	}
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "Content-Type: application/json\n\n")
	return printJSON(w, data)
}

// numberArg reads an argument that numbers a thing.
func numberArg(noun, text string) (string, error) {
	if n, err := strconv.ParseInt(text, 10, 64); err != nil || n <= 0 {
		return "", fmt.Errorf("cannot use %s %q: expected a number", noun, text)
	}
	return text, nil
}

// seg makes one segment of a path of what a person typed.
func seg(text string) string { return url.PathEscape(text) }

// values makes a query of what is not empty.
func values(pairs ...string) url.Values {
	q := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return q
}

// limitText is a --limit for a query.
func limitText(n int) string {
	if n <= 0 {
		return ""
	}
	return strconv.Itoa(n)
}

const (
	post = http.MethodPost
	put  = http.MethodPut
	del  = http.MethodDelete
)

func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}
