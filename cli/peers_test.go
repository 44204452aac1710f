package cli

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond/alert"
)

// peer finds one of the real clients that `make test` installs.
func peer(t *testing.T, name string) string {
	t.Helper()
	dir := os.Getenv("EVENKEEL_PEERS")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			t.Fatal(err)
		}
		dir = filepath.Join(home, ".cache", "evenkeel", "peers")
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("no %s: make test-tools installs it (%v)", name, err)
	}
	return path
}

// TestRealClients lets the field's own programs speak to the whole server: a real
// Prometheus that writes to it, promtool that asks it, amtool that silences in it.
func TestRealClients(t *testing.T) {
	p := newProcess(t)
	p.start()
	base := "http://" + p.addr
	run := func(name string, args ...string) string {
		t.Helper()
		out, err := exec.Command(peer(t, name), args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
		}
		return string(out)
	}

	config := filepath.Join(p.dir, "prometheus.yml")
	text := fmt.Sprintf(`global: {scrape_interval: 1s}
scrape_configs:
  - job_name: self
    static_configs: [{targets: ["127.0.0.1:%[2]d"]}]
remote_write:
  - {name: one, url: "http://%[1]s/api/v1/write", protobuf_message: prometheus.WriteRequest, write_relabel_configs: [{target_label: via, replacement: one}]}
  - {name: two, url: "http://%[1]s/api/v1/write", protobuf_message: io.prometheus.write.v2.Request, write_relabel_configs: [{target_label: via, replacement: two}]}
`, p.addr, freePort(t))
	port := regexp.MustCompile(`targets: \["127.0.0.1:(\d+)"`).FindStringSubmatch(text)[1]
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	var log safeBuffer
	prom := exec.Command(peer(t, "prometheus"), "--config.file="+config, "--storage.tsdb.path="+filepath.Join(p.dir, "prom"), "--web.listen-address=127.0.0.1:"+port)
	prom.Stdout, prom.Stderr = &log, &log
	if err := prom.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = prom.Process.Kill(); _ = prom.Wait() })
	for _, via := range []string{"one", "two"} {
		p.until("Prometheus' samples by message "+via+"\n"+log.String(), func() bool {
			return strings.Contains(run("promtool", "query", "instant", base, `up{job="self",via="`+via+`"}`), "=> 1")
		})
	}
	now := time.Now()
	if out := run("promtool", "query", "range", "--start="+fmt.Sprint(now.Add(-time.Minute).Unix()), "--end="+fmt.Sprint(now.Unix()), base, `up{via="one"}`); !strings.Contains(out, "via=\"one\"") {
		t.Errorf("range: %s", out)
	}
	if out := run("promtool", "query", "labels", base, "via"); !strings.Contains(out, "one") || !strings.Contains(out, "two") {
		t.Errorf("labels: %s", out)
	}
	if out := run("promtool", "query", "series", "--match=up", base); !strings.Contains(out, "self") {
		t.Errorf("series: %s", out)
	}

	// amtool reads without a token on loopback; a silence is an act, and needs one.
	amtool := func(args ...string) (string, error) {
		out, err := exec.Command(peer(t, "amtool"), append([]string{"--alertmanager.url=" + base}, args...)...).CombinedOutput()
		return string(out), err
	}
	if err := p.write(time.Now(), map[string]float64{"queue_depth": 500}); err != nil {
		t.Fatal(err)
	}
	p.until("amtool to see the alert", func() bool {
		out, err := amtool("alert", "query", "-o", "simple")
		return err == nil && strings.Contains(out, "QueueStuck")
	})
	if out, err := amtool("silence", "add", "service=queue", "--comment=works", "--author=carol", "--duration=1h"); err == nil {
		t.Errorf("a silence without a token was accepted: %s", out)
	}
	secret := filepath.Join(p.dir, "amtool-http.yml")
	if err := os.WriteFile(secret, []byte("authorization: {credentials: "+p.token+"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	id, err := amtool("--http.config.file="+secret, "silence", "add", "service=queue", "--comment=works", "--author=somebody", "--duration=1h")
	if err != nil {
		t.Fatalf("silence add: %v %s", err, id)
	}
	id = strings.TrimSpace(id)
	p.kill()
	p.start()
	if out, err := amtool("silence", "query", "-o", "simple"); err != nil || !strings.Contains(out, "somebody") {
		t.Errorf("the silence did not survive a kill: %v %s", err, out)
	}
	if out, err := amtool("--http.config.file="+secret, "silence", "expire", id); err != nil {
		t.Errorf("silence expire: %v %s", err, out)
	}
	// Who did it is who the token is of, whatever the client says.
	var facts struct{ Items []journal.Fact }
	if err := p.call(http.MethodGet, "journal?kind=silence.created", nil, &facts); err != nil || len(facts.Items) != 1 || facts.Items[0].Actor != journal.Person("carol") {
		t.Errorf("on record: %+v, %v", facts, err)
	}
	var list struct{ Items []alert.Silence }
	if err := p.call(http.MethodGet, "silences", nil, &list); err != nil || len(list.Items) != 1 || list.Items[0].State != "expired" {
		t.Errorf("after expiry: %+v, %v", list, err)
	}
}
