package runbook

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/act"
	parse "github.com/evenkeel/evenkeel/declare/runbook"
)

// cluster is enough of an API server for the verbs: it keeps objects, merges patches and
// makes workloads ready.
type fakeCluster struct {
	mu      sync.Mutex
	objects map[string]object
	calls   []string
	busy    int // evictions to refuse first
}

func (f *fakeCluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fail := func(code int, message string) {
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(object{"kind": "Status", "message": message, "code": code})
	}
	if r.Header.Get("Authorization") != "Bearer kube-token" {
		fail(401, "Unauthorized")
		return
	}
	dry := r.URL.Query().Get("dryRun") == "All"
	if r.Method != http.MethodGet {
		f.calls = append(f.calls, fmt.Sprintf("%s %s dry=%v", r.Method, r.URL.Path, dry))
	}
	var in any
	_ = json.NewDecoder(r.Body).Decode(&in)
	path := r.URL.Path
	switch {
	case path == "/api/v1":
		_ = json.NewEncoder(w).Encode(object{"resources": []object{{"name": "configmaps", "kind": "ConfigMap", "namespaced": true}}})
		return
	case path == "/api/v1/pods" || strings.HasSuffix(path, "/replicasets"):
		var items []object
		for p, o := range f.objects {
			if strings.Contains(p, "/pods/") && path == "/api/v1/pods" && r.URL.Query().Get("fieldSelector") == "spec.nodeName=node-1" || strings.Contains(p, "/replicasets/") && strings.HasSuffix(path, "/replicasets") {
				items = append(items, o)
			}
		}
		_ = json.NewEncoder(w).Encode(object{"items": items})
		return
	case strings.HasSuffix(path, "/eviction"):
		if f.busy > 0 {
			f.busy--
			fail(429, "Cannot evict pod as it would violate the pod's disruption budget.")
			return
		}
		if !dry {
			delete(f.objects, strings.TrimSuffix(path, "/eviction"))
		}
		_ = json.NewEncoder(w).Encode(object{})
		return
	}
	o := f.objects[path]
	if r.Header.Get("Content-Type") == "application/apply-patch+yaml" {
		if m, _ := in.(object); text(dig(m, "data", "bad")) != "" {
			fail(422, "bad is not allowed")
			return
		}
		if !dry {
			f.objects[path] = in.(object)
		}
		_ = json.NewEncoder(w).Encode(in)
		return
	}
	if o == nil {
		fail(404, "not found: "+path)
		return
	}
	if r.Method == http.MethodPatch && !dry {
		switch in := in.(type) {
		case object:
			merge(o, in)
		case []any:
			for _, op := range in {
				if text(dig(op, "op")) == "replace" {
					merge(o, object{"spec": object{"template": nil}})
					merge(o, object{"spec": object{"template": dig(op, "value")}})
				}
			}
		}
		if spec, ok := o["spec"].(object); ok && spec["replicas"] != nil {
			o["status"] = object{"replicas": spec["replicas"], "updatedReplicas": spec["replicas"], "availableReplicas": spec["replicas"], "observedGeneration": 1}
		}
	}
	_ = json.NewEncoder(w).Encode(o)
}

func merge(into, from object) {
	for k, v := range from {
		a, ok1 := into[k].(object)
		b, ok2 := v.(object)
		if ok1 && ok2 {
			merge(a, b)
			continue
		}
		into[k] = v
	}
}

const checkoutPath = "/apis/apps/v1/namespaces/shop/deployments/checkout"

