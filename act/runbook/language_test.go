package runbook

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/journal"
)

// page makes a runbook of a front matter's lines and fences.
func page(front string, fences ...string) string {
	return "---\ntitle: Test\nservices: [checkout]\n" + front + "---\n# Test\n\n" + strings.Join(fences, "\n")
}

func fence(info, body string) string { return "```" + info + "\n" + body + "\n```\n" }

// sshServer runs what it is told by a real shell, for one key, with one host key.
func sshServer(t *testing.T, dir string) (host, port string, o SSH) {
	t.Helper()
	_, hostKey, _ := ed25519.GenerateKey(rand.Reader)
	signer, err := ssh.NewSignerFromKey(hostKey)
	if err != nil {
		t.Fatal(err)
	}
	_, mine, _ := ed25519.GenerateKey(rand.Reader)
	block, err := ssh.MarshalPrivateKey(mine, "")
	if err != nil {
		t.Fatal(err)
	}
	my, err := ssh.NewSignerFromKey(mine)
	if err != nil {
		t.Fatal(err)
	}
	o = SSH{User: "deploy", Key: filepath.Join(dir, "key"), KnownHosts: filepath.Join(dir, "known_hosts")}
	if err := os.WriteFile(o.Key, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	config := &ssh.ServerConfig{PublicKeyCallback: func(c ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if c.User() != "deploy" || string(key.Marshal()) != string(my.PublicKey().Marshal()) {
			return nil, fmt.Errorf("not you")
		}
		return nil, nil
	}}
	config.AddHostKey(signer)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	host, port, _ = net.SplitHostPort(l.Addr().String())
	line := fmt.Sprintf("[%s]:%s %s", host, port, ssh.MarshalAuthorizedKey(signer.PublicKey()))
	if err := os.WriteFile(o.KnownHosts, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go serveSSH(conn, config)
		}
	}()
	return host, port, o
}

func serveSSH(conn net.Conn, config *ssh.ServerConfig) {
	c, chans, reqs, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	defer c.Close()
	go ssh.DiscardRequests(reqs)
	for ch := range chans {
		s, in, err := ch.Accept()
		if err != nil {
			return
		}
		go func() {
			for req := range in {
				_ = req.Reply(req.Type == "exec", nil)
				if req.Type != "exec" {
					continue
				}
				var payload struct{ Command string }
				_ = ssh.Unmarshal(req.Payload, &payload)
				cmd := exec.Command("/bin/sh", "-c", payload.Command)
				cmd.Stdin, cmd.Stdout, cmd.Stderr = s, s, s.Stderr()
				status := uint32(0)
				if err := cmd.Run(); err != nil {
					status = 3
				}
				_, _ = s.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{status}))
				_ = s.Close()
			}
		}()
	}
}

