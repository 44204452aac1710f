package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestAmtool runs every verb of amtool against the server, as somebody does who has used
// Alertmanager until now.
func TestAmtool(t *testing.T) {
	p := newProcess(t)
	phone := newPager(t)
	routing := fmt.Sprintf(`route:
  receiver: queue
  group_by: [alertname]
  group_wait: 1s
  routes:
    - {receiver: phone, matchers: ['severity="critical"'], routes: [{receiver: db, matchers: ['service=~"db-.*"']}]}
receivers:
  - {name: queue}
  - {name: phone, webhook_configs: [{url: %q}]}
  - {name: db, webhook_configs: [{url: %q}]}
`, phone.URL, phone.URL)
	p.declare(map[string]string{"routing.yml": routing})
	p.start()
	secret := filepath.Join(p.dir, "amtool-http.yml")
	if err := os.WriteFile(secret, []byte("authorization: {credentials: "+p.token+"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	amtool := func(args ...string) (string, error) {
		out, err := exec.Command(peer(t, "amtool"), append([]string{"--alertmanager.url=http://" + p.addr, "--http.config.file=" + secret}, args...)...).CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	// f runs a verb and looks for what its output must have, and with "!" what not.
	f := func(args string, want ...string) string {
		t.Helper()
		out, err := amtool(strings.Split(args, " ")...)
		if err != nil {
			t.Errorf("amtool %s: %v\n%s", args, err, out)
			return out
		}
		for _, w := range want {
			if not, ok := strings.CutPrefix(w, "!"); ok == strings.Contains(out, strings.TrimPrefix(not, "!")) {
				t.Errorf("amtool %s: %q\n%s", args, w, out)
			}
		}
		return out
	}
	f("check-config "+filepath.Join(p.dir, "workspace", "routing.yml"), "SUCCESS", "3 receivers")
	f("config show", "receiver: queue", `service=~"db-.*"`)
	f("config routes show", "default-route", `severity="critical"`, "receiver: db")
	f("config routes test severity=critical service=db-1", "db")
	f("config routes test severity=critical service=web", "phone")
	f("config routes test --verify.receivers=queue severity=warning", "queue")
	if out, err := amtool("config", "routes", "test", "--verify.receivers=db", "severity=warning"); err == nil {
		t.Errorf("routes test takes a receiver that it is not: %s", out)
	}
	f("cluster show", "disabled")
	f("template render --template.glob=/dev/null --template.text=hello", "hello")

	f("alert add DiskFull service=db-1 severity=critical --annotation=summary=full --end=" + time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	f("alert add Other service=web severity=warning")
	p.until("both alerts", func() bool {
		out, err := amtool("alert", "query", "-o", "simple")
		return err == nil && strings.Contains(out, "DiskFull") && strings.Contains(out, "Other")
	})
	f("alert query service=~db.*", "DiskFull", "!Other")
	f("alert query -o extended alertname=DiskFull", `severity="critical"`, "active")
	f("alert query --receiver=db", "DiskFull", "!Other")
	var alerts []struct {
		Labels    map[string]string
		Receivers []struct{ Name string }
		Status    struct{ State string }
	}
	if err := json.Unmarshal([]byte(f("alert query -o json alertname=DiskFull")), &alerts); err != nil || len(alerts) != 1 || alerts[0].Receivers[0].Name != "db" || alerts[0].Status.State != "active" || alerts[0].Labels["service"] != "db-1" {
		t.Errorf("%+v, %v", alerts, err)
	}
	if m := phone.next(t, "firing"); m.Alerts[0].Labels["alertname"] != "DiskFull" || m.Alerts[0].Annotations["summary"] != "full" {
		t.Errorf("told: %+v", m)
	}

	id := f("silence add alertname=DiskFull --comment=works --author=carol --duration=2h")
	f("silence query", id, "DiskFull", "carol", "works")
	f("silence query -q alertname=DiskFull", id)
	f("silence query -q alertname=Other", "!"+id)
	f("alert query", "Other", "!DiskFull") // amtool shows what is active
	f("alert query --silenced", "DiskFull")
	updated := f("silence update --comment=more --duration=3h "+id, "more")
	f("silence query", "more")
	exported := f("silence query -o json")
	f("silence expire " + strings.Fields(strings.Split(f("silence query -q"), "\n")[0])[0])
	f("silence query -q", "!"+id)
	f("silence query --expired", "DiskFull")
	f("alert query", "DiskFull")
	var all []map[string]any
	if err := json.Unmarshal([]byte(exported), &all); err != nil || len(all) != 1 {
		t.Fatalf("exported %s: %v (after %s)", exported, err, updated)
	}
	delete(all[0], "id") // it comes as a new one
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(p.dir, "silences.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	f("silence import " + file)
	f("silence query", "more", "DiskFull")
	f("alert query", "!DiskFull")
	p.kill()
	p.start()
	f("silence query", "more", "DiskFull")
}
