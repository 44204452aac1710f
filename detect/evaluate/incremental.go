package evaluate

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Incremental is an Engine that keeps the windows of the expressions it is asked again
// and again. Everything else goes to Prometheus' own engine, and so does whatever it is not
// sure about.
type Incremental struct {
	*Prometheus
	opts     Options
	feed     *feed
	followed atomic.Bool
	used     atomic.Int64 // bytes of state
	samples  atomic.Int64 // read to build windows
	metrics  *numbers

	mu     sync.Mutex
	lives  map[*Live]bool
	states map[*states]bool
	pool   map[string][]*states // those that may be shared, by what finds their series
	check  time.Time            // when the next comparison may be made
	kept   map[string]section   // by the key of the states
}

var _ Engine = (*Incremental)(nil)

// New returns an engine over a store.
func New(o Options) *Incremental {
	if o.StateLimit == 0 {
		o.StateLimit = 2 << 30
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	e := &Incremental{
		Prometheus: NewPrometheus(o), opts: o, feed: newFeed(),
		lives: map[*Live]bool{}, states: map[*states]bool{}, pool: map[string][]*states{},
	}
	e.metrics = newNumbers(o.Registerer, e)
	return e
}

// all are the Lives that there are.
func (e *Incremental) all() []*Live {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := make([]*Live, 0, len(e.lives))
	for l := range e.lives {
		out = append(out, l)
	}
	return out
}

// everything are the states that are kept.
func (e *Incremental) everything() []*states {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := make([]*states, 0, len(e.states))
	for s := range e.states {
		out = append(out, s)
	}
	return out
}
