package catalog

import (
	"reflect"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/declare"
)

const estate = `apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: checkout
  title: Checkout
  description: Takes the money.
  namespace: shop
  labels: {evenkeel.dev/tier: "1", region: eu}
  annotations: {github.com/project-slug: shop/checkout}
  links: [{url: "https://example.org", title: Code}]
  tags: [go]
spec:
  type: service
  lifecycle: production
  owner: group:default/shop
  system: system:Shop
  dependsOn: [payments, component:payments, Component:shop/payments, "resource:orders", "resource:other/orders"]
  providesApis: [checkout]
  x-ours: {anything: goes}
---
apiVersion: backstage.io/v1beta1
kind: resource
metadata: {name: orders, namespace: Shop}
spec: {type: database, owner: shop, dependsOn: ["resource:default/disk"]}
---
apiVersion: backstage.io/v1alpha1
kind: System
metadata: {name: Shop}
spec: {owner: shop}
---
apiVersion: backstage.io/v1alpha1
kind: Group
metadata: {name: shop}
spec: {type: team, profile: {displayName: The Shop, email: shop@example.org}, parent: org, children: [], members: [user:default/alice]}
---
apiVersion: backstage.io/v1alpha1
kind: User
metadata: {name: alice, labels: {evenkeel.dev/level: senior}}
spec: {profile: {displayName: Alice A., email: alice@example.org}, memberOf: [shop, group:default/oncall]}
---
apiVersion: backstage.io/v1alpha1
kind: API
metadata: {name: checkout}
spec: {type: openapi, owner: shop, definition: x}
`

func TestEstate(t *testing.T) {
	var problems declare.Problems
	var c Catalog
	c.Read("catalog/a.yml", []byte(estate), &problems)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	s := c.Services[0]
	if s.ID != "checkout" || s.Title != "Checkout" || s.Description != "Takes the money." || s.Owner != "shop" || s.System != "Shop" || s.Tier != 1 ||
		s.Labels["region"] != "eu" || s.Links[0].Title != "Code" || s.Pos != (declare.Position{File: "catalog/a.yml", Line: 4, Column: 9}) {
		t.Errorf("component: %+v", s)
	}
	// Components live in one namespace, resources in that of the entity or their own.
	want := []declare.ResourceID{"component/default/payments", "component/default/payments", "component/default/payments", "resource/shop/orders", "resource/other/orders"}
	if !reflect.DeepEqual(s.DependsOn, want) {
		t.Errorf("dependsOn: %v", s.DependsOn)
	}
	if r := c.Resources[0]; r.ID != "resource/shop/orders" || r.Owner != "shop" || r.DependsOn[0] != "resource/default/disk" {
		t.Errorf("resource: %+v", r)
	}
	if team := c.Teams[0]; team.Title != "The Shop" || team.Parent != "org" || !reflect.DeepEqual(team.Members, []declare.PersonID{"alice"}) {
		t.Errorf("group: %+v", team)
	}
	if p := c.People[0]; p.Name != "Alice A." || p.Level != "senior" || !reflect.DeepEqual(p.Teams, []declare.TeamID{"shop", "oncall"}) {
		t.Errorf("user: %+v", p)
	}
	var refs []string
	for _, r := range c.References {
		refs = append(refs, r.Kind+" "+r.Name+" "+r.At.Path())
	}
	wantRefs := []string{
		"team shop spec.owner", "system Shop spec.system",
		"resource component/default/payments spec.dependsOn[0]", "resource component/default/payments spec.dependsOn[1]",
		"resource component/default/payments spec.dependsOn[2]", "resource resource/shop/orders spec.dependsOn[3]",
		"resource resource/other/orders spec.dependsOn[4]", "resource resource/default/disk spec.dependsOn[0]", "team shop spec.owner",
		"team shop spec.owner", "team org spec.parent", "person alice spec.members[0]",
		"level senior metadata.labels.evenkeel.dev/level", "team shop spec.memberOf[0]", "team oncall spec.memberOf[1]",
	}
	if !reflect.DeepEqual(refs, wantRefs) {
		t.Errorf("references:\n%s\nwant\n%s", strings.Join(refs, "\n"), strings.Join(wantRefs, "\n"))
	}
}

