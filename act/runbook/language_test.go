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
	if d := run.Steps[2].Detail; d != "exit status 1: "+hidden {
		t.Errorf("why it failed: %q", d)
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
