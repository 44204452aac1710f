package runbook

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"github.com/evenkeel/evenkeel/declare"
)

// builtins are the commands that every sh has in itself, those of POSIX and local.
var builtins = strings.Fields(`. : [ alias bg break cd command continue echo eval exec exit export false fc fg getopts
	hash jobs kill local printf pwd read readonly return set shift test times trap true type ulimit umask unalias unset wait`)

// Missing are the commands of a shell text that this machine does not have: neither
// built in, nor a function of the text, nor a program on the PATH of steps; each once,
// where it stands first. What is named by a variable, or relative to the folder that the
// step works in, cannot be told; neither can a text that sh cannot read.
func Missing(text string, at declare.Position) (out declare.Problems) {
	file, err := syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).Parse(strings.NewReader(text), "")
	if err != nil {
		return nil
	}
	seen := slices.Clone(builtins)
	syntax.Walk(file, func(n syntax.Node) bool {
		if f, ok := n.(*syntax.FuncDecl); ok {
			seen = append(seen, f.Name.Value)
		}
		return true
	})
	syntax.Walk(file, func(n syntax.Node) bool {
		call, ok := n.(*syntax.CallExpr)
		if !ok || len(call.Args) == 0 {
			return true
		}
		name := call.Args[0].Lit()
		if name == "" || slices.Contains(seen, name) {
			return true
		}
		seen = append(seen, name)
		if !onPath(name) {
			here := at
			here.Line += int(call.Args[0].Pos().Line()) //nolint:gosec // the text is a part of a file
			out = append(out, declare.Problem{Position: here, Field: "command", Got: name, Want: "a command of this machine", Hint: "steps look for it in " + Path, Warning: true})
		}
		return true
	})
	return out
}

// onPath says whether a step would find a command here.
func onPath(name string) bool {
	dirs := filepath.SplitList(Path)
	if strings.Contains(name, "/") {
		if !filepath.IsAbs(name) {
			return true
		}
		dirs = []string{""}
	}
	return slices.ContainsFunc(dirs, func(dir string) bool {
		info, err := os.Stat(dir + "/" + name)
		return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
	})
}
