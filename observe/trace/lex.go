package trace

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// token is a word of a query.
type token struct {
	kind tokenKind
	text string // of a string, its value
	num  float64
	dur  time.Duration
	at   int // where it begins, in bytes
}

type tokenKind int

const (
	tokenEnd tokenKind = iota
	tokenWord
	tokenString
	tokenNumber
	tokenDuration
	tokenMark // an operator or a bracket
)

// marks, the longer ones first.
var marks = []string{">>", "<<", "&&", "||", "!=", ">=", "<=", "=~", "!~", "{", "}", "(", ")", "|", ">", "<", "=", "!", "~"}

// lex cuts a query into tokens.
func lex(text string) ([]token, error) {
	var out []token
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		rest := text[i:]
		switch {
		case unicode.IsSpace(r):
			i += n
			continue
		case r == '"' || r == '`':
			quoted, err := strconv.QuotedPrefix(rest)
			if err != nil {
				return nil, &QueryError{i, "a string that ends"}
			}
			value, _ := strconv.Unquote(quoted)
			out = append(out, token{kind: tokenString, text: value, at: i})
			i += len(quoted)
			continue
		case r >= '0' && r <= '9' || (r == '-' || r == '.') && len(rest) > 1 && rest[1] >= '0' && rest[1] <= '9':
			end := 1
			for end < len(rest) && strings.ContainsRune("0123456789.abcdefghijklmnopqrstuvwxyzµE+-", rune(rest[end])) {
				if (rest[end] == '+' || rest[end] == '-') && rest[end-1] != 'e' && rest[end-1] != 'E' {
					break
				}
				end++
			}
			t := token{text: rest[:end], at: i}
			if v, err := strconv.ParseFloat(t.text, 64); err == nil {
				t.kind, t.num = tokenNumber, v
			} else if d, err := time.ParseDuration(t.text); err == nil {
				t.kind, t.dur = tokenDuration, d
			} else {
				return nil, &QueryError{i, fmt.Sprintf("a number or a duration as 100ms, not %q", t.text)}
			}
			out = append(out, t)
			i += end
			continue
		case r == '.' || r == '_' || unicode.IsLetter(r):
			end := 0
			for end < len(rest) {
				c, n := utf8.DecodeRuneInString(rest[end:])
				if c == '"' && end > 0 && rest[end-1] == '.' { // span."with space"
					quoted, err := strconv.QuotedPrefix(rest[end:])
					if err != nil {
						return nil, &QueryError{i + end, "a string that ends"}
					}
					value, _ := strconv.Unquote(quoted)
					out = append(out, token{kind: tokenWord, text: rest[:end] + value, at: i})
					i += end + len(quoted)
					end = -1
					break
				}
				if !unicode.IsLetter(c) && !unicode.IsDigit(c) && !strings.ContainsRune("._-/:", c) {
					break
				}
				end += n
			}
			if end >= 0 {
				out = append(out, token{kind: tokenWord, text: rest[:end], at: i})
				i += end
			}
			continue
		}
		mark := ""
		for _, m := range marks {
			if strings.HasPrefix(rest, m) {
				mark = m
				break
			}
		}
		if mark == "" {
			return nil, &QueryError{i, fmt.Sprintf("no %q here", r)}
		}
		out = append(out, token{kind: tokenMark, text: mark, at: i})
		i += len(mark)
	}
	return append(out, token{kind: tokenEnd, at: len(text)}), nil
}

// QueryError says where a query stops making sense, and what was expected there.
type QueryError struct {
	At   int // byte of the query
	Want string
}

// Error implements error.
func (e *QueryError) Error() string {
	return fmt.Sprintf("cannot parse the query: at character %d: expected %s", e.At+1, e.Want)
}
