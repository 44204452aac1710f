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

// Template is a kind of line.
type Template struct {
	Count   uint64
	Example string // the first line of it

	tokens []token // of the example; the kinds are the template's
	into   *Template
	seen   *history // of a Book
	tail   bool     // any number of tokens may follow
	number int
}

// Canonical is the template that this one has become part of, or itself.
func (t *Template) Canonical() *Template {
	for t.into != nil {
		if t.into.into != nil {
			t.into = t.into.into
		}
		t = t.into
	}
	return t
}

// String is the template's text: the example with <*> for what varies.
func (t *Template) String() string {
	var b strings.Builder
	for i, k := range t.tokens {
		if i > 0 && k.space {
			b.WriteByte(' ')
		}
		if k.kind == variable {
			b.WriteString("<*>")
		} else {
			b.WriteString(t.Example[k.start:k.end])
		}
	}
	if t.tail {
		b.WriteString(" <*>")
	}
	return b.String()
}

// hole is a place within otherwise equal lines, and what was seen there.
type hole struct {
	values  []uint64 // at most as many as matter
	members []*Template
	open    *Template // once it is a variable
}

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

// matches says whether a line is of the template.
func (t *Template) matches(line string, tokens []token) bool {
	for i := range tokens {
		a, b := &t.tokens[i], &tokens[i]
		if a.kind == variable {
			if b.kind == mark {
				return false
			}
			continue
		}
		if a.hash != b.hash || a.kind != b.kind {
			return false
		}
	}
	return true
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
	for _, k := range places {
		need = max(need, m.place(hl, k))
	}
	if j >= 0 {
		need += 2
	}
	return need
}

// place judges one place by the words that were seen there.
func (m *Miner) place(hl *hole, k int) int {
	const (
		mixed    = 2 // values by their looks, and a word
		named    = 2 // behind a word as user or host
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
		return assigned
	case before >= 0 && t.tokens[before].kind == word && introduces(strings.ToLower(t.Example[t.tokens[before].start:t.tokens[before].end])):
		return named
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
