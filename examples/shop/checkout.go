package shop

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// dependencyTimeout is how long checkout waits for the catalog or payments.
const dependencyTimeout = 2 * time.Second

// checkoutService turns carts into orders: prices from the catalog, money from
// payments.
type checkoutService struct {
	catalog, payments string // base URLs
	client            *http.Client
	called            func(target string, code int, took time.Duration) // code 0: no answer
	tel               *telemetry
	rebate            rebateFunc
	shelf             *receiptShelf // nil: receipts are drawn when asked for

	mu     sync.Mutex
	orders *recent[order] // by ID
	byKey  *recent[order] // by Idempotency-Key
}

type order struct {
	ID      string `json:"id"`
	Bill    bill   `json:"bill"`
	Payment string `json:"payment"`
}

func newCheckout(version, catalog, payments string, keepBytes int64) *checkoutService {
	c := &checkoutService{
		catalog: catalog, payments: payments, rebate: noRebate,
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32, IdleConnTimeout: 30 * time.Second}},
		called: func(string, int, time.Duration) {}, tel: silent,
		orders: newRecent[order](2000), byKey: newRecent[order](2000),
	}
	switch version {
	case "1.4.1":
		c.rebate = bulkRebate
	case "1.4.2":
		c.shelf = newReceiptShelf(keepBytes)
	}
	return c
}

func (c *checkoutService) routes() []route {
	return []route{
		{method: "POST", path: "/orders", codes: []int{201, 400, 402, 404, 500, 502, 504}, handle: c.order},
		{method: "POST", path: "/quotes", codes: []int{200, 400, 404, 500, 502, 504}, handle: c.quote},
		{method: "GET", path: "/orders/{id}", codes: []int{200, 404}, handle: c.find},
		{method: "GET", path: "/receipts/{id}", codes: []int{200, 404}, handle: c.receipt},
	}
}

// failure is an answer that is not what was asked for.
type failure struct {
	code    int
	message string
}

func (f *failure) Error() string { return f.message }

type orderRequest struct {
	cart
	Card string `json:"card"`
}

func (c *checkoutService) order(w http.ResponseWriter, r *http.Request) {
	var req orderRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&req); err != nil {
		refuse(w, http.StatusBadRequest, "expected a cart as JSON: "+err.Error())
		return
	}
	o, err := c.place(r.Context(), r.Header.Get("Idempotency-Key"), req)
	if f := (*failure)(nil); errors.As(err, &f) {
		refuse(w, f.code, f.message)
		return
	}
	reply(w, http.StatusCreated, o)
}

// place makes an order, once per key. Its errors are *failure.
func (c *checkoutService) place(ctx context.Context, key string, req orderRequest) (order, error) {
	c.mu.Lock()
	o, ok := c.byKey.get(key)
	c.mu.Unlock()
	if ok && key != "" {
		return o, nil
	}
	b, err := c.bill(ctx, req.cart)
	if err != nil {
		return order{}, err
	}
	o = order{ID: newID("order"), Bill: b}
	if o.Payment, err = c.pay(ctx, key, req.Card, b.Total); err != nil {
		return order{}, err
	}
	c.mu.Lock()
	c.orders.put(o.ID, o)
	if key != "" {
		c.byKey.put(key, o)
	}
	c.mu.Unlock()
	if c.shelf != nil {
		c.shelf.keep(o.ID)
	}
	return o, nil
}

func (c *checkoutService) quote(w http.ResponseWriter, r *http.Request) {
	var req cart
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&req); err != nil {
		refuse(w, http.StatusBadRequest, "expected a cart as JSON: "+err.Error())
		return
	}
	b, err := c.bill(r.Context(), req)
	if f := (*failure)(nil); errors.As(err, &f) {
		refuse(w, f.code, f.message)
		return
	}
	reply(w, http.StatusOK, b)
}

func (c *checkoutService) find(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	o, ok := c.orders.get(r.PathValue("id"))
	c.mu.Unlock()
	if !ok {
		refuse(w, http.StatusNotFound, "no such order among the last 2000")
		return
	}
	reply(w, http.StatusOK, o)
}

