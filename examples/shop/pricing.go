package shop

import "fmt"

// line is one product in a cart.
type line struct {
	SKU      string `json:"sku"`
	Quantity int    `json:"quantity"`
}

// cart is what a customer wants to buy.
type cart struct {
	Lines    []line `json:"lines"`
	Country  string `json:"country"`
	Discount string `json:"discount,omitempty"`
}

// invalid says what is wrong with a cart, "" when nothing is.
func (c cart) invalid() string {
	if len(c.Lines) == 0 || len(c.Lines) > 20 {
		return fmt.Sprintf("lines: got %d, expected 1 to 20", len(c.Lines))
	}
	for i, l := range c.Lines {
		if l.Quantity < 1 || l.Quantity > 100 {
			return fmt.Sprintf("lines[%d].quantity: got %d, expected 1 to 100", i, l.Quantity)
		}
	}
	if _, ok := vat[c.Country]; !ok {
		return fmt.Sprintf("country: got %q, expected one that we deliver to", c.Country)
	}
	return ""
}

// bill is what a cart costs.
type bill struct {
	Goods    cents `json:"goods_cents"`
	Rebate   cents `json:"rebate_cents"`
	Discount cents `json:"discount_cents"`
	Tax      cents `json:"tax_cents"`
	Total    cents `json:"total_cents"`
}

// rebateFunc gives the rebate for so many lines, in thousandths.
type rebateFunc func(lines int) int64

func noRebate(int) int64 { return 0 }

// bulkRebate is release 1.4.1: 2 % off for two lines or more. Its table is
// indexed by the number of lines, and nobody thought of three.
func bulkRebate(lines int) int64 { return []int64{0, 0, 20}[lines] }

var discounts = map[string]int64{"WELCOME10": 100, "FRIENDS5": 50}

// price adds up a cart. prices are the catalog's, one a line. An unknown discount
// code is worth nothing.
func (c cart) price(prices []string, rebate rebateFunc) (bill, error) {
	if len(prices) != len(c.Lines) {
		return bill{}, fmt.Errorf("got %d prices, expected %d", len(prices), len(c.Lines))
	}
	var b bill
	for i, l := range c.Lines {
		p, err := parsePrice(prices[i])
		if err != nil {
			return bill{}, fmt.Errorf("%s: %w", l.SKU, err)
		}
		b.Goods += p * cents(l.Quantity)
	}
	b.Rebate = b.Goods.perMille(rebate(len(c.Lines)))
	b.Discount = (b.Goods - b.Rebate).perMille(discounts[c.Discount])
	net := b.Goods - b.Rebate - b.Discount
	b.Tax = net.perMille(vat[c.Country])
	b.Total = net + b.Tax
	return b, nil
}
