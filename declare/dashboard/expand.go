package dashboard

import (
	"encoding/json"
	"regexp"
	"strings"
	"time"

	"github.com/prometheus/common/model"
)

// Choice is what is chosen of a variable.
type Choice struct {
	Values []string
	// Exact values stand for themselves, also behind =~: those that the dashboard's author
	// has written. What was read from labels is escaped there.
	Exact bool
	// Any value is meant, and not even those that are known: .* where a regular expression
	// stands, * in a list.
	Any bool
	// All are chosen: titles say so and do not list them.
	All bool
}

// Scope is what is chosen of each variable, by its name.
type Scope map[string]Choice

// Times are the variables that every query has: __interval, __rate_interval, __range and
// the like. Spacing is how far samples are apart; a rate needs several of them.
func Times(span, step, spacing time.Duration) Scope {
	rate := max(step+spacing, 4*spacing)
	one := func(v string) Choice { return Choice{Values: []string{v}, Exact: true} }
	prom := func(d time.Duration) Choice { return one(model.Duration(d.Truncate(time.Millisecond)).String()) }
	num := func(d, unit time.Duration) Choice {
		text, _ := json.Marshal(int64(d / unit))
		return one(string(text))
	}
	return Scope{
		"__interval": prom(step), "__rate_interval": prom(rate), "__range": prom(span),
		"__interval_ms": num(step, time.Millisecond), "__range_s": num(span, time.Second), "__range_ms": num(span, time.Millisecond),
	}
}

// With returns a scope with one variable more, or another choice of one.
func (s Scope) With(name string, values ...string) Scope {
	out := Scope{}
	for k, v := range s {
		out[k] = v
	}
	out[name] = Choice{Values: values, Exact: s[name].Exact}
	return out
}

// reference is $name, ${name} or ${name:format}. A dollar before anything else, as at the
// end of a regular expression or in label_replace, is itself.
var reference = regexp.MustCompile(`\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?::(\w+))?\})`)

// Formats are how a choice may be written, by the word behind the colon.
var Formats = []string{"regex", "pipe", "csv", "quoted", "raw"}

// use is a place where a variable stands in a query.
type use struct {
	name, format string
	start, end   int
	quote        byte // in which it stands; 0 for none
	regex        bool // the quotes stand behind =~, !~ or LogsQL's ~
	equal        bool // the quotes stand behind = or !=, and hold nothing else
}

// uses finds the variables of a query.
func uses(query string) []use {
	var out []use
	var quote byte
	open := 0
	for i := 0; i < len(query); i++ {
		c := query[i]
		switch {
		case c == '$':
			m := reference.FindStringSubmatchIndex(query[i:])
			if m == nil || m[0] != 0 {
				continue
			}
			u := use{start: i, end: i + m[1], quote: quote}
			for g, to := range map[int]*string{1: &u.name, 2: &u.name, 3: &u.format} {
				if m[2*g] >= 0 {
					*to = query[i+m[2*g] : i+m[2*g+1]]
				}
			}
			if quote != 0 {
				before := strings.TrimRight(query[:open], " ")
				u.regex = strings.HasSuffix(before, "~")
				u.equal = strings.HasSuffix(before, "=") && u.start == open+1 && u.end < len(query) && query[u.end] == quote
			}
			out = append(out, u)
			i = u.end - 1
		case quote != 0:
			if c == '\\' && quote != '`' {
				i++
			} else if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'' || c == '`':
			quote, open = c, i
		case c == '#':
			if end := strings.IndexByte(query[i:], '\n'); end >= 0 {
				i += end
			} else {
				i = len(query)
			}
		}
	}
	return out
}

// Expand puts what is chosen in the place of variables. Several values become a regular
// expression of alternatives, (a|b); outside of quotes in LogsQL a list of strings. A
// variable of which nothing is known stays.
func Expand(query string, logsQL bool, scope Scope) string {
	var b strings.Builder
	at := 0
	for _, u := range uses(query) {
		choice, ok := scope[u.name]
		if !ok {
			continue
		}
		b.WriteString(query[at:u.start])
		b.WriteString(u.write(choice, logsQL))
		at = u.end
	}
	b.WriteString(query[at:])
	return b.String()
}

func (u use) write(c Choice, logsQL bool) string {
	if c.Any {
		if u.format == "quoted" || u.quote == 0 && logsQL {
			return "*"
		}
		return ".*"
	}
	escape := func(v string) string {
		if c.Exact && len(c.Values) < 2 {
			return v
		}
		return regexp.QuoteMeta(v)
	}
	var text string
	switch u.format {
	case "regex":
		text = join(c.Values, "|", regexp.QuoteMeta)
	case "pipe":
		text = join(c.Values, "|", plain)
	case "csv", "raw":
		text = join(c.Values, ",", plain)
	case "quoted":
		return join(c.Values, ",", quoted)
	default:
		switch {
		case len(c.Values) > 1 && (u.quote != 0 || !logsQL):
			text = "(" + join(c.Values, "|", regexp.QuoteMeta) + ")"
		case u.quote == 0 && logsQL && !c.Exact:
			return join(c.Values, ",", quoted)
		case u.regex:
			text = join(c.Values, "|", escape)
		default:
			text = join(c.Values, ",", plain)
		}
	}
	if u.quote != 0 && u.quote != '`' {
		text = strings.ReplaceAll(text, `\`, `\\`)
		text = strings.ReplaceAll(text, string(u.quote), `\`+string(u.quote))
		text = strings.ReplaceAll(text, "\n", `\n`)
	} else {
		text = strings.ReplaceAll(text, "`", "")
	}
	return text
}

func plain(s string) string { return s }

func quoted(s string) string {
	text, _ := json.Marshal(s)
	return string(text)
}

func join(values []string, sep string, f func(string) string) string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = f(v)
	}
	return strings.Join(out, sep)
}

// Title puts what is chosen into a title or text, as people read it.
func Title(text string, scope Scope) string {
	return reference.ReplaceAllStringFunc(text, func(ref string) string {
		m := reference.FindStringSubmatch(ref)
		if c, ok := scope[m[1]+m[2]]; ok && c.All {
			return "all"
		} else if ok {
			return join(c.Values, ", ", plain)
		}
		return ref
	})
}

var label = regexp.MustCompile(`\{\{\s*([\w.:/-]+)\s*\}\}`)

// Legend fills in a legend: {{label}} and variables. "" when there is none.
func Legend(legend string, labels map[string]string, scope Scope) string {
	return label.ReplaceAllStringFunc(Title(legend, scope), func(ref string) string {
		return labels[label.FindStringSubmatch(ref)[1]]
	})
}
