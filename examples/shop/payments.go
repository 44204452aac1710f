package shop

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"
)

// paymentsService authorises cards against its ledger.
type paymentsService struct {
	ledger *ledger
	tel    *telemetry
	count  func(result string) // authorised, declined, error
	bank   time.Duration       // the shortest time in which the issuer answers
}

func newPayments(version string, count func(result string)) *paymentsService {
	p := &paymentsService{tel: silent, ledger: newLedger(issuerOf), count: count, bank: 8 * time.Millisecond}
	if version == "2.3.1" {
		p.ledger = newLedger(issuerByBisection)
	}
	return p
}

func (p *paymentsService) routes() []route {
	return []route{{method: "POST", path: "/authorisations", codes: []int{200, 400, 500, 503}, handle: p.authorise}}
}

// paymentResults are the results that are counted from the start.
var paymentResults = []string{"authorised", "declined", "error"}

type authoriseRequest struct {
	Card   string `json:"card"`
	Amount cents  `json:"amount_cents"`
}

// authoriseReply answers 200 whatever the ledger says: Error is what went wrong
// inside, "" for an answer by the issuer.
type authoriseReply struct {
	Authorised bool   `json:"authorised"`
	ID         string `json:"id,omitempty"`
	Error      string `json:"error,omitempty"`
}

func (p *paymentsService) authorise(w http.ResponseWriter, r *http.Request) {
	var req authoriseRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&req); err != nil {
		refuse(w, http.StatusBadRequest, "expected JSON with card and amount_cents: "+err.Error())
		return
	}
	if pause(r.Context(), p.bank+rand.N(p.bank)) != nil {
		refuse(w, http.StatusServiceUnavailable, "the issuer did not answer in time")
		return
	}
	a, err := p.ledger.authorise(r.Header.Get("Idempotency-Key"), req.Card, req.Amount)
	switch {
	case err == nil:
		p.count("authorised")
		reply(w, http.StatusOK, authoriseReply{Authorised: true, ID: a.ID})
	case errors.Is(err, errDeclined):
		p.count("declined")
		reply(w, http.StatusOK, authoriseReply{})
	default:
		p.count("error")
		p.tel.wrong(r.Context(), err)
		reply(w, http.StatusOK, authoriseReply{Error: err.Error()})
	}
}

// pause waits, or returns the context's error when that ends first.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
