package cli

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/runbook"
)

func runbookCheck(r *remote) *cobra.Command {
	var links bool
	cmd := &cobra.Command{
		Use: "check [PATH…]", Short: "Check runbooks offline: files, or folders of them (default .)",
		Long: `Check runbooks offline: front matter, parameters, fences; that sh can read the shell
steps (nothing of them runs), and that this machine has the commands of the sh steps;
runbooks that are steps, and come back to themselves; links
to files, and with --links those over the network too; dates to read them again that are
over. Of a workspace it is the folder runbooks. What a runbook names elsewhere in the workspace
is checked by ` + "`evenkeel check`" + `.

Exit code 0: nothing wrong, or warnings only. 1: errors. 2: nothing could be read.`,
		Example: "  evenkeel runbook check runbooks/checkout-rollback.md\n  evenkeel runbook check ./workspace --links -o json",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{"."}
			}
			var files []string
			for _, path := range args {
				found, err := runbookFiles(path)
				if err != nil {
					return fmt.Errorf("cannot check runbooks: %w", err)
				}
				files = append(files, found...)
			}
			if len(files) == 0 {
				return fmt.Errorf("cannot check runbooks: no .md file in %s", strings.Join(args, ", "))
			}
			problems := declare.Problems{}
			books, all := map[string]*declare.Runbook{}, map[string]*declare.Runbook{}
			for _, file := range files {
				data, err := os.ReadFile(file)
				if err != nil {
					return fmt.Errorf("cannot check runbooks: %w", err)
				}
				if rb := runbook.Read(filepath.ToSlash(file), data, &problems); rb != nil {
					books[file], all[rb.Name] = rb, rb
				}
			}
			for _, file := range files {
				if books[file] != nil {
					problems = append(problems, lint(cmd.Context(), file, books[file], all, time.Now())...)
				}
			}
			if links {
				to := map[string][]declare.Position{}
				for file, rb := range books {
					for link, places := range outward(file, rb.Source) {
						to[link] = append(to[link], places...)
					}
				}
				problems = append(problems, follow(cmd.Context(), to)...)
			}
			raw, err := asJSON(problems)
			if err != nil {
				return err
			}
			if err := r.format.print(cmd, raw, func(w io.Writer) {
				for _, p := range problems {
					kind := "error"
					if p.Warning {
						kind = "warning"
					}
					fmt.Fprintln(w, kind+": "+printable(p.Error()))
				}
			}); err != nil {
				return err
			}
			wrong := len(problems.Errors())
			fmt.Fprintf(cmd.ErrOrStderr(), "%d runbooks: %d errors, %d warnings\n", len(files), wrong, len(problems)-wrong)
			if wrong > 0 {
				return &foundError{}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&links, "links", false, "follow links over http and https; what does not answer is a warning")
	return cmd
}

// runbookFiles are the Markdown files below a path; of a workspace, those of its
// runbooks alone.
func runbookFiles(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	if sub, err := os.Stat(filepath.Join(path, "runbooks")); err == nil && sub.IsDir() {
		path = filepath.Join(path, "runbooks")
	}
	var files []string
	err = filepath.WalkDir(path, func(file string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && strings.EqualFold(filepath.Ext(file), ".md") && !strings.EqualFold(d.Name(), "README.md") {
			files = append(files, file)
		}
		return err
	})
	slices.Sort(files)
	return files, err
}
