package cli

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/api"
	"github.com/evenkeel/evenkeel/declare"
)

const (
	importBatch = 1_000
	importMost  = 1_000_000
)

func changeImport(r *remote) *cobra.Command {
	var kind string
	cmd := &cobra.Command{
		Use: "import FILE", Args: cobra.ExactArgs(1), Short: "Put past changes on record: JSON lines or CSV; - is stdin",
		Long: `Put past changes on record, 1,000 at a time, each batch whole or not at all. The same IDs
again change nothing. Every change needs an id and started_at.

JSON lines have the fields of POST /changes. CSV has a first line with the names of the
columns: id, kind, summary, service, resources (separated by ;), actor, source, from, to,
url, verdict, risk, started_at, ended_at, author, reviewers (;), rollback, checks,
environment, repository, commit, committed_at, and label.NAME for a label.`,
		Example: `  evenkeel change import deploys-2025.csv
  gh api repos/acme/checkout/deployments --paginate | jq -c '.[] | {id: "gh-\(.id)", kind: "deploy", service: "checkout", to: .ref, started_at: .created_at}' | evenkeel change import -`,
		RunE: func(cmd *cobra.Command, args []string) error {
			in, name := cmd.InOrStdin(), "stdin"
			if args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return fmt.Errorf("cannot read changes: %w", err)
				}
				defer f.Close()
				in, name = f, args[0]
			}
			format := kind
			if format == "" {
				format = "jsonl"
				if strings.EqualFold(filepath.Ext(name), ".csv") {
					format = "csv"
				}
			}
			changes, err := readChanges(in, name, format)
			if err != nil {
				return err
			}
			return sendChanges(cmd, r, name, changes)
		},
	}
	cmd.Flags().StringVar(&kind, "format", "", "jsonl or csv (default: by the file's name)")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]cobra.Completion{"jsonl", "csv"}, cobra.ShellCompDirectiveNoFileComp))
	return r.changes(cmd)
}

func sendChanges(cmd *cobra.Command, r *remote, name string, changes []api.NewChange) error {
	c, err := r.client(cmd)
	if err != nil {
		return err
	}
	var sum api.Imported
	for batch := range slices.Chunk(changes, importBatch) {
		body := api.Import{Changes: batch}
		if r.dryRun {
			if err := c.dry(cmd.OutOrStdout(), post, "/imports/changes", body); err != nil {
				return err
			}
			continue
		}
		var done api.Imported
		if _, err := c.do(cmd.Context(), "import changes of "+name, post, "/imports/changes", nil, body, &done); err != nil {
			if sum.Recorded+sum.Unchanged > 0 {
				fmt.Fprintf(cmd.ErrOrStderr(), "%d recorded and %d unchanged before\n", sum.Recorded, sum.Unchanged)
			}
			return err
		}
		sum.Recorded, sum.Unchanged = sum.Recorded+done.Recorded, sum.Unchanged+done.Unchanged
		for _, said := range done.Warnings {
			if !slices.Contains(sum.Warnings, said) {
				sum.Warnings = append(sum.Warnings, said)
			}
		}
	}
	if r.dryRun {
		return nil
	}
	raw, err := asJSON(sum)
	if err != nil {
		return err
	}
	return r.format.print(cmd, raw, func(w io.Writer) {
		fmt.Fprintf(w, "%d recorded, %d on record already\n", sum.Recorded, sum.Unchanged)
		warn(cmd, sum.Warnings)
	})
}

// readChanges reads all of a file before anything is sent.
func readChanges(in io.Reader, name, format string) (out []api.NewChange, err error) {
	switch format {
	case "jsonl":
		out, err = changeLines(in, name)
	case "csv":
		out, err = changeRows(in, name)
	default:
		return nil, fmt.Errorf("cannot read %s: got format %q, expected jsonl or csv", name, format)
	}
	if err == nil && len(out) == 0 {
		err = fmt.Errorf("cannot import %s: there is no change in it", name)
	}
	return out, err
}

func needed(where string, c api.NewChange, seen map[string]string) error {
	switch {
	case c.ID == "":
		return fmt.Errorf("cannot read %s: id: expected one, so that importing twice records it once", where)
	case c.StartedAt.IsZero():
		return fmt.Errorf("cannot read %s: started_at: expected a time as 2026-03-02T12:00:00Z", where)
	case seen[c.ID] != "":
		return fmt.Errorf("cannot read %s: id: got %q, which is also on %s", where, c.ID, seen[c.ID])
	}
	seen[c.ID] = where
	return nil
}

func changeLines(in io.Reader, name string) ([]api.NewChange, error) {
	var out []api.NewChange
	seen := map[string]string{}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		text := bytes.TrimSpace(lines.Bytes())
		if len(text) == 0 {
			continue
		}
		where := fmt.Sprintf("%s:%d", name, n)
		if !utf8.Valid(text) {
			return nil, fmt.Errorf("cannot read %s: got %s, expected text in UTF-8", where, strconv.QuoteToASCII(clip(string(text), 60)))
		}
		dec := json.NewDecoder(bytes.NewReader(text))
		dec.DisallowUnknownFields()
		var c api.NewChange
		if err := dec.Decode(&c); err != nil {
			return nil, fmt.Errorf("cannot read %s: got %q, expected a change as JSON (%s)", where, clip(string(text), 60), strings.TrimPrefix(err.Error(), "json: "))
		}
		if err := needed(where, c, seen); err != nil {
			return nil, err
		}
		if out = append(out, c); len(out) > importMost {
			return nil, fmt.Errorf("cannot read %s: expected at most %d changes", name, importMost)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("cannot read changes of %s: %w", name, err)
	}
	return out, nil
}

