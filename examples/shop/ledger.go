package shop

import (
	"errors"
	"fmt"
	"sort"
	"strconv"
	"sync"
)

// issuerRange is which bank issued a card, by the card's first four digits.
type issuerRange struct {
	from, to int
	issuer   string
}

// issuers began as a sorted table; meridian signed last and was put at its end.
var issuers = []issuerRange{
	{2221, 2720, "harbour-credit"},
	{4000, 4999, "northbank"},
	{5100, 5599, "harbour-credit"},
	{3400, 3799, "meridian"},
}

// issuerOf is how release 2.3.0 finds the issuer: it looks at each range.
func issuerOf(prefix int) (string, bool) {
	for _, r := range issuers {
		if prefix >= r.from && prefix <= r.to {
			return r.issuer, true
		}
	}
	return "", false
}

// issuerByBisection is release 2.3.1: faster, and right for a sorted table. This
// one no longer is, so meridian's cards are not found.
func issuerByBisection(prefix int) (string, bool) {
	n := sort.Search(len(issuers), func(i int) bool { return issuers[i].to >= prefix })
	if n == len(issuers) || prefix < issuers[n].from {
		return "", false
	}
	return issuers[n].issuer, true
}

// errDeclined is a card that its issuer does not honour: the customer's matter.
var errDeclined = errors.New("declined by the issuer")

// ledger books each authorisation twice, so that its accounts always sum to 0.
// It remembers the answers to the last keys: a payment that is sent again is
// booked once.
type ledger struct {
	issuer func(prefix int) (string, bool)

	mu       sync.Mutex
	accounts map[string]cents // by issuer, and "shop"
	answered *recent[authorised]
}

type authorised struct {
	ID     string
	Amount cents
}

func newLedger(issuer func(int) (string, bool)) *ledger {
	return &ledger{issuer: issuer, accounts: map[string]cents{}, answered: newRecent[authorised](4096)}
}

// authorise holds an amount on a card. A card that ends in 0002 has no money.
func (l *ledger) authorise(key, card string, amount cents) (authorised, error) {
	if len(card) != 16 {
		return authorised{}, fmt.Errorf("card: got %d digits, expected 16", len(card))
	}
	prefix, err := strconv.Atoi(card[:4])
	if err != nil {
		return authorised{}, errors.New("card: expected digits only")
	}
	if amount <= 0 {
		return authorised{}, fmt.Errorf("amount: got %s, expected more than 0", amount)
	}
	bank, ok := l.issuer(prefix)
	if !ok {
		return authorised{}, fmt.Errorf("ledger: no account for cards that begin with %d", prefix)
	}
	if card[12:] == "0002" {
		return authorised{}, errDeclined
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if a, ok := l.answered.get(key); ok && key != "" {
		return a, nil
	}
	l.accounts[bank] -= amount
	l.accounts["shop"] += amount
	a := authorised{ID: newID("auth"), Amount: amount}
	if key != "" {
		l.answered.put(key, a)
	}
	return a, nil
}

// balance sums all accounts: 0, or the books are wrong.
func (l *ledger) balance() (sum cents) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.accounts {
		sum += c
	}
	return sum
}
