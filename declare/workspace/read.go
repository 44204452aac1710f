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
	"syscall"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

// The bounds of a workspace.
const (
	maxFiles = 20_000
	maxBytes = 256 << 20 // of all files together
	maxDepth = 10        // of folders
)

// Folders and files of a workspace.
var (
	read    = []string{"catalog", "objectives", "rules", "oncall", "runbooks", "policies", "requests", "blueprints", "dashboards"}
	later   = []string{"roles"} // accepted, and not read yet
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
	opened, err := os.OpenRoot(real)
	if err != nil {
		return nil, "", fmt.Errorf("cannot read workspace %q: %w", dir, err)
	}
	defer opened.Close()
	r := &reader{path: real, root: opened, sink: sink, seen: map[string]bool{}}
	entries, err := os.ReadDir(real)
	if err != nil {
		return nil, "", fmt.Errorf("cannot read workspace %q: %w", dir, err)
	}
	for _, e := range entries {
		name := e.Name()
		switch {
		case strings.HasPrefix(name, "."):
		case slices.Contains(singles, name):
			r.entry(name, 0, r.file)
		case slices.Contains(read, name):
			r.entry(name, 0, nil)
		case slices.Contains(later, name):
		default:
			if hint := yamldoc.Suggest(name, slices.Concat(singles, read, later)); hint != "" {
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
	path  string   // of the workspace, without symbolic links
	root  *os.Root // the same: what is opened through it cannot lie outside, whatever changes meanwhile
	sink  *declare.Problems
	files []file
	seen  map[string]bool // real paths: a file or folder is read once, by its first name
	bytes int64
	full  bool
}

func (r *reader) problem(name, want, hint string) {
	*r.sink = append(*r.sink, declare.Problem{Position: declare.Position{File: name}, Want: want, Hint: hint})
}

// entry goes into a folder or reads a file, once it is known to lie inside of the
// workspace. Where read is nil, a folder is wanted and no file.
func (r *reader) entry(name string, depth int, read func(name, real string)) {
	real, info, ok := r.inside(name)
	if !ok || r.seen[real] {
		return
	}
	r.seen[real] = true
	switch {
	case info.IsDir() && (read == nil || depth > 0):
		r.folder(name, real, depth)
	case read == nil:
		r.problem(name, "a folder", "it is "+kindOf(info.Mode()))
	case !info.Mode().IsRegular():
		r.problem(name, "a regular file", "it is "+kindOf(info.Mode()))
	default:
		read(name, real)
	}
}

func kindOf(m fs.FileMode) string {
	switch {
	case m.IsRegular():
		return "a file"
	case m.IsDir():
		return "a folder"
	case m&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case m&fs.ModeSocket != 0:
		return "a socket"
	case m&fs.ModeDevice != 0:
		return "a device"
	}
	return "something else"
}

func (r *reader) folder(name, real string, depth int) {
	if depth > maxDepth {
		r.problem(name, fmt.Sprintf("folders at most %d deep", maxDepth), "")
		return
	}
	entries, err := os.ReadDir(filepath.Join(r.path, real))
	if err != nil {
		r.problem(name, "a readable folder", err.Error())
		return
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue // editors' files, and the ..data folders of mounted ConfigMaps
		}
		if child := path.Join(name, e.Name()); e.IsDir() || e.Type()&fs.ModeSymlink != 0 || wanted(child) {
			r.entry(child, depth+1, r.wanted)
		}
	}
}

func (r *reader) wanted(name, real string) {
	if wanted(name) {
		r.file(name, real)
	}
}

func wanted(name string) bool {
	top, _, _ := strings.Cut(name, "/")
	if top == "blueprints" {
		return true // templates have any name
	}
	ext := path.Ext(name)
	if top == "runbooks" {
		return ext == ".md"
	}
	if (top == "oncall" || top == "policies") && ext == ".ics" {
		return true
	}
	return ext == ".yml" || ext == ".yaml"
}

// inside resolves symbolic links and refuses what leads out of the workspace. The
// path that it returns is relative to the workspace.
func (r *reader) inside(name string) (string, fs.FileInfo, bool) {
	real, err := filepath.EvalSymlinks(filepath.Join(r.path, filepath.FromSlash(name)))
	if err != nil {
		r.problem(name, "a readable file", strings.ReplaceAll(err.Error(), r.path+string(filepath.Separator), ""))
		return "", nil, false
	}
	rel, err := filepath.Rel(r.path, real)
	if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		r.problem(name, "a file inside of the workspace", "the symbolic link leads out of it")
		return "", nil, false
	}
	info, err := r.root.Lstat(rel)
	if err != nil {
		r.problem(name, "a readable file", err.Error())
		return "", nil, false
	}
	return rel, info, true
}

// file reads one regular file.
func (r *reader) file(name, real string) {
	switch {
	case r.full:
		return
	case len(r.files) >= maxFiles:
		r.full = true
		r.problem(name, fmt.Sprintf("at most %d files", maxFiles), "this one and the following were not read")
		return
	}
	// Not to wait for a writer, should it have become a pipe since it was looked at.
	f, err := r.root.OpenFile(real, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		r.problem(name, "a readable file", err.Error())
		return
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		r.problem(name, "a readable file", err.Error())
		return
	case !info.Mode().IsRegular():
		r.problem(name, "a regular file", "it is "+kindOf(info.Mode()))
		return
	case info.Size() > yamldoc.MaxBytes:
		r.problem(name, fmt.Sprintf("a file of at most %d bytes", yamldoc.MaxBytes), fmt.Sprintf("it has %d", info.Size()))
		return
	case r.bytes+info.Size() > maxBytes:
		r.full = true
		r.problem(name, fmt.Sprintf("at most %d bytes in all files together", maxBytes), "this one and the following were not read")
		return
	}
	data, err := io.ReadAll(io.LimitReader(f, yamldoc.MaxBytes+1)) // it may have grown
	if err != nil {
		r.problem(name, "a readable file", err.Error())
		return
	}
	r.bytes += int64(len(data))
	r.files = append(r.files, file{name, data})
}
