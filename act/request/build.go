package request

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/blueprint"
	"github.com/evenkeel/evenkeel/journal"
)

// maxRendered bounds one file that a blueprint writes.
const maxRendered = 1 << 20

// Render makes a blueprint's files, by their place in the workspace: new ones, and those
// that it adds to as they are then. It writes nothing.
func Render(root string, b *declare.Blueprint, values map[string]string) (map[string][]byte, error) {
	out := map[string][]byte{}
	text := func(t string) (string, error) {
		tmpl, err := blueprint.Parse(t)
		if err != nil {
			return "", err
		}
		var buf bytes.Buffer
		if err := tmpl.Execute(&buf, values); err != nil {
			return "", fmt.Errorf("cannot fill in the blueprint %q: %w", b.Name, err)
		}
		if buf.Len() > maxRendered {
			return "", fmt.Errorf("cannot fill in the blueprint %q: more than %d bytes", b.Name, maxRendered)
		}
		return buf.String(), nil
	}
	for _, f := range b.Files {
		name, err := text(f.To)
		if err == nil {
			err = inside(name)
		}
		if err != nil {
			return nil, err
		}
		if _, err := os.Lstat(filepath.Join(root, name)); !errors.Is(err, fs.ErrNotExist) || out[name] != nil {
			return nil, &act.ConflictError{Why: name + " is there already"}
		}
		body, err := text(f.Template)
		if err != nil {
			return nil, err
		}
		if ext := filepath.Ext(name); ext == ".yml" || ext == ".yaml" {
			if err := readable(name, []byte(body)); err != nil {
				return nil, err
			}
		}
		out[name] = []byte(body)
	}
	for _, a := range b.Appends {
		name, err := text(a.File)
		if err == nil {
			err = inside(name)
		}
		if err != nil {
			return nil, err
		}
		data, known := out[name]
		if !known {
			if data, err = os.ReadFile(filepath.Join(root, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("cannot read %s: %w", name, errors.Unwrap(err))
			}
		}
		line, err := text(a.Line)
		if err != nil {
			return nil, err
		}
		list, err := text(a.List)
		if err != nil {
			return nil, err
		}
		item, err := text(a.Item)
		if err != nil {
			return nil, err
		}
		if line != "" {
			if slices.Contains(strings.Split(string(data), "\n"), line) {
				return nil, &act.ConflictError{Why: fmt.Sprintf("%s has this line already: %s", name, cut(line))}
			}
			if len(data) > 0 && data[len(data)-1] != '\n' {
				data = append(data, '\n')
			}
			out[name] = append(slices.Clone(data), line+"\n"...)
			continue
		}
		if out[name], err = addTo(name, data, list, item); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// inside refuses places outside of the workspace, hidden ones, and those that decide
// what a request may do.
func inside(name string) error {
	top, _, _ := strings.Cut(name, "/")
	if !filepath.IsLocal(name) || filepath.ToSlash(filepath.Clean(name)) != name || strings.HasPrefix(top, ".") || strings.Contains(name, "/.") ||
		slices.Contains([]string{"evenkeel.yml", "requests", "blueprints", "policies", "roles"}, top) {
		return &act.InvalidError{Field: "file", Got: cut(name), Want: "a file inside of the workspace that decides nothing about authority"}
	}
	return nil
}

func readable(name string, data []byte) error {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var n yaml.Node
		err := dec.Decode(&n)
		switch {
		case err == nil:
			continue
		case err.Error() == "EOF":
			return nil
		}
		return &act.InvalidError{Field: "form", Want: fmt.Sprintf("values that make valid YAML of %s (%v)", name, err)}
	}
}

// addTo adds an item to a list of a YAML file, and leaves its comments.
func addTo(name string, data []byte, list, item string) ([]byte, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil || len(doc.Content) == 0 {
		return nil, &act.ConflictError{Why: fmt.Sprintf("%s cannot be read as YAML: %v", name, err)}
	}
	at := doc.Content[0]
	for part := range strings.SplitSeq(list, ".") {
		key, index, _ := strings.Cut(strings.TrimSuffix(part, "]"), "[")
		at = field(at, key)
		if at == nil {
			return nil, &act.ConflictError{Why: fmt.Sprintf("%s has no %s", name, list)}
		}
		if index != "" {
			if at = pick(at, index); at == nil {
				return nil, &act.ConflictError{Why: fmt.Sprintf("%s has no %s", name, list)}
			}
		}
	}
	if at.Kind != yaml.SequenceNode {
		return nil, &act.ConflictError{Why: fmt.Sprintf("%s of %s is no list", list, name)}
	}
	for _, c := range at.Content {
		if c.Value == item {
			return nil, &act.ConflictError{Why: fmt.Sprintf("%s is in %s already", item, list)}
		}
	}
	at.Content = append(at.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: item})
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(&doc); err != nil {
		return nil, fmt.Errorf("cannot write %s: %w", name, err)
	}
	return out.Bytes(), enc.Close()
}

func field(n *yaml.Node, key string) *yaml.Node {
	if n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == key {
				return n.Content[i+1]
			}
		}
	}
	return nil
}

