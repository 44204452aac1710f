//go:build kube

package runbook

import (
	"fmt"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/act"
)

func testNodes(t *testing.T, p *plane, b *bench) {
	p.namespace(t, "nodes")
	closed := func() bool {
		yes, _ := dig(p.must(t, "GET", "/api/v1/nodes/n1", nil), "spec", "unschedulable").(bool)
		return yes
	}
	on := func(node string, pods map[string]string) (n int) {
		for _, at := range pods {
			if at == node {
				n++
			}
		}
		return n
	}
	b.tried(t, "would be: takes no new pods", "cordon", "node=n1")
	if closed() {
		t.Error("a dry run has cordoned the node")
	}
	b.well(t, "takes no new pods", "cordon", "node=n1")
	p.deploy(t, "nodes", "web", "web:1", 4)
	if n := on("n1", p.pods(t, "nodes", "web")); n != 0 {
		t.Errorf("%d pods came to a node that takes none", n)
	}
	b.well(t, "takes pods again", "uncordon", "node=n1")
	if closed() {
		t.Error("the node is still cordoned")
	}
	b.well(t, "takes no new pods", "cordon", "node=n2")
	b.well(t, "4 of 4 updated", "restart", "what=web", "ns=nodes")
	b.well(t, "takes pods again", "uncordon", "node=n2")
	if n := on("n1", p.pods(t, "nodes", "web")); n != 4 {
		t.Fatalf("%d of 4 pods are on n1", n)
	}

	p.must(t, "POST", "/apis/apps/v1/namespaces/nodes/daemonsets", object{"metadata": object{"name": "agent"}, "spec": object{
		"selector": object{"matchLabels": object{"app": "agent"}}, "template": template("agent", "agent:1", object{"volumes": []object{{"name": "v", "emptyDir": object{}}}}),
	}})
	p.until(t, "the daemon set is up", func() bool {
		return number(dig(p.get(t, "daemonsets", "nodes", "agent"), "status", "numberAvailable")) == 2
	})
	agents := p.pods(t, "nodes", "agent")

	// A pod that nothing would make anew.
	alone := template("alone", "alone:1", object{"nodeName": "n1"})
	alone["metadata"] = object{"name": "alone"}
	p.must(t, "POST", "/api/v1/namespaces/nodes/pods", alone)
	b.badly(t, "nothing would make nodes/alone anew elsewhere", "drain", "node=n1")
	if closed() || on("n1", p.pods(t, "nodes", "web")) != 4 {
		t.Error("a drain that was refused has done something")
	}
	p.must(t, "DELETE", "/api/v1/namespaces/nodes/pods/alone", nil)
	p.until(t, "it is gone", func() bool {
		code, _ := p.do(t, "GET", "/api/v1/namespaces/nodes/pods/alone", nil)
		return code == 404
	})

	// A disruption budget that allows nothing.
	budget := func(name string, atLeast int) {
		p.must(t, "POST", "/apis/policy/v1/namespaces/nodes/poddisruptionbudgets", object{"metadata": object{"name": name}, "spec": object{"minAvailable": atLeast, "selector": object{"matchLabels": object{"app": "web"}}}})
		p.until(t, "the budget is reckoned", func() bool {
			_, o := p.do(t, "GET", "/apis/policy/v1/namespaces/nodes/poddisruptionbudgets/"+name, nil)
			return number(dig(o, "status", "currentHealthy")) == 4
		})
	}
	budget("web", 4)
	says(t, b.tried(t, "would evict 4 pods, but now nodes/web-", "drain", "node=n1").Output, "violate the pod's disruption budget")
	if closed() {
		t.Error("a dry run has cordoned the node")
	}
	says(t, b.badly(t, "stopped: it took longer than 4s (4 pods are left; nodes/web-", "brief", "node=n1").Output, "violate the pod's disruption budget")
	if n := on("n1", p.pods(t, "nodes", "web")); n != 4 {
		t.Errorf("a budget of 4 was broken: %d are left", n)
	}
	p.must(t, "PATCH", "/apis/policy/v1/namespaces/nodes/poddisruptionbudgets/web", object{"spec": object{"minAvailable": 3}})
	said := b.well(t, "node/n1 is empty: 4 pods evicted", "drain", "node=n1")
	if n := strings.Count(said.Output, "is evicted"); n != 4 {
		t.Errorf("%d evictions are told of: %s", n, said.Output)
	}
	for pod, node := range agents {
		if p.pods(t, "nodes", "agent")[pod] != node {
			t.Errorf("the daemon set's %s was evicted", pod)
		}
	}
	b.well(t, "node/n1 is empty: 0 pods evicted", "drain", "node=n1") // again
	b.well(t, "takes pods again", "uncordon", "node=n1")
	p.available(t, "nodes", "web", 4)

	// Two budgets for one pod: the server refuses, in its words.
	budget("more", 1)
	b.badly(t, "more than one PodDisruptionBudget", "drain", "node=n2")
	p.must(t, "DELETE", "/apis/policy/v1/namespaces/nodes/poddisruptionbudgets/more", nil)
	b.well(t, "takes pods again", "uncordon", "node=n2")

	b.badly(t, `nodes "n9" not found (404)`, "drain", "node=n9")
	b.badly(t, `nodes "n9" not found (404)`, "cordon", "node=n9")
	for _, name := range []string{"n1,status.phase=Running", "n1&limit=1", "../namespaces/nodes", "n1/status"} {
		b.badly(t, "expected a name", "drain", "node="+name)
	}
}

