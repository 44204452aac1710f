package runbook

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/evenkeel/evenkeel/declare"
)

// hidden is what stands where a secret was.
const hidden = "‹secret›"

// secrets fetches what a runbook names, by name. They live as long as the step.
func (r *Runner) secrets(book *declare.Runbook) (map[string]string, error) {
	out := map[string]string{}
	for _, name := range book.Secrets {
		if r.o.Secret == nil {
			return nil, fmt.Errorf("cannot get secret %s: none are configured", name)
		}
		v, err := r.o.Secret(name)
		if err != nil {
			return nil, fmt.Errorf("cannot get secret %s: %w", name, err)
		}
		out[name] = v
	}
	return out, nil
}

// placeholders stand for secrets where a step is shown.
func placeholders(book *declare.Runbook, params map[string]string) map[string]string {
	if len(book.Secrets) == 0 {
		return params
	}
	out := map[string]string{}
	for _, s := range book.Secrets {
		out[s] = "‹secret " + s + "›"
	}
	for k, v := range params {
		out[k] = v
	}
	return out
}

// with is params and secrets together.
func with(params, secrets map[string]string) map[string]string {
	if len(secrets) == 0 {
		return params
	}
	out := map[string]string{}
	for k, v := range secrets {
		out[k] = v
	}
	for k, v := range params {
		out[k] = v
	}
	return out
}

// forms are the ways in which a secret may appear in an output.
func forms(secrets map[string]string) []string {
	var out []string
	for _, s := range secrets {
		s = strings.TrimSpace(s)
		if len(s) < 4 { // hiding every "a" would hide nothing
			continue
		}
		quoted := strconv.Quote(s)
		out = append(out, s, base64.StdEncoding.EncodeToString([]byte(s)), base64.RawURLEncoding.EncodeToString([]byte(s)), url.QueryEscape(s), url.PathEscape(s), quoted[1:len(quoted)-1])
		for _, line := range strings.Split(s, "\n") { // a key of many lines
			if line = strings.TrimSpace(line); len(line) >= 16 {
				out = append(out, line)
			}
		}
	}
	slices.SortFunc(out, func(a, b string) int { return len(b) - len(a) }) // the longest first
	return slices.Compact(out)
}

// hide takes secrets out of a text.
func hide(s string, forms []string) string {
	for _, f := range forms {
		s = strings.ReplaceAll(s, f, hidden)
	}
	return mask(s)
}

// hiding takes secrets out of what is written through it, also where they are cut over
// two writes. Close writes what it has kept back.
type hiding struct {
	mu    sync.Mutex
	to    io.Writer
	forms [][]byte
	most  int
	kept  []byte
}

func newHiding(to io.Writer, forms []string) *hiding {
	h := &hiding{to: to}
	for _, f := range forms {
		h.forms = append(h.forms, []byte(f))
		h.most = max(h.most, len(f))
	}
	return h
}

// Write implements io.Writer.
func (h *hiding) Write(p []byte) (int, error) {
	if h.most == 0 {
		return h.to.Write(p)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.kept = append(h.kept, p...)
	h.flush(h.most - 1)
	return len(p), nil
}

// flush writes all but the last bytes, in which a secret may have begun.
func (h *hiding) flush(keep int) {
	for _, f := range h.forms {
		h.kept = bytes.ReplaceAll(h.kept, f, []byte(hidden))
	}
	if n := len(h.kept) - keep; n > 0 {
		_, _ = h.to.Write(h.kept[:n]) // a capped output takes everything
		h.kept = append(h.kept[:0], h.kept[n:]...)
	}
}

// Close writes the rest.
func (h *hiding) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.flush(0)
	return nil
}
