// Package blueprint reads blueprints/NAME/: golden paths.
//
// In: the files of one folder, blueprint.yml among them. Out: the blueprint with its
// templates parsed once, and Problems. Templates have << and >>, because what they
// write has braces of its own; quote makes a YAML string of a value.
package blueprint

import (
	"encoding/json"
	"path"
	"slices"
	"strings"
	"text/template"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

// Name is the file that says what the others are.
const Name = "blueprint.yml"

var kinds = []string{"config", "infrastructure", "network"}

// Read reads one blueprint; files are by their name inside of its folder.
func Read(folder string, files map[string][]byte, sink *declare.Problems) *declare.Blueprint {
	file := folder + "/" + Name
	d, ok := yamldoc.One(file, files[Name], sink)
	if !ok {
		*sink = append(*sink, declare.Problem{Position: declare.Position{File: file}, Want: "what the blueprint creates", Hint: "the file is missing or empty"})
		return nil
	}
	d.Only("kind", "create", "append")
	b := &declare.Blueprint{Name: path.Base(folder), Kind: d.Field("kind").String(), Pos: declare.Position{File: file, Line: 1}}
	if b.Kind == "" {
		b.Kind = "config"
	}
	if !slices.Contains(kinds, b.Kind) {
		d.Field("kind").Problem(b.Kind, "one of "+strings.Join(kinds, ", "), yamldoc.Suggest(b.Kind, kinds))
	}
	check := func(n yamldoc.Node, text string) string {
		if _, err := Parse(text); err != nil {
			n.Problem(text, "a template with << and >>", yamldoc.Cut(err.Error()))
		}
		return text
	}
	for _, n := range d.Field("create").List() {
		n.Only("file", "from")
		f := declare.BlueprintFile{To: check(n.Field("file"), n.Field("file").Required("the file to create"))}
		from := n.Field("from").Required("the template beside this file")
		data, ok := files[from]
		if !ok && from != "" {
			n.Field("from").Problem(from, "a file beside this one", yamldoc.Suggest(from, names(files)))
		}
		f.Template = check(n.Field("from"), string(data))
		b.Files = append(b.Files, f)
	}
	for _, n := range d.Field("append").List() {
		n.Only("file", "line", "list", "item")
		a := declare.BlueprintAppend{
			File: check(n.Field("file"), n.Field("file").Required("the file to add to")), Line: check(n.Field("line"), n.Field("line").String()),
			List: check(n.Field("list"), n.Field("list").String()), Item: check(n.Field("item"), n.Field("item").String()),
		}
		if (a.Line == "") == (a.List == "") || (a.List == "") != (a.Item == "") {
			n.Problem("", "either a line, or a list and an item", "")
		}
		b.Appends = append(b.Appends, a)
	}
	if len(b.Files)+len(b.Appends) == 0 {
		d.Problem("", "something to create or to append", "")
	}
	return b
}

func names(files map[string][]byte) []string {
	var out []string
	for name := range files {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// Parse parses a template. A value that is not there is an error, not "<no value>".
func Parse(text string) (*template.Template, error) {
	return template.New("").Delims("<<", ">>").Option("missingkey=error").Funcs(template.FuncMap{"quote": quote, "contains": strings.Contains, "version": version}).Parse(text)
}

// quote makes a string that YAML and JSON read as that text.
func quote(v string) (string, error) {
	out, err := json.Marshal(v)
	return string(out), err
}

// version is that of an image: what stands after its last colon, as a label takes it.
func version(image string) string {
	v := image[strings.LastIndexByte(image, ':')+1:]
	return strings.Trim(v[:min(len(v), 63)], "._-")
}
