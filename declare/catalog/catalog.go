// Package catalog reads Backstage catalog-info files: Component, System, Resource,
// Group and User. Other kinds of Backstage are passed over.
//
// In: the documents of one file. Out: their entities, added to a Catalog, and
// Problems. References between entities are the workspace's to check.
package catalog

import (
	"strconv"
	"strings"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

// The labels that we read from entities.
const (
	LabelTier  = "evenkeel.dev/tier"
	LabelLevel = "evenkeel.dev/level"
)

// Catalog is what the files read so far declare.
type Catalog struct {
	Services  []*declare.Service
	Resources []*declare.Resource
	Systems   []*declare.System
	Teams     []*declare.Team
	People    []*declare.Person
}

var kinds = []string{"Component", "System", "Resource", "Group", "User", "API", "Domain", "Location", "Template"}

// Read adds the entities of one file.
func (c *Catalog) Read(file string, data []byte, sink *declare.Problems) {
	for _, doc := range yamldoc.Read(file, data, sink) {
		c.entity(doc)
	}
}

func (c *Catalog) entity(doc yamldoc.Node) {
	if !doc.Mapping() {
		return
	}
	doc.Misspelt("apiVersion", "kind", "metadata", "spec", "relations", "status")
	if v := doc.Field("apiVersion").Required("backstage.io/v1alpha1"); v != "" && !strings.HasPrefix(v, "backstage.io/") {
		doc.Field("apiVersion").Problem(v, "backstage.io/v1alpha1", "")
	}
	kind := doc.Field("kind").Required("one of " + strings.Join(kinds, ", "))
	meta, spec := doc.Field("metadata"), doc.Field("spec")
	meta.Misspelt("name", "namespace", "title", "description", "labels", "annotations", "links", "tags", "uid", "etag")
	name := meta.Field("name").Required("a name")
	if name != "" && !validName(name) {
		meta.Field("name").Problem(name, "letters, digits and the signs - _ . , at most 63", "")
	}
	title := meta.Field("title").String()
	if title == "" {
		title = name
	}
	labels := meta.Field("labels").StringMap()
	namespace := strings.ToLower(meta.Field("namespace").String())
	if namespace == "" {
		namespace = "default"
	}
	pos := meta.Field("name").Pos()
	switch kind {
	case "Component":
		spec.Misspelt("type", "lifecycle", "owner", "system", "subcomponentOf", "providesApis", "consumesApis", "dependsOn", "dependencyOf")
		s := &declare.Service{
			ID: declare.ServiceID(name), Title: title, Description: meta.Field("description").String(), Labels: labels,
			Annotations: meta.Field("annotations").StringMap(), Pos: pos,
			Owner:  declare.TeamID(refName(spec.Field("owner").Required("a group"), "group", spec.Field("owner"))),
			System: refName(spec.Field("system").String(), "system", spec.Field("system")),
		}
		if t := meta.At("labels").Field(LabelTier); !t.Missing() {
			tier, err := strconv.Atoi(t.String())
			if err != nil || tier < 1 || tier > 4 {
				t.Problem(t.Text(), "a tier from 1 (most important) to 4", "")
			}
			s.Tier = tier
		}
		for _, l := range meta.Field("links").List() {
			s.Links = append(s.Links, declare.Link{URL: l.Field("url").String(), Title: l.Field("title").String()})
		}
		s.DependsOn = depends(spec)
		c.Services = append(c.Services, s)
	case "Resource":
		spec.Misspelt("type", "owner", "system", "dependsOn", "dependencyOf")
		c.Resources = append(c.Resources, &declare.Resource{
			ID: declare.ResourceID("resource/" + namespace + "/" + name), Title: title, Type: spec.Field("type").String(), Labels: labels,
			Annotations: meta.Field("annotations").StringMap(), Pos: pos, DependsOn: depends(spec),
			Owner: declare.TeamID(refName(spec.Field("owner").String(), "group", spec.Field("owner"))),
		})
	case "System":
		spec.Misspelt("owner", "domain", "type")
		c.Systems = append(c.Systems, &declare.System{
			Name: name, Title: title, Description: meta.Field("description").String(), Pos: pos,
			Owner: declare.TeamID(refName(spec.Field("owner").String(), "group", spec.Field("owner"))),
		})
	case "Group":
		spec.Misspelt("type", "profile", "parent", "children", "members")
		t := &declare.Team{ID: declare.TeamID(name), Title: title, Pos: pos, Email: spec.At("profile", "email").String()}
		if dn := spec.At("profile", "displayName").String(); dn != "" {
			t.Title = dn
		}
		t.Parent = declare.TeamID(refName(spec.Field("parent").String(), "group", spec.Field("parent")))
		for _, m := range spec.Field("members").List() {
			t.Members = append(t.Members, declare.PersonID(refName(m.String(), "user", m)))
		}
		c.Teams = append(c.Teams, t)
	case "User":
		spec.Misspelt("profile", "memberOf")
		p := &declare.Person{ID: declare.PersonID(name), Name: spec.At("profile", "displayName").String(), Email: spec.At("profile", "email").String(), Pos: pos}
		if p.Name == "" {
			p.Name = title
		}
		p.Level = declare.LevelName(labels[LabelLevel])
		for _, m := range spec.Field("memberOf").List() {
			p.Teams = append(p.Teams, declare.TeamID(refName(m.String(), "group", m)))
		}
		c.People = append(c.People, p)
	case "API", "Domain", "Location", "Template", "":
	default:
		doc.Field("kind").Problem(kind, "one of "+strings.Join(kinds, ", "), yamldoc.Suggest(kind, kinds))
	}
}

func depends(spec yamldoc.Node) []declare.ResourceID {
	var out []declare.ResourceID
	for _, d := range spec.Field("dependsOn").List() {
		kind, namespace, name := ParseRef(d.String(), "component")
		if name == "" || (kind != "component" && kind != "resource") {
			d.Problem(d.Text(), "component:name or resource:name", "")
			continue
		}
		out = append(out, declare.ResourceID(kind+"/"+namespace+"/"+name))
	}
	return out
}

// ParseRef reads a Backstage entity reference: name, kind:name, namespace/name or
// kind:namespace/name. Kind and namespace are in lower case.
func ParseRef(ref, defaultKind string) (kind, namespace, name string) {
	kind, namespace, name = defaultKind, "default", ref
	if k, rest, ok := strings.Cut(name, ":"); ok {
		kind, name = strings.ToLower(k), rest
	}
	if ns, rest, ok := strings.Cut(name, "/"); ok {
		namespace, name = strings.ToLower(ns), rest
	}
	return kind, namespace, name
}

// refName reads a reference that must be of one kind.
func refName(ref, kind string, at yamldoc.Node) string {
	if ref == "" {
		return ""
	}
	k, _, name := ParseRef(ref, kind)
	if k == "user" && kind == "group" {
		at.Problem(ref, "a group: work is owned by teams", "")
		return ""
	}
	if k != kind || name == "" {
		at.Problem(ref, "a reference to a "+kind+" as "+kind+":name", "")
		return ""
	}
	return name
}

func validName(s string) bool {
	if len(s) == 0 || len(s) > 63 {
		return false
	}
	for _, r := range s {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.", r) {
			return false
		}
	}
	return true
}