// pick takes the item of a list by its number, or by a field as name=shop.
func pick(n *yaml.Node, index string) *yaml.Node {
	if n.Kind != yaml.SequenceNode {
		return nil
	}
	key, want, named := strings.Cut(index, "=")
	for i, c := range n.Content {
		if !named && fmt.Sprint(i) == index {
			return c
		}
		if named {
			if f := field(c, key); f != nil && f.Value == want {
				return c
			}
		}
	}
	return nil
}

// build fulfils a request by its blueprint: what the workspace would be then is checked
// first, and only then written, file by file in one rename each.
func (d *Desk) build(ctx context.Context, now time.Time, who declare.PersonID, r act.Request, item *declare.RequestItem) (act.Request, error) {
	w := d.o.Workspace()
	b := w.Blueprint(item.Blueprint)
	if b == nil {
		return d.failed(ctx, now, r.ID, "the blueprint "+item.Blueprint+" is not declared any more", nil)
	}
	values := map[string]string{"requester": string(r.Requester), "request": fmt.Sprint(r.ID)}
	for _, p := range item.Form {
		values[p.Name] = r.Form[p.Name]
	}
	files, err := Render(w.Dir, b, values)
	if err == nil {
		err = d.rehearse(w.Dir, files)
	}
	if err != nil {
		return d.failed(ctx, now, r.ID, "nothing was written: "+err.Error(), err)
	}
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	c := act.Change{
		ID: fmt.Sprintf("request-%d-%d", r.ID, r.Reopened), Kind: act.ChangeKind(b.Kind), Summary: cut(r.Title + ": " + strings.Join(names, ", ")), Actor: string(who), Source: "request",
		Resources: resources(names), StartedAt: now, EndedAt: now,
		Evidence: act.Evidence{Author: string(r.Requester), Rollback: "take back " + cut(strings.Join(names, ", ")), Checks: "passed"},
	}
	if r.DecidedBy != "" {
		c.Evidence.Reviewers = []string{string(r.DecidedBy)}
	}
	if _, err := d.o.Changes.Record(ctx, now, journal.Person(string(who)), c); err != nil {
		return d.failed(ctx, now, r.ID, "nothing was written: "+err.Error(), err)
	}
	for _, name := range names {
		if err := write(filepath.Join(w.Dir, name), files[name]); err != nil {
			c.Verdict = "failed"
			_, recorded := d.o.Changes.Record(ctx, now, journal.System("act"), c)
			return d.failed(ctx, now, r.ID, fmt.Sprintf("cannot write %s: %v", name, err), recorded)
		}
	}
	c.Verdict = "verified"
	if _, err := d.o.Changes.Record(ctx, now, journal.System("act"), c); err != nil {
		return r, err
	}
	return d.transition(ctx, now, journal.System("act"), r.ID, "request.done", func(r *act.Request) (string, error) {
		if r.Status != act.RequestRunning {
			return "", conflict(r)
		}
		r.Status, r.DoneAt, r.Change = act.RequestDone, now, c.ID
		r.Reason = "written and valid: " + cut2(strings.Join(names, ", "))
		r.SelfService = r.DecidedBy == "" && r.Reopened == 0
		return "done: " + r.Reason, nil
	})
}

func resources(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = "file/workspace/" + n
	}
	return out
}

// rehearse checks a copy of the workspace with the files in it.
func (d *Desk) rehearse(root string, files map[string][]byte) error {
	dir, err := os.MkdirTemp("", "evenkeel-blueprint")
	if err != nil {
		return fmt.Errorf("cannot rehearse the blueprint: %w", err)
	}
	defer os.RemoveAll(dir)
	if err := os.CopyFS(dir, os.DirFS(root)); err != nil {
		return fmt.Errorf("cannot rehearse the blueprint: %w", err)
	}
	for name, data := range files {
		if err := write(filepath.Join(dir, name), data); err != nil {
			return fmt.Errorf("cannot rehearse the blueprint: %w", err)
		}
	}
	if err := d.o.Check(dir, slices.Sorted(maps.Keys(files))); err != nil {
		return &act.ConflictError{Why: "the workspace would not be valid: " + strings.ReplaceAll(err.Error(), dir, "")}
	}
	return nil
}

// write puts a file in place whole, or leaves the one that is there.
func write(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Chmod(f.Name(), 0o644)
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
