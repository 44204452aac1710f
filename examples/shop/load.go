package shop

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// defaultRate is in requests a second, of which 4 in 10 are orders.
	defaultRate = 45.0
	// maxCustomers are in the shop at the same time; more are not let in.
	maxCustomers = 96
	// customerPatience is how long a customer waits for an answer.
	customerPatience = 5 * time.Second
)

// loadOptions is the load process.
type loadOptions struct {
	Checkout, Catalog string  // base URLs
	Rate              float64 // requests a second, in the mean
	Log               *slog.Logger
}

// Load is what the customers have met since the load began.
type Load struct {
	Sent   int64 `json:"sent"`
	Orders int64 `json:"orders"`
	Failed int64 `json:"failed"`  // no answer, or one of 500 and above
	Turned int64 `json:"skipped"` // not sent: too many customers were waiting
}

// wordLoad begins the line by which the load process reports, JSON behind it.
const wordLoad = "load "

// customers send requests.
type customers struct {
	o      loadOptions
	client *http.Client
	sent   atomic.Int64
	orders atomic.Int64
	failed atomic.Int64
	turned atomic.Int64
}

// runLoad sends customers until the context ends. They come at random, as a
// Poisson process does, whether or not those before them were served: a slow shop
// does not get fewer of them, until maxCustomers wait.
func runLoad(ctx context.Context, o loadOptions, out io.Writer) error {
	if o.Rate <= 0 || o.Rate > 1000 {
		return fmt.Errorf("load: got a rate of %g, expected more than 0, at most 1000", o.Rate)
	}
	c := &customers{o: o, client: &http.Client{
		Timeout:   customerPatience,
		Transport: &http.Transport{MaxIdleConnsPerHost: 16, MaxIdleConns: 32, IdleConnTimeout: 30 * time.Second},
	}}
	var inside sync.WaitGroup
	defer inside.Wait()
	inside.Go(func() { c.report(ctx, out) })
	places := make(chan struct{}, maxCustomers)
	for pause(ctx, time.Duration(rand.ExpFloat64()/o.Rate*float64(time.Second))) == nil {
		select {
		case places <- struct{}{}:
		default:
			c.turned.Add(1)
			continue
		}
		inside.Go(func() {
			defer func() { <-places }()
			c.visit()
		})
	}
	return nil
}

// report tells the deployer how it goes, twice a second.
func (c *customers) report(ctx context.Context, out io.Writer) {
	for {
		ended := pause(ctx, 500*time.Millisecond) != nil
		line, err := json.Marshal(Load{Sent: c.sent.Load(), Orders: c.orders.Load(), Failed: c.failed.Load(), Turned: c.turned.Load()})
		if err == nil {
			_, _ = fmt.Fprintf(out, "%s%s\n", wordLoad, line) // a deployer that is gone needs no word
		}
		if ended {
			return
		}
	}
}

// visit is one request of the mix. It has its own time-out, so that customers who
// are inside when the load ends are still served.
func (c *customers) visit() {
	switch p := rand.Float64(); {
	case p < 0.40:
		c.order()
	case p < 0.50:
		c.ask("POST", c.o.Checkout+"/quotes", "", randomCart())
	case p < 0.60:
		c.ask("GET", c.o.Catalog+"/products", "", nil)
	default:
		c.ask("GET", c.o.Catalog+"/products/"+sku(1+rand.IntN(productCount)), "", nil)
	}
}

func (c *customers) order() {
	c.orders.Add(1)
	id := c.ask("POST", c.o.Checkout+"/orders", newID("cart"), orderRequest{cart: randomCart(), Card: randomCard()})
	if id != "" && rand.Float64() < 0.05 {
		c.ask("GET", c.o.Checkout+"/orders/"+id, "", nil)
	}
}

// ask sends one request and returns the ID in its answer, "" for none.
func (c *customers) ask(method, address, key string, in any) string {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			c.o.Log.Error("cannot write request", "err", err)
			return ""
		}
	}
	req, err := http.NewRequest(method, address, bytes.NewReader(body))
	if err != nil {
		c.o.Log.Error("cannot make request", "err", err)
		return ""
	}
	if method == "POST" {
		// Also lets the client send it again when a version that was drained
		// closed the connection under it.
		if key == "" {
			key = newID("quote")
		}
		req.Header.Set("Idempotency-Key", key)
		req.Header.Set("Content-Type", "application/json")
	}
	c.sent.Add(1)
	res, err := c.client.Do(req)
	if err != nil {
		c.failed.Add(1)
		c.o.Log.Warn("no answer", "method", method, "url", address, "err", err)
		return ""
	}
	defer res.Body.Close()
	var answer struct {
		ID string `json:"id"`
	}
	if res.StatusCode == http.StatusCreated {
		_ = json.NewDecoder(res.Body).Decode(&answer) // a truncated answer has no ID
	}
	drainBody(res.Body)
	if res.StatusCode >= 500 {
		c.failed.Add(1)
	}
	return answer.ID
}

// pick draws an index by weight.
func pick(weights ...float64) int {
	p := rand.Float64()
	for i, w := range weights {
		if p -= w; p < 0 {
			return i
		}
	}
	return len(weights) - 1
}

// randomCart has one to six lines; 4 carts in 10 have three or more.
func randomCart() cart {
	c := cart{Country: []string{"DE", "FR", "NL", "AT", "IE"}[pick(.45, .2, .15, .1, .1)]}
	for range 1 + pick(.35, .25, .20, .12, .06, .02) {
		c.Lines = append(c.Lines, line{SKU: sku(1 + rand.IntN(productCount)), Quantity: 1 + pick(.7, .2, .1)})
	}
	c.Discount = []string{"", "WELCOME10", "FRIENDS5", "TYPO"}[pick(.75, .12, .1, .03)]
	return c
}

// randomCard is a card of some issuer; 2 in 100 have no money.
func randomCard() string {
	prefix := []string{"4539", "4916", "5105", "5454", "2223", "3714", "3528"}[pick(.25, .12, .13, .10, .08, .20, .12)]
	var b strings.Builder
	b.WriteString(prefix)
	for range 8 {
		b.WriteByte(byte('0' + rand.IntN(10)))
	}
	if rand.Float64() < 0.02 {
		b.WriteString("0002")
	} else {
		fmt.Fprintf(&b, "%04d", 1000+rand.IntN(9000))
	}
	return b.String()
}
