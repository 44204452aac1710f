package yamldoc

import (
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/evenkeel/evenkeel/declare"
)

// Library says how another program's library loads a document, so that its errors,
// which mostly name no place, can be given one.
type Library struct {
	Want string                  // what was expected, a phrase
	Load func(data []byte) error // loads text as the library does
	Keys []string                // its fields, for suggestions; see Keys
}

var (
	lined   = regexp.MustCompile(`line (\d+): (.*)`)
	unknown = regexp.MustCompile(`^field (\S+) not found in type `)
	quoted  = regexp.MustCompile(`"([^"]+)"`)
)

// Explain turns an error of the library into a Problem. Declared are the names that the
// document has, where the error is about one that it has not.
func (l Library) Explain(doc Node, err error, declared ...string) declare.Problem {
	text := withoutSecrets(strings.Join(strings.Fields(err.Error()), " "))
	p := declare.Problem{Position: declare.Position{File: doc.file}, Want: l.Want, Hint: text}
	if m := lined.FindStringSubmatch(text); m != nil {
		p.Line, _ = strconv.Atoi(m[1])
		p.Hint = m[2]
		if field := unknown.FindStringSubmatch(p.Hint); field != nil {
			p.Got, p.Want, p.Hint = Cut(field[1]), "a known key", Suggest(field[1], l.Keys)
		}
		if at := onLine(doc.y, p.Line, p.Got); at != nil {
			p.Column = at.Column
		}
		return p
	}
	at := l.blame(doc)
	if at == nil {
		at = lastQuoted(doc.y, text)
	}
	if at == nil {
		return p
	}
	p.Line, p.Column = at.Line, at.Column
	// What the library does not name itself may be a secret.
	if at.Kind == yaml.ScalarNode && names(text, at.Value) {
		p.Got = Cut(at.Value)
		if near := Suggest(at.Value, declared); near != "" && strings.Contains(text, "undefined") {
			p.Hint += "; " + near
		}
	}
	return p
}

// names says whether a text quotes a value, or has it as a word.
func names(text, value string) bool {
	word := func(r rune) bool { return strings.ContainsRune(" ,;:`'()[]", r) }
	return value != "" && (strings.Contains(text, `"`+value+`"`) || slices.Contains(strings.FieldsFunc(text, word), value))
}

var link = regexp.MustCompile("(://)([^\\s\"'`/@]*@)?([^\\s\"'`/?#]*)([/?#][^\\s\"'`]*)?")

// withoutSecrets leaves of a URL in an error what is no secret: the path of a webhook
// is one as often as its password.
func withoutSecrets(text string) string {
	return link.ReplaceAllStringFunc(text, func(u string) string {
		m := link.FindStringSubmatch(u)
		if m[2] != "" {
			m[2] = "…@"
		}
		if len(m[4]) > 1 {
			m[4] = "/…"
		}
		return m[1] + m[2] + m[3] + m[4]
	})
}

// onLine is the first key or value in a line: one with this text, where it is not "".
func onLine(y *yaml.Node, line int, text string) *yaml.Node {
	if y == nil || y.Line > line {
		return nil
	}
	if y.Line == line && (text == "" || y.Value == text) {
		return y
	}
	for _, c := range y.Content {
		if found := onLine(c, line, text); found != nil {
			return found
		}
	}
	return nil
}

func lastQuoted(y *yaml.Node, text string) *yaml.Node {
	if y == nil {
		return nil
	}
	for _, m := range quoted.FindAllStringSubmatch(text, -1) {
		if found := find(y, m[1]); found != nil {
			return found
		}
	}
	return nil
}

func find(y *yaml.Node, value string) *yaml.Node {
	if y.Kind == yaml.ScalarNode && y.Value == value {
		return y
	}
	for _, c := range y.Content {
		if found := find(c, value); found != nil {
			return found
		}
	}
	return nil
}

// blameBytes bounds how much text is loaded in search of the culprit.
const blameBytes = 8 << 20

// blame finds the smallest part of a document without which the error is gone, by
// loading it without each part in turn; nil when there is none. Later parts are tried
// first: of two with the same name, the second one is too many.
func (l Library) blame(doc Node) *yaml.Node {
	if doc.y == nil {
		return nil
	}
	left := blameBytes
	reason := func() (string, bool) {
		data, err := yaml.Marshal(doc.y)
		if left -= len(data); err != nil || left < 0 {
			return "", false
		}
		if err := l.Load(data); err != nil {
			return err.Error(), true
		}
		return "", true
	}
	original, ok := reason()
	if !ok || original == "" {
		return nil
	}
	var guilty *yaml.Node
	for at := doc.y; at != nil; {
		width := 1
		if at.Kind == yaml.MappingNode {
			width = 2 // key and value go together
		}
		all := at.Content
		var sure, maybe []*yaml.Node
		for i := len(all) - width; i >= 0 && len(sure) == 0; i -= width {
			at.Content = slices.Concat(all[:i], all[i+width:])
			why, ok := reason()
			at.Content = all
			switch {
			case !ok:
				return guilty
			case why == "":
				sure = append(sure, all[i+width-1])
			case why != original:
				maybe = append(maybe, all[i+width-1])
			}
		}
		switch {
		case len(sure) > 0:
			at = sure[0]
		case len(maybe) == 1:
			at = maybe[0] // something else fails without it, but not this any more
		default:
			return guilty
		}
		guilty = at
	}
	return guilty
}

// Keys lists the names of all YAML fields of a type and of what it holds.
func Keys(t reflect.Type) []string {
	seen, names := map[reflect.Type]bool{}, map[string]bool{}
	var walk func(t reflect.Type)
	walk = func(t reflect.Type) {
		if seen[t] {
			return
		}
		seen[t] = true
		switch t.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
			walk(t.Elem())
		case reflect.Struct:
			for i := range t.NumField() {
				f := t.Field(i)
				if name, _, _ := strings.Cut(f.Tag.Get("yaml"), ","); name != "" && name != "-" {
					names[name] = true
				}
				walk(f.Type)
			}
		}
	}
	walk(t)
	out := make([]string, 0, len(names))
	for n := range names {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}
