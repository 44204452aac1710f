package shop

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

//go:embed workspace
var workspaceFiles embed.FS

// WriteWorkspace writes the shop's workspace into a folder: services, people,
// objectives, rules, routing, scraping, on-call and runbooks, with these ports in
// the place of DefaultPorts. Files that are there are replaced one by one, each at
// once; other files are left alone.
func WriteWorkspace(dir string, ports Ports) error {
	root, err := fs.Sub(workspaceFiles, "workspace")
	if err != nil {
		return err
	}
	return fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(dir, filepath.FromSlash(name))
		if d.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		text, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		return replaceFile(to, withPorts(text, ports))
	})
}

// withPorts goes over the text once for all ports, so that a port that was put in
// is not taken for another default one.
func withPorts(text []byte, ports Ports) []byte {
	names := append([]string{controlName}, services...)
	var out bytes.Buffer
	for len(text) > 0 {
		first, cut, to := len(text), 0, ""
		for _, name := range names {
			from := address(DefaultPorts.of(name))
			if i := bytes.Index(text, []byte(from)); i >= 0 && i < first {
				first, cut, to = i, len(from), address(ports.of(name))
			}
		}
		out.Write(text[:first])
		out.WriteString(to)
		text = text[first+cut:]
	}
	return out.Bytes()
}

func replaceFile(name string, text []byte) error {
	temp, err := os.CreateTemp(filepath.Dir(name), ".new-*")
	if err != nil {
		return fmt.Errorf("cannot write workspace: %w", err)
	}
	_, err = temp.Write(text)
	if e := temp.Close(); err == nil {
		err = e
	}
	if err == nil {
		if err = os.Chmod(temp.Name(), 0o644); err == nil {
			err = os.Rename(temp.Name(), name)
		}
	}
	if err != nil {
		_ = os.Remove(temp.Name()) // what is there stays
		return fmt.Errorf("cannot write workspace file %q: %w", name, err)
	}
	return nil
}
