package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v4"
)

// format is the value of -o.
type format struct {
	name  string
	words []string // what is allowed; the first is the default
}

const (
	formatTable    = "table"
	formatJSON     = "json"
	formatYAML     = "yaml"
	formatMarkdown = "markdown"
)

// flag adds -o with the usual formats and those that are given.
func (f *format) flag(cmd *cobra.Command, set *pflag.FlagSet, more ...string) {
	f.words = append([]string{formatTable, formatJSON, formatYAML}, more...)
	f.name = f.words[0]
	set.VarP(f, "output", "o", "how to print: "+strings.Join(f.words, ", "))
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(f.words, cobra.ShellCompDirectiveNoFileComp)) // fails only for a flag that is not there
}

func (f *format) String() string { return f.name }

// Type names the value in the help.
func (f *format) Type() string { return "format" }

// Set checks the value.
func (f *format) Set(s string) error {
	if !slices.Contains(f.words, s) {
		return fmt.Errorf("expected one of %s", strings.Join(f.words, ", "))
	}
	f.name = s
	return nil
}

// print writes an answer: as it came, as YAML, or as the table that show makes.
func (f *format) print(cmd *cobra.Command, raw []byte, show func(w io.Writer)) error {
	w := cmd.OutOrStdout()
	switch f.name {
	case formatJSON:
		return printJSON(w, raw)
	case formatYAML:
		return printYAML(w, raw)
	}
	show(w)
	return nil
}

func printJSON(w io.Writer, raw []byte) error {
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil
	}
	var buf bytes.Buffer
	if err := json.Indent(&buf, bytes.TrimSpace(raw), "", "  "); err != nil {
		return fmt.Errorf("cannot print the answer: %w", err)
	}
	buf.WriteByte('\n')
	_, err := w.Write(buf.Bytes())
	return err
}

// printYAML keeps the order of the answer's fields: JSON is YAML already, only its
// style changes.
func printYAML(w io.Writer, raw []byte) error {
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		return fmt.Errorf("cannot print the answer: %w", err)
	}
	block(&doc)
	enc := yaml.NewEncoder(w)
	enc.SetIndent(2)
	if err := enc.Encode(&doc); err != nil {
		return fmt.Errorf("cannot print the answer: %w", err)
	}
	return enc.Close()
}

// block turns JSON's braces and quotes into YAML's lines. Quotes that are needed come
// back by themselves, because the tag says that it is a string.
func block(n *yaml.Node) {
	n.Style = 0
	if n.Kind == yaml.ScalarNode && strings.Contains(n.Value, "\n") {
		n.Style = yaml.LiteralStyle
	}
	for _, c := range n.Content {
		block(c)
	}
}

// asJSON is for what is made here and not by the server.
func asJSON(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return buf.Bytes(), err
}
