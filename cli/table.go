package cli

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// table prints aligned columns. On a terminal the widest column gives way until a
// line fits; in a pipe nothing is cut.
type table struct {
	head []string
	rows [][]string
}

func columns(head ...string) *table { return &table{head: head} }

func (t *table) row(cells ...string) {
	for i, c := range cells {
		cells[i] = printable(c)
		if cells[i] == "" {
			cells[i] = "-"
		}
	}
	t.rows = append(t.rows, cells)
}

const gap = 2 // between columns

func (t *table) write(w io.Writer) {
	widths := make([]int, len(t.head))
	for _, cells := range append([][]string{t.head}, t.rows...) {
		for i, c := range cells {
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
	}
	shrink(widths, width(w))
	paint := colour(w)
	for n, cells := range append([][]string{t.head}, t.rows...) {
		var line strings.Builder
		for i, c := range cells {
			c = clip(c, widths[i])
			if i < len(cells)-1 {
				c += strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c)+gap)
			}
			if paint {
				c = painted(c, n == 0)
			}
			line.WriteString(c)
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
}

// shrink takes from the widest column until the line fits.
func shrink(widths []int, room int) {
	if room <= 0 {
		return
	}
	total := gap * (len(widths) - 1)
	for _, n := range widths {
		total += n
	}
	for ; total > room; total-- {
		widest := 0
		for i, n := range widths {
			if n > widths[widest] {
				widest = i
			}
		}
		if widths[widest] <= 8 {
			return // too narrow for this table: let the terminal wrap it
		}
		widths[widest]--
	}
}

func clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

// sheet prints names and values, one a line.
type sheet [][2]string

func (s *sheet) add(name, value string) {
	if value != "" {
		*s = append(*s, [2]string{name, value})
	}
}

func (s sheet) write(w io.Writer) {
	widest := 0
	for _, l := range s {
		widest = max(widest, utf8.RuneCountInString(l[0]))
	}
	for _, l := range s {
		value := printable(l[1])
		if colour(w) {
			value = painted(value, false)
		}
		fmt.Fprintf(w, "%-*s  %s\n", widest, l[0], value)
	}
}

// width is the terminal's, 0 for no limit.
func width(w io.Writer) int {
	if !terminal(w) {
		return 0
	}
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		return n
	}
	if f, ok := w.(*os.File); ok {
		return terminalWidth(f)
	}
	return 0
}

// printable keeps what others wrote from commanding the terminal: no control and no
// direction characters, one line.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == utf8.RuneError:
			return '\uFFFD'
		}
		return r
	}, s)
}

// printableText is printable for text of several lines.
func printableText(s string) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	for i, l := range lines {
		lines[i] = printable(strings.ReplaceAll(l, "\t", "    "))
	}
	return strings.Join(lines, "\n")
}

// The colours of words that ask for attention, and of those that say it is over.
var palette = map[string]string{
	"page": "31", "open": "31", "failed": "31", "spent": "31", "interrupted": "31", "high": "31",
	"ticket": "33", "acknowledged": "33", "waiting": "33", "burning": "33", "refused": "33", "rolled-back": "33", "medium": "33", "verifying": "33",
	"mitigated": "36", "running": "36", "rolling-back": "36", "active": "36",
	"resolved": "32", "verified": "32", "done": "32", "fine": "32", "published": "32",
}

func painted(cell string, head bool) string {
	code := palette[strings.TrimSpace(cell)]
	if head {
		code = "1"
	}
	if code == "" {
		return cell
	}
	return "\x1b[" + code + "m" + cell + "\x1b[0m"
}
