package shop

import (
	"crypto/rand"
	"strings"
)

// recent remembers the newest so many values by key. It is not safe for use by
// several goroutines: its owner has a lock.
type recent[V any] struct {
	values map[string]V
	order  []string // a ring of keys
	next   int
}

func newRecent[V any](size int) *recent[V] {
	return &recent[V]{values: make(map[string]V), order: make([]string, size)}
}

func (r *recent[V]) get(key string) (V, bool) {
	v, ok := r.values[key]
	return v, ok
}

func (r *recent[V]) put(key string, v V) {
	if _, ok := r.values[key]; !ok {
		delete(r.values, r.order[r.next])
		r.order[r.next] = key
		r.next = (r.next + 1) % len(r.order)
	}
	r.values[key] = v
}

// newID makes an identifier that nobody else makes, as order-4k2j….
func newID(kind string) string { return kind + "-" + strings.ToLower(rand.Text()[:13]) }
