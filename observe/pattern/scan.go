package pattern

import "unicode/utf8"

// kind is what a token is.
type kind uint8

const (
	word     kind = iota // a constant, so far
	variable             // a value by its looks
	mark                 // punctuation
)

// token is a part of a line.
type token struct {
	hash       uint64
	start, end int32
	kind       kind
	space      bool // stands before it
	dotted     bool // a name of parts: a.b, a-b, a_b, aB
}

const (
	maxTokens = 96
	maxScan   = 2048 // bytes of a line that are looked at
)

// class says what a byte may be part of.
type class uint8

const (
	cSpace  class = iota
	cLetter       // also _ and all bytes beyond ASCII
	cDigit
	cJoin // joins words to one: . - / @ $ \ % + ~ & *
	cMark
)

var classes = func() (t [256]class) {
	for i := range t {
		switch c := byte(i); {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == 0:
			t[i] = cSpace
		case c >= '0' && c <= '9':
			t[i] = cDigit
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_', c >= utf8.RuneSelf:
			t[i] = cLetter
		case c == '.' || c == '-' || c == '/' || c == '@' || c == '$' || c == '\\' || c == '%' || c == '+' || c == '~' || c == '&' || c == '*':
			t[i] = cJoin
		default:
			t[i] = cMark
		}
	}
	return t
}()

const (
	seed  = 14695981039346656037
	prime = 1099511628211

	variableHash = 0x9ae16a3b2f90404f
)

// scan splits a line into tokens, which it appends to, and returns them with the hash
// of the line's shape.
func scan(line string, to []token) ([]token, uint64) {
	if len(line) > maxScan {
		line = line[:maxScan]
	}
	n := int32(len(line))
	space := false
	for i := int32(0); i < n && len(to) < maxTokens; {
		c := line[i]
		switch classes[c] {
		case cSpace:
			space = true
			i++
			continue
		case cMark:
			if c == '=' && i+1 < n && line[i+1] != '=' && len(to) > 0 && to[len(to)-1].kind == word && !space {
				// key=value. Nothing is a value too, so is what stands in quotes; a word is
				// a word until others are seen in its place.
				to = append(to, token{hash: '=', start: i, end: i + 1, kind: mark})
				i, space = i+1, false
				if end, ok := value(line, i, n); ok {
					to = append(to, token{hash: variableHash, start: i, end: end, kind: variable})
					i = end
				}
				continue
			}
			if c == '<' && i+1 < n && classes[line[i+1]] == cDigit { // less than so much
				i++
				continue
			}
			if space && i+1 < n && (c == '(' && line[i+1] == ')' || c == '[' && line[i+1] == ']') { // an empty value
				to = append(to, token{hash: uint64(c) | 0x100, start: i, end: i + 1, kind: mark, space: true},
					token{hash: variableHash, start: i + 1, end: i + 1, kind: variable},
					token{hash: uint64(line[i+1]) | 0x100, start: i + 1, end: i + 2, kind: mark})
				i, space = i+2, false
				continue
			}
			to = append(to, token{hash: uint64(c) | 0x100, start: i, end: i + 1, kind: mark, space: space})
			i, space = i+1, false
			continue
		}
		// A run of letters, digits and joiners.
		start := i
		if end := colons(line, i, n); end > i { // a hardware or IPv6 address, of however many letters
			to, space = value8(line, to, token{hash: variableHash, start: i, end: end, kind: variable, space: space}), false
			i = end
			continue
		}
		h := uint64(seed)
		digits, letters, joins, slashes, hex, inner := 0, 0, 0, 0, 0, false
		for ; i < n; i++ {
			c = line[i]
			switch classes[c] {
			case cLetter:
				letters++
				if lower := c | 0x20; lower >= 'a' && lower <= 'f' {
					hex++
				}
				if i > start && (c == '_' || c >= 'A' && c <= 'Z' && line[i-1] >= 'a' && line[i-1] <= 'z') {
					inner = true
				}
			case cDigit:
				digits++
			case cJoin:
				joins++
				if c == '/' {
					slashes++
				}
			default:
				goto done
			}
			h = (h ^ uint64(c)) * prime
		}
	done:
		if i > start && line[i-1] == '-' && i+1 < n && line[i] == '[' && classes[line[i+1]] == cDigit { // node-[40-63]
			for i < n && classes[line[i]] != cSpace && line[i-1] != ']' {
				i++
			}
			digits = 1
		}
		axis := letters == 1 && i-start == 2 && (line[start+1] == '+' || line[start+1] == '-')
		end := i
		if digits == 0 && letters > 0 && !axis { // punctuation at its end is no part of it
			for end > start && classes[line[end-1]] == cJoin && line[end-1] != '/' && line[end-1] != '*' {
				end--
				joins--
			}
			if end < i {
				i = end
				h = seed
				for j := start; j < end; j++ {
					h = (h ^ uint64(line[j])) * prime
				}
			}
		}
		// Only joiners: punctuation, but for a value that is hidden: ****
		if letters+digits == 0 && (i-start < 3 || line[start] != '*') {
			to = append(to, token{hash: h, start: start, end: i, kind: mark, space: space})
			space = false
			continue
		}
		t := token{hash: h, start: start, end: end, space: space, kind: word, dotted: joins > 0 || inner}
		space = false
		switch {
		case digits > 0,
			line[start] == '/' && (slashes > 1 || letters > 0), // a path
			slashes > 1,
			letters+digits == 0, // ****
			hex == letters && joins == 0 && letters >= 8, // deadbeef
			letters == 1 && end-start == 2 && joins == 1, // x+, an axis
			joins == 0 && isTruth(line[start:end]),
			letters > 0 && joins > 0 && isAddress(line[start:end]): // mail, host name
			t.kind, t.hash = variable, variableHash
		}
		if t.kind == variable && digits > 0 {
			for i < n && line[i] == '%' {
				i++
			}
			t.end = i
			// 12 ms and 00:12 are both a value
			if u := unit(line, i, n); u > i && letters == 0 {
				t.end, i = u, u
			}
		}
		if t.kind == word && end-start == 3 && isDate(line[start:end]) && dateAround(line, to, i, n) {
			t.kind, t.hash = variable, variableHash
		}
		if t.kind == variable {
			to = value8(line, to, t)
			continue
		}
		to = append(to, t)
	}
	shape := uint64(seed)
	for i := range to {
		shape = (shape ^ to[i].hash) * prime
		shape ^= shape >> 29
	}
	return to, shape
}

