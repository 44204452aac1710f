package pattern

import (
	"slices"
	"strings"
)

// Limits of one miner.
const (
	maxTemplates = 3_000  // beyond, unknown shapes count for one template of others
	maxShapes    = 60_000 // remembered shapes
	maxHoles     = 200_000
	maxTail      = 120 // templates that begin alike and end in any number of ways, after which the end is a variable
	lead         = 3   // tokens that must be alike for that
)

// Miner finds the templates of lines of one kind, as one service writes them. It is not
// safe for several goroutines.
type Miner struct {
	shapes    map[uint64]*Template
	templates []*Template            // canonical or not, by number
	byLength  map[int][]*Template    // with a variable that is a word: those to compare
	byLead    map[uint64][]*Template // that begin alike
	holes     map[uint64]*hole
	live      int
	made      int
	other     *Template
	scratch   []token
}

// NewMiner makes a miner.
func NewMiner() *Miner {
	return &Miner{shapes: map[uint64]*Template{}, byLength: map[int][]*Template{}, byLead: map[uint64][]*Template{}, holes: map[uint64]*hole{}, scratch: make([]token, 0, maxTokens)}
}

// Add counts a line and returns its template, which may later become part of another:
// see Canonical.
func (m *Miner) Add(line string) *Template {
	tokens, shape := scan(line, m.scratch[:0])
	m.scratch = tokens
	if t := m.shapes[shape]; t != nil {
		if t.into != nil {
			t = t.Canonical()
			m.shapes[shape] = t
		}
		t.Count++
		return t
	}
	t := m.unknown(line, tokens)
	if len(m.shapes) >= maxShapes {
		clear(m.shapes) // they are found again by comparison
	}
	m.shapes[shape] = t
	t.Count++
	return t
}

// Templates are those that are not part of another, most frequent first.
func (m *Miner) Templates() []*Template {
	var out []*Template
	for _, t := range m.templates {
		if t.into == nil && t.Count > 0 {
			out = append(out, t)
		}
	}
	slices.SortStableFunc(out, func(a, b *Template) int {
		switch {
		case a.Count > b.Count:
			return -1
		case a.Count < b.Count:
			return 1
		}
		return a.number - b.number
	})
	return out
}

// unknown finds or makes the template of a shape that was not seen before.
func (m *Miner) unknown(line string, tokens []token) *Template {
	for _, t := range m.byLength[len(tokens)] {
		if t.into == nil && t.matches(line, tokens) {
			return t
		}
	}
	begin := leadHash(tokens)
	for _, t := range m.byLead[begin] {
		if t.into == nil && t.tail {
			return t
		}
	}
	if m.live >= maxTemplates {
		return m.others()
	}
	t := m.add(strings.Clone(line[:min(len(line), maxScan)]), slices.Clone(tokens))
	if m.ends(begin, t) {
		return t.Canonical()
	}
	m.compare(t)
	return t.Canonical()
}

func (m *Miner) add(example string, tokens []token) *Template {
	if len(m.templates) >= 4*maxTemplates { // most are part of others
		m.templates = slices.DeleteFunc(m.templates, func(t *Template) bool { return t.into != nil })
	}
	t := &Template{Example: example, tokens: tokens, number: m.made}
	m.made++
	m.templates = append(m.templates, t)
	m.live++
	return t
}

// forget drops templates that old says yes to: their next line begins them anew.
func (m *Miner) forget(old func(*Template) bool) {
	drop := map[*Template]bool{}
	m.templates = slices.DeleteFunc(m.templates, func(t *Template) bool {
		if t.into == nil && t != m.other && old(t) {
			drop[t] = true
		}
		return t.into != nil || drop[t]
	})
	m.live = len(m.templates)
	clear(m.shapes)
	clear(m.holes)
	for _, lists := range []map[uint64][]*Template{m.byLead} {
		for k, l := range lists {
			lists[k] = slices.DeleteFunc(l, func(t *Template) bool { return t.into != nil || drop[t] })
			if len(lists[k]) == 0 {
				delete(lists, k)
			}
		}
	}
	clear(m.byLength)
	for _, t := range m.templates {
		m.index(t)
	}
}

// index makes a template be found again by its shape and by comparison.
func (m *Miner) index(t *Template) {
	if t == m.other || t.tail {
		return
	}
	_, shape := scan(t.Example, nil)
	m.shapes[shape] = t
	tokens, _ := scan(t.Example, nil)
	for i := range tokens {
		if i < len(t.tokens) && tokens[i].kind != t.tokens[i].kind { // a word that is a variable
			m.byLength[len(tokens)] = append(m.byLength[len(tokens)], t)
			break
		}
	}
}

// restore puts back a template that was saved: its example and which of its tokens vary.
func (m *Miner) restore(example string, varies []int, tail bool, length int) *Template {
	tokens, _ := scan(example, nil)
	if length > len(tokens) || length < 1 || m.live >= maxTemplates {
		return nil
	}
	tokens = tokens[:length]
	for _, i := range varies {
		if i < 0 || i >= len(tokens) {
			return nil
		}
		tokens[i].kind, tokens[i].hash = variable, variableHash
	}
	t := m.add(example, slices.Clone(tokens))
	t.tail = tail
	begin := leadHash(tokens)
	m.byLead[begin] = append(m.byLead[begin], t)
	m.index(t)
	return t
}

func (m *Miner) others() *Template {
	if m.other == nil {
		m.other = m.add("(other lines)", []token{{start: 0, end: int32(len("(other lines)"))}})
	}
	return m.other
}

// leadHash is of how a line begins.
func leadHash(tokens []token) uint64 {
	h, n := uint64(seed), 0
	for i := range tokens {
		if tokens[i].kind == mark {
			continue
		}
		h = (h ^ tokens[i].hash) * prime
		if n++; n == lead {
			break
		}
	}
	if n < lead {
		h ^= uint64(len(tokens)) // too short to end in any number of ways
	}
	return h
}

// ends makes one template of those that begin alike, once there are too many: what they
// end in is free text.
func (m *Miner) ends(begin uint64, t *Template) bool {
	list := slices.DeleteFunc(m.byLead[begin], func(o *Template) bool { return o.into != nil })
	list = append(list, t)
	m.byLead[begin] = list
	if len(list) < maxTail {
		return false
	}
	n, words := 0, 0
	for i := range t.tokens {
		n = i + 1
		if t.tokens[i].kind != mark {
			if words++; words == lead {
				break
			}
		}
	}
	tokens := slices.Clone(t.tokens[:n])
	whole := m.add(t.Example, tokens)
	whole.tail = true
	for _, o := range list {
		m.join(o, whole)
	}
	m.byLead[begin] = []*Template{whole}
	return true
}

// join makes a template part of another.
func (m *Miner) join(t, into *Template) {
	t, into = t.Canonical(), into.Canonical()
	if t == into {
		return
	}
	into.Count += t.Count
	t.Count = 0
	if t.seen != nil {
		if into.seen == nil {
			into.seen = &history{}
		}
		into.seen.merge(t.seen)
		t.seen = nil
	}
	t.into = into
	m.live--
}
