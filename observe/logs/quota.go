package logs

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/observe"
)

// quota gives each sender the same share a second, and takes nothing from the others
// when one sends more. A share that was not used can be used up to ten seconds later.
type quota struct {
	mu      sync.Mutex
	buckets map[string]*bucketOf
}

type bucketOf struct {
	left float64
	at   time.Time
}

const (
	quotaBurst   = 10 * time.Second
	quotaSenders = 10_000
)

// take takes n of a sender's share, or refuses.
func (q *quota) take(now time.Time, sender string, n, perSecond int64) *observe.Refusal {
	if perSecond <= 0 || sender == "" {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	most := float64(perSecond) * quotaBurst.Seconds()
	b := q.buckets[sender]
	if b == nil {
		if q.buckets == nil || len(q.buckets) >= quotaSenders {
			q.buckets = map[string]*bucketOf{} // a forgotten sender begins with a whole share
		}
		b = &bucketOf{left: most, at: now}
		q.buckets[sender] = b
	}
	b.left = min(most, b.left+now.Sub(b.at).Seconds()*float64(perSecond))
	b.at = now
	if float64(n) > b.left && b.left < most {
		return &observe.Refusal{
			Status: http.StatusTooManyRequests, Reason: "quota", Where: "source " + sender,
			Got: fmt.Sprintf("%d bytes more than its share", n-int64(b.left)), Want: fmt.Sprintf("at most %d bytes a second (limits.log_bytes_per_source); send again later, or less", perSecond),
		}
	}
	b.left -= float64(n)
	return nil
}