func testApply(t *testing.T, p *plane, b *bench) {
	p.namespace(t, "apply")
	mode := func(name string) any {
		_, o := p.do(t, "GET", "/api/v1/namespaces/apply/configmaps/"+name, nil)
		return dig(o, "data", "mode")
	}
	says(t, b.tried(t, "1 objects would be applied", "settings", "ns=apply", "mode=dark").Output, "ConfigMap/settings would be made")
	if mode("settings") != nil {
		t.Error("a dry run has made something")
	}
	b.well(t, "1 objects applied", "settings", "ns=apply", "mode=dark")
	says(t, b.tried(t, "1 objects would be applied", "settings", "ns=apply", "mode=dark").Output, "would be left as it is")
	says(t, b.tried(t, "1 objects would be applied", "settings", "ns=apply", "mode=light").Output, "would be changed: data.mode")
	hostile := "a'\n  evil: yes\n---\n\u2028{}"
	b.well(t, "applied", "settings", "ns=apply", "mode="+hostile)
	if got := mode("settings"); got != hostile {
		t.Errorf("applied %q, want %q", got, hostile)
	}

	// Somebody else's field is not taken away.
	p.must(t, "PATCH", "/api/v1/namespaces/apply/configmaps/settings?fieldManager=another", object{"data": object{"mode": "theirs"}})
	b.badly(t, `conflict with "another"`, "settings", "ns=apply", "mode=dark")
	if mode("settings") != "theirs" {
		t.Errorf("it was taken away: %v", mode("settings"))
	}

	// A field that does not exist: nothing of the whole is applied.
	b.badly(t, "spec.replica", "typo", "ns=apply")
	if mode("before") != nil {
		t.Error("half of it was applied")
	}
	b.badly(t, `its namespace is "kube-system", the step's "apply"`, "astray")
	b.badly(t, "shop.example/v1", "strange")
	p.must(t, "POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", object{"metadata": object{"name": "baskets.shop.example"}, "spec": object{
		"group": "shop.example", "scope": "Namespaced", "names": object{"kind": "Basket", "plural": "baskets"},
		"versions": []object{{"name": "v1", "served": true, "storage": true, "schema": object{"openAPIV3Schema": object{"type": "object", "properties": object{"spec": object{"type": "object", "properties": object{"size": object{"type": "integer"}}}}}}}},
	}})
	p.until(t, "baskets are known", func() bool {
		code, _ := p.do(t, "GET", "/apis/shop.example/v1/namespaces/apply/baskets", nil)
		return code == 200
	})
	b.badly(t, ".spec.sise: field not declared in schema", "strange")
	b.badly(t, "(404)", "settings", "ns=gone", "mode=dark")
	b.badly(t, "expected a name", "settings", "ns=../../x", "mode=dark")

	// A namespace and what is in it.
	says(t, b.tried(t, "2 objects would be applied", "space", "ns=fresh").Output, "Namespace/fresh would be made", "in the new namespace fresh")
	b.well(t, "2 objects applied", "space", "ns=fresh")
	says(t, b.tried(t, "2 objects would be applied", "space", "ns=fresh").Output, "ResourceQuota/quota would be left as it is")

	// A deployment is waited for.
	says(t, b.well(t, "1 objects applied", "front", "ns=apply", "image=front:1").Output, "2 of 2 updated, 2 available")
	says(t, b.tried(t, "1 objects would be applied", "front", "ns=apply", "image=front:2").Output, "would be changed: spec.template.spec.containers[0].image")
	b.well(t, "1 objects applied", "front", "ns=apply", "image=front:2")
	if got := p.image(t, "apply", "front"); got != "front:2" {
		t.Errorf("applied %s", got)
	}
}

