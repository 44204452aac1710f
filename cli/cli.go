// Package cli is the command: one file per verb.
//
// Data goes to stdout, talk to stderr. Exit codes: 0 fine, 1 found something,
// 2 could not do it.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// Exit codes of every verb.
const (
	ExitFine  = 0
	ExitFound = 1 // a check found something, a gate says no, a run failed
	ExitError = 2 // it could not be done
)

// foundError ends a verb with ExitFound: it worked, and what it found is not fine.
// Its text, when there is one, goes to stderr.
type foundError struct{ text string }

func (e *foundError) Error() string { return e.text }

// Run runs the command line and returns its exit code.
func Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var found *foundError
	switch {
	case err == nil:
		return ExitFine
	case errors.As(err, &found):
		if found.text != "" {
			fmt.Fprintln(stderr, found.text)
		}
		return ExitFound
	}
	fmt.Fprintln(stderr, "evenkeel: "+err.Error())
	return ExitError
}

// verbs is filled by each verb's file.
var verbs []func() *cobra.Command

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "evenkeel",
		Short:         "Run production: observe, detect, respond, act, learn",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddGroup(
		&cobra.Group{ID: "run", Title: "Run it:"},
		&cobra.Group{ID: "declare", Title: "Declare:"},
		&cobra.Group{ID: "observe", Title: "Observe:"},
		&cobra.Group{ID: "detect", Title: "Detect:"},
		&cobra.Group{ID: "respond", Title: "Respond:"},
		&cobra.Group{ID: "act", Title: "Act:"},
		&cobra.Group{ID: "learn", Title: "Learn:"},
	)
	for _, v := range verbs {
		root.AddCommand(v())
	}
	guide(root)
	return root
}

// guide makes what is wrong about a command's arguments say how it is used: a verb that
// is not there is an error, not a help text; a wrong number of arguments names them.
func guide(cmd *cobra.Command) {
	for _, c := range cmd.Commands() {
		guide(c)
		switch check := c.Args; {
		case c.HasSubCommands() && !c.Runnable():
			c.Args = cobra.ArbitraryArgs
			c.RunE = func(c *cobra.Command, args []string) error {
				if len(args) == 0 {
					return c.Help()
				}
				var all []string
				for _, sub := range c.Commands() {
					if sub.IsAvailableCommand() {
						all = append(all, sub.Name())
					}
				}
				return fmt.Errorf("%s: got %q, expected one of %s", c.CommandPath(), args[0], strings.Join(all, ", "))
			}
		case check != nil:
			c.Args = func(c *cobra.Command, args []string) error {
				if err := check(c, args); err != nil {
					return fmt.Errorf("%w; usage: %s", err, c.UseLine())
				}
				return nil
			}
		}
	}
}

// colour says whether the writer is a terminal that wants colour.
func colour(w io.Writer) bool {
	return os.Getenv("NO_COLOR") == "" && terminal(w)
}

// terminal says whether the writer is a terminal: only then is progress shown.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
