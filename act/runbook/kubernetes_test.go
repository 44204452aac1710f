//go:build kube

package runbook

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/act"
)

var kubeBooks = map[string]string{
	"restart":  page("params: [{name: what, type: string, default: deployment/web}, {name: ns, type: string}]\n", fence("kube {risk=low timeout=4m}", "restart deployment/${what} namespace=${ns}")),
	"stateful": page("params: [{name: what, type: string}, {name: ns, type: string}]\n", fence("kube {risk=low}", "restart statefulset/${what} namespace=${ns}")),
	"undo":     page("params: [{name: what, type: string}, {name: ns, type: string}]\n", fence("kube {risk=medium timeout=2m}", "undo deployment/${what} namespace=${ns}")),
	"scale":    page("params: [{name: what, type: string}, {name: ns, type: string}, {name: n, type: int}]\n", fence("kube {risk=low}", "scale deployment/${what} namespace=${ns} replicas=${n}")),
	"cordon":   page("params: [{name: node, type: string}]\n", fence("kube {risk=low}", "cordon node/${node}")),
	"uncordon": page("params: [{name: node, type: string}]\n", fence("kube {risk=low}", "uncordon node/${node}")),
	"drain":    page("params: [{name: node, type: string}]\n", fence("kube {risk=high}", "drain node/${node}")),
	"brief":    page("params: [{name: node, type: string}]\n", fence("kube {risk=high timeout=4s}", "drain node/${node}")),
	"quick":    page("params: [{name: what, type: string}, {name: ns, type: string}]\n", fence("kube {risk=low timeout=3s}", "restart deployment/${what} namespace=${ns}")),
	"settings": page("params: [{name: ns, type: string}, {name: mode, type: string}]\n", fence("kube {risk=medium}", "apply namespace=${ns}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {mode: '${mode}'}")),
	"typo":     page("params: [{name: ns, type: string}]\n", fence("kube {risk=medium}", "apply namespace=${ns}\n"+settings+"---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: front}\nspec: {replica: 3, "+strings.Replace(front, "${image}", "front:1", 1)+"}")),
	"front":    page("params: [{name: ns, type: string}, {name: image, type: string}]\n", fence("kube {risk=medium}", "apply namespace=${ns}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: front}\nspec: {replicas: 2, "+front+"}")),
	"space":    page("params: [{name: ns, type: string}]\n", fence("kube {risk=medium}", "apply namespace=${ns}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: '${ns}'}\n---\napiVersion: v1\nkind: ResourceQuota\nmetadata: {name: quota}\nspec: {hard: {pods: '10'}}")),
	"astray":   page("", fence("kube {risk=medium}", "apply namespace=apply\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: kube-system}\ndata: {}")),
	"strange":  page("", fence("kube {risk=medium}", "apply namespace=apply\n---\napiVersion: shop.example/v1\nkind: Basket\nmetadata: {name: b}\nspec: {sise: 3}")),
}

const (
	front    = "selector: {matchLabels: {app: front}}, template: {metadata: {labels: {app: front}}, spec: {terminationGracePeriodSeconds: 1, containers: [{name: app, image: '${image}'}]}}"
	settings = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: before}\ndata: {mode: dark}\n"
)

// TestKubernetes runs every verb against a real cluster.
func TestKubernetes(t *testing.T) {
	p := newPlane(t)
	b := newBench(t, t.TempDir(), kubeBooks)
	b.o.Kube, b.o.OutputLimit = p.kubeconfig(t, adminToken, p.ca), 16<<10
	for _, test := range []struct {
		name string
		f    func(t *testing.T, p *plane, b *bench)
	}{
		{"nodes", testNodes}, {"workloads", testWorkloads}, {"undo", testUndo}, {"apply", testApply}, {"approvals", testApprovals}, {"faults", testFaults},
	} {
		t.Run(test.name, func(t *testing.T) { test.f(t, p, b) })
	}
}

// run is a run by somebody who may, with name=value parameters.
func (b *bench) run(t *testing.T, mode act.RunMode, book string, params ...string) act.Run {
	t.Helper()
	given := map[string]string{}
	for _, p := range params {
		k, v, _ := strings.Cut(p, "=")
		given[k] = v
	}
	run, err := b.Start(t.Context(), time.Now(), "carol", act.StartRun{Runbook: book, Params: given, Mode: mode})
	if err != nil {
		t.Fatal(err)
	}
	return b.inTheEnd(t, run.ID)
}

