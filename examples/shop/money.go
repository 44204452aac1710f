package shop

import (
	"fmt"
	"strconv"
	"strings"
)

// cents is an amount of money: euro cents.
type cents int64

func (c cents) String() string {
	sign := ""
	if c < 0 {
		sign, c = "-", -c
	}
	return fmt.Sprintf("%s%d.%02d", sign, c/100, c%100)
}

// parsePrice reads a price as the catalog writes it: 12.50, of less than a
// million euros.
func parsePrice(s string) (cents, error) {
	whole, fraction, ok := strings.Cut(s, ".")
	if !ok || len(fraction) != 2 || whole == "" || len(whole) > 6 {
		return 0, fmt.Errorf("got price %q, expected digits with two decimals, as 12.50", s)
	}
	n, err := strconv.ParseUint(whole+fraction, 10, 63)
	if err != nil {
		return 0, fmt.Errorf("got price %q, expected digits with two decimals, as 12.50", s)
	}
	return cents(n), nil
}

// perMille takes so many thousandths, rounded half up.
func (c cents) perMille(n int64) cents { return cents((int64(c)*n + 500) / 1000) }

// vat is the value added tax of a country in thousandths.
var vat = map[string]int64{"DE": 190, "FR": 200, "NL": 210, "AT": 200, "IE": 230}
