//go:build kube

package runbook

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// plane is a real Kubernetes: etcd, the API server, the controllers, the scheduler, and
// two nodes whose kubelets are kubemark's: they do all that a kubelet does, but start no
// containers.
type plane struct {
	dir, url string
	ca       []byte
	client   *http.Client
	api      *exec.Cmd
	apiArgs  []string
	manager  *exec.Cmd
}

const adminToken = "admin-token-of-the-test"

// newPlane starts one; it ends with the test.
func newPlane(t *testing.T) *plane {
	p := &plane{dir: t.TempDir()}
	api, etcd, peer := freePort(t), freePort(t), freePort(t)
	p.url = "https://127.0.0.1:" + api
	p.certificates(t)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(p.ca)
	p.client = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	p.write(t, "tokens.csv", []byte(adminToken+`,admin,1,system:masters`+"\n"))
	admin := p.kubeconfig(t, adminToken, p.ca)

	p.start(t, "etcd", "--data-dir="+filepath.Join(p.dir, "etcd"), "--listen-client-urls=http://127.0.0.1:"+etcd, "--advertise-client-urls=http://127.0.0.1:"+etcd,
		"--listen-peer-urls=http://127.0.0.1:"+peer, "--initial-advertise-peer-urls=http://127.0.0.1:"+peer, "--initial-cluster=default=http://127.0.0.1:"+peer)
	p.apiArgs = []string{
		"--etcd-servers=http://127.0.0.1:" + etcd, "--bind-address=127.0.0.1", "--secure-port=" + api, "--cert-dir=" + p.dir,
		"--tls-cert-file=" + p.file("server.crt"), "--tls-private-key-file=" + p.file("server.key"), "--token-auth-file=" + p.file("tokens.csv"),
		"--authorization-mode=RBAC", "--service-cluster-ip-range=10.96.0.0/24", "--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + p.file("server.crt"), "--service-account-signing-key-file=" + p.file("server.key"),
	}
	p.startAPI(t)
	p.manager = p.start(t, "kube-controller-manager", "--kubeconfig="+admin, "--leader-elect=false", "--secure-port=0", "--service-account-private-key-file="+p.file("server.key"))
	p.start(t, "kube-scheduler", "--kubeconfig="+admin, "--leader-elect=false", "--secure-port=0")
	for _, node := range []string{"n1", "n2"} {
		p.start(t, "kubemark", "--morph=kubelet", "--name="+node, "--kubeconfig="+admin, "--use-host-image-service=false", "--kubelet-port="+freePort(t), "--kubelet-read-only-port=0")
	}
	for _, node := range []string{"n1", "n2"} {
		p.until(t, node+" is ready", func() bool {
			_, o := p.do(t, "GET", "/api/v1/nodes/"+node, nil)
			conditions, _ := dig(o, "status", "conditions").([]any)
			for _, c := range conditions {
				if text(dig(c, "type")) == "Ready" && text(dig(c, "status")) == "True" {
					return true
				}
			}
			return false
		})
	}
	return p
}

func (p *plane) startAPI(t *testing.T) {
	t.Helper()
	p.api = p.start(t, "kube-apiserver", p.apiArgs...)
	p.until(t, "the API server is ready", func() bool {
		code, _ := p.do(t, "GET", "/readyz", nil)
		return code == 200
	})
}

// stop kills the API server.
func (p *plane) stop(t *testing.T) {
	t.Helper()
	if err := p.api.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = p.api.Wait()
}

// freeze lets a program do nothing, or go on.
func (p *plane) freeze(t *testing.T, program *exec.Cmd, on bool) {
	t.Helper()
	if err := program.Process.Signal(map[bool]os.Signal{true: syscall.SIGSTOP, false: syscall.SIGCONT}[on]); err != nil {
		t.Fatal(err)
	}
}

func (p *plane) file(name string) string { return filepath.Join(p.dir, name) }

func (p *plane) write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(p.file(name), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// start runs one of the programs that scripts/kube builds. What it says is shown when the
// test fails.
func (p *plane) start(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(peer(t, name, "make kube"), args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Env = append(os.Environ(), "TMPDIR="+p.dir)
	log, err := os.CreateTemp(p.dir, name+"-*.log")
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		log.Close()
		if said, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("%s said last:\n%s", name, said[max(0, len(said)-3000):])
		}
	})
	return cmd
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// until waits for what a controller does.
func (p *plane) until(t *testing.T, why string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", why)
		}
	}
}

// do speaks to the API server as its administrator, past evenkeel.
func (p *plane) do(t *testing.T, method, path string, body any) (int, object) {
	t.Helper()
	send, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, p.url+path, bytes.NewReader(send))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+adminToken)
	req.Header.Set("Content-Type", "application/json")
	if method == http.MethodPatch {
		req.Header.Set("Content-Type", "application/strategic-merge-patch+json")
	}
	res, err := p.client.Do(req)
	if err != nil {
		return 0, nil
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, nil
	}
	var o object
	_ = json.Unmarshal(b, &o)
	return res.StatusCode, o
}

// must is do for what has to work.
func (p *plane) must(t *testing.T, method, path string, body any) object {
	t.Helper()
	code, o := p.do(t, method, path, body)
	if code/100 != 2 {
		t.Fatalf("%s %s: %d %s", method, path, code, text(o["message"]))
	}
	return o
}