// need is what every kube step needs at most; docs/act.md says so.
var need = []object{
	{"apiGroups": []string{"apps"}, "resources": []string{"deployments", "statefulsets", "daemonsets"}, "verbs": []string{"get", "patch"}},
	{"apiGroups": []string{"apps"}, "resources": []string{"replicasets"}, "verbs": []string{"list"}},
	{"apiGroups": []string{""}, "resources": []string{"nodes"}, "verbs": []string{"get", "patch"}},
	{"apiGroups": []string{""}, "resources": []string{"pods"}, "verbs": []string{"list"}},
	{"apiGroups": []string{""}, "resources": []string{"pods/eviction"}, "verbs": []string{"create"}},
}

func testFaults(t *testing.T, p *plane, b *bench) {
	p.namespace(t, "faults")
	p.deploy(t, "faults", "web", "web:1", 1)
	p.release(t, "faults", "web", "web:2")
	p.available(t, "faults", "web", 1)
	admin := b.o.Kube
	defer func() { b.o.Kube = admin }()
	steps := []struct {
		book, denied string
		params       []string
	}{
		{"restart", `cannot get resource "deployments"`, []string{"what=web", "ns=faults"}},
		{"scale", `cannot get resource "deployments"`, []string{"what=web", "ns=faults", "n=2"}},
		{"undo", `cannot get resource "deployments"`, []string{"what=web", "ns=faults"}},
		{"cordon", `cannot patch resource "nodes"`, []string{"node=n1"}},
		{"drain", `cannot get resource "nodes"`, []string{"node=n1"}},
		{"uncordon", `cannot patch resource "nodes"`, []string{"node=n1"}},
		{"settings", `cannot patch resource "configmaps"`, []string{"ns=faults", "mode=dark"}},
	}
	b.o.Kube = p.kubeconfig(t, p.token(t, "few"), p.ca)
	for _, s := range steps {
		b.badly(t, s.denied, s.book, s.params...)
	}
	b.o.Kube = p.kubeconfig(t, p.token(t, "reader", object{"apiGroups": []string{"*"}, "resources": []string{"*"}, "verbs": []string{"get", "list"}}), p.ca)
	for _, s := range steps {
		b.badly(t, "(403)", s.book, s.params...)
	}
	if o := p.must(t, "GET", "/api/v1/nodes/n1", nil); dig(o, "spec", "unschedulable") != nil || p.image(t, "faults", "web") != "web:2" {
		t.Error("somebody without rights has altered something")
	}
	b.o.Kube = p.kubeconfig(t, p.token(t, "runner", need...), p.ca)
	for _, s := range steps[:6] {
		b.well(t, "", s.book, s.params...)
	}

	// Not the server that it says it is, and not one who may.
	stranger := &plane{dir: t.TempDir()}
	stranger.certificates(t)
	b.o.Kube = p.kubeconfig(t, adminToken, stranger.ca)
	b.badly(t, "certificate signed by unknown authority", "restart", "what=web", "ns=faults")
	b.o.Kube = p.kubeconfig(t, "not-a-token", p.ca)
	b.badly(t, "Unauthorized (401)", "restart", "what=web", "ns=faults")
	b.o.Kube = p.file("no-kubeconfig")
	b.badly(t, "cannot reach a cluster", "restart", "what=web", "ns=faults")
	b.o.Kube = admin

	// The API server goes away while a step waits, and comes back: the pods are held
	// back until it has.
	for _, node := range []string{"n1", "n2"} {
		p.must(t, "PATCH", "/api/v1/nodes/"+node, object{"spec": object{"unschedulable": true}})
	}
	run := b.start("carol", "restart", map[string]string{"what": "web", "ns": "faults"})
	b.until(run.ID, "it waits", func(r act.Run) bool { return strings.Contains(r.Steps[0].Output, "updated") })
	p.stop(t)
	b.until(run.ID, "it cannot look", func(r act.Run) bool { return strings.Contains(r.Steps[0].Output, "cannot reach the cluster") })
	if other := b.run(t, act.ModeDry, "scale", "what=web", "ns=faults", "n=3"); other.Status != act.RunFailed || !strings.Contains(other.Reason, "cannot reach the cluster") {
		t.Errorf("what has not begun: %s %s", other.Status, other.Reason)
	}
	p.startAPI(t)
	for _, node := range []string{"n1", "n2"} {
		p.must(t, "PATCH", "/api/v1/nodes/"+node, object{"spec": object{"unschedulable": false}})
	}
	if run = b.inTheEnd(t, run.ID); run.Status != act.RunDone {
		t.Errorf("%s %s\n%s", run.Status, run.Reason, run.Steps[0].Output)
	}

	// It is there, and says nothing.
	p.freeze(t, p.api, true)
	b.badly(t, "stopped: it took longer than 3s", "quick", "what=web", "ns=faults")
	p.freeze(t, p.api, false)
	b.well(t, fmt.Sprintf("%d of %d updated", 2, 2), "restart", "what=web", "ns=faults")
}
