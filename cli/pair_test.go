package cli

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// sender starts a peer that sends alerts here. It is killed when the test ends.
func sender(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	var log safeBuffer
	cmd := exec.Command(peer(t, name), args...)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s:\n%s", name, log.String())
		}
	})
	return cmd
}

// pairOf plays two senders of the same alerts: each alert is told once and ends once, though
// the server is killed in between, and one of the senders too. start starts one of the pair;
// calm makes what they look at good again.
func pairOf(t *testing.T, p *process, phone *pager, names []string, start func(replica string) *exec.Cmd, calm func()) {
	start("a")
	told := map[string]int{}
	hear := func(status string, want int) {
		t.Helper()
		p.until(fmt.Sprintf("%d messages that say %s", want, status), func() bool {
			for len(phone.messages) > 0 {
				m := <-phone.messages
				for _, a := range m.Alerts {
					told[m.Status+" "+a.Labels["service"]]++
					if _, marked := a.Labels["replica"]; marked {
						t.Errorf("the replica is among the labels: %v", a.Labels)
					}
				}
			}
			n := 0
			for _, s := range names {
				n += min(told[status+" "+s], 1)
			}
			return n == want
		})
	}
	received := func(status string, more float64) {
		t.Helper()
		before := p.metric(fmt.Sprintf(`alertmanager_alerts_received_total{status=%q,version="v2"}`, status))
		p.until(fmt.Sprintf("%g more alerts that are %s", more, status), func() bool {
			return p.metric(fmt.Sprintf(`alertmanager_alerts_received_total{status=%q,version="v2"}`, status)) >= before+more
		})
	}
	hear("firing", len(names))
	b := start("b")
	received("firing", 4*float64(len(names))) // by now both send
	p.kill()
	p.start()
	received("firing", 4*float64(len(names)))
	_ = b.Process.Kill() // the other one goes on alone
	_ = b.Wait()
	received("firing", 2*float64(len(names)))
	var found struct {
		Total int
		Items []struct{ Detector string }
	}
	if err := p.call(http.MethodGet, "findings?detector=alert", nil, &found); err != nil || found.Total != len(names) {
		t.Errorf("%d findings of %d alerts, %v", found.Total, len(names), err)
	}
	calm()
	hear("resolved", len(names))
	for _, s := range names {
		if told["firing "+s] != 1 || told["resolved "+s] != 1 {
			t.Errorf("%s was told %d times that it fires, %d times that it ended", s, told["firing "+s], told["resolved "+s])
		}
	}
	var open struct{ Total int }
	if err := p.call(http.MethodGet, "findings?detector=alert&open=true", nil, &open); err != nil || open.Total != 0 {
		t.Errorf("%d findings are open after the end, %v", open.Total, err)
	}
}

const pairRouting = "route: {receiver: phone, group_by: [service], group_wait: 100ms, group_interval: 1s}\nreceivers:\n  - {name: phone, webhook_configs: [{url: %q}]}\n"

// TestPairOfPrometheus: two Prometheus servers of a pair, told apart by a label that
// alert_relabel_configs drops, send their alerts here.
func TestPairOfPrometheus(t *testing.T) {
	t.Parallel()
	p, phone := newProcess(t), newPager(t)
	p.declare(map[string]string{"routing.yml": fmt.Sprintf(pairRouting, phone.URL)})
	p.start()
	names := []string{"one", "two", "three"}
	rules := filepath.Join(p.dir, "rules.yml")
	write := func(bad bool) {
		text := "groups:\n  - name: pair\n    interval: 1s\n    rules:\n"
		for _, s := range names {
			text += fmt.Sprintf("      - {alert: Down, expr: 'vector(%d) == 1', labels: {severity: critical, service: %s}, annotations: {summary: down}}\n", map[bool]int{true: 1, false: 0}[bad], s)
		}
		if err := os.WriteFile(rules, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(true)
	var running []string
	start := func(replica string) *exec.Cmd {
		addr := fmt.Sprintf("127.0.0.1:%d", freePort(t))
		config := filepath.Join(p.dir, "prometheus-"+replica+".yml")
		text := fmt.Sprintf(`global: {evaluation_interval: 1s, external_labels: {replica: %s}}
alerting:
  alert_relabel_configs: [{action: labeldrop, regex: replica}]
  alertmanagers: [{static_configs: [{targets: [%q]}]}]
rule_files: [%q]
`, replica, p.addr, rules)
		if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		running = append(running, addr)
		return sender(t, "prometheus", "--config.file="+config, "--storage.tsdb.path="+filepath.Join(p.dir, "prom-"+replica), "--web.listen-address="+addr, "--web.enable-lifecycle", "--rules.alert.resend-delay=1s")
	}
	pairOf(t, p, phone, names, start, func() {
		write(false)
		for _, addr := range running { // of the one that was killed nobody answers
			if res, err := http.Post("http://"+addr+"/-/reload", "", nil); err == nil {
				_ = res.Body.Close()
			}
		}
	})
}

// TestPairOfVmalert: the same by two vmalert, which ask this server for the numbers.
func TestPairOfVmalert(t *testing.T) {
	t.Parallel()
	p, phone := newProcess(t), newPager(t)
	p.declare(map[string]string{"routing.yml": fmt.Sprintf(pairRouting, phone.URL)})
	p.start()
	names := []string{"one", "two", "three"}
	depth := p.feed("pair_depth")
	depth.Store(500)
	rules := filepath.Join(p.dir, "rules.yml")
	text := "groups:\n  - name: pair\n    interval: 1s\n    eval_delay: 0s\n    rules:\n"
	for _, s := range names {
		text += fmt.Sprintf("      - {alert: Deep, expr: 'pair_depth > 100', labels: {severity: critical, service: %s}, annotations: {summary: deep}}\n", s)
	}
	if err := os.WriteFile(rules, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	notifiers := filepath.Join(p.dir, "notifiers.yml")
	if err := os.WriteFile(notifiers, fmt.Appendf(nil, "alert_relabel_configs: [{action: labeldrop, regex: 'replica|alertgroup'}]\nstatic_configs: [{targets: [%q]}]\n", p.addr), 0o644); err != nil {
		t.Fatal(err)
	}
	start := func(replica string) *exec.Cmd {
		return sender(t, "vmalert", "-rule="+rules, "-datasource.url=http://"+p.addr, "-notifier.config="+notifiers, "-external.label=replica="+replica,
			"-httpListenAddr=127.0.0.1:"+fmt.Sprint(freePort(t)), "-rule.resendDelay=1s", "-evaluationInterval=1s", "-datasource.queryStep=1s")
	}
	pairOf(t, p, phone, names, start, func() { depth.Store(0) })
}
