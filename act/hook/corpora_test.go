//go:build corpora

package hook

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

const corpus = "../../../shared/corpora/cdevents"

// TestCorporaCDEvents reads the conformance events of the specification, writes each
// again without loss, and then alters every one of their fields in turn: this program
// and the specification's own JSON schemas must refuse and take the same.
func TestCorporaCDEvents(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(corpus, "conformance", "*.json"))
	if err != nil || len(files) == 0 {
		t.Skipf("the corpus is not at %s", corpus)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	schemas := map[string]*jsonschema.Schema{}
	paths, err := filepath.Glob(filepath.Join(corpus, "schemas", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	links, err := filepath.Glob(filepath.Join(corpus, "schemas", "links", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]string{}
	for _, path := range append(links, paths...) {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		id := doc.(map[string]any)["$id"].(string)
		if err := compiler.AddResource(id, doc); err != nil {
			t.Fatal(err)
		}
		ids[strings.TrimSuffix(filepath.Base(path), ".json")] = id
	}
	events, tried, refused := 0, 0, 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		e, err := ReadEvent(data)
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(file), err)
			continue
		}
		events++
		var before, after any
		again, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, &before); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(again, &after); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(before, after) {
			t.Errorf("%s: lost something: %s", filepath.Base(file), again)
		}
		name := strings.ReplaceAll(e.Kind(), ".", "")
		schema := schemas[name]
		if schema == nil {
			if schema, err = compiler.Compile(ids[name]); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			schemas[name] = schema
		}
		alter(before, "", func(what string, tree any) {
			tried++
			text, err := json.Marshal(tree)
			if err != nil {
				t.Fatal(err)
			}
			_, ours := ReadEvent(text)
			doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
			if err != nil {
				t.Fatal(err)
			}
			theirs := schema.Validate(doc)
			if (ours == nil) != (theirs == nil) {
				// An event of another version is read by what all versions have.
				if strings.HasPrefix(what, "/context/type") {
					return
				}
				t.Errorf("%s %s: ours %v, theirs %v", filepath.Base(file), what, ours, theirs)
			}
			if ours != nil {
				refused++
			}
		})
	}
	t.Logf("%d conformance events read and written again without loss; %d alterations judged as by the schemas, %d of them refused", events, tried, refused)
	if events != len(files) || events < 40 || refused == 0 || refused == tried {
		t.Errorf("%d of %d events", events, len(files))
	}
}

// alter calls fn with the tree in which one thing at a time is different.
func alter(root any, path string, fn func(what string, tree any)) {
	fn("as it is", root)
	var walk func(v any, path string, set func(any))
	walk = func(v any, path string, set func(any)) {
		for what, other := range map[string]any{"number": 7.0, "empty": "", "text": "another text", "list": []any{"a"}, "object": map[string]any{}, "null": nil, "uri": "https://example.org/x"} {
			set(other)
			fn(path+" as "+what, root)
		}
		set(v)
		switch v := v.(type) {
		case map[string]any:
			v["unknownField"] = "x"
			fn(path+" with another field", root)
			delete(v, "unknownField")
			keys := make([]string, 0, len(v))
			for k := range v {
				keys = append(keys, k)
			}
			for _, k := range keys {
				was := v[k]
				delete(v, k)
				fn(path+" without "+k, root)
				v[k] = was
				walk(was, path+"/"+k, func(x any) { v[k] = x })
			}
		case []any:
			for i := range v {
				walk(v[i], path+"/[]", func(x any) { v[i] = x })
			}
		}
	}
	top := root.(map[string]any)
	for _, k := range []string{"context", "subject", "customData", "customDataContentType"} {
		if was, ok := top[k]; ok {
			walk(was, path+"/"+k, func(x any) { top[k] = x })
		}
	}
}

// TestCorporaDomainIDs holds the names of foreign things against the specification's
// vectors.
func TestCorporaDomainIDs(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(corpus, "conformance", "formats", "domainid.json"))
	if err != nil {
		t.Skipf("the corpus is not at %s", corpus)
	}
	var doc struct {
		Valid []struct {
			Segments DomainID
			Expected string
		}
		Invalid []struct{ Input string }
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	for _, v := range doc.Valid {
		got, err := ReadDomainID(v.Expected)
		if err != nil || got != v.Segments || v.Segments.String() != v.Expected {
			t.Errorf("%s: got %+v %v, want %+v", v.Expected, got, err, v.Segments)
		}
	}
	for _, v := range doc.Invalid {
		if got, err := ReadDomainID(v.Input); err == nil {
			t.Errorf("%s was read as %+v", v.Input, got)
		}
	}
	t.Logf("%d valid, %d invalid", len(doc.Valid), len(doc.Invalid))
	if len(doc.Valid) == 0 || len(doc.Invalid) == 0 {
		t.Error("no vectors")
	}
}