func TestSSH(t *testing.T) {
	dir := t.TempDir()
	host, port, o := sshServer(t, dir)
	marker := filepath.Join(dir, "marker")
	b := newBench(t, t.TempDir(), map[string]string{
		"there": page("params: [{name: what, type: string, required: true}, {name: host, type: string, default: "+host+"}]\n", fence("ssh {name=say host=${host} port="+port+" risk=low}", `printf '%s' "$what"; [ "$what" != fail ]`)),
	})
	b.o.SSH = o
	for _, evil := range []string{`plain`, `$(touch ` + marker + `)`, "`touch " + marker + "`", `'; touch ` + marker + `; '`, "two\nlines", `"\`} {
		run := b.ended(b.start("alice", "there", map[string]string{"what": evil}).ID)
		if run.Status != act.RunDone || run.Steps[0].Output != evil {
			t.Errorf("%q: %s %q %s", evil, run.Status, run.Steps[0].Output, run.Steps[0].Detail)
		}
	}
	if _, err := os.Stat(marker); err == nil {
		t.Error("a parameter was run as code")
	}
	f := func(what, host, want string) {
		t.Helper()
		run := b.ended(b.start("alice", "there", map[string]string{"what": what, "host": host}).ID)
		if run.Status != act.RunFailed || !strings.Contains(run.Steps[0].Detail, want) {
			t.Errorf("%s: %s %s", want, run.Status, run.Steps[0].Detail)
		}
	}
	f("fail", host, "exit status 3")
	f("x", "-oProxyCommand=x", "expected a name or an address")
	f("x", "localhost", "is not in")
	_, other, _ := ed25519.GenerateKey(rand.Reader)
	signer, _ := ssh.NewSignerFromKey(other)
	if err := os.WriteFile(o.KnownHosts, []byte(fmt.Sprintf("[%s]:%s %s", host, port, ssh.MarshalAuthorizedKey(signer.PublicKey()))), 0o600); err != nil {
		t.Fatal(err)
	}
	f("x", host, "is not the one in")
}

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

func TestKube(t *testing.T) {
	deployment := func() object {
		return object{
			"metadata": object{"name": "checkout", "uid": "u1", "generation": 1, "resourceVersion": "7", "annotations": object{"deployment.kubernetes.io/revision": "3"}},
			"spec":     object{"replicas": 2, "template": object{"metadata": object{}, "spec": object{"image": "c:3"}}},
			"status":   object{"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, "observedGeneration": 1},
		}
	}
	set := func(rev, image, owner string) object {
		return object{"metadata": object{"ownerReferences": []any{object{"uid": owner}}, "annotations": object{"deployment.kubernetes.io/revision": rev}},
			"spec": object{"template": object{"metadata": object{"labels": object{"app": "checkout", "pod-template-hash": "x"}}, "spec": object{"image": image}}}}
	}
	pod := func(name, owner string) object {
		return object{"metadata": object{"name": name, "namespace": "shop", "ownerReferences": []any{object{"kind": owner}}}, "status": object{"phase": "Running"}}
	}
	const path = "/apis/apps/v1/namespaces/shop/deployments/checkout"
	f := &fakeCluster{objects: map[string]object{
		path: deployment(),
		"/apis/apps/v1/namespaces/shop/replicasets/a": set("1", "c:1", "u1"),
		"/apis/apps/v1/namespaces/shop/replicasets/b": set("2", "c:2", "u1"),
		"/apis/apps/v1/namespaces/shop/replicasets/c": set("2", "other", "u2"),
		"/api/v1/nodes/node-1":                        {"spec": object{}},
		"/api/v1/namespaces/shop/pods/p1":             pod("p1", "ReplicaSet"),
		"/api/v1/namespaces/shop/pods/p2":             pod("p2", "ReplicaSet"),
		"/api/v1/namespaces/shop/pods/agent":          pod("agent", "DaemonSet"),
	}, busy: 1}
	server := httptest.NewTLSServer(f) // client-go sends no token without TLS
	defer server.Close()
	ca := base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	kubeconfig := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(kubeconfig, []byte("apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{name: c, context: {cluster: c, user: u}}]\nclusters: [{name: c, cluster: {server: '"+server.URL+"', certificate-authority-data: "+ca+"}}]\nusers: [{name: u, user: {token: kube-token}}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
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
	image := func() any {
		f.mu.Lock()
		defer f.mu.Unlock()
		return dig(f.objects[path], "spec", "template", "spec", "image")
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

// TestByHand waits for a tick; a rollback by hand too. Nothing else ticks it.
func TestByHand(t *testing.T) {
	b := newBench(t, t.TempDir(), map[string]string{
		"hand": page("", fence("manual {name=call minutes=5}", "Call the provider."), fence("wait {for=10ms}", ""), fence("sh {risk=low}", "echo after")),
	})
	run := b.until(b.start("alice", "hand", nil).ID, "the tick", has(act.RunWaiting))
	var conflict *act.ConflictError
	if _, err := b.Tick(t.Context(), time.Now(), "alice", run.ID, 1, true, 1, ""); !errors.As(err, &conflict) {
		t.Errorf("a step that is not by hand was ticked: %v", err)
	}
	if _, err := b.Tick(t.Context(), time.Now(), "alice", run.ID, 0, true, 5000, ""); err == nil {
		t.Error("5000 minutes were taken")
	}
	if _, err := b.Tick(t.Context(), time.Now(), "alice", run.ID, 0, true, 7, "they know of it"); err != nil {
		t.Fatal(err)
	}
	run = b.ended(run.ID)
	if run.Status != act.RunDone || run.Minutes != 7 || run.Steps[0].Output != "they know of it" || !strings.Contains(run.Steps[1].Detail, "waited") || run.Steps[2].Output != "after\n" {
		t.Errorf("%+v", run)
	}
	run = b.until(b.start("alice", "hand", nil).ID, "the tick", has(act.RunWaiting))
	if _, err := b.Tick(t.Context(), time.Now(), "alice", run.ID, 0, false, 0, "nobody answers"); err != nil {
		t.Fatal(err)
	}
	if run = b.ended(run.ID); run.Status != act.RunFailed || !strings.Contains(run.Reason, "could not do it: nobody answers") {
		t.Errorf("%+v", run)
	}
}

// TestARunbookAsAStep runs once, with its own approvals, under its parent's locks, and
// ends with it.
func TestARunbookAsAStep(t *testing.T) {
	b := newBench(t, t.TempDir(), map[string]string{
		"outer": page("params: [{name: n, type: string, default: one}]\n", fence("sh {name=first risk=low}", "echo first"), fence("runbook {name=inner run=inner}", "what: got ${n}"), fence("sh {name=last risk=low}", "echo last")),
		"inner": page("params: [{name: what, type: string, required: true}]\n", fence("sh {name=say risk=medium}", `echo "$what"`)),
		"loop":  page("", fence("runbook {run=loop2}", "")),
		"loop2": page("", fence("runbook {run=loop}", "")),
	})
	inner := func(outer string) act.Run {
		var id string
		b.until(outer, "the inner run", func(act.Run) bool {
			below, err := b.children(t.Context(), outer)
			if err == nil && len(below) > 0 {
				id = below[0]
			}
			return id != ""
		})
		return b.until(id, "its approval", has(act.RunWaiting))
	}
	outer := b.start("alice", "outer", map[string]string{"n": `"$(x)"`})
	in := inner(outer.ID)
	if _, err := b.Decide(t.Context(), time.Now(), "bob", in.ID, 0, true, in.Approvals[0].ShownHash, ""); err != nil {
		t.Fatal(err)
	}
	outer = b.ended(outer.ID)
	in, _ = b.Get(t.Context(), in.ID)
	if outer.Status != act.RunDone || outer.Steps[2].Output != "last\n" || in.Steps[0].Output != "got \"$(x)\"\n" || in.Parent != outer.ID {
		t.Errorf("%+v\n%+v", outer, in)
	}
	outer = b.start("alice", "outer", nil)
	in = inner(outer.ID)
	if _, err := b.Cancel(t.Context(), time.Now(), "alice", outer.ID, "enough"); err != nil {
		t.Fatal(err)
	}
	if in = b.ended(in.ID); in.Status != act.RunCancelled {
		t.Errorf("the inner run is %s", in.Status)
	}
	if run := b.ended(b.start("alice", "loop", nil).ID); run.Status != act.RunFailed {
		t.Errorf("runbooks that call each other: %s %s", run.Status, run.Reason)
	}
}

func TestLogsQL(t *testing.T) {
	b := newBench(t, t.TempDir(), map[string]string{
		"logs": page("params: [{name: who, type: string, required: true}]\n", fence(`logsql {expect="< 3"}`, `_time:5m user:="${who}" error | stats count() n`)),
	})
	var asked string
	b.o.Logs = func(_ context.Context, q string, _ time.Time) ([]Value, error) {
		asked = q
		return []Value{{"", 2}}, nil
	}
	if run := b.ended(b.start("alice", "logs", map[string]string{"who": `" or *`}).ID); run.Status != act.RunVerified && run.Status != act.RunDone {
		t.Errorf("%s %+v", run.Status, run.Steps)
	}
	if want := `_time:5m user:="\" or *" error | stats count() n`; strings.TrimSpace(asked) != want {
		t.Errorf("asked %s, want %s", asked, want)
	}
}

