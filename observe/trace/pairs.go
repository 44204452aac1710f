package trace

import "time"

const (
	pairWait = 10 * time.Second // for the other side of a call
	maxPairs = 100_000          // sides that wait; beyond, new ones are not waited for
)

// pairs puts the two sides of a call together: a span of the caller, and one of the
// called whose parent it is. They come in either order, from different senders.
type pairs struct {
	waiting map[spanID]call // by the ID of the caller's span
	queue   []queued
}

// call is one call, of which one side may be known.
type call struct {
	seen           // of the called side when it is known: its duration and outcome
	client, server string
	peer           string // who was called, as the caller says
}

type queued struct {
	id spanID
	at time.Time
}

// match takes a side; when the other one is there, it returns the call.
func (p *pairs) match(s *seen, now time.Time) (call, bool) {
	switch s.kind {
	case Client, Producer:
		if c, ok := p.waiting[s.id]; ok && c.server != "" {
			delete(p.waiting, s.id)
			c.client = s.service
			return c, true
		}
		p.wait(s.id, call{seen: *s, client: s.service, peer: s.peer}, now)
	case Server, Consumer:
		if s.parent == (spanID{}) {
			return call{}, false
		}
		if c, ok := p.waiting[s.parent]; ok && c.client != "" {
			delete(p.waiting, s.parent)
			failed := c.failed
			c.seen = *s
			c.failed = c.failed || failed
			c.server = s.service
			return c, true
		}
		p.wait(s.parent, call{seen: *s, server: s.service}, now)
	}
	return call{}, false
}

func (p *pairs) wait(id spanID, c call, now time.Time) {
	if len(p.waiting) >= maxPairs {
		return
	}
	p.waiting[id] = c
	p.queue = append(p.queue, queued{id, now})
}

// expire returns the calls whose other side did not come, where the caller names it.
func (p *pairs) expire(now time.Time) (out []call) {
	n := 0
	for ; n < len(p.queue) && now.Sub(p.queue[n].at) >= pairWait; n++ {
		id := p.queue[n].id
		if c, ok := p.waiting[id]; ok {
			delete(p.waiting, id)
			if c.client != "" && c.peer != "" {
				c.server = c.peer
				out = append(out, c)
			}
		}
	}
	if n > 0 {
		p.queue = append(p.queue[:0:0], p.queue[n:]...)
	}
	return out
}
