package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/observe/usage"
)

// told are the open findings on telemetry of a name.
func (a *App) told(name string) (out []detect.Finding) {
	for _, f := range a.findings.OpenFindings(detect.DetectorTelemetry) {
		if f.Name == name {
			out = append(out, f)
		}
	}
	return out
}

// TestHeavySenderIsTold: who sends more than half of all bytes, and more than a GiB of them, has
// a finding; it ends when that is over.
func TestHeavySenderIsTold(t *testing.T) {
	a := newApp(t, map[string]string{"catalog/shop.yml": estate})
	ctx, now := t.Context(), time.Now()
	for _, w := range []string{"cart", "payments"} {
		a.usage.Took(usage.Key{Signal: usage.Logs, Service: w, Receiver: "otlp"}, "10.0.0.1", 10, 100<<20, now)
	}
	heavy := usage.Key{Signal: usage.Logs, Service: "checkout", Receiver: "otlp"}
	a.usage.Took(heavy, "10.0.0.1", 10, 1000<<20, now)
	a.judgeTelemetry(ctx, now)
	if got := a.told("TelemetryHeavy"); len(got) != 0 {
		t.Fatalf("less than a GiB: %+v", got)
	}
	a.usage.Took(heavy, "10.0.0.1", 10, 100<<20, now)
	a.judgeTelemetry(ctx, now)
	got := a.told("TelemetryHeavy")
	if len(got) != 1 || got[0].Service != "checkout" || got[0].Team != "shop" || got[0].Summary != "checkout sends 85 % of all logs: 1.07 GiB in a day" {
		t.Fatalf("got %+v", got)
	}
	a.judgeTelemetry(ctx, now.Add(26*time.Hour))
	if got := a.told("TelemetryHeavy"); len(got) != 0 {
		t.Errorf("a day later: %+v", got)
	}
}

