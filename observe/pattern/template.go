package pattern

import "strings"

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
		switch {
		case k.kind == variable:
			b.WriteString("<*>")
		case k.arg > 0:
			b.WriteString(t.Example[k.start:k.arg+1] + "<*>" + t.Example[k.end-1:k.end])
		default:
			b.WriteString(t.Example[k.start:k.end])
		}
	}
	if t.tail {
		b.WriteString(" <*>")
	}
	return b.String()
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
