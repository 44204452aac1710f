package logs

import (
	"strings"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"
)

// streamBook bounds how many streams a day may have: a sender that puts a request's ID
// into its resource would otherwise make one of each row, which no log store survives.
type streamBook struct {
	mu   sync.RWMutex
	day  int64
	seen map[uint64]struct{}
}

// admit returns how many of the stream fields may be kept: all, or only those that name
// the service once there are too many streams.
func (b *streamBook) admit(now time.Time, fields []Field, most int) int {
	var h uint64
	for i := range fields {
		h = h*31 + fieldHash(&fields[i])
	}
	today := now.Unix() / 86400
	b.mu.RLock()
	_, known := b.seen[h]
	fresh := b.day != today
	b.mu.RUnlock()
	if known && !fresh {
		return len(fields)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.day != today || b.seen == nil {
		b.day, b.seen = today, map[uint64]struct{}{}
	}
	if len(b.seen) < most {
		b.seen[h] = struct{}{}
		return len(fields)
	}
	if len(fields) > 0 && isService(fields[0].Name) && len(b.seen) < 2*most {
		b.seen[fieldHash(&fields[0])] = struct{}{}
		return 1
	}
	return 0
}

func fieldHash(f *Field) uint64 {
	return xxhash.Sum64String(f.Name)*0x9e3779b97f4a7c15 ^ xxhash.Sum64String(f.Value)
}

func isService(name string) bool {
	return name == "service.name" || name == "service" || name == "job" || strings.HasSuffix(name, "service_name")
}
