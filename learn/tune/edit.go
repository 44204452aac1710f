package tune

import (
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"
)

// Edit returns a rule file with one proposal applied. Everything else stays as it is,
// comments among it; where that cannot be, or the file is another one by now, it says so.
func Edit(source []byte, p RuleProposal) ([]byte, error) {
	fail := func(format string, args ...any) ([]byte, error) {
		return nil, fmt.Errorf("cannot edit rule %d of group %q in %q: %s", p.Rule+1, p.Group, p.File, fmt.Sprintf(format, args...))
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(source, &doc); err != nil {
		return fail("%v", err)
	}
	rule, err := locate(&doc, p.RulePlace)
	if err != nil {
		return fail("%v", err)
	}
	key, value := string(p.Field), p.To
	in := rule
	if p.Field == Severity {
		if in = child(rule, "labels"); in == nil || in.Kind != yaml.MappingNode {
			return fail("it has no labels of its own")
		}
	}
	lines := strings.SplitAfter(string(source), "\n")
	if at := child(in, key); at != nil {
		if at.Kind != yaml.ScalarNode || at.Anchor != "" {
			return fail("%s is not a plain value", key)
		}
		if p.Field != Threshold && at.Value != p.From {
			return fail("%s: got %q, expected %q: the file has changed", key, at.Value, p.From)
		}
		if lines, err = replace(lines, at, p); err != nil {
			return fail("%v", err)
		}
	} else {
		if p.From != "" || p.Field == Threshold {
			return fail("%s is not there: the file has changed", key)
		}
		if lines, err = insert(lines, in, key, value); err != nil {
			return fail("%v", err)
		}
	}
	out := []byte(strings.Join(lines, ""))
	if err := onlyThat(source, out, p); err != nil {
		return fail("%v", err)
	}
	return out, nil
}

// locate finds the mapping of a rule.
func locate(doc *yaml.Node, at RulePlace) (*yaml.Node, error) {
	if len(doc.Content) == 0 {
		return nil, errors.New("the file is empty")
	}
	groups := child(doc.Content[0], "groups")
	if groups == nil || groups.Kind != yaml.SequenceNode {
		return nil, errors.New("the file has no groups")
	}
	for _, g := range groups.Content {
		name := child(g, "name")
		if name == nil || name.Value != at.Group {
			continue
		}
		rules := child(g, "rules")
		if rules == nil || rules.Kind != yaml.SequenceNode || at.Rule < 0 || at.Rule >= len(rules.Content) || rules.Content[at.Rule].Kind != yaml.MappingNode {
			return nil, errors.New("the group has no such rule")
		}
		return rules.Content[at.Rule], nil
	}
	return nil, errors.New("there is no such group")
}

func child(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// replace writes a scalar anew where it stands. Of an expression only the number at
// its end is written, wherever its text is folded.
func replace(lines []string, at *yaml.Node, p RuleProposal) ([]string, error) {
	row, col := at.Line-1, at.Column-1
	if row < 0 || row >= len(lines) || col < 0 || col > len(lines[row]) {
		return nil, errors.New("its place in the file is not known")
	}
	old, fresh := at.Value, p.To
	if p.Field == Threshold {
		_, _, start, end, ok := comparison(at.Value)
		_, _, newStart, newEnd, newOK := comparison(p.To)
		if !ok || !newOK {
			return nil, errors.New("its expression does not compare with a number")
		}
		old, fresh = at.Value[start:end], p.To[newStart:newEnd]
	}
	// The first line of a block scalar is its header; the text is below it.
	last := row
	if at.Style == yaml.LiteralStyle || at.Style == yaml.FoldedStyle {
		last, col = row+1+strings.Count(strings.TrimRight(at.Value, "\n"), "\n"), 0
		if at.Style == yaml.FoldedStyle {
			return nil, errors.New("its expression is folded (>): the place of the number is not known")
		}
	}
	if last >= len(lines) {
		return nil, errors.New("its place in the file is not known")
	}
	head, tail := "", lines[last]
	if last == row {
		head, tail = lines[row][:col], lines[row][col:]
	}
	where := strings.Index(tail, old)
	if p.Field == Threshold {
		// The number that ends the text: what follows on the line is no more of it.
		where = lastIn(tail, at.Value, old)
	}
	if where < 0 {
		return nil, fmt.Errorf("%q does not stand where it was expected", old)
	}
	out := slices.Clone(lines)
	out[last] = head + tail[:where] + fresh + tail[where+len(old):]
	return out, nil
}

// lastIn finds a number that ends an expression in the line on which it ends.
func lastIn(line, expr, number string) int {
	rest := strings.TrimRight(expr, "\n ")
	if i := strings.LastIndexByte(rest, '\n'); i >= 0 {
		rest = rest[i+1:]
	}
	rest = strings.TrimSpace(rest)
	at := strings.Index(line, rest)
	inner := strings.LastIndex(rest, number)
	if at < 0 || inner < 0 {
		return -1
	}
	return at + inner
}

// insert adds a key to a mapping, after the first one of a block and at the end of {}.
func insert(lines []string, in *yaml.Node, key, value string) ([]string, error) {
	if in.Style&yaml.FlowStyle != 0 {
		first := in.Content[0]
		row, col := first.Line-1, first.Column-1
		if row < 0 || row >= len(lines) || col > len(lines[row]) {
			return nil, errors.New("its place in the file is not known")
		}
		out := slices.Clone(lines)
		out[row] = lines[row][:col] + key + ": " + value + ", " + lines[row][col:]
		return out, nil
	}
	if len(in.Content) < 2 {
		return nil, errors.New("it is empty")
	}
	// Before the second key, or after a first one that is all there is.
	indent := strings.Repeat(" ", in.Content[0].Column-1)
	row := -1
	for i := 2; i < len(in.Content); i += 2 {
		if k := in.Content[i]; k.Column == in.Content[0].Column && k.HeadComment == "" {
			row = k.Line - 1
			break
		}
	}
	if row < 0 || row >= len(lines) {
		return nil, errors.New("there is no place for it")
	}
	return slices.Insert(slices.Clone(lines), row, indent+key+": "+value+"\n"), nil
}

var quietly = slog.New(slog.DiscardHandler)

// onlyThat compares both files as Prometheus reads them: one field of one rule differs.
func onlyThat(before, after []byte, p RuleProposal) error {
	old, errs := rulefmt.Parse(before, false, model.UTF8Validation, parser.NewParser(parser.Options{}), quietly)
	if len(errs) > 0 {
		return fmt.Errorf("the file is not valid: %w", errors.Join(errs...))
	}
	fresh, errs := rulefmt.Parse(after, false, model.UTF8Validation, parser.NewParser(parser.Options{}), quietly)
	if len(errs) > 0 {
		return fmt.Errorf("the edited file is not valid: %w", errors.Join(errs...))
	}
	for i := range old.Groups {
		if old.Groups[i].Name != p.Group || i >= len(fresh.Groups) || p.Rule >= len(old.Groups[i].Rules) || p.Rule >= len(fresh.Groups[i].Rules) {
			continue
		}
		was, is := &old.Groups[i].Rules[p.Rule], fresh.Groups[i].Rules[p.Rule]
		d, err := model.ParseDuration(p.To)
		switch p.Field {
		case For:
			if err != nil || is.For != d {
				return errors.New("the edit did not take")
			}
			was.For = d
		case KeepFor:
			if err != nil || is.KeepFiringFor != d {
				return errors.New("the edit did not take")
			}
			was.KeepFiringFor = d
		case Severity:
			if is.Labels["severity"] != p.To {
				return errors.New("the edit did not take")
			}
			was.Labels["severity"] = p.To
		case Threshold:
			_, got, _, _, ok := comparison(is.Expr)
			_, want, _, _, _ := comparison(p.To)
			if !ok || got != want {
				return errors.New("the edit did not take")
			}
			was.Expr = is.Expr
		}
	}
	a, errA := yaml.Marshal(old)
	b, errB := yaml.Marshal(fresh)
	if errA != nil || errB != nil || !reflect.DeepEqual(a, b) {
		return errors.New("more than that would change")
	}
	return nil
}

// Diff shows a change of one place of a file, as a patch that git apply takes.
func Diff(file string, before, after []byte) string {
	a, b := strings.SplitAfter(string(before), "\n"), strings.SplitAfter(string(after), "\n")
	trim := func(l []string) []string {
		if n := len(l); n > 0 && l[n-1] == "" {
			return l[:n-1]
		}
		return l
	}
	a, b = trim(a), trim(b)
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	if head == len(a) && head == len(b) {
		return ""
	}
	const around = 3
	from, end := max(0, head-around), min(around, tail)
	var out strings.Builder
	fmt.Fprintf(&out, "--- a/%s\n+++ b/%s\n@@ -%s +%s @@\n", file, file, hunk(from, len(a)-tail+end-from), hunk(from, len(b)-tail+end-from))
	put := func(mark string, lines []string) {
		for _, l := range lines {
			out.WriteString(mark + l)
			if !strings.HasSuffix(l, "\n") {
				out.WriteString("\n\\ No newline at end of file\n")
			}
		}
	}
	put(" ", a[from:head])
	put("-", a[head:len(a)-tail])
	put("+", b[head:len(b)-tail])
	put(" ", a[len(a)-tail:len(a)-tail+end])
	return out.String()
}

func hunk(from, n int) string {
	if n == 0 {
		return strconv.Itoa(from) + ",0"
	}
	return fmt.Sprintf("%d,%d", from+1, n)
}
