package logs

import (
	"context"
	"sync"
	"time"
)

const (
	collectRows = 1000
	collectFor  = 200 * time.Millisecond
)

// Collector gathers single rows into batches, for receivers whose senders wait for no
// answer.
type Collector struct {
	store  *Store
	origin Origin
	mu     sync.Mutex
	batch  *Batch
	failed func(error)
}

// Collect makes a collector. Failed is told when a batch could not be stored; may be nil.
func (s *Store) Collect(o Origin, failed func(error)) *Collector {
	return &Collector{store: s, origin: o, failed: failed}
}

// Add adds a row; see Batch.Add.
func (c *Collector) Add(at int64, fields []Field, streams int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.batch == nil {
		c.batch = c.store.Begin(c.origin)
	}
	c.batch.Add(at, fields, streams)
	if c.batch.Rows() >= collectRows {
		c.commit()
	}
}

// Flush stores what was gathered.
func (c *Collector) Flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.commit()
}

func (c *Collector) commit() {
	if c.batch == nil {
		return
	}
	if err := c.batch.Commit(); err != nil && c.failed != nil {
		c.failed(err)
	}
	c.batch = nil
}

// Run flushes until ctx ends, and once more then.
func (c *Collector) Run(ctx context.Context) error {
	tick := time.NewTicker(collectFor)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			c.Flush()
			return nil
		case <-tick.C:
			c.Flush()
		}
	}
}
