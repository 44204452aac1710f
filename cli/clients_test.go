package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestRealSendersLoseNothing lets the field's own senders speak to the whole server:
// telemetrygen over gRPC and HTTP, Grafana's client library for Loki, and logger(1) in
// both of its formats. The server is killed when they have ended; each of their rows,
// spans and samples is there afterwards, once.
func TestRealSendersLoseNothing(t *testing.T) {
	p := newProcess(t)
	grpc, udp, tcp := freePort(t), freePort(t), freePort(t)
	settings := fmt.Sprintf("host: {enabled: false}\notlp: {grpc: \"127.0.0.1:%d\"}\nlogs:\n  syslog:\n    - {protocol: udp, address: \"127.0.0.1:%d\"}\n    - {protocol: tcp, address: \"127.0.0.1:%d\"}\n", grpc, udp, tcp)
	if err := os.WriteFile(filepath.Join(p.dir, "workspace", "evenkeel.yml"), []byte(settings), 0o644); err != nil {
		t.Fatal(err)
	}
	p.start()
	run := func(path string, args ...string) {
		t.Helper()
		if out, err := exec.Command(path, args...).CombinedOutput(); err != nil {
			t.Fatalf("%s %s: %v\n%s", filepath.Base(path), strings.Join(args, " "), err, out)
		}
	}
	telemetrygen := peer(t, "telemetrygen")
	for service, to := range map[string][]string{"gen-grpc": {fmt.Sprintf("127.0.0.1:%d", grpc)}, "gen-http": {p.addr, "--otlp-http"}} {
		common := append([]string{"--otlp-insecure", "--service", service, "--otlp-endpoint"}, to...)
		run(telemetrygen, append([]string{"traces", "--traces", "25", "--child-spans", "3", "--workers", "2", "--rate", "0"}, common...)...)
		run(telemetrygen, append([]string{"logs", "--logs", "150", "--workers", "2", "--rate", "0"}, common...)...)
		// Each of a series of its own: two of one series in one millisecond would be one too many.
		run(telemetrygen, append([]string{"metrics", "--metrics", "30", "--rate", "0", "--unique-timeseries", "--unique-timeseries-duration", "1m", "--otlp-metric-name", strings.ReplaceAll(service, "-", "_")}, common...)...)
	}
	run(peer(t, "lokipush"), "-url", "http://"+p.addr+"/loki/api/v1/push", "-n", "300")
	lines := filepath.Join(p.dir, "lines")
	var text strings.Builder
	for i := range 60 {
		fmt.Fprintf(&text, "line %d\n", i)
	}
	if err := os.WriteFile(lines, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for tag, how := range map[string][]string{
		"udp-5424": {"--udp", "--port", fmt.Sprint(udp), "--rfc5424"},
		"udp-3164": {"--udp", "--port", fmt.Sprint(udp), "--rfc3164"},
		"tcp-5424": {"--tcp", "--port", fmt.Sprint(tcp), "--rfc5424", "--octet-count"},
		"tcp-3164": {"--tcp", "--port", fmt.Sprint(tcp), "--rfc3164"},
	} {
		run("logger", append([]string{"--server", "127.0.0.1", "--tag", tag, "--file", lines}, how...)...)
	}
	rows := func(filter string) (n int) {
		var answer struct {
			N string `json:"n"`
		}
		p.ask("/select/logsql/query?"+url.Values{"query": {filter + " | count() n"}}.Encode(), &answer)
		_, _ = fmt.Sscan(answer.N, &n)
		return n
	}
	// Syslog has no answers: what its sender has sent may still be on its way.
	p.until("the lines of logger(1)", func() bool { return rows(`SYSLOG_IDENTIFIER:~"-(5424|3164)" or service.name:~"-(5424|3164)"`) >= 240 })
	p.kill()
	p.start()

	for filter, want := range map[string]int{
		`{service.name="gen-grpc"}`: 300, `{service.name="gen-http"}`: 300, `{app="lokipush"}`: 300,
		`service.name:="udp-5424"`: 60, `service.name:="udp-3164"`: 60, `service.name:="tcp-5424"`: 60, `service.name:="tcp-3164"`: 60,
	} {
		if got := rows(filter); got != want {
			t.Errorf("%s: %d rows, %d were sent", filter, got, want)
		}
	}
	for _, service := range []string{"gen-grpc", "gen-http"} {
		var found struct {
			Data []struct{ Spans []struct{ SpanID string } }
		}
		p.ask("/jaeger/api/traces?"+url.Values{"service": {service}, "limit": {"200"}}.Encode(), &found)
		spans := 0
		for _, tr := range found.Data {
			spans += len(tr.Spans)
		}
		if len(found.Data) != 50 || spans != 200 {
			t.Errorf("%s: %d traces of %d spans, 50 of 200 were sent", service, len(found.Data), spans)
		}
		var samples struct {
			Data struct{ Result []struct{ Value [2]any } }
		}
		p.ask("/api/v1/query?"+url.Values{"query": {"sum(count_over_time(" + strings.ReplaceAll(service, "-", "_") + "[5m]))"}}.Encode(), &samples)
		if len(samples.Data.Result) != 1 || samples.Data.Result[0].Value[1] != "30" {
			t.Errorf("%s: samples %v, 30 were sent", service, samples.Data.Result)
		}
	}
}

// ask reads the JSON of a GET.
func (p *process) ask(path string, into any) {
	p.t.Helper()
	client := http.Client{Timeout: 30 * time.Second}
	res, err := client.Get("http://" + p.addr + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(into); err != nil || res.StatusCode != http.StatusOK {
		p.t.Fatalf("%s: %s: %v", path, res.Status, err)
	}
}