func newFakeCluster(t *testing.T) (f *fakeCluster, kubeconfig string) {
	deployment := func() object {
		return object{
			"metadata": object{"name": "checkout", "uid": "u1", "generation": 1, "resourceVersion": "7", "annotations": object{"deployment.kubernetes.io/revision": "3"}},
			"spec":     object{"replicas": 2, "template": object{"metadata": object{}, "spec": object{"containers": []any{object{"image": "c:3"}}}}},
			"status":   object{"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, "observedGeneration": 1},
		}
	}
	set := func(rev, image, owner string) object {
		return object{"metadata": object{"ownerReferences": []any{object{"uid": owner, "controller": true}}, "annotations": object{"deployment.kubernetes.io/revision": rev}},
			"spec": object{"template": object{"metadata": object{"labels": object{"app": "checkout", "pod-template-hash": "x"}}, "spec": object{"containers": []any{object{"image": image}}}}}}
	}
	pod := func(name, owner string) object {
		return object{"metadata": object{"name": name, "namespace": "shop", "uid": name, "ownerReferences": []any{object{"kind": owner, "controller": true}}}, "status": object{"phase": "Running"}}
	}
	f = &fakeCluster{objects: map[string]object{
		checkoutPath: deployment(),
		"/apis/apps/v1/namespaces/shop/replicasets/a": set("1", "c:1", "u1"),
		"/apis/apps/v1/namespaces/shop/replicasets/b": set("2", "c:2", "u1"),
		"/apis/apps/v1/namespaces/shop/replicasets/c": set("2", "other", "u2"),
		"/api/v1/nodes/node-1":                        {"spec": object{}},
		"/api/v1/namespaces/shop/pods/p1":             pod("p1", "ReplicaSet"),
		"/api/v1/namespaces/shop/pods/p2":             pod("p2", "ReplicaSet"),
		"/api/v1/namespaces/shop/pods/agent":          pod("agent", "DaemonSet"),
	}, busy: 1}
	server := httptest.NewTLSServer(f) // client-go sends no token without TLS
	t.Cleanup(server.Close)
	ca := base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	kubeconfig = filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(kubeconfig, []byte("apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{name: c, context: {cluster: c, user: u}}]\nclusters: [{name: c, cluster: {server: '"+server.URL+"', certificate-authority-data: "+ca+"}}]\nusers: [{name: u, user: {token: kube-token}}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return f, kubeconfig
}

func TestKube(t *testing.T) {
	f, kubeconfig := newFakeCluster(t)
	books := map[string]string{
		"restart": page("", fence("kube {risk=low}", "restart deployment/checkout namespace=shop")),
		"undo":    page("", fence("kube {risk=medium}", "undo deployment/checkout namespace=shop")),
		"scale":   page("params: [{name: n, type: int}, {name: what, type: string, default: checkout}]\n", fence("kube {risk=low}", "scale deployment/${what} namespace=shop replicas=${n}")),
		"drain":   page("", fence("kube {risk=high}", "drain node/node-1")),
		"apply":   page("params: [{name: v, type: string}, {name: bad, type: string, default: ''}]\n", fence("kube {risk=medium}", "apply namespace=shop\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {mode: '${v}', bad: '${bad}'}")),
	}
	b := newBench(t, t.TempDir(), books)
	b.o.Kube = kubeconfig
	run := func(book string, mode act.RunMode, params map[string]string) act.Run {
		t.Helper()
		got, err := b.Start(t.Context(), time.Now(), "carol", act.StartRun{Runbook: book, Params: params, Mode: mode})
		if err != nil {
			t.Fatal(err)
		}
		return b.ended(got.ID)
	}
	image := func() string {
		f.mu.Lock()
		defer f.mu.Unlock()
		return images(f.objects[checkoutPath])
	}
	params := map[string]map[string]string{"scale": {"n": "5"}, "apply": {"v": "dark"}}

	for name := range books { // the server is asked, and nothing is altered
		if got := run(name, act.ModeDry, params[name]); got.Status != act.RunDone || !strings.Contains(got.Steps[0].Detail, "would") || got.Change != "" {
			t.Errorf("dry %s: %s %+v", name, got.Status, got.Steps)
		}
	}
	for _, c := range f.calls {
		if !strings.HasSuffix(c, "dry=true") {
			t.Errorf("a dry run did %s", c)
		}
	}
	if image() != "c:3" {
		t.Errorf("a dry run altered the image: %v", image())
	}

	well := func(name, detail string) {
		t.Helper()
		if got := run(name, act.ModeReal, params[name]); got.Status != act.RunDone || !strings.Contains(got.Steps[0].Detail, detail) {
			t.Errorf("%s: %s %+v", name, got.Status, got.Steps)
		}
	}
	well("scale", "5 of 5 updated, 5 available")
	well("restart", "5 available")
	well("undo", "5 available")
	if image() != "c:2" {
		t.Errorf("undone to %v, want the revision before", image())
	}
	well("apply", "1 objects applied")
	if got := text(dig(f.objects["/api/v1/namespaces/shop/configmaps/settings"], "data", "mode")); got != "dark" {
		t.Errorf("applied %q", got)
	}
	well("drain", "2 pods evicted") // the first eviction is refused by a disruption budget
	if f.objects["/api/v1/namespaces/shop/pods/agent"] == nil || dig(f.objects["/api/v1/nodes/node-1"], "spec", "unschedulable") != true {
		t.Error("the daemon set's pod is gone, or the node is open")
	}

	badly := func(name string, with map[string]string, detail string) {
		t.Helper()
		before := len(f.calls)
		got := run(name, act.ModeReal, with)
		if got.Status != act.RunFailed || !strings.Contains(got.Steps[0].Detail, detail) {
			t.Errorf("%s: %s %+v", name, got.Status, got.Steps)
		}
		for _, c := range f.calls[before:] {
			if strings.HasSuffix(c, "dry=false") {
				t.Errorf("%s altered something: %s", name, c)
			}
		}
	}
	badly("scale", map[string]string{"n": "2", "what": "gone"}, "not found")
	badly("scale", map[string]string{"n": "-2"}, "expected a number")
	badly("scale", map[string]string{"n": "2", "what": "../../nodes/node-1"}, "expected a name")
	badly("scale", map[string]string{"n": "2", "what": "x namespace=kube-system"}, "expected a name")
	badly("apply", map[string]string{"v": "x", "bad": "yes"}, "bad is not allowed") // refused dry, so nothing is half applied
	well("apply", "applied")
	run("apply", act.ModeReal, map[string]string{"v": "a'\n  evil: yes"})
	if o := f.objects["/api/v1/namespaces/shop/configmaps/settings"]; dig(o, "data", "evil") != nil || text(dig(o, "data", "mode")) != "a'\n  evil: yes" {
		t.Errorf("a parameter became a field: %v", o)
	}
}

// TestChangedSinceApproved goes back from the release that was approved to be taken back,
// and from no later one.
func TestChangedSinceApproved(t *testing.T) {
	f, kubeconfig := newFakeCluster(t)
	b := newBench(t, t.TempDir(), map[string]string{"undo": page("", fence("kube {risk=medium}", "undo deployment/checkout namespace=shop"))}, func(o *Options) { o.Kube = kubeconfig })
	asked := func() act.Run {
		return b.until(b.start("alice", "undo", nil).ID, "the evidence", func(r act.Run) bool { return len(r.Approvals) == 1 && r.Approvals[0].Evidence != "" })
	}
	approve := func(run act.Run) act.Run {
		if _, err := b.Decide(t.Context(), time.Now(), "bob", run.ID, 0, true, run.Approvals[0].ShownHash, ""); err != nil {
			t.Fatal(err)
		}
		return b.ended(run.ID)
	}
	run := asked()
	if got := run.Approvals[0].Evidence; !strings.Contains(got, "the cluster: deployment/checkout goes back from revision 3 to 2: c:2 instead of c:3\n") {
		t.Errorf("the approver is told %s", got)
	}
	f.mu.Lock()
	merge(f.objects[checkoutPath], object{"metadata": object{"annotations": object{"deployment.kubernetes.io/revision": "4"}}})
	f.mu.Unlock()
	if run = approve(run); run.Status != act.RunFailed || !strings.Contains(run.Reason, "the cluster has changed since this was approved; now deployment/checkout goes back from revision 4 to 2") {
		t.Errorf("%s %s", run.Status, run.Reason)
	}
	for _, c := range f.calls {
		if !strings.HasSuffix(c, "dry=true") {
			t.Errorf("it did %s", c)
		}
	}
	if run = approve(asked()); run.Status != act.RunDone {
		t.Errorf("%s %s", run.Status, run.Reason)
	}
}

func TestRollout(t *testing.T) {
	workload := func(spec, status object) object {
		status["observedGeneration"] = 2.0
		return object{"metadata": object{"generation": 2.0}, "spec": spec, "status": status}
	}
	replicas := func(all, updated, available float64) object {
		return object{"replicas": all, "updatedReplicas": updated, "availableReplicas": available}
	}
	unseen := workload(object{"replicas": 2.0}, replicas(2, 2, 2))
	unseen["metadata"] = object{"generation": 3.0}
	parted := object{"type": "RollingUpdate", "rollingUpdate": object{"partition": 2.0}}
	for name, c := range map[string]struct {
		kind string
		o    object
		done bool
	}{
		"all there":              {"deployment", workload(object{"replicas": 2.0}, replicas(2, 2, 2)), true},
		"not looked at":          {"deployment", unseen, false},
		"one is old":             {"deployment", workload(object{"replicas": 2.0}, replicas(3, 2, 3)), false},
		"not available":          {"deployment", workload(object{"replicas": 2.0}, replicas(2, 2, 1)), false},
		"scaled down, not gone":  {"deployment", workload(object{"replicas": 2.0}, replicas(5, 5, 5)), false},
		"none wanted":            {"deployment", workload(object{"replicas": 0.0}, object{}), true},
		"paused":                 {"deployment", workload(object{"replicas": 3.0, "paused": true}, replicas(3, 1, 3)), true},
		"a part held back":       {"statefulset", workload(object{"replicas": 3.0, "updateStrategy": parted}, replicas(3, 1, 3)), true},
		"a part, not yet":        {"statefulset", workload(object{"replicas": 3.0, "updateStrategy": parted}, replicas(3, 0, 3)), false},
		"of each node":           {"daemonset", workload(object{}, object{"desiredNumberScheduled": 3.0, "updatedNumberScheduled": 3.0, "numberAvailable": 3.0}), true},
		"a node has an old one":  {"daemonset", workload(object{}, object{"desiredNumberScheduled": 3.0, "updatedNumberScheduled": 2.0, "numberAvailable": 3.0}), false},
		"a node is down":         {"daemonset", workload(object{}, object{"desiredNumberScheduled": 3.0, "updatedNumberScheduled": 3.0, "numberAvailable": 2.0}), false},
		"changes only by a hand": {"daemonset", workload(object{"updateStrategy": object{"type": "OnDelete"}}, object{"desiredNumberScheduled": 3.0, "numberAvailable": 3.0}), true},
	} {
		if line, done := rollout(c.kind, c.o); done != c.done {
			t.Errorf("%s: %s, done %v, want %v", name, line, done, c.done)
		}
	}
}

// TestStuckBefore: what a deployment said before it was changed is not what has come of
// the change.
func TestStuckBefore(t *testing.T) {
	deployment := func(updated float64, conditions ...any) object {
		return object{"metadata": object{"generation": 2.0}, "spec": object{"replicas": 1.0}, "status": object{
			"observedGeneration": 2.0, "replicas": 1.0, "updatedReplicas": updated, "availableReplicas": updated, "conditions": conditions,
		}}
	}
	timedOut := func(at string) object {
		return object{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "lastUpdateTime": at, "message": "has timed out progressing"}
	}
	before := deployment(1, timedOut("2026-11-26T10:00:00Z"))
	for name, c := range map[string]struct {
		answers []object
		want    string
	}{
		"as before, then up":    {[]object{deployment(0, timedOut("2026-11-26T10:00:00Z")), deployment(1)}, ""},
		"found to be stuck now": {[]object{deployment(0, timedOut("2026-11-26T10:05:00Z")), deployment(1)}, "it does not progress: has timed out progressing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			next := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_ = json.NewEncoder(w).Encode(c.answers[next])
				next = min(next+1, len(c.answers)-1)
			}))
			defer server.Close()
			cl := &cluster{base: server.URL, client: server.Client()}
			_, err := cl.rolledOut(t.Context(), parse.Kube{Kind: "deployment", Name: "web", Namespace: "shop"}, before, io.Discard)
			if got := fmt.Sprint(err); (err != nil) != (c.want != "") || err != nil && got != c.want {
				t.Errorf("got %s, want %q", got, c.want)
			}
		})
	}
}