// TestLinesWithoutService: each source of many lines or spans that say no service is a finding
// of whose it is: the owner of the machine, of all that its sender sends, or of the platform.
func TestLinesWithoutService(t *testing.T) {
	component := func(name, owner string) string {
		return "---\napiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {name: " + name + "}\nspec: {type: service, lifecycle: production, owner: " + owner + "}\n"
	}
	group := func(name string) string {
		return "---\napiVersion: backstage.io/v1alpha1\nkind: Group\nmetadata: {name: " + name + "}\nspec: {type: team, children: [], members: [alice]}\n"
	}
	machine := "---\napiVersion: backstage.io/v1alpha1\nkind: Resource\nmetadata: {name: db-7}\nspec: {type: host, owner: data}\n"
	a := newApp(t, map[string]string{"catalog/shop.yml": estate + group("data") + group("platform") + machine + component("evenkeel", "platform")})
	ctx, now := t.Context(), time.Now()
	lines := func(sender, host string, n int) {
		t.Helper()
		var b bytes.Buffer
		for i := range n {
			fmt.Fprintf(&b, `{"_msg":"line %d","_time":"%s","host.name":"%s"}`+"\n", i, now.Add(time.Duration(i)*time.Microsecond).Format(time.RFC3339Nano), host)
		}
		if w := a.from(t, sender, "/insert/jsonline", nil, b.Bytes()); w.Code/100 != 2 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	lines("127.0.0.1", "db-7.example.com", 300) // a machine of the catalogue
	lines("127.0.0.2", "", 300)                 // sends of checkout too
	if w := a.from(t, "127.0.0.2", "/v1/logs", otlpProto, otlpLogs(t, "checkout", 3, now, "paid")); w.Code != 200 {
		t.Fatal(w.Body)
	}
	lines("127.0.0.3", "", 300)         // nobody knows
	lines("127.0.0.4", "printer-1", 50) // too few to be told of
	if w := a.from(t, "127.0.0.5", "/v1/traces", otlpProto, otlpSpans(t, "unknown_service:java", "GET /", 200, now)); w.Code != 200 {
		t.Fatal(w.Body)
	}
	at := now.Add(time.Minute)
	a.judgeTelemetry(ctx, at)
	got := map[string]string{}
	for _, f := range a.told("TelemetryWithoutService") {
		got[f.Labels["signal"]+" "+f.Labels["source"]] = string(f.Team) + ": " + f.Summary
	}
	for source, want := range map[string]string{
		"logs db-7.example.com": "data: 5 lines a second without a service from db-7.example.com (jsonline)", "logs 127.0.0.2": "shop: 5 lines a second", "logs 127.0.0.3": "platform: 5 lines a second",
		"traces 127.0.0.5": "platform: 3.3 spans a second without a service from 127.0.0.5 (otlp)",
	} {
		if !strings.HasPrefix(got[source], want) {
			t.Errorf("%s: got %q, expected %q", source, got[source], want)
		}
		delete(got, source)
	}
	if len(got) != 0 {
		t.Errorf("also found: %v", got)
	}
	a.judgeTelemetry(ctx, now.Add(time.Hour))
	if got := a.told("TelemetryWithoutService"); len(got) != 0 {
		t.Errorf("when no more came: %v", got)
	}
}

// TestFairRefusal: by each way in, a sender over its share is told when to send again and which
// setting it was; another one is not affected.
func TestFairRefusal(t *testing.T) {
	a := newApp(t, map[string]string{"evenkeel.yml": "limits: {log_bytes_per_source: 2000, samples_per_source: 30}\n", "catalog/shop.yml": estate})
	now := time.Now()
	text := strings.Repeat("x", 100)
	loki := func() []byte {
		var rows [][2]string
		for i := range 200 {
			rows = append(rows, [2]string{fmt.Sprint(now.UnixNano() + int64(i)), text})
		}
		body, err := json.Marshal(map[string]any{"streams": []any{map[string]any{"stream": map[string]string{"app": "web"}, "values": rows}}})
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	var jsonline, zipkin bytes.Buffer
	zipkin.WriteString("[")
	for i := range 200 {
		fmt.Fprintf(&jsonline, `{"_msg":"%s %d","app":"web"}`+"\n", text, i)
		if i > 0 {
			zipkin.WriteString(",")
		}
		fmt.Fprintf(&zipkin, `{"traceId":"%x","id":"%x","name":"%s","timestamp":%d}`, i+1, i+1, text, now.UnixMicro())
	}
	zipkin.WriteString("]")
	asJSON := map[string]string{"Content-Type": "application/json"}
	for n, way := range []struct {
		path    string
		headers map[string]string
		body    []byte
		setting string
	}{
		{"/v1/logs", otlpProto, otlpLogs(t, "web", 200, now, text), "limits.log_bytes_per_source"},
		{"/loki/api/v1/push", asJSON, loki(), "limits.log_bytes_per_source"},
		{"/insert/jsonline", nil, jsonline.Bytes(), "limits.log_bytes_per_source"},
		{"/v1/traces", otlpProto, otlpSpans(t, "web", text, 200, now), "limits.log_bytes_per_source"},
		{"/api/v2/spans", asJSON, zipkin.Bytes(), "limits.log_bytes_per_source"},
		{"/api/v1/write", remoteWrite, writing(t, 200, "quota_total", now, "i", "#"), "limits.samples_per_source"},
		{"/v1/metrics", otlpProto, otlpMetrics(t, "web", 200, now), "limits.samples_per_source"},
	} {
		greedy, modest := fmt.Sprintf("127.1.0.%d", n), fmt.Sprintf("127.2.0.%d", n)
		var last int
		for range 20 {
			w := a.from(t, greedy, way.path, way.headers, way.body)
			if last = w.Code; last == http.StatusTooManyRequests {
				if w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), way.setting) || !strings.Contains(w.Body.String(), greedy) {
					t.Errorf("%s: Retry-After %q, told %q", way.path, w.Header().Get("Retry-After"), w.Body)
				}
				break
			}
		}
		if last != http.StatusTooManyRequests {
			t.Errorf("%s: %d, expected 429", way.path, last)
		}
		if w := a.from(t, modest, way.path, way.headers, way.body); w.Code/100 != 2 {
			t.Errorf("%s: another sender: %d %s", way.path, w.Code, w.Body)
		}
	}
}
