package pattern

import (
	"slices"
	"strings"
)

// hole is a place within otherwise equal lines, and what was seen there.
type hole struct {
	values  []uint64 // at most as many as matter
	members []*Template
	open    *Template // once it is a variable
}

// compare looks for places in which the template differs from others that are equal
// else.
func (m *Miner) compare(t *Template) {
	hashes := make([]uint64, len(t.tokens)) // of what is before each token
	h := uint64(seed)
	for i := range t.tokens {
		hashes[i] = h
		h = mix(h, t.tokens[i].hash)
	}
	for i := range t.tokens {
		if t.tokens[i].kind == mark {
			continue
		}
		h := mix(hashes[i], variableHash^1)
		for j := i + 1; j < len(t.tokens); j++ {
			h = mix(h, t.tokens[j].hash)
		}
		if m.fill(h, t, i, -1) {
			return
		}
	}
	if words := count(t.tokens, word); words < 4 || len(t.tokens) > 40 {
		return
	}
	// Two places at once: a user and a host.
	for i := range t.tokens {
		if t.tokens[i].kind != word {
			continue
		}
		hi := mix(hashes[i], variableHash^2)
		for j := i + 1; j < len(t.tokens); j++ {
			if t.tokens[j].kind == word {
				h := mix(hi, variableHash^2)
				for k := j + 1; k < len(t.tokens); k++ {
					h = mix(h, t.tokens[k].hash)
				}
				if m.fill(h, t, i, j) {
					return
				}
			}
			hi = mix(hi, t.tokens[j].hash)
		}
	}
}

func count(tokens []token, k kind) (n int) {
	for i := range tokens {
		if tokens[i].kind == k {
			n++
		}
	}
	return n
}

func mix(h, with uint64) uint64 {
	h = (h ^ with) * prime
	return h ^ h>>31
}

// fill puts a template's words into a hole, and makes the hole a variable when there
// are enough of them.
func (m *Miner) fill(h uint64, t *Template, i, j int) bool {
	hl := m.holes[h]
	if hl == nil {
		if len(m.holes) >= maxHoles {
			clear(m.holes)
		}
		hl = &hole{}
		m.holes[h] = hl
	}
	if hl.open != nil {
		whole := hl.open.Canonical()
		if whole == t {
			return false
		}
		m.join(t, whole)
		return true
	}
	v := t.tokens[i].hash
	if j >= 0 {
		v = mix(v, t.tokens[j].hash)
	}
	if !slices.Contains(hl.values, v) {
		hl.values = append(hl.values, v)
		hl.members = append(hl.members, t)
	}
	need := m.enough(hl, i, j)
	if len(hl.values) < need {
		return false
	}
	tokens := slices.Clone(t.tokens)
	for _, k := range []int{i, j} {
		if k >= 0 {
			tokens[k].kind, tokens[k].hash = variable, variableHash
		}
	}
	whole := m.add(t.Example, tokens)
	for _, o := range hl.members {
		m.join(o, whole)
	}
	m.join(t, whole)
	for _, o := range m.templates { // and those that differ in another of its variables too
		if o.into == nil && o != whole && !o.tail && len(o.tokens) == len(tokens) && whole.matches(o.Example, o.tokens) {
			m.join(o, whole)
		}
	}
	*hl = hole{open: whole}
	m.byLength[len(tokens)] = append(slices.DeleteFunc(m.byLength[len(tokens)], func(o *Template) bool { return o.into != nil }), whole)
	m.compare(whole) // now it may be equal to others but for another place
	return true
}

// enough is how many different words in one place make it a variable.
func (m *Miner) enough(hl *hole, i, j int) int {
	need := 0
	places := []int{i}
	if j >= 0 {
		places = append(places, j)
	}
	if t := hl.members[0]; count(t.tokens, word) <= len(places) {
		need = alone
	}
	for _, k := range places {
		need = max(need, m.place(hl, k))
	}
	if j >= 0 {
		need += 2
	}
	return need
}

// alone is how many lines of one word make a template that has none.
const alone = 100

// place judges one place by the words that were seen there.
func (m *Miner) place(hl *hole, k int) int {
	const (
		mixed    = 2 // values by their looks, and a word
		named    = 3 // behind a word as user or host
		name     = 3 // names of parts, and those within quotes
		assigned = 5 // behind an equals sign
		plain    = 6
		first    = 12
		state    = 15 // all in capitals
	)
	dotted, values, states := 0, 0, 0
	for _, o := range hl.members {
		if k < len(o.tokens) && o.tokens[k].kind == variable {
			values++
		}
		if k >= len(o.tokens) {
			continue
		}
		if capitals(o.Example[o.tokens[k].start:o.tokens[k].end]) {
			states++
		} else if o.tokens[k].dotted {
			dotted++
		}
	}
	t := hl.members[0]
	if k >= len(t.tokens) {
		return first
	}
	before := k - 1
	for before >= 0 && t.tokens[before].kind == mark {
		before--
	}
	switch {
	case values > 0:
		return mixed
	case k > 0 && t.Example[t.tokens[k-1].start] == '=' && t.tokens[k-1].kind == mark:
		if before >= 0 && strings.HasSuffix(t.Example[t.tokens[before].start:t.tokens[before].end], "name") {
			return name
		}
		return assigned
	case before >= 0 && t.tokens[before].kind == word && introduces(strings.ToLower(t.Example[t.tokens[before].start:t.tokens[before].end])):
		return named
	case before < 0 && dotted == len(hl.members):
		return plain
	case before < 0 && !(k > 0 && k+1 < len(t.tokens) && enclosed(t, k)):
		return first
	case states == len(hl.members):
		return state
	case dotted == len(hl.members):
		return name
	case k > 0 && k+1 < len(t.tokens) && (quoted(t, k) || enclosed(t, k)):
		return name
	}
	return plain
}

func quoted(t *Template, k int) bool {
	a, b := t.tokens[k-1], t.tokens[k+1]
	return a.kind == mark && b.kind == mark && a.hash == b.hash && (t.Example[a.start] == '"' || t.Example[a.start] == '\'' || t.Example[a.start] == '`')
}

// enclosed says whether a word stands alone in round brackets, which are not part of
// the word before them as in error(s).
func enclosed(t *Template, k int) bool {
	a, b := t.tokens[k-1], t.tokens[k+1]
	return a.kind == mark && b.kind == mark && t.Example[a.start] == '(' && t.Example[b.start] == ')' && (a.space || k == 1)
}

// capitals are words as ASSIGNED and KILL_CONTAINER: states, which tell kinds of lines apart.
func capitals(s string) bool {
	for i := range len(s) {
		if s[i] >= 'a' && s[i] <= 'z' {
			return false
		}
	}
	return true
}

// introduces says whether what follows a word is a name.
func introduces(w string) bool {
	switch w {
	case "user", "username", "login", "account", "group", "host", "hostname", "client", "server", "node", "peer", "domain",
		"device", "interface", "iface", "file", "directory", "path", "package", "module", "class", "program", "process",
		"named", "name", "key", "table", "topic", "queue", "pod", "container", "image", "volume", "service", "ruser", "rhost":
		return true
	}
	return false
}