// fields are the columns of a CSV file.
var changeColumns = map[string]func(c *api.NewChange, text string) error{
	"id":           func(c *api.NewChange, v string) error { c.ID = v; return nil },
	"kind":         func(c *api.NewChange, v string) error { c.Kind = act.ChangeKind(v); return nil },
	"summary":      func(c *api.NewChange, v string) error { c.Summary = v; return nil },
	"service":      func(c *api.NewChange, v string) error { c.Service = declare.ServiceID(v); return nil },
	"resources":    func(c *api.NewChange, v string) error { c.Resources = parts(v); return nil },
	"actor":        func(c *api.NewChange, v string) error { c.Actor = v; return nil },
	"source":       func(c *api.NewChange, v string) error { c.Source = v; return nil },
	"from":         func(c *api.NewChange, v string) error { c.From = v; return nil },
	"to":           func(c *api.NewChange, v string) error { c.To = v; return nil },
	"url":          func(c *api.NewChange, v string) error { c.URL = v; return nil },
	"verdict":      func(c *api.NewChange, v string) error { c.Verdict = v; return nil },
	"risk":         func(c *api.NewChange, v string) error { c.Risk = declare.Risk(v); return nil },
	"started_at":   func(c *api.NewChange, v string) (err error) { c.StartedAt, err = when(v); return err },
	"ended_at":     func(c *api.NewChange, v string) (err error) { c.EndedAt, err = when(v); return err },
	"author":       func(c *api.NewChange, v string) error { c.Evidence.Author = v; return nil },
	"reviewers":    func(c *api.NewChange, v string) error { c.Evidence.Reviewers = parts(v); return nil },
	"rollback":     func(c *api.NewChange, v string) error { c.Evidence.Rollback = v; return nil },
	"checks":       func(c *api.NewChange, v string) error { c.Evidence.Checks = v; return nil },
	"environment":  func(c *api.NewChange, v string) error { c.Evidence.Environment = v; return nil },
	"repository":   func(c *api.NewChange, v string) error { c.Evidence.Repository = v; return nil },
	"commit":       func(c *api.NewChange, v string) error { c.Evidence.Commit = v; return nil },
	"committed_at": func(c *api.NewChange, v string) (err error) { c.Evidence.CommittedAt, err = when(v); return err },
}

func parts(v string) []string {
	var out []string
	for p := range strings.SplitSeq(v, ";") {
		if p = strings.TrimSpace(p); p != "" {
			out = append(out, p)
		}
	}
	return out
}

func when(v string) (time.Time, error) {
	if v == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, v); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("got %q, expected a time as 2026-03-02T12:00:00Z", clip(v, 60))
}

func changeRows(in io.Reader, name string) ([]api.NewChange, error) {
	rows := csv.NewReader(in)
	head, err := rows.Read()
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", name, err)
	}
	for i := range head {
		head[i] = strings.ToLower(strings.TrimSpace(strings.TrimPrefix(head[i], "\uFEFF")))
		if changeColumns[head[i]] == nil && !strings.HasPrefix(head[i], "label.") {
			return nil, fmt.Errorf("cannot read %s:1: got column %q, expected one of %s, or label.NAME", name, head[i], strings.Join(sortedKeys(changeColumns), ", "))
		}
		if slices.Contains(head[:i], head[i]) {
			return nil, fmt.Errorf("cannot read %s:1: got column %q twice, expected it once", name, head[i])
		}
	}
	var out []api.NewChange
	seen := map[string]string{}
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("cannot read %s: %w", name, err)
		}
		n, _ := rows.FieldPos(0)
		where := fmt.Sprintf("%s:%d", name, n)
		var c api.NewChange
		for i, v := range row {
			v = strings.TrimSpace(v)
			if !utf8.ValidString(v) {
				return nil, fmt.Errorf("cannot read %s: %s: got %s, expected text in UTF-8", where, head[i], strconv.QuoteToASCII(clip(v, 60)))
			}
			if label, ok := strings.CutPrefix(head[i], "label."); ok {
				if v != "" {
					if c.Labels == nil {
						c.Labels = map[string]string{}
					}
					c.Labels[label] = v
				}
				continue
			}
			if err := changeColumns[head[i]](&c, v); err != nil {
				return nil, fmt.Errorf("cannot read %s: %s: %w", where, head[i], err)
			}
		}
		if err := needed(where, c, seen); err != nil {
			return nil, err
		}
		if out = append(out, c); len(out) > importMost {
			return nil, fmt.Errorf("cannot read %s: expected at most %d changes", name, importMost)
		}
	}
}
