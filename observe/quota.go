package observe

import (
	"fmt"
	"net/http"
	"sync"
	"time"
)

// Quota gives each sender the same share a second, and takes nothing from the others
// when one sends more. A share that was not used can be used up to ten seconds later.
type Quota struct {
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

// Take takes n units of a sender's share, or refuses; the setting is what the refusal
// names. A share of 0 a second is no limit.
func (q *Quota) Take(now time.Time, sender string, n, perSecond int64, unit, setting string) *Refusal {
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
		wait := (min(float64(n), most) - b.left) / float64(perSecond)
		return &Refusal{
			After:  time.Duration(wait * float64(time.Second)),
			Status: http.StatusTooManyRequests, Reason: "quota", Where: "source " + sender,
			Got: fmt.Sprintf("%d %s more than its share", n-int64(b.left), unit), Want: fmt.Sprintf("at most %d %s a second (%s); send again later, or less", perSecond, unit, setting),
		}
	}
	b.left -= float64(n)
	return nil
}
