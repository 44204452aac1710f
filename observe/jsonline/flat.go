package jsonline

import (
	"bytes"
	"unsafe"

	"github.com/evenkeel/evenkeel/observe/logs"
)

// mostName is the longest key that is a field's name as it stands; the engine's parser
// keeps objects with a longer one whole.
const mostName = 128

// flat reads an object without nesting and escapes, which is what nearly every sender
// writes, in one pass and without a copy: the fields point into the line. It says no to
// whatever is not as plain as that, right or wrong: the engine's own parser decides then.
// Where it says yes, it reads what that parser reads.
func flat(line []byte, to []logs.Field) ([]logs.Field, bool) {
	if len(line) < 2 || line[0] != '{' || bytes.IndexByte(line, '\\') >= 0 {
		return to, false
	}
	n := len(line)
	i := blank(line, 1)
	for {
		if i >= n || line[i] != '"' {
			return to, false // an empty object too: what it means is not ours to say
		}
		end := bytes.IndexByte(line[i+1:], '"')
		if end <= 0 || end > mostName {
			return to, false
		}
		name := text(line[i+1 : i+1+end])
		if i = blank(line, i+end+2); i >= n || line[i] != ':' {
			return to, false
		}
		if i = blank(line, i+1); i >= n {
			return to, false
		}
		switch c := line[i]; {
		case c == '"':
			end := bytes.IndexByte(line[i+1:], '"')
			if end < 0 {
				return to, false
			}
			to = append(to, logs.Field{Name: name, Value: text(line[i+1 : i+1+end])})
			i += end + 2
		case c == '-' || c >= '0' && c <= '9':
			end := number(line, i)
			if end < 0 {
				return to, false
			}
			to = append(to, logs.Field{Name: name, Value: text(line[i:end])})
			i = end
		case bytes.HasPrefix(line[i:], []byte("true")):
			to = append(to, logs.Field{Name: name, Value: "true"})
			i += 4
		case bytes.HasPrefix(line[i:], []byte("false")):
			to = append(to, logs.Field{Name: name, Value: "false"})
			i += 5
		case bytes.HasPrefix(line[i:], []byte("null")):
			i += 4
		default:
			return to, false
		}
		if i = blank(line, i); i >= n {
			return to, false
		}
		switch line[i] {
		case ',':
			i = blank(line, i+1)
		case '}':
			return to, blank(line, i+1) == n
		default:
			return to, false
		}
	}
}

// blank is where the next byte is that is not white space.
func blank(line []byte, i int) int {
	for i < len(line) && (line[i] == ' ' || line[i] == '\t' || line[i] == '\r' || line[i] == '\n') {
		i++
	}
	return i
}

// number is the end of a number as JSON defines it, or -1.
func number(line []byte, i int) int {
	digits := func() bool {
		start := i
		for i < len(line) && line[i] >= '0' && line[i] <= '9' {
			i++
		}
		return i > start
	}
	if line[i] == '-' {
		i++
	}
	first := i
	if !digits() || line[first] == '0' && i > first+1 {
		return -1
	}
	if i < len(line) && line[i] == '.' {
		i++
		if !digits() {
			return -1
		}
	}
	if i < len(line) && line[i]|0x20 == 'e' {
		i++
		if i < len(line) && (line[i] == '+' || line[i] == '-') {
			i++
		}
		if !digits() {
			return -1
		}
	}
	return i
}

// text is the bytes as a string, as long as nobody writes to them.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
