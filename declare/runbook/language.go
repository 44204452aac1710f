package runbook

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/evenkeel/evenkeel/declare"
)

// extra are the attributes that only some languages have.
var extra = map[string][]string{
	"ssh": {"host", "user", "port"}, "terraform": {"action", "dir", "plan"}, "manual": {"minutes"}, "wait": {"for"}, "runbook": {"run"}, "kube": {"context"}, "sh": {"file_size"},
}

var fileSize = regexp.MustCompile(`^([1-9][0-9]{0,4})GiB$`)

// FileSize is the largest file that an sh step may write, in GiB; 1 where it does not say.
func FileSize(s *declare.Step) int {
	n := 1
	if m := fileSize.FindStringSubmatch(s.Attrs["file_size"]); m != nil {
		n, _ = strconv.Atoi(m[1])
	}
	return n
}

// language checks what each language's body and attributes have to be.
func language(s *declare.Step, problem func(warning bool, field, got, want, hint string)) {
	for lang, names := range extra {
		for _, n := range names {
			if v, ok := s.Attrs[n]; ok && s.Language != lang && !slices.Contains(extra[s.Language], n) {
				problem(false, n, v, n+" only on "+lang+" steps", "")
			}
		}
	}
	noExpect := func() {
		if s.Expect != "" {
			problem(false, "expect", s.Expect, "no expectation on a "+s.Language+" step", "")
		}
	}
	if v, ok := s.Attrs["file_size"]; ok && !fileSize.MatchString(v) {
		problem(false, "file_size", v, "a size as 100GiB", "")
	}
	switch s.Language {
	case "ssh":
		noExpect()
		if s.Attrs["host"] == "" {
			problem(false, "host", "", "the host to run it on, as host=web-1 or host=${host}", "")
		}
		if p, ok := s.Attrs["port"]; ok {
			if n, err := strconv.Atoi(p); err != nil || n < 1 || n > 65535 {
				problem(false, "port", p, "a port", "")
			}
		}
		if strings.TrimSpace(s.Body) == "" {
			problem(false, "ssh", "", "a command", "")
		}
	case "logsql":
		if _, err := LogsQL(s.Body, nil); err != nil {
			problem(false, "logsql", s.Body, `LogsQL with parameters inside of "double quotes" only`, err.Error())
		}
		if s.Expect != "" {
			if _, _, err := ParseExpect(s.Expect); err != nil {
				problem(false, "expect", s.Expect, `a comparison as "< 1"`, "")
			}
		}
	case "kube":
		noExpect()
		if _, err := ParseKube(s.Body); err != nil {
			problem(false, "kube", s.Body, "VERB KIND/NAME namespace=NS, as: restart deployment/checkout namespace=shop", err.Error())
		}
	case "terraform":
		noExpect()
		switch s.Attrs["action"] {
		case "plan":
		case "apply":
			if s.Attrs["plan"] == "" {
				problem(false, "plan", "", "the name of the step that made the plan", "")
			}
		default:
			problem(false, "action", s.Attrs["action"], "plan or apply", "")
		}
		if s.Attrs["dir"] == "" && s.Attrs["action"] == "plan" {
			problem(false, "dir", "", "the folder of the configuration", "")
		}
	case "manual":
		noExpect()
		if strings.TrimSpace(s.Body) == "" {
			problem(false, "manual", "", "what is to be done by hand", "")
		}
		if m, ok := s.Attrs["minutes"]; ok {
			if n, err := strconv.Atoi(m); err != nil || n < 0 || n > 1440 {
				problem(false, "minutes", m, "the minutes that it takes, up to 1440", "")
			}
		}
	case "wait":
		noExpect()
		if s.Within == 0 {
			problem(false, "for", s.Attrs["for"], "a duration as 30s or 5m, up to 1d", "")
		}
	case "runbook":
		noExpect()
		if s.Attrs["run"] == "" {
			problem(false, "run", "", "the name of a runbook", "")
		}
		if _, err := SubParams(s.Body, nil); err != nil {
			problem(false, "runbook", s.Body, "lines of name: value", err.Error())
		}
	}
}

// SubParams reads what a runbook step hands on: lines of "name: value", in which a value
// may hold references to the parameters.
func SubParams(text string, params map[string]string) (map[string]string, error) {
	out := map[string]string{}
	for _, l := range strings.Split(text, "\n") {
		if l = strings.TrimSpace(l); l == "" || strings.HasPrefix(l, "#") {
			continue
		}
		k, v, ok := strings.Cut(l, ":")
		if k = strings.TrimSpace(k); !ok || !paramName.MatchString(k) {
			return nil, fmt.Errorf("got %q, expected name: value", l)
		}
		out[k] = Reference.ReplaceAllStringFunc(strings.TrimSpace(v), func(ref string) string { return params[ref[2:len(ref)-1]] })
	}
	return out, nil
}

// LogsQL fills parameters into the double-quoted strings of a LogsQL query, quoted again:
// no value can become syntax. References elsewhere are an error.
func LogsQL(text string, params map[string]string) (string, error) {
	var b strings.Builder
	for rest := text; ; {
		at := strings.IndexByte(rest, '"')
		if at < 0 {
			at = len(rest)
		}
		plain := rest[:at]
		if ref := anyReference.FindString(plain); ref != "" {
			return "", fmt.Errorf("%s stands outside of double quotes", ref)
		}
		b.WriteString(plain)
		if at == len(rest) {
			return b.String(), nil
		}
		quoted, err := strconv.QuotedPrefix(rest[at:])
		if err != nil {
			return "", fmt.Errorf("a quote is not closed")
		}
		value, err := strconv.Unquote(quoted)
		if err != nil {
			return "", fmt.Errorf("cannot read %s: %w", quoted, err)
		}
		if !Reference.MatchString(value) {
			b.WriteString(quoted)
		} else {
			b.WriteString(strconv.Quote(Reference.ReplaceAllStringFunc(value, func(ref string) string { return params[ref[2:len(ref)-1]] })))
		}
		rest = rest[at+len(quoted):]
	}
}