// kubeconfig writes one and returns its path.
func (p *plane) kubeconfig(t *testing.T, token string, ca []byte) string {
	t.Helper()
	f, err := os.CreateTemp(p.dir, "kubeconfig-*")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	config := object{
		"apiVersion": "v1", "kind": "Config", "current-context": "c",
		"contexts": []object{{"name": "c", "context": object{"cluster": "c", "user": "u"}}},
		"clusters": []object{{"name": "c", "cluster": object{"server": p.url, "certificate-authority-data": ca}}},
		"users":    []object{{"name": "u", "user": object{"token": token}}},
	}
	if err := json.NewEncoder(f).Encode(config); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// token is one of a service account that may do what the rules say, in every namespace.
func (p *plane) token(t *testing.T, name string, rules ...object) string {
	t.Helper()
	meta := object{"name": name}
	p.must(t, "POST", "/api/v1/namespaces/default/serviceaccounts", object{"metadata": meta})
	p.must(t, "POST", "/apis/rbac.authorization.k8s.io/v1/clusterroles", object{"metadata": meta, "rules": rules})
	p.must(t, "POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", object{
		"metadata": meta, "roleRef": object{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
		"subjects": []object{{"kind": "ServiceAccount", "name": name, "namespace": "default"}},
	})
	o := p.must(t, "POST", "/api/v1/namespaces/default/serviceaccounts/"+name+"/token", object{"spec": object{"expirationSeconds": 3600}})
	return text(dig(o, "status", "token"))
}

// namespace makes a new one, in which pods may be made.
func (p *plane) namespace(t *testing.T, name string) {
	t.Helper()
	p.must(t, "POST", "/api/v1/namespaces", object{"metadata": object{"name": name}})
	p.until(t, "the namespace's service account", func() bool {
		code, _ := p.do(t, "GET", "/api/v1/namespaces/"+name+"/serviceaccounts/default", nil)
		return code == 200
	})
}

// template is that of a pod; with more fields of its spec.
func template(app, image string, with object) object {
	spec := object{"containers": []object{{"name": "app", "image": image}}, "terminationGracePeriodSeconds": 1}
	for k, v := range with {
		spec[k] = v
	}
	return object{"metadata": object{"labels": object{"app": app}}, "spec": spec}
}

// deploy makes a deployment and waits until it is up.
func (p *plane) deploy(t *testing.T, namespace, name, image string, replicas int) {
	t.Helper()
	p.must(t, "POST", "/apis/apps/v1/namespaces/"+namespace+"/deployments", object{"metadata": object{"name": name}, "spec": object{
		"replicas": replicas, "selector": object{"matchLabels": object{"app": name}}, "template": template(name, image, nil),
	}})
	p.available(t, namespace, name, replicas)
}

func (p *plane) available(t *testing.T, namespace, name string, replicas int) {
	t.Helper()
	p.until(t, fmt.Sprintf("%s/%s has %d replicas", namespace, name, replicas), func() bool {
		o := p.get(t, "deployments", namespace, name)
		return number(dig(o, "status", "availableReplicas")) == int64(replicas) && number(dig(o, "status", "updatedReplicas")) == int64(replicas) &&
			number(dig(o, "status", "observedGeneration")) == number(dig(o, "metadata", "generation"))
	})
}

func (p *plane) get(t *testing.T, plural, namespace, name string) object {
	t.Helper()
	return p.must(t, "GET", "/apis/apps/v1/namespaces/"+namespace+"/"+plural+"/"+name, nil)
}

// image is that of a deployment's first container; release gives it another.
func (p *plane) image(t *testing.T, namespace, name string) string {
	t.Helper()
	c, _ := dig(p.get(t, "deployments", namespace, name), "spec", "template", "spec", "containers").([]any)
	return text(dig(c[0], "image"))
}

func (p *plane) release(t *testing.T, namespace, name, image string) {
	t.Helper()
	p.must(t, "PATCH", "/apis/apps/v1/namespaces/"+namespace+"/deployments/"+name, object{"spec": object{"template": object{"spec": object{"containers": []object{{"name": "app", "image": image}}}}}})
}

// pods are those of a label app in a namespace, by name, with their nodes.
func (p *plane) pods(t *testing.T, namespace, app string) map[string]string {
	t.Helper()
	out := map[string]string{}
	items, _ := dig(p.must(t, "GET", "/api/v1/namespaces/"+namespace+"/pods?labelSelector=app%3D"+app, nil), "items").([]any)
	for _, it := range items {
		if dig(it, "metadata", "deletionTimestamp") == nil {
			out[text(dig(it, "metadata", "name"))] = text(dig(it, "spec", "nodeName"))
		}
	}
	return out
}

// certificates makes an authority and the server's certificate.
func (p *plane) certificates(t *testing.T) {
	t.Helper()
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	server := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "kube-apiserver"}, NotBefore: authority.NotBefore, NotAfter: authority.NotAfter,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	caDER, err := x509.CreateCertificate(rand.Reader, authority, authority, caKey.Public(), caKey)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, server, authority, key.Public(), caKey)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	p.ca = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER})
	p.write(t, "server.crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	p.write(t, "server.key", pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}))
}

// says fails where a text has not all of what is wanted.
func says(t *testing.T, got string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(got, w) {
			t.Errorf("got %q, want %q in it", got, w)
		}
	}
}
