package shop

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"
)

const (
	productCount = 240
	relatedCount = 24
)

// sku numbers the products: sku-001 to sku-240.
func sku(n int) string { return fmt.Sprintf("sku-%03d", n) }

// catalogService knows products and prices.
type catalogService struct {
	store   *store
	related func(ctx context.Context, sku string) ([]product, error) // nil: not shown
	skus    []string
}

func newCatalog(version string) *catalogService {
	rng := rand.New(rand.NewPCG(3, 0)) // the same products in each process
	kinds := []string{"kettle", "lamp", "blanket", "mug", "notebook", "teapot", "basket", "clock"}
	rows := make(map[string]product, productCount)
	c := &catalogService{}
	for n := 1; n <= productCount; n++ {
		p := product{SKU: sku(n), Name: fmt.Sprintf("%s no. %d", kinds[n%len(kinds)], n), Price: cents(195 + rng.Int64N(9000)).String(), Stock: 1000}
		rows[p.SKU] = p
		c.skus = append(c.skus, p.SKU)
	}
	if version == "3.0.0-hotfix" {
		p := rows[sku(7)]
		p.Name = "clock no. 7 (with batteries)"
		rows[p.SKU] = p
	}
	c.store = newStore(32, 2*time.Millisecond, rows)
	if version == "3.0.1" {
		c.store = newStore(12, 3*time.Millisecond, rows) // the new client's default pool
		c.related = c.relatedOneByOne
	}
	return c
}

func (c *catalogService) routes() []route {
	return []route{
		{method: "GET", path: "/products", codes: []int{200, 400}, handle: c.list},
		{method: "GET", path: "/products/{sku}", codes: []int{200, 404, 503}, handle: c.product},
		{method: "GET", path: "/prices", codes: []int{200, 400, 404, 503}, handle: c.prices},
	}
}

func (c *catalogService) list(w http.ResponseWriter, r *http.Request) {
	found, err := c.store.get(r.Context(), c.skus[:20]...)
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, "the product database did not answer in time")
		return
	}
	reply(w, http.StatusOK, found)
}

// item is a product as customers and checkout see it.
type item struct {
	product
	Related []string `json:"related,omitempty"`
}

func (c *catalogService) product(w http.ResponseWriter, r *http.Request) {
	c.answer(w, r, []string{r.PathValue("sku")}, func(items []item) any { return items[0] })
}

// prices answers for all the lines of a cart at once.
func (c *catalogService) prices(w http.ResponseWriter, r *http.Request) {
	skus := r.URL.Query()["sku"]
	if len(skus) == 0 || len(skus) > 50 {
		refuse(w, http.StatusBadRequest, "expected one to fifty sku parameters")
		return
	}
	c.answer(w, r, skus, func(items []item) any { return items })
}

func (c *catalogService) answer(w http.ResponseWriter, r *http.Request, skus []string, shape func([]item) any) {
	found, err := c.store.get(r.Context(), skus...)
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, "the product database did not answer in time")
		return
	}
	if len(found) < len(skus) {
		refuse(w, http.StatusNotFound, "no such product")
		return
	}
	items := make([]item, len(found))
	for i, p := range found {
		items[i].product = p
		if c.related == nil {
			continue
		}
		near, err := c.related(r.Context(), p.SKU)
		if err != nil {
			refuse(w, http.StatusServiceUnavailable, "the product database did not answer in time")
			return
		}
		for _, n := range near {
			items[i].Related = append(items[i].Related, n.SKU)
		}
	}
	reply(w, http.StatusOK, shape(items))
}

// relatedOneByOne is release 3.0.1: one question per related product, where one
// question for all of them would do.
func (c *catalogService) relatedOneByOne(ctx context.Context, of string) ([]product, error) {
	at := max(0, slices.Index(c.skus, of))
	var near []product
	for n := range relatedCount {
		found, err := c.store.get(ctx, c.skus[(at+n+1)%len(c.skus)])
		if err != nil {
			return nil, err
		}
		near = append(near, found...)
	}
	return near, nil
}