// value8 appends a value, or makes it part of the one before it: a list of values, a
// date, values joined by punctuation are one, as many as there are.
func value8(line string, to []token, t token) []token {
	k := len(to)
	if k == 0 {
		return append(to, t)
	}
	last := &to[k-1]
	if last.kind == variable {
		if t.space && last.end > last.start {
			last.end = t.end
			return to
		}
		return append(to, t)
	}
	if last.kind != mark || last.space || k < 2 {
		return append(to, t)
	}
	c, before := line[last.start], &to[k-2]
	if before.kind == variable && (c == ',' && before.end > before.start || !t.space && joins8(c)) { // 1, 2, 3 and 10:22:33, 1#2#3, 4|5
		before.end = t.end
		return to[:k-1]
	}
	if k >= 3 && !t.space && before.kind == mark && !before.space && to[k-3].kind == variable && c == line[before.start] && joins8(c) { // 1##2
		to[k-3].end = t.end
		return to[:k-2]
	}
	return append(to, t)
}

// colons is the end of groups of hexadecimal digits with colons between, as addresses of
// network cards and of IPv6 are, or i where there are none.
func colons(line string, i, n int32) int32 {
	groups, double, j := 0, false, i
	for j < n {
		k := j
		for k < n && k-j < 5 && isHexDigit(line[k]) {
			k++
		}
		if k == j || k-j == 5 {
			break
		}
		groups++
		if j = k; j+1 >= n || line[j] != ':' {
			break
		}
		if line[j+1] == ':' {
			if double {
				break
			}
			double = true
			j++
		}
		if j+1 >= n || !isHexDigit(line[j+1]) {
			break
		}
		j++
	}
	if j < n && (classes[line[j]] == cLetter || classes[line[j]] == cDigit) || groups < 3 || groups < 4 && !double || j-i < 8 {
		return i
	}
	return j
}

func isHexDigit(c byte) bool { return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f' }

// joins8 says whether values around this punctuation are one value.
func joins8(c byte) bool { return c == ':' || c == '#' || c == '|' || c == '^' || c == '!' }

// value is the end of what stands behind an equals sign, when that is nothing or in
// quotes.
func value(line string, i, n int32) (int32, bool) {
	if i >= n {
		return i, true
	}
	switch c := line[i]; c {
	case '"', '\'':
		for j := i + 1; j < n; j++ {
			if line[j] == c && line[j-1] != '\\' {
				return j + 1, true
			}
		}
	case ' ', '\t', '\n', '\r', ',', ';', ')', ']', '}', '|', '>':
		return i, true
	}
	return i, false
}

func isTruth(s string) bool {
	switch s {
	case "true", "false", "True", "False", "TRUE", "FALSE", "null", "nil", "NULL", "None":
		return true
	}
	return false
}

// isDate says whether a word is the short name of a day or month.
func isDate(s string) bool {
	switch s {
	case "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec":
		return true
	}
	return false
}

// dateAround says whether there is more of a date beside such a word: a number or
// another such word before it or behind it.
func dateAround(line string, to []token, i, n int32) bool {
	if k := len(to); k > 0 && to[k-1].kind == variable {
		return true
	}
	for i < n && (line[i] == ' ' || line[i] == ',') {
		i++
	}
	return i < n && classes[line[i]] == cDigit || i+3 <= n && isDate(line[i:i+3])
}

// unit is the end of a unit of time or size behind a number, or i.
func unit(line string, i, n int32) int32 {
	j := i
	if j < n && line[j] == ' ' {
		j++
	}
	k := j
	for k < n && k-j < 8 && classes[line[k]] == cLetter {
		k++
	}
	if k == j || k < n && (classes[line[k]] == cLetter || classes[line[k]] == cDigit || line[k] == '=') {
		return i
	}
	switch line[j:k] {
	case "ns", "us", "ms", "s", "sec", "secs", "second", "seconds", "min", "mins", "minute", "minutes", "hour", "hours", "day", "days",
		"B", "KB", "MB", "GB", "TB", "kB", "KiB", "MiB", "GiB":
		return k
	}
	return i
}

// isAddress says whether a name of parts is a host or a mail address: those have an @,
// or end in a short lower-case part after a dot.
func isAddress(s string) bool {
	last, dots := -1, 0
	for i := range len(s) {
		switch s[i] {
		case '@':
			return i > 0 && i < len(s)-1
		case '.':
			last, dots = i, dots+1
		case '/', '\\', '$', '_', '*', '+', '%', '&', '~':
			return false
		}
	}
	if dots < 1 || last < 1 {
		return false
	}
	switch s[last+1:] {
	case "com", "net", "org", "edu", "gov", "mil", "int", "io", "de", "uk", "jp", "cn", "tw", "hk", "kr", "fr", "it", "nl", "ru", "br", "au", "ca", "us", "pl", "es", "se", "ch", "at", "be", "in", "mx", "tr", "local", "internal", "lan", "localdomain", "home", "arpa":
		return true
	}
	return false
}
