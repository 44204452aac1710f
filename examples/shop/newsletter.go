package shop

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// digestFlag switches the newsletter's weekly digest: on or off.
const digestFlag = "weekly_digest"

// newsletterService writes the shop's letters, one a second. Nothing depends on it.
type newsletterService struct {
	digest bool
	count  func(digest bool)

	mu     sync.Mutex
	latest string
	number int
}

func newNewsletter(flags map[string]string) *newsletterService {
	return &newsletterService{digest: flags[digestFlag] == "on", count: func(bool) {}}
}

func (n *newsletterService) routes() []route {
	return []route{{method: "GET", path: "/letters/latest", codes: []int{200, 404}, handle: n.read}}
}

func (n *newsletterService) read(w http.ResponseWriter, _ *http.Request) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.latest == "" {
		refuse(w, http.StatusNotFound, "no letter yet")
		return
	}
	reply(w, http.StatusOK, map[string]any{"number": n.number, "text": n.latest})
}

// work writes letters until the context ends.
func (n *newsletterService) work(ctx context.Context) {
	for pause(ctx, time.Second) == nil {
		n.write()
	}
}

func (n *newsletterService) write() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.number++
	var b strings.Builder
	fmt.Fprintf(&b, "Letter %d. Dear customer, the kettle of the day is %s.\n", n.number, sku(1+n.number%productCount))
	if n.digest {
		for i := range 7 {
			fmt.Fprintf(&b, "  day %d: %s\n", i+1, sku(1+(n.number+i)%productCount))
		}
	}
	n.latest = b.String()
	n.count(n.digest)
}
