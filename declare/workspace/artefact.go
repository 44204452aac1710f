package workspace

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/manifest"
	"github.com/evenkeel/evenkeel/declare/planfile"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

// Artefacts are files that are no part of what we run, and that we check all the same:
// Kubernetes manifests and Terraform plans. The zero value is ready.
type Artefacts struct {
	// Destroys are addresses of resources that plans are meant to destroy or replace.
	Destroys []string

	manifests []manifest.File
	plans     []manifest.File
	problems  declare.Problems
	bytes     int
}

// The bounds of all artefacts together.
const (
	maxArtefacts     = 5_000
	maxArtefactBytes = 128 << 20
)

// manifestsIn is the folder of a workspace where blueprints put manifests.
const manifestsIn = "kubernetes"

// IsFolder says whether a folder looks like a workspace: it has a file or folder of one.
func IsFolder(dir string) bool {
	for _, name := range slices.Concat(singles, read, later) {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			return true
		}
	}
	return false
}

// Add takes a file in when it is an artefact; the workspace's own files are none.
func (a *Artefacts) Add(name string) (bool, error) {
	full, err := filepath.Abs(name)
	if err != nil {
		return false, fmt.Errorf("cannot find file %q: %w", name, err)
	}
	if root, _ := rootOf(full); root != "" || !artefactName(name) {
		return false, nil
	}
	data, err := readArtefact(name)
	if err != nil {
		return false, err
	}
	return a.add(name, data, false)
}

func artefactName(name string) bool {
	return slices.Contains([]string{".yml", ".yaml", ".json"}, filepath.Ext(name))
}

// template finds what Helm has to fill in first.
var template = regexp.MustCompile(`\{\{-?\s*(\.Values|\.Release|\.Chart|include|define)\b`)

// add takes a file in. Folder says that it was found and not asked for by name: there a
// file that nobody can read is told of.
func (a *Artefacts) add(name string, data []byte, folder bool) (bool, error) {
	if a.bytes += len(data); a.bytes > maxArtefactBytes || len(a.manifests)+len(a.plans) >= maxArtefacts {
		return false, fmt.Errorf("cannot check %q: expected at most %d files of %d bytes together", name, maxArtefacts, maxArtefactBytes)
	}
	switch {
	case template.Match(data):
		a.problems = append(a.problems, declare.Problem{Position: declare.Position{File: name}, Warning: true, Want: "manifests, not a template of some", Hint: "it is not checked: check what helm template prints"})
		return true, nil
	case planfile.Is(data):
		a.plans = append(a.plans, manifest.File{Name: name, Data: data})
		return true, nil
	case manifest.Is(name, data):
		a.manifests = append(a.manifests, manifest.File{Name: name, Data: data})
		return true, nil
	}
	if !folder || filepath.Ext(name) == ".json" {
		return false, nil
	}
	before := len(a.problems)
	yamldoc.Read(name, data, &a.problems)
	return len(a.problems) > before, nil
}

// AddFolder takes in every artefact of a folder and of those in it, and says how many.
func (a *Artefacts) AddFolder(dir string) (int, error) {
	n := 0
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return fmt.Errorf("cannot read %q: %w", name, err)
		case d.IsDir() && name != dir && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules"):
			return fs.SkipDir
		case !d.Type().IsRegular() || !artefactName(name):
			return nil
		}
		data, err := readArtefact(name)
		if err != nil {
			return err
		}
		taken, err := a.add(name, data, true)
		if taken {
			n++
		}
		return err
	})
	return n, err
}

// AddOf takes in the manifests of a workspace.
func (a *Artefacts) AddOf(workspace string) (int, error) {
	dir := filepath.Join(workspace, manifestsIn)
	if info, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
		return 0, nil
	}
	return a.AddFolder(dir)
}

// Check says what is wrong with all of them.
func (a *Artefacts) Check() declare.Problems {
	out := append(slices.Clone(a.problems), manifest.Check(a.manifests)...)
	for _, p := range a.plans {
		out = append(out, planfile.Read(p.Name, p.Data, a.Destroys)...)
	}
	return tidy(out)
}

func readArtefact(name string) ([]byte, error) {
	file, err := openRegular(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, planfile.MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read file %q: %w", name, err)
	}
	return data, nil
}

// CheckWritten says what keeps a workspace from being used once files were written into
// it, named relative to it: errors of the workspace, and of the manifests among them.
func CheckWritten(dir string, written []string, now time.Time) error {
	w, problems, err := Load(dir, now)
	switch {
	case err != nil:
		return err
	case w == nil:
		return problems.Errors()
	}
	var artefacts Artefacts
	if _, err := artefacts.AddOf(dir); err != nil {
		return err
	}
	var wrong declare.Problems // what was wrong before is no fault of these files
	for _, p := range artefacts.Check().Errors() {
		if name, err := filepath.Rel(dir, p.File); err == nil && slices.Contains(written, filepath.ToSlash(name)) {
			p.File = filepath.ToSlash(name)
			wrong = append(wrong, p)
		}
	}
	if len(wrong) > 0 {
		return wrong
	}
	return nil
}
