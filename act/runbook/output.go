package runbook

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
)

// capped keeps the beginning and the end of an output, whatever its size.
type capped struct {
	mu      sync.Mutex
	head    []byte
	tail    []byte // a ring once it is full
	at      int
	total   int64
	headMax int
	tailMax int
}

func newCapped(limit int) *capped {
	return &capped{headMax: limit / 2, tailMax: limit - limit/2}
}

// Write implements io.Writer; it never fails and never holds the writer up.
func (c *capped) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(p)
	c.total += int64(n)
	if free := c.headMax - len(c.head); free > 0 {
		k := min(free, len(p))
		c.head = append(c.head, p[:k]...)
		p = p[k:]
	}
	if len(p) > c.tailMax {
		p = p[len(p)-c.tailMax:]
		c.tail, c.at = c.tail[:0], 0
	}
	for len(p) > 0 {
		if len(c.tail) < c.tailMax {
			k := min(c.tailMax-len(c.tail), len(p))
			c.tail = append(c.tail, p[:k]...)
			p = p[k:]
			continue
		}
		k := copy(c.tail[c.at:], p)
		c.at = (c.at + k) % c.tailMax
		p = p[k:]
	}
	return n, nil
}

// String returns what was kept, with a line that says how much was not.
func (c *capped) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var b strings.Builder
	b.Write(c.head)
	if left := c.total - int64(len(c.head)+len(c.tail)); left > 0 {
		fmt.Fprintf(&b, "\n… %d bytes left out …\n", left)
	}
	b.Write(c.tail[c.at:])
	b.Write(c.tail[:c.at])
	return strings.ToValidUTF8(b.String(), "\uFFFD")
}

var (
	tokens        = regexp.MustCompile(`ek_[0-9a-f]{6,}_[A-Za-z0-9_-]{10,}`)
	authorization = regexp.MustCompile(`(?im)^((?:proxy-)?authorization|cookie|set-cookie|x-api-key)(\s*:\s*).+$`)
)

// mask takes our own tokens and the usual secret headers out of a text.
func mask(s string) string {
	s = tokens.ReplaceAllString(s, "ek_…")
	return authorization.ReplaceAllString(s, "$1$2…")
}
