package pattern

import (
	"slices"
	"time"
)

const (
	step      = time.Minute
	remember  = 48 * time.Hour
	maxSlots  = int(remember / step)
	examples  = 5
	exampleOf = 500 // bytes
)

// slot is how many lines came in one minute.
type slot struct {
	At int64  `json:"t"` // Unix minutes
	N  uint32 `json:"n"`
}

// history is when a template's lines came. It is guarded by its service's lock.
type history struct {
	First, Last time.Time
	Slots       []slot // by time
	Severity    string // the worst that is common
	Examples    []string
	worst       map[string]uint64
}

// count counts a line.
func (h *history) count(at time.Time) {
	minute := at.Unix() / 60
	if h.First.IsZero() || at.Before(h.First) {
		h.First = at
	}
	if at.After(h.Last) {
		h.Last = at
	}
	n := len(h.Slots)
	if n > 0 && h.Slots[n-1].At == minute {
		h.Slots[n-1].N++
		return
	}
	h.put(slot{minute, 1})
}

func (h *history) put(s slot) {
	i, there := slices.BinarySearchFunc(h.Slots, s.At, func(x slot, at int64) int { return int(x.At - at) })
	if there {
		h.Slots[i].N += s.N
		return
	}
	h.Slots = slices.Insert(h.Slots, i, s)
	if over := len(h.Slots) - maxSlots; over > 0 {
		h.Slots = slices.Delete(h.Slots, 0, over)
	}
}

func (h *history) merge(o *history) {
	if h.First.IsZero() || !o.First.IsZero() && o.First.Before(h.First) {
		h.First = o.First
	}
	if o.Last.After(h.Last) {
		h.Last = o.Last
	}
	for _, s := range o.Slots {
		h.put(s)
	}
	for k, n := range o.worst {
		h.severity(k, n)
	}
	for _, e := range o.Examples {
		h.example(e)
	}
}

func (h *history) severity(word string, n uint64) {
	if word == "" {
		return
	}
	if h.worst == nil {
		h.worst = map[string]uint64{}
	}
	h.worst[word] += n
	if h.worst[word] >= h.worst[h.Severity] {
		h.Severity = word
	}
}

func (h *history) example(line string) {
	if len(h.Examples) >= examples || slices.Contains(h.Examples, line) {
		return
	}
	h.Examples = append(h.Examples, line)
}

// between counts the lines from one minute to before another.
func (h *history) between(from, to time.Time) (n uint64) {
	a, b := from.Unix()/60, (to.Unix()+59)/60
	for _, s := range h.Slots {
		if s.At >= a && s.At < b {
			n += uint64(s.N)
		}
	}
	return n
}