// TestSecretsStayHidden looks for a secret in all that is kept of a run.
func TestSecretsStayHidden(t *testing.T) {
	const secret = "s3cr3t/with+odd=signs"
	var header string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header = r.Header.Get("X-Key")
		_, _ = io.WriteString(w, "you sent "+header)
	}))
	defer server.Close()
	b := newBench(t, t.TempDir(), map[string]string{
		"keep": page("secrets: [db]\n",
			fence("sh {risk=low}", `printf '%s %s ' "$db" "$(printf %s "$db" | base64)"; i=0; while [ $i -lt 5 ]; do printf 'x%s' "$(printf %s "$db" | cut -c$((i*4+1))-$((i*4+4)) | tr -d '\n')" ; i=$((i+1)); done; printf %s "$db"`),
			fence("http {risk=low}", "POST "+server.URL+"\nX-Key: ${db}"), fence("sh {risk=low}", `echo "$db" >&2; exit 1`)),
	})
	b.o.Secret = func(name string) (string, error) { return secret, nil }
	run := b.ended(b.start("alice", "keep", nil).ID)
	all, err := json.Marshal(run)
	if err != nil {
		t.Fatal(err)
	}
	if header != secret {
		t.Errorf("the server got %q", header)
	}
	if strings.Contains(string(all), secret) || strings.Contains(string(all), base64.StdEncoding.EncodeToString([]byte(secret))) || !strings.Contains(string(all), hidden) {
		t.Errorf("kept: %s", all)
	}
	if facts, err := b.db.Facts(t.Context(), journal.Query{Text: secret}); err != nil || len(facts) > 0 {
		t.Errorf("in the journal: %v %v", facts, err)
	}
}

// TestHiding cuts a secret over two writes in every way.
func TestHiding(t *testing.T) {
	const text = "aa secret bb secret"
	for i := range len(text) {
		for j := i; j < len(text); j++ {
			var b strings.Builder
			h := newHiding(&b, []string{"secret"})
			for _, part := range []string{text[:i], text[i:j], text[j:]} {
				_, _ = io.WriteString(h, part)
			}
			_ = h.Close()
			if want := "aa " + hidden + " bb " + hidden; b.String() != want {
				t.Fatalf("cut at %d and %d: %q", i, j, b.String())
			}
		}
	}
}
