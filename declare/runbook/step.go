package runbook

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

var known = []string{"name", "risk", "timeout", "expect", "within", "rollback", "retry", "on", "class", "host", "user", "port", "action", "dir", "plan", "minutes", "for", "run", "context", "file_size"}

// languages that run, with their usual other names.
var languages = map[string]string{"sh": "sh", "bash": "sh", "shell": "sh", "http": "http", "promql": "promql",
	"ssh": "ssh", "logsql": "logsql", "kube": "kube", "terraform": "terraform", "manual": "manual", "wait": "wait", "runbook": "runbook"}

// attributes reads {key=value key="quoted value" flag}.
func attributes(s string) (map[string]string, error) {
	s = strings.TrimSpace(s)
	if !strings.HasPrefix(s, "{") || !strings.HasSuffix(s, "}") {
		return nil, fmt.Errorf("the brace is not closed")
	}
	s = s[1 : len(s)-1]
	out := map[string]string{}
	for {
		s = strings.TrimLeft(s, " \t,")
		if s == "" {
			return out, nil
		}
		end := strings.IndexAny(s, "= \t,")
		if end < 0 {
			end = len(s)
		}
		key := s[:end]
		if !attrName.MatchString(key) {
			return nil, fmt.Errorf("%q is not an attribute's name", yamldoc.Cut(key))
		}
		if _, twice := out[key]; twice {
			return nil, fmt.Errorf("%s is there twice", key)
		}
		s = s[end:]
		if !strings.HasPrefix(s, "=") {
			out[key] = "true"
			continue
		}
		s = s[1:]
		if strings.HasPrefix(s, `"`) {
			q, err := strconv.QuotedPrefix(s)
			if err != nil {
				return nil, fmt.Errorf("the quote of %s is not closed", key)
			}
			v, err := strconv.Unquote(q)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", key, err)
			}
			out[key], s = v, s[len(q):]
			continue
		}
		end = strings.IndexAny(s, " \t,")
		if end < 0 {
			end = len(s)
		}
		out[key], s = s[:end], s[end:]
	}
}

var (
	attrName   = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_-]*$`)
	stepName   = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}$`)
	comparison = regexp.MustCompile(`^\s*(<=|>=|==|!=|<|>)\s*([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)\s*$`)
	httpStatus = regexp.MustCompile(`^[1-5][0-9x][0-9x]$`)
)

// ParseExpect reads a promql step's expectation, as "< 0.01".
func ParseExpect(s string) (op string, value float64, err error) {
	m := comparison.FindStringSubmatch(s)
	if m == nil {
		return "", 0, fmt.Errorf("got %q, expected a comparison as \"< 0.01\"", s)
	}
	value, err = strconv.ParseFloat(m[2], 64)
	return m[1], value, err
}

// fill turns attributes into the step's fields.
func fill(s *declare.Step, sink *declare.Problems) {
	problem := func(warning bool, field, got, want, hint string) {
		*sink = append(*sink, declare.Problem{Position: s.Pos, Field: field, Got: yamldoc.Cut(got), Want: want, Hint: hint, Warning: warning})
	}
	for k := range s.Attrs {
		if hint := yamldoc.Suggest(k, known); hint != "" && !slices.Contains(known, k) {
			problem(true, k, k, "one of "+strings.Join(known, ", "), hint)
		}
	}
	if lang, ok := languages[s.Language]; ok {
		s.Language = lang
	} else {
		problem(false, "language", s.Language, "sh, ssh, http, promql, logsql, kube, terraform, manual, wait or runbook", "leave the braces away where it is not to run")
	}
	s.Name = s.Attrs["name"]
	if s.Name == "" {
		s.Name = fmt.Sprintf("step-%d", s.Index+1)
	} else if !stepName.MatchString(s.Name) {
		problem(false, "name", s.Name, "letters, digits, - _ and ., at most 64", "")
	}
	s.Risk = declare.RiskMedium
	if slices.Contains([]string{"promql", "logsql", "manual", "wait", "runbook"}, s.Language) || s.Attrs["action"] == "plan" {
		s.Risk = declare.RiskLow
	}
	if r, ok := s.Attrs["risk"]; ok {
		s.Risk = declare.Risk(r)
		if s.Risk.Rank() < 1 {
			problem(false, "risk", r, "low, medium or high", yamldoc.Suggest(r, []string{"low", "medium", "high"}))
			s.Risk = declare.RiskHigh
		}
	}
	class(s, problem)
	switch v := s.Attrs["rollback"]; v {
	case "", "false":
	case "true":
		s.Rollback = true
	default:
		problem(false, "rollback", v, "the word alone, or true or false", "")
	}
	s.On = s.Attrs["on"]
	if s.On != "" && s.On != "local" {
		problem(true, "on", s.On, "local: steps run on the server's own machine only, as yet", "the step will fail")
	}
	switch s.Attrs["retry"] {
	case "", "ask":
		s.Retry = slices.Contains([]string{"promql", "logsql", "wait", "runbook", "manual"}, s.Language)
	case "safe":
		s.Retry = true
	default:
		problem(false, "retry", s.Attrs["retry"], "safe (it may run again after an interruption) or ask", "")
	}
	if s.Language == "kube" && s.Retry {
		if k, err := ParseKube(s.Body); err == nil && k.Verb == "undo" {
			problem(false, "retry", "safe", "ask: to undo twice is to do it again", "")
		}
	}
	s.Timeout = defaultTimeout
	if s.Language == "terraform" {
		s.Timeout = longTimeout
	}
	duration := func(name string, into *time.Duration) {
		v, ok := s.Attrs[name]
		if !ok {
			return
		}
		d, err := model.ParseDuration(v)
		if err != nil || d <= 0 || time.Duration(d) > 24*time.Hour {
			problem(false, name, v, "a duration as 30s or 5m, up to 1d", "")
			return
		}
		*into = time.Duration(d)
	}
	duration("timeout", &s.Timeout)
	duration("within", &s.Within)
	if s.Language == "wait" {
		duration("for", &s.Within)
	}
	s.Expect = s.Attrs["expect"]
	language(s, problem)
	switch s.Language {
	case "promql":
		// Parameters stand inside of label values only, so the text parses as it is.
		if _, err := parser.NewParser(parser.Options{}).ParseExpr(s.Body); err != nil {
			problem(false, "promql", s.Body, "PromQL", err.Error())
		}
		if s.Expect != "" {
			if _, _, err := ParseExpect(s.Expect); err != nil {
				problem(false, "expect", s.Expect, `a comparison as "< 0.01"`, "")
			}
		}
	case "http":
		if _, err := ParseRequest(s.Body); err != nil {
			problem(false, "http", s.Body, "a request: METHOD URL, headers, an empty line, the body", err.Error())
		}
		if s.Expect != "" && !httpStatus.MatchString(s.Expect) {
			problem(false, "expect", s.Expect, "a status as 200 or 2xx", "")
		}
	case "sh":
		if s.Expect != "" {
			problem(false, "expect", s.Expect, "no expectation: a sh step expects exit code 0", "")
		}
		if strings.TrimSpace(s.Body) == "" {
			problem(false, "sh", "", "a command", "")
		}
	}
	if _, written := s.Attrs["within"]; written && s.Language != "promql" && s.Language != "logsql" {
		problem(false, "within", s.Attrs["within"], "within only on promql and logsql steps", "use timeout")
	}
}