// inTheEnd is a run when it has ended; some wait for kubelets and controllers.
func (b *bench) inTheEnd(t *testing.T, id string) act.Run {
	t.Helper()
	for end := time.Now().Add(5 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		run, err := b.Get(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if run.Status.Ended() {
			return run
		}
		if time.Now().After(end) {
			t.Fatalf("%s does not end: %s", id, run.Steps[0].Output)
		}
	}
}

// well and badly run something for real, and look at what its step says in the end.
func (b *bench) well(t *testing.T, detail, book string, params ...string) act.RunStep {
	t.Helper()
	run := b.run(t, act.ModeReal, book, params...)
	if run.Status != act.RunDone {
		t.Fatalf("%s %v: %s %s\n%s", book, params, run.Status, run.Reason, run.Steps[0].Output)
	}
	says(t, run.Steps[0].Detail, detail)
	return run.Steps[0]
}

func (b *bench) badly(t *testing.T, detail, book string, params ...string) act.RunStep {
	t.Helper()
	run := b.run(t, act.ModeReal, book, params...)
	if run.Status != act.RunFailed {
		t.Errorf("%s %v: %s, want it to fail", book, params, run.Status)
	}
	says(t, run.Steps[0].Detail, detail)
	return run.Steps[0]
}

func (b *bench) tried(t *testing.T, detail, book string, params ...string) act.RunStep {
	t.Helper()
	run := b.run(t, act.ModeDry, book, params...)
	if run.Status != act.RunDone || run.Change != "" {
		t.Errorf("dry %s %v: %s %s (change %q)", book, params, run.Status, run.Reason, run.Change)
	}
	says(t, run.Steps[0].Detail, detail)
	return run.Steps[0]
}

func testWorkloads(t *testing.T, p *plane, b *bench) {
	p.namespace(t, "shop")
	p.deploy(t, "shop", "web", "web:1", 2)
	before := p.get(t, "deployments", "shop", "web")

	b.tried(t, "would restart deployment/web", "restart", "what=web", "ns=shop")
	b.tried(t, "would scale deployment/web to 4", "scale", "what=web", "ns=shop", "n=4")
	if after := p.get(t, "deployments", "shop", "web"); number(dig(after, "metadata", "generation")) != number(dig(before, "metadata", "generation")) {
		t.Errorf("a dry run has altered %v to %v", before, after)
	}

	says(t, b.well(t, "4 of 4 updated, 4 available", "scale", "what=web", "ns=shop", "n=4").Output, "has 2 replicas, and gets 4")
	old := p.pods(t, "shop", "web")
	b.well(t, "4 of 4 updated, 4 available", "restart", "what=web", "ns=shop")
	for pod := range p.pods(t, "shop", "web") {
		if old[pod] != "" {
			t.Errorf("%s was not restarted", pod)
		}
	}
	b.well(t, "1 of 1 updated, 1 available", "scale", "what=web", "ns=shop", "n=1") // it waits until they are gone
	if left := p.pods(t, "shop", "web"); len(left) != 1 {
		t.Errorf("scaled to 1, there are %v", left)
	}
	b.well(t, "0 of 0 updated, 0 available", "scale", "what=web", "ns=shop", "n=0")
	b.well(t, "2 of 2 updated, 2 available", "scale", "what=web", "ns=shop", "n=2")

	// What would never come about is refused, and nothing is altered.
	p.must(t, "PATCH", "/apis/apps/v1/namespaces/shop/deployments/web", object{"spec": object{"paused": true}})
	generation := number(dig(p.get(t, "deployments", "shop", "web"), "metadata", "generation"))
	b.badly(t, "is paused", "restart", "what=web", "ns=shop")
	b.badly(t, "is paused", "undo", "what=web", "ns=shop")
	if now := number(dig(p.get(t, "deployments", "shop", "web"), "metadata", "generation")); now != generation {
		t.Error("a paused deployment was altered")
	}
	p.must(t, "PATCH", "/apis/apps/v1/namespaces/shop/deployments/web", object{"spec": object{"paused": false}})

	// Stateful sets: one part of which is held back, and one that changes only by hand.
	for name, strategy := range map[string]object{"parted": {"type": "RollingUpdate", "rollingUpdate": object{"partition": 1}}, "byhand": {"type": "OnDelete"}} {
		p.must(t, "POST", "/apis/apps/v1/namespaces/shop/statefulsets", object{"metadata": object{"name": name}, "spec": object{
			"replicas": 2, "serviceName": name, "selector": object{"matchLabels": object{"app": name}}, "template": template(name, "db:1", nil), "updateStrategy": strategy,
		}})
		p.until(t, name+" is up", func() bool {
			return number(dig(p.get(t, "statefulsets", "shop", name), "status", "availableReplicas")) == 2
		})
	}
	b.well(t, "1 of 2 updated, 2 available", "stateful", "what=parted", "ns=shop")
	b.badly(t, "only when somebody deletes them", "stateful", "what=byhand", "ns=shop")

	b.badly(t, `deployments.apps "gone" not found (404)`, "restart", "what=gone", "ns=shop")
	b.badly(t, "not found (404)", "scale", "what=web", "ns=gone", "n=1")
	for _, name := range []string{"../../nodes/n1", "web namespace=kube-system", "web?dryRun=All", "web\nrestart deployment/x", "web%2fscale", "..", "web;id", "$(id)", strings.Repeat("a", 300)} {
		b.badly(t, "expected a name", "restart", "what="+name, "ns=shop")
		b.badly(t, "expected a name", "restart", "what=web", "ns="+name)
	}
}

func testUndo(t *testing.T, p *plane, b *bench) {
	p.namespace(t, "undo")
	p.deploy(t, "undo", "web", "web:1", 2)
	b.badly(t, "has no revision before 1", "undo", "what=web", "ns=undo")
	for _, image := range []string{"web:2", "web:3"} {
		p.release(t, "undo", "web", image)
		p.available(t, "undo", "web", 2)
	}
	says(t, b.tried(t, "would go back to revision 2", "undo", "what=web", "ns=undo").Output, "from revision 3 to 2: web:2 instead of web:3")
	if got := p.image(t, "undo", "web"); got != "web:3" {
		t.Errorf("a dry run has altered the image to %s", got)
	}
	b.well(t, "2 of 2 updated", "undo", "what=web", "ns=undo")
	if got := p.image(t, "undo", "web"); got != "web:2" {
		t.Errorf("undone to %s, want web:2", got)
	}

	// Directly after a release, whose revision has no number yet.
	p.freeze(t, p.manager, true)
	p.release(t, "undo", "web", "web:4")
	run := b.start("carol", "undo", map[string]string{"what": "web", "ns": "undo"})
	b.until(run.ID, "it waits", func(r act.Run) bool {
		return r.Status.Ended() || strings.Contains(r.Steps[0].Output, "waiting until its controller has looked at it")
	})
	p.freeze(t, p.manager, false)
	if run = b.inTheEnd(t, run.ID); run.Status != act.RunDone || p.image(t, "undo", "web") != "web:2" {
		t.Errorf("undone to %s, want web:2, which was before web:4: %s", p.image(t, "undo", "web"), run.Steps[0].Output)
	}

	// A release that got stuck: its deployment says so until it sees progress, which is
	// not before the last pod has gone, which something holds.
	p.must(t, "POST", "/apis/apps/v1/namespaces/undo/deployments", object{"metadata": object{"name": "stuck"}, "spec": object{
		"replicas": 1, "progressDeadlineSeconds": 2, "strategy": object{"type": "Recreate"}, "selector": object{"matchLabels": object{"app": "stuck"}}, "template": template("stuck", "good:1", nil),
	}})
	p.available(t, "undo", "stuck", 1)
	bad := template("stuck", "bad:2", object{"nodeSelector": object{"disk": "none"}})
	bad["metadata"] = object{"labels": object{"app": "stuck"}, "finalizers": []string{"shop.example/hold"}}
	p.must(t, "PATCH", "/apis/apps/v1/namespaces/undo/deployments/stuck", object{"spec": object{"template": bad}})
	p.until(t, "the release is stuck", func() bool {
		at, _ := stuck(p.get(t, "deployments", "undo", "stuck"))
		return at != ""
	})
	p.must(t, "PATCH", "/apis/apps/v1/namespaces/undo/deployments/stuck", object{"spec": object{"progressDeadlineSeconds": 600}})
	var held string
	for pod := range p.pods(t, "undo", "stuck") {
		held = pod
	}
	run = b.start("carol", "undo", map[string]string{"what": "stuck", "ns": "undo"})
	b.until(run.ID, "it waits", func(r act.Run) bool {
		return r.Status.Ended() || strings.Contains(r.Steps[0].Output, "0 of 1 updated")
	})
	p.must(t, "PATCH", "/api/v1/namespaces/undo/pods/"+held, object{"metadata": object{"$deleteFromPrimitiveList/finalizers": []string{"shop.example/hold"}}})
	if run = b.inTheEnd(t, run.ID); run.Status != act.RunDone {
		t.Errorf("%s %s\n%s", run.Status, run.Reason, run.Steps[0].Output)
	}
	p.must(t, "PATCH", "/apis/apps/v1/namespaces/undo/deployments/stuck", object{"spec": object{"progressDeadlineSeconds": 2, "template": template("stuck", "bad:3", object{"nodeSelector": object{"disk": "none"}})}})
	p.until(t, "the release is stuck again", func() bool {
		at, _ := stuck(p.get(t, "deployments", "undo", "stuck"))
		return at != ""
	})
	b.badly(t, "does not progress", "restart", "what=stuck", "ns=undo")

	// A namespace with more replica sets than one page of the list has.
	for i := range 510 {
		p.must(t, "POST", "/apis/apps/v1/namespaces/undo/replicasets", object{"metadata": object{"name": fmt.Sprintf("a-%03d", i)}, "spec": object{
			"replicas": 0, "selector": object{"matchLabels": object{"app": "a"}}, "template": template("a", "a", nil),
		}})
	}
	p.release(t, "undo", "web", "web:5")
	p.available(t, "undo", "web", 2)
	b.well(t, "2 of 2 updated", "undo", "what=web", "ns=undo")
	if got := p.image(t, "undo", "web"); got != "web:2" {
		t.Errorf("undone to %s, want web:2", got)
	}
}
