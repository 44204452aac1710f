package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/observe/pattern"
)

func init() { observeVerbs = append(observeVerbs, observePatterns) }

// PatternReport is what patterns of a file are printed as.
type PatternReport struct {
	Lines     int           `json:"lines"`
	Templates []FilePattern `json:"templates"` // most frequent first
	// Assignment is, for each line of the file in order, the number of its template in
	// the list; with --assign. Empty lines have one too: -1.
	Assignment []int `json:"assignment,omitempty"`
}

// FilePattern is one template of a file.
type FilePattern struct {
	Template string `json:"template"`
	Count    uint64 `json:"count"`
	Example  string `json:"example"`
}

func observePatterns(r *remote) *cobra.Command {
	var file, service string
	var from, to timeFlag
	var assign, shifted bool
	var limit int
	cmd := &cobra.Command{
		Use: "patterns", Args: cobra.NoArgs, Short: "Show the templates of log lines and how often they came",
		Long: `Show the templates of log lines and how often they came: those that the server has
found, or with --file those of a file, which needs no server. There is nothing to tune.

The JSON of a file is {"lines": N, "templates": [{"template", "count", "example"}…]},
the most frequent first. With --assign there is "assignment" too: for each line of the
file, in order, the number of its template in that list (from 0; -1 for an empty line).`,
		Example: `  evenkeel observe patterns --service checkout --from -2h
  evenkeel observe patterns --shifted --service checkout
  evenkeel observe patterns --file /var/log/syslog
  evenkeel observe patterns --file app.log -o json --assign`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				if assign {
					return errors.New("cannot assign lines: --assign needs --file")
				}
				return serverPatterns(cmd, r, shifted, service, from, to, limit)
			}
			if service != "" || shifted || !from.t.IsZero() || !to.t.IsZero() {
				return errors.New("cannot read patterns of a file: --service, --shifted, --from and --to are the server's")
			}
			in := cmd.InOrStdin()
			if file != "-" {
				f, err := os.Open(file)
				if err != nil {
					return fmt.Errorf("cannot read log: %w", err)
				}
				defer f.Close()
				in = f
			}
			report, err := patternsOf(in, assign)
			if err != nil {
				return fmt.Errorf("cannot read log %q: %w", file, err)
			}
			raw, err := asJSON(report)
			if err != nil {
				return err
			}
			return r.format.print(cmd, raw, func(w io.Writer) {
				t := columns("LINES", "TEMPLATE")
				for _, p := range report.Templates {
					t.row(fmt.Sprint(p.Count), p.Template)
				}
				t.write(w)
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&file, "file", "", "the templates of this file, - for stdin")
	f.BoolVar(&assign, "assign", false, "with --file: say for each line which template it has")
	f.StringVar(&service, "service", "", "only of this service")
	f.Var(&from, "from", "lines from then (default an hour ago)")
	f.Var(&to, "to", "lines before then (default now)")
	f.BoolVar(&shifted, "shifted", false, "only those that are new, surging or gone, against the hour before; default window ten minutes")
	f.IntVar(&limit, "limit", 100, "at most so many")
	return cmd
}

// patternsOf mines a file line by line.
func patternsOf(in io.Reader, assign bool) (PatternReport, error) {
	m := pattern.NewMiner()
	report := PatternReport{Templates: []FilePattern{}}
	var of []*pattern.Template
	read := bufio.NewReaderSize(in, 1<<20)
	for {
		line, more, err := read.ReadLine()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return report, err
		}
		text := string(line)
		for more && err == nil { // a line of more than a megabyte: its beginning says what it is
			_, more, err = read.ReadLine()
		}
		report.Lines++
		var t *pattern.Template
		if text != "" {
			t = m.Add(text)
		}
		if assign {
			of = append(of, t)
		}
	}
	number := map[*pattern.Template]int{}
	for i, t := range m.Templates() {
		number[t] = i
		report.Templates = append(report.Templates, FilePattern{Template: t.String(), Count: t.Count, Example: t.Example})
	}
	for _, t := range of {
		n := -1
		if t != nil {
			n = number[t.Canonical()]
		}
		report.Assignment = append(report.Assignment, n)
	}
	return report, nil
}

func serverPatterns(cmd *cobra.Command, r *remote, shifted bool, service string, from, to timeFlag, limit int) error {
	q := values("service", service, "from", from.rfc(), "to", to.rfc())
	if shifted {
		return list(cmd, r, "list patterns that shifted", "/pattern-shifts", q, "No pattern has shifted.", func(items []pattern.Anomaly) *table {
			t := columns("KIND", "SERVICE", "BEFORE/MIN", "DURING/MIN", "SEVERITY", "TEMPLATE")
			for _, s := range items {
				t.row(s.Kind, s.Service, compact(s.Before), compact(s.During), s.Severity, s.Template)
			}
			return t
		})
	}
	q.Set("limit", limitText(limit))
	return list(cmd, r, "list patterns", "/patterns", q, "There are no log lines in that time.", func(items []pattern.Pattern) *table {
		t := columns("ID", "LINES", "SERVICE", "SEVERITY", "LAST", "TEMPLATE")
		for _, p := range items {
			t.row(p.ID, fmt.Sprint(p.Count), p.Service, p.Severity, ago(p.Last), p.Template)
		}
		return t
	})
}
