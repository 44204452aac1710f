package workspace

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

// The bounds of a workspace.
const (
	maxFiles = 20_000
	maxBytes = 256 << 20
)

// folders and files of a workspace; the last four are read by rooms to come.
var (
	folders = []string{"catalog", "objectives", "rules", "oncall", "runbooks", "policies", "blueprints", "roles", "dashboards"}
	singles = []string{"evenkeel.yml", "routing.yml", "scrape.yml"}
)

// file is one file that was read. Name is relative, with slashes.
type file struct {
	name string
	data []byte
}

// readAll reads every file that belongs to a workspace, in order of name.
func readAll(dir string, sink *declare.Problems) ([]file, string, error) {
	root, err := filepath.Abs(dir)
	if err != nil {
		return nil, "", fmt.Errorf("cannot find workspace %q: %w", dir, err)
	}
	if info, err := os.Stat(root); err != nil {
		return nil, "", fmt.Errorf("cannot read workspace %q: %w", dir, errors.Unwrap(err))
	} else if !info.IsDir() {
		return nil, "", fmt.Errorf("cannot read workspace %q: it is not a folder", dir)
	}
	real, err := filepath.EvalSymlinks(root)
	if err != nil {
		return nil, "", fmt.Errorf("cannot read workspace %q: %w", dir, err)
	}
	r := &reader{root: real, sink: sink}
	entries, err := os.ReadDir(real)
	if err != nil {
		return nil, "", fmt.Errorf("cannot read workspace %q: %w", dir, err)
	}
	for _, e := range entries {
		name := e.Name()
		switch {
		case strings.HasPrefix(name, "."):
		case slices.Contains(singles, name):
			r.file(name)
		case slices.Contains([]string{"catalog", "objectives", "rules", "oncall", "runbooks"}, name):
			r.folder(name, 0)
		case slices.Contains(folders, name):
		default:
			if hint := yamldoc.Suggest(name, append(slices.Clone(singles), folders...)); hint != "" {
				*sink = append(*sink, declare.Problem{Position: declare.Position{File: name}, Warning: true, Want: "a name that belongs to a workspace", Hint: hint + " it is not read"})
			}
		}
	}
	slices.SortFunc(r.files, func(a, b file) int { return strings.Compare(a.name, b.name) })
	sum := sha256.New()
	for _, f := range r.files {
		fmt.Fprintf(sum, "%d:%s%d:", len(f.name), f.name, len(f.data))
		sum.Write(f.data)
	}
	return r.files, hex.EncodeToString(sum.Sum(nil))[:16], nil
}

type reader struct {
	root  string
	sink  *declare.Problems
	files []file
	bytes int64
}

func (r *reader) problem(name, want, hint string) {
	*r.sink = append(*r.sink, declare.Problem{Position: declare.Position{File: name}, Want: want, Hint: hint})
}

func (r *reader) folder(name string, depth int) {
	if depth > 10 {
		r.problem(name, "folders at most 10 deep", "")
		return
	}
	entries, err := os.ReadDir(filepath.Join(r.root, filepath.FromSlash(name)))
	if err != nil {
		r.problem(name, "a readable folder", err.Error())
		return
	}
	for _, e := range entries {
		child := path.Join(name, e.Name())
		if strings.HasPrefix(e.Name(), ".") {
			continue // editors' files, and the ..data folders of mounted ConfigMaps
		}
		real, info, ok := r.inside(child)
		if !ok {
			continue
		}
		switch {
		case info.IsDir() && e.Type()&fs.ModeSymlink != 0:
			// A folder linked from elsewhere inside could make a loop; its files are read where they are.
			r.problem(child, "a folder, not a symbolic link to one", real)
		case info.IsDir():
			r.folder(child, depth+1)
		case wanted(child):
			r.file(child)
		}
	}
}

func wanted(name string) bool {
	top, _, _ := strings.Cut(name, "/")
	ext := path.Ext(name)
	if top == "runbooks" {
		return ext == ".md"
	}
	return ext == ".yml" || ext == ".yaml"
}

// inside resolves symbolic links and refuses what leads out of the workspace.
func (r *reader) inside(name string) (string, fs.FileInfo, bool) {
	real, err := filepath.EvalSymlinks(filepath.Join(r.root, filepath.FromSlash(name)))
	if err != nil {
		r.problem(name, "a readable file", err.Error())
		return "", nil, false
	}
	if rel, err := filepath.Rel(r.root, real); err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		r.problem(name, "a file inside of the workspace", "the symbolic link leads out of it")
		return "", nil, false
	}
	info, err := os.Lstat(real)
	if err != nil {
		r.problem(name, "a readable file", err.Error())
		return "", nil, false
	}
	return real, info, true
}

func (r *reader) file(name string) {
	real, info, ok := r.inside(name)
	switch {
	case !ok:
		return
	case !info.Mode().IsRegular():
		r.problem(name, "a regular file", "it is a "+info.Mode().Type().String())
		return
	case info.Size() > yamldoc.MaxBytes:
		r.problem(name, fmt.Sprintf("a file of at most %d bytes", yamldoc.MaxBytes), fmt.Sprintf("it has %d", info.Size()))
		return
	case len(r.files) >= maxFiles:
		r.problem(name, fmt.Sprintf("at most %d files", maxFiles), "")
		return
	}
	f, err := os.Open(real)
	if err != nil {
		r.problem(name, "a readable file", err.Error())
		return
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, yamldoc.MaxBytes+1))
	if err != nil {
		r.problem(name, "a readable file", err.Error())
		return
	}
	if r.bytes += int64(len(data)); r.bytes > maxBytes {
		r.problem(name, fmt.Sprintf("at most %d bytes in all files together", maxBytes), "")
		return
	}
	r.files = append(r.files, file{name, data})
}
