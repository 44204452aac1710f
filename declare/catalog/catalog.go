// Package catalog reads Backstage catalog-info files: Component, System, Resource,
// Group and User. Other kinds of Backstage are passed over.
//
// In: the documents of one file. Out: their entities, added to a Catalog, the names
// that they refer to, and Problems. Whether what they refer to exists is the
// workspace's to check.
package catalog

import (
	"regexp"
	"slices"
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

// AnnotationContact says how a person is reached, as ntfy:https://ntfy.sh/topic.
const AnnotationContact = "evenkeel.dev/contact"

// ours begins the labels and annotations that are read: nobody else's do.
const ours = "evenkeel.dev/"

// Catalog is what the files read so far declare.
type Catalog struct {
	Services   []*declare.Service
	Resources  []*declare.Resource
	Systems    []*declare.System
	Teams      []*declare.Team
	People     []*declare.Person
	References []yamldoc.Reference
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
	if i := slices.IndexFunc(kinds, func(k string) bool { return strings.EqualFold(k, kind) }); i >= 0 {
		kind = kinds[i]
	} else if kind != "" {
		doc.Field("kind").Problem(kind, "one of "+strings.Join(kinds, ", "), yamldoc.Suggest(kind, kinds))
		return
	}
	e := c.head(doc)
	switch kind {
	case "Component":
		c.component(e)
	case "Resource":
		c.resource(e)
	case "System":
		c.system(e)
	case "Group":
		c.group(e)
	case "User":
		c.user(e)
	}
}

// entity is what all kinds have.
type entity struct {
	name, title, description, namespace string
	labels, annotations                 map[string]string
	meta, spec                          yamldoc.Node
	pos                                 declare.Position
}

var entityName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$`)

func (c *Catalog) head(doc yamldoc.Node) entity {
	meta := doc.Field("metadata")
	meta.Misspelt("name", "namespace", "title", "description", "labels", "annotations", "links", "tags", "uid", "etag")
	e := entity{
		name: meta.Field("name").Required("a name"), title: meta.Field("title").String(), description: meta.Field("description").String(),
		namespace: strings.ToLower(meta.Field("namespace").String()), labels: meta.Field("labels").StringMap(),
		annotations: meta.Field("annotations").StringMap(), meta: meta, spec: doc.Field("spec"), pos: meta.Field("name").Pos(),
	}
	if e.name != "" && !entityName.MatchString(e.name) {
		meta.Field("name").Problem(e.name, "letters and digits, and between them - _ and ., at most 63 altogether", "")
	}
	if e.title == "" {
		e.title = e.name
	}
	if e.namespace == "" {
		e.namespace = "default"
	}
	for _, l := range meta.Field("labels").Pairs() {
		if k := l.Key.Text(); strings.HasPrefix(k, ours) && k != LabelTier && k != LabelLevel {
			l.Key.Warn(k, LabelTier+" or "+LabelLevel, yamldoc.Suggest(k, []string{LabelTier, LabelLevel}))
		}
	}
	return e
}

func (c *Catalog) component(e entity) {
	e.spec.Misspelt("type", "lifecycle", "owner", "system", "subcomponentOf", "providesApis", "consumesApis", "dependsOn", "dependencyOf")
	s := &declare.Service{
		ID: declare.ServiceID(e.name), Title: e.title, Description: e.description, Labels: e.labels, Annotations: e.annotations, Pos: e.pos,
		Owner: declare.TeamID(c.required(e.spec.Field("owner"), "group", "a group")), System: c.ref(e.spec.Field("system"), "system"),
		DependsOn: c.depends(e),
	}
	if t := e.meta.At("labels").Field(LabelTier); !t.Missing() {
		tier, err := strconv.Atoi(t.Text())
		if err != nil || tier < 1 || tier > 4 {
			t.Problem(t.Text(), "a tier from 1 (most important) to 4", "")
		}
		s.Tier = tier
	}
	for _, l := range e.meta.Field("links").List() {
		s.Links = append(s.Links, declare.Link{URL: l.Field("url").String(), Title: l.Field("title").String()})
	}
	c.Services = append(c.Services, s)
}

func (c *Catalog) resource(e entity) {
	e.spec.Misspelt("type", "owner", "system", "dependsOn", "dependencyOf")
	c.ref(e.spec.Field("system"), "system")
	c.Resources = append(c.Resources, &declare.Resource{
		ID: declare.ResourceID("resource/" + e.namespace + "/" + e.name), Title: e.title, Type: e.spec.Field("type").String(),
		Labels: e.labels, Annotations: e.annotations, Pos: e.pos, DependsOn: c.depends(e),
		Owner: declare.TeamID(c.ref(e.spec.Field("owner"), "group")),
	})
}

func (c *Catalog) system(e entity) {
	e.spec.Misspelt("owner", "domain", "type")
	c.Systems = append(c.Systems, &declare.System{
		Name: e.name, Title: e.title, Description: e.description, Pos: e.pos, Owner: declare.TeamID(c.ref(e.spec.Field("owner"), "group")),
	})
}

func (c *Catalog) group(e entity) {
	e.spec.Misspelt("type", "profile", "parent", "children", "members")
	t := &declare.Team{ID: declare.TeamID(e.name), Title: e.title, Pos: e.pos, Email: e.spec.At("profile", "email").String()}
	if dn := e.spec.At("profile", "displayName").String(); dn != "" {
		t.Title = dn
	}
	t.Parent = declare.TeamID(c.ref(e.spec.Field("parent"), "group"))
	for _, m := range e.spec.Field("members").List() {
		if name := c.ref(m, "user"); name != "" {
			t.Members = append(t.Members, declare.PersonID(name))
		}
	}
	c.Teams = append(c.Teams, t)
}

func (c *Catalog) user(e entity) {
	e.spec.Misspelt("profile", "memberOf")
	p := &declare.Person{
		ID: declare.PersonID(e.name), Name: e.spec.At("profile", "displayName").String(), Email: e.spec.At("profile", "email").String(),
		Level: declare.LevelName(e.labels[LabelLevel]), Pos: e.pos,
	}
	if p.Name == "" {
		p.Name = e.title
	}
	if n := e.meta.At("annotations").Field(AnnotationContact); !n.Missing() {
		for _, text := range strings.FieldsFunc(n.String(), func(r rune) bool { return r == ',' || r == ' ' || r == '\n' }) {
			contact, err := declare.ParseContact(text)
			if err != nil {
				n.Problem(text, strings.TrimPrefix(err.Error(), "expected "), "several are separated by spaces")
				continue
			}
			p.Contacts = append(p.Contacts, contact)
		}
	}
	if p.Level != "" {
		c.References = append(c.References, yamldoc.Reference{Kind: "level", Name: string(p.Level), At: e.meta.At("labels", LabelLevel)})
	}
	for _, m := range e.spec.Field("memberOf").List() {
		if name := c.ref(m, "group"); name != "" {
			p.Teams = append(p.Teams, declare.TeamID(name))
		}
	}
	c.People = append(c.People, p)
}
