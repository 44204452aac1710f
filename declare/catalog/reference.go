package catalog

import (
	"strings"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

// ParseRef reads a Backstage entity reference: name, kind:name, namespace/name or
// kind:namespace/name. Kind and namespace are in lower case.
func ParseRef(ref, defaultKind, defaultNamespace string) (kind, namespace, name string) {
	kind, namespace, name = defaultKind, defaultNamespace, ref
	if k, rest, ok := strings.Cut(name, ":"); ok {
		kind, name = strings.ToLower(k), rest
	}
	if ns, rest, ok := strings.Cut(name, "/"); ok {
		namespace, name = strings.ToLower(ns), rest
	}
	return kind, namespace, name
}

// referred is what a reference of a Backstage kind is called here.
var referred = map[string]string{"group": "team", "user": "person", "system": "system"}

// ref reads a reference that must be of one kind, and notes it for the workspace. The
// namespace does not count: names of teams, people and systems are unique here.
func (c *Catalog) ref(at yamldoc.Node, kind string) string {
	text := at.String()
	if text == "" {
		return ""
	}
	k, _, name := ParseRef(text, kind, "default")
	switch {
	case k == "user" && kind == "group":
		at.Problem(text, "a group: work is owned by teams", "")
		return ""
	case k != kind || !entityName.MatchString(name):
		at.Problem(text, "a reference to a "+kind+" as "+kind+":name", "")
		return ""
	}
	c.References = append(c.References, yamldoc.Reference{Kind: referred[kind], Name: name, At: at})
	return name
}

// required is ref where there must be one.
func (c *Catalog) required(at yamldoc.Node, kind, what string) string {
	if at.Missing() || at.Text() == "" {
		at.Required(what)
		return ""
	}
	return c.ref(at, kind)
}

// depends reads spec.dependsOn. A name without a namespace is one of the entity's
// own; components have one namespace here, as their names are unique.
func (c *Catalog) depends(e entity) []declare.ResourceID {
	var out []declare.ResourceID
	for _, d := range e.spec.Field("dependsOn").List() {
		text := d.String()
		kind, namespace, name := ParseRef(text, "component", e.namespace)
		if (kind != "component" && kind != "resource") || !entityName.MatchString(name) {
			if text != "" || d.Missing() {
				d.Problem(text, "component:name or resource:name", "")
			}
			continue
		}
		if kind == "component" {
			namespace = "default"
		}
		id := declare.ResourceID(kind + "/" + namespace + "/" + name)
		c.References = append(c.References, yamldoc.Reference{Kind: "resource", Name: string(id), At: d})
		out = append(out, id)
	}
	return out
}
