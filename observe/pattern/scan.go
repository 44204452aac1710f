package pattern

import (
	"strings"
	"unicode/utf8"
)

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
	arg        int32 // where the name ends, of a name with a value in brackets
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
		if i := strings.LastIndexByte(line[maxScan-64:], ' '); i > 0 { // no half of a word
			line = line[:maxScan-64+i]
		}
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
			if (c == '<' || c == '#') && i+1 < n && classes[line[i+1]] == cDigit && (space || len(to) == 0) { // less than so much, number so much
				i++
				continue
			}
			if c == '#' && len(to) > 0 && !space && to[len(to)-1].kind == variable && (i+1 == n || classes[line[i+1]] != cDigit && classes[line[i+1]] != cLetter && line[i+1] != '#') {
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
			if !space && (c == ')' || c == '}') && withValue(line, to) { // LOCAL(0), WorkSource{10107}
				k := len(to) - 3
				to[k].hash, to[k].arg, to[k].end = mix(to[k].hash, to[k+1].hash), to[k].end, i+1
				to = to[:k+1]
				i++
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
		case digits > 0 && !isFamily(line[start:end]),
			line[start] == '/' && (slashes > 1 || letters > 0), // a path
			slashes > 1,
			letters+digits == 0, // ****
			hex == letters && joins == 0 && letters >= 8, // deadbeef
			letters == 1 && end-start == 2 && joins == 1, // x+, an axis
			joins == 0 && (isNothing(line[start:end]) || isTruth(line[start:end]) && assigned(line, start)),
			letters > 0 && joins > 0 && isAddress(line[start:end]): // mail, host name
			t.kind, t.hash = variable, variableHash
		}
		if t.kind == word && i+1 < n && line[i] == ':' {
			if i+2 < n && line[i+1] == '/' && line[i+2] == '/' || joins > 0 && isPort(line, i+1, n) && isHost(line[start:end]) {
				t.kind, t.hash = variable, variableHash // scheme://host/path, host:port
				i = wordEnd(line, i, n)
				t.end = i
			}
		}
		if t.kind == variable && slashes > 0 && i+1 < n && line[i] == '?' && classes[line[i+1]] == cLetter { // a path's query
			i = wordEnd(line, i, n)
			t.end = i
		}
		if t.kind == variable && digits > 0 {
			for i < n && line[i] == '%' {
				i++
			}
			t.end = i
			// 12 ms and 00:12 are both a value
			if u := unit(line, i, n); u > i && letters == 0 {
				i = again(line, u, n)
				t.end = i
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
