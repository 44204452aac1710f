package pattern

import "strings"

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

// withValue says whether the last three tokens are a name, a bracket and a number: the
// closing bracket makes one name of them.
func withValue(line string, to []token) bool {
	k := len(to) - 3
	return k >= 0 && to[k].kind == word && to[k].arg == 0 && to[k+1].kind == mark && !to[k+1].space && to[k+1].end == to[k+1].start+1 &&
		(line[to[k+1].start] == '(' || line[to[k+1].start] == '{') && to[k+2].kind == variable && !to[k+2].space &&
		number(line[to[k+2].start:to[k+2].end])
}

func number(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
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
	case "true", "false", "True", "False", "TRUE", "FALSE":
		return true
	}
	return false
}

func isNothing(s string) bool {
	switch s {
	case "null", "nil", "NULL", "None":
		return true
	}
	return false
}

// assigned says whether what begins at i is the value of a key: key=true, "key":true. As
// words of a sentence, true and false tell kinds of lines apart.
func assigned(line string, i int32) bool {
	for i > 0 && line[i-1] == ' ' {
		i--
	}
	return i > 0 && line[i-1] == '=' || i > 1 && line[i-1] == ':' && line[i-2] == '"'
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
	case "byte", "bytes", "ns", "us", "ms", "s", "sec", "secs", "second", "seconds", "min", "mins", "minute", "minutes", "hour", "hours", "day", "days",
		"B", "KB", "MB", "GB", "TB", "kB", "KiB", "MiB", "GiB":
		return k
	}
	return i
}

// again is the end of the same size in another unit, in brackets behind it as in
// "4096 bytes (4.00 KB)", or i.
func again(line string, i, n int32) int32 {
	j := i
	if j < n && line[j] == ' ' {
		j++
	}
	if j >= n || line[j] != '(' {
		return i
	}
	j++
	k := j
	for k < n && (classes[line[k]] == cDigit || line[k] == '.' || line[k] == ',') {
		k++
	}
	if u := unit(line, k, n); k > j && u > k && u < n && line[u] == ')' {
		return u + 1
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

// wordEnd is where what begins before i ends: at a space, a quote or a closing bracket,
// and before a colon or a full stop there.
func wordEnd(line string, i, n int32) int32 {
	end := i
	for end < n && classes[line[end]] != cSpace && strings.IndexByte(`"'>)]},;`, line[end]) < 0 {
		end++
	}
	for end > i+1 && (line[end-1] == ':' || line[end-1] == '.') {
		end--
	}
	return end
}

// isPort says whether digits stand there, and then no more of a word.
func isPort(line string, i, n int32) bool {
	from := i
	for i < n && classes[line[i]] == cDigit {
		i++
	}
	return i > from && i-from <= 5 && (i == n || classes[line[i]] == cSpace || classes[line[i]] == cMark)
}

// isHost says whether a name is a host's, when a port follows it: parts of small letters with dots
// between, of which the last is not what files of programs end in.
func isHost(s string) bool {
	last := -1
	for i := range len(s) {
		switch c := s[i]; {
		case c == '.':
			last = i
		case c != '-' && (c < 'a' || c > 'z'):
			return false
		}
	}
	if last < 1 {
		return false
	}
	switch s[last+1:] {
	case "c", "cc", "cpp", "cs", "erl", "ex", "go", "h", "hpp", "java", "js", "jsx", "kt", "lua", "php", "pl", "py", "rb", "rs", "scala", "sh", "sql", "swift", "ts", "tsx":
		return false
	}
	return true
}

// isFamily says whether a word is IPv4 or IPv6: those with a digit that are no value.
func isFamily(s string) bool {
	return len(s) == 4 && s[0]|0x20 == 'i' && s[1]|0x20 == 'p' && s[2]|0x20 == 'v' && (s[3] == '4' || s[3] == '6')
}
