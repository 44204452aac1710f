package shop

import (
	"context"
	"math/rand/v2"
	"time"
)

// store is the catalog's database: rows in memory behind a pool of connections,
// each question costing the round trip that a database in the next rack costs.
type store struct {
	pool chan struct{} // one token a connection
	trip time.Duration // the shortest round trip; most take up to twice as long
	rows map[string]product
}

// product is one row.
type product struct {
	SKU   string `json:"sku"`
	Name  string `json:"name"`
	Price string `json:"price"` // as 12.50
	Stock int    `json:"stock"`
}

func newStore(connections int, trip time.Duration, rows map[string]product) *store {
	return &store{pool: make(chan struct{}, connections), trip: trip, rows: rows}
}

// get asks for rows in one round trip: found are those that are there.
func (s *store) get(ctx context.Context, skus ...string) (found []product, err error) {
	select {
	case s.pool <- struct{}{}:
		defer func() { <-s.pool }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	wait := time.NewTimer(s.trip + rand.N(s.trip+1))
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	for _, sku := range skus {
		if p, ok := s.rows[sku]; ok {
			found = append(found, p)
		}
	}
	return found, nil
}