func (c *checkoutService) receipt(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	c.mu.Lock()
	_, ok := c.orders.get(id)
	c.mu.Unlock()
	if !ok {
		refuse(w, http.StatusNotFound, "no such order among the last 2000")
		return
	}
	img := drawReceipt(id)
	if c.shelf != nil {
		if kept := c.shelf.get(id); kept != nil {
			img = kept
		}
	}
	w.Header().Set("Content-Type", "image/png")
	_ = png.Encode(w, img) // the client may have gone
}

// bill prices a cart with the catalog's prices. Its errors are *failure.
func (c *checkoutService) bill(ctx context.Context, in cart) (bill, error) {
	if why := in.invalid(); why != "" {
		return bill{}, &failure{http.StatusBadRequest, why}
	}
	q := url.Values{}
	for _, l := range in.Lines {
		q.Add("sku", l.SKU)
	}
	var items []item
	code, err := c.ask(ctx, catalogName, "GET", c.catalog+"/prices?"+q.Encode(), "", nil, &items)
	switch {
	case err != nil:
		return bill{}, err
	case code == http.StatusNotFound:
		return bill{}, &failure{http.StatusNotFound, "the cart names a product that is not there"}
	case code != http.StatusOK:
		return bill{}, &failure{http.StatusBadGateway, fmt.Sprintf("the catalog answered %d", code)}
	}
	prices := make([]string, len(items))
	for i, it := range items {
		prices[i] = it.Price
	}
	b, err := in.price(prices, c.rebate)
	if err != nil {
		return bill{}, &failure{http.StatusBadGateway, "the catalog's prices are wrong: " + err.Error()}
	}
	return b, nil
}

// pay has payments authorise the total. A declined card is the customer's matter
// (402); whatever else goes wrong is ours. Its errors are *failure.
func (c *checkoutService) pay(ctx context.Context, key, card string, total cents) (string, error) {
	var answer authoriseReply
	code, err := c.ask(ctx, paymentsName, "POST", c.payments+"/authorisations", key, authoriseRequest{Card: card, Amount: total}, &answer)
	switch {
	case err != nil:
		return "", err
	case code != http.StatusOK:
		return "", &failure{http.StatusBadGateway, fmt.Sprintf("payments answered %d", code)}
	case answer.Error != "":
		return "", &failure{http.StatusBadGateway, "payments could not authorise: " + answer.Error}
	case !answer.Authorised:
		return "", &failure{http.StatusPaymentRequired, "the card was declined"}
	}
	return answer.ID, nil
}

// ask sends one request to a dependency and reads its JSON where it answers 200.
// The Idempotency-Key lets the client send a payment again when the connection
// was closed before an answer came, as happens while a new version takes over.
func (c *checkoutService) ask(ctx context.Context, target, method, address, key string, in, out any) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, dependencyTimeout)
	defer cancel()
	var body bytes.Buffer
	if in != nil {
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			return 0, &failure{http.StatusInternalServerError, err.Error()}
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body.Bytes()))
	if err != nil {
		return 0, &failure{http.StatusInternalServerError, err.Error()}
	}
	if in != nil {
		if key == "" {
			key = newID("key")
		}
		req.Header.Set("Idempotency-Key", key)
	}
	req, answered := c.tel.call(ctx, target, req)
	start := time.Now()
	code, err := send(c.client, req, out)
	c.called(target, code, time.Since(start))
	answered(code, err)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return 0, &failure{http.StatusGatewayTimeout, target + " did not answer in time"}
	case err != nil:
		return 0, &failure{http.StatusBadGateway, fmt.Sprintf("cannot ask %s: %v", target, err)}
	}
	return code, nil
}

// send returns the status code; out takes the JSON of a 200.
func send(client *http.Client, req *http.Request, out any) (int, error) {
	res, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusOK && out != nil {
		if err := json.NewDecoder(res.Body).Decode(out); err != nil {
			return 0, fmt.Errorf("cannot read the answer: %w", err)
		}
	}
	drainBody(res.Body)
	return res.StatusCode, nil
}