func TestMistakes(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		var problems declare.Problems
		new(Catalog).Read("c.yml", []byte(text), &problems)
		if got := problems.Error(); got != strings.Join(want, "\n") {
			t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
		}
	}
	const head = "apiVersion: backstage.io/v1alpha1\n"
	component := func(meta, spec string) string {
		return head + "kind: Component\nmetadata: {name: a" + meta + "}\nspec: {" + spec + "}\n"
	}
	f("just a text", `c.yml:1:1: got "just a text", expected a mapping`)
	f("kind: Component\nmetadata: {name: a}\nspec: {owner: b}\n", `c.yml:1:1: apiVersion: expected backstage.io/v1alpha1 (it is missing)`)
	f("apiVersion: v1\nkind: User\nmetadata: {name: a}\n", `c.yml:1:13: apiVersion: got "v1", expected backstage.io/v1alpha1`)
	f(head+"kind: Componnet\nmetadata: {name: a}\n",
		`c.yml:2:7: kind: got "Componnet", expected one of Component, System, Resource, Group, User, API, Domain, Location, Template (did you mean "Component"?)`)
	f(head+"kind: User\nmetadata: {}\n", `c.yml:3:11: metadata.name: expected a name (it is missing)`)
	f(head+"kind: User\nmetadata: {name: 'a b'}\n", `c.yml:3:18: metadata.name: got "a b", expected letters and digits, and between them - _ and ., at most 63 altogether`)
	f(component("", ""), `c.yml:4:7: spec.owner: expected a group (it is missing)`)
	f(component("", "onwer: b"), `c.yml:4:8: spec.onwer: got "onwer", expected a known key (did you mean "owner"?)`, `c.yml:4:7: spec.owner: expected a group (it is missing)`)
	f(component("", "owner: b, dependson: []"), `c.yml:4:18: spec.dependson: got "dependson", expected a known key (did you mean "dependsOn"?)`)
	f(component("", "owner: user:bob"), `c.yml:4:15: spec.owner: got "user:bob", expected a group: work is owned by teams`)
	f(component("", "owner: [b]"), `c.yml:4:15: spec.owner: got "a list", expected a text`)
	f(component("", "owner: b, dependsOn: payments"), `c.yml:4:29: spec.dependsOn: got "payments", expected a list`)
	f(component("", "owner: b, dependsOn: ['api:x', 'component:', ~]"),
		`c.yml:4:30: spec.dependsOn[0]: got "api:x", expected component:name or resource:name`,
		`c.yml:4:39: spec.dependsOn[1]: got "component:", expected component:name or resource:name`,
		`c.yml:4:53: spec.dependsOn[2]: expected component:name or resource:name`)
	f(component(", labels: {evenkeel.dev/tier: top}", "owner: b"),
		`c.yml:3:49: metadata.labels.evenkeel.dev/tier: got "top", expected a tier from 1 (most important) to 4`)
	f(component(", labels: {evenkeel.dev/teir: '1'}", "owner: b"),
		`c.yml:3:30: metadata.labels.evenkeel.dev/teir: got "evenkeel.dev/teir", expected evenkeel.dev/tier or evenkeel.dev/level (did you mean "evenkeel.dev/tier"?)`)
}

func FuzzRead(f *testing.F) {
	for _, doc := range strings.Split(estate, "---\n") {
		f.Add([]byte(doc))
	}
	f.Add([]byte("kind: Component\nspec: {dependsOn: [a:b/c:d, '', {}], owner: ['x']}\nmetadata: []\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var problems declare.Problems
		var c Catalog
		c.Read("c.yml", data, &problems)
		if len(problems.Errors()) > 0 {
			return
		}
		for _, s := range c.Services {
			if s.ID == "" || s.Owner == "" || s.Title == "" || s.Pos.Line == 0 {
				t.Errorf("accepted: %+v", s)
			}
		}
		for _, r := range c.References {
			if r.Name == "" || r.Kind == "" || r.At.Pos().Line == 0 {
				t.Errorf("reference: %+v", r)
			}
		}
	})
}
