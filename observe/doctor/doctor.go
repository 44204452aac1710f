// Package doctor looks at one sender of telemetry as the sender is configured, and says
// what to fix: the endpoint, the protocol, the resource attributes, the clock.
//
// In: the variables of OpenTelemetry's SDKs, an endpoint to try, rows that came. Out:
// verdicts, each with what was found and what to do. Promise: nothing is stored by it;
// the requests that it sends are empty.
package doctor

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Level of a verdict.
type Level string

// The levels.
const (
	OK   Level = "ok"
	Warn Level = "warn"
	Fail Level = "fail"
)

// Verdict is what one check found.
type Verdict struct {
	Check string `json:"check"`
	Level Level  `json:"level"`
	Found string `json:"found"`
	Fix   string `json:"fix,omitempty"`
}

func ok(check, found string) Verdict        { return Verdict{check, OK, found, ""} }
func warn(check, found, fix string) Verdict { return Verdict{check, Warn, found, fix} }
func fail(check, found, fix string) Verdict { return Verdict{check, Fail, found, fix} }

// renamed are resource attributes that semantic conventions call otherwise now.
var renamed = map[string]string{
	"deployment.environment": "deployment.environment.name", "service_name": "service.name", "service": "service.name", "app": "service.name", "application": "service.name",
	"version": "service.version", "service_version": "service.version", "env": "deployment.environment.name", "environment": "deployment.environment.name",
	"namespace": "k8s.namespace.name", "pod": "k8s.pod.name", "pod_name": "k8s.pod.name", "container_name": "k8s.container.name", "cluster": "k8s.cluster.name",
	"hostname": "host.name", "host": "host.name", "node": "k8s.node.name", "region": "cloud.region", "instance": "service.instance.id", "k8s.pod": "k8s.pod.name",
	"telemetry.auto.version": "telemetry.distro.version", "browser.user_agent": "user_agent.original", "db.system": "db.system.name", "http.method": "http.request.method",
	"http.status_code": "http.response.status_code", "http.url": "url.full", "http.user_agent": "user_agent.original", "net.peer.name": "server.address", "net.host.name": "server.address",
	"messaging.destination": "messaging.destination.name", "faas.id": "cloud.resource_id", "container.image.tag": "container.image.tags",
}

// spaces are the first parts of names that the conventions have.
var spaces = []string{
	"android", "app", "aws", "azure", "browser", "cicd", "client", "cloud", "cloudfoundry", "code", "container", "cpu", "db", "deployment", "device", "dns", "error", "event", "exception", "faas",
	"feature_flag", "file", "gcp", "gen_ai", "geo", "graphql", "hardware", "heroku", "host", "http", "hw", "k8s", "log", "messaging", "network", "nodejs", "oci", "openshift", "os", "otel", "peer",
	"process", "profile", "rpc", "security_rule", "server", "service", "session", "source", "system", "telemetry", "test", "thread", "tls", "url", "user", "user_agent", "vcs", "webengine", "zos",
}

var attributeName = regexp.MustCompile(`^[a-z][a-z0-9]*([._][a-z0-9]+)*$`)

const maxValue = 1024

// Resource checks resource attributes against the semantic conventions.
func Resource(attrs map[string]string) []Verdict {
	const check = "resource attributes"
	var out []Verdict
	switch name := attrs["service.name"]; {
	case name == "":
		out = append(out, fail(check, "service.name is missing", "set OTEL_SERVICE_NAME to the name that the catalogue has"))
	case strings.HasPrefix(name, "unknown_service"):
		out = append(out, fail(check, fmt.Sprintf("service.name is %q, which an SDK says when nobody told it", name), "set OTEL_SERVICE_NAME to the name that the catalogue has"))
	default:
		out = append(out, ok(check, "service.name is "+name))
	}
	for _, want := range []struct{ name, why string }{
		{"service.version", "a bad release cannot be told from a good one"},
		{"deployment.environment.name", "production cannot be told from a test"},
	} {
		if attrs[want.name] == "" {
			out = append(out, warn(check, want.name+" is missing: "+want.why, "add "+want.name+"=… to OTEL_RESOURCE_ATTRIBUTES"))
		}
	}
	if attrs["service.instance.id"] == "" && attrs["k8s.pod.name"] == "" && attrs["host.name"] == "" {
		out = append(out, warn(check, "nothing says which instance it is", "add service.instance.id, k8s.pod.name or host.name; the SDKs' detectors do it"))
	}
	for _, name := range keys(attrs) {
		switch {
		case renamed[name] != "" && attrs[renamed[name]] == "":
			out = append(out, warn(check, name+" is not what the conventions call it", "rename it to "+renamed[name]))
		case renamed[name] != "":
			out = append(out, warn(check, name+" says again what "+renamed[name]+" says", "leave it out"))
		case !attributeName.MatchString(name):
			out = append(out, warn(check, fmt.Sprintf("%q is not named as attributes are", name), "use lower case, dots between parts, underscores within them"))
		case strings.Contains(name, ".") && !slices.Contains(spaces, name[:strings.IndexByte(name, '.')]):
			// a name of one's own, with a prefix of one's own: as it should be
		case !strings.Contains(name, "."):
			out = append(out, warn(check, name+" has no namespace", "prefix it, as "+"mycompany."+name))
		}
		if len(attrs[name]) > maxValue {
			out = append(out, warn(check, fmt.Sprintf("%s has %d bytes", name, len(attrs[name])), "every row carries it: keep it short"))
		}
	}
	return out
}

func keys(m map[string]string) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// ParseResource reads OTEL_RESOURCE_ATTRIBUTES: key=value pairs with commas between
// them, percent-encoded. OTEL_SERVICE_NAME wins.
func ParseResource(text, service string) (map[string]string, []Verdict) {
	attrs := map[string]string{}
	var out []Verdict
	for _, pair := range strings.Split(text, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		k, v, found := strings.Cut(pair, "=")
		value, err := url.PathUnescape(strings.TrimSpace(v))
		if !found || strings.TrimSpace(k) == "" || err != nil {
			out = append(out, fail("resource attributes", fmt.Sprintf("OTEL_RESOURCE_ATTRIBUTES has %q, which is no key=value", pair), "SDKs throw the whole variable away: write key=value,key=value and percent-encode commas"))
			continue
		}
		attrs[strings.TrimSpace(k)] = value
	}
	if service != "" {
		attrs["service.name"] = service
	}
	return attrs, out
}

// Clock compares the sender's clock with the receiver's.
func Clock(here, there time.Time, precision time.Duration) Verdict {
	const check = "clock"
	d := here.Sub(there)
	switch off := d.Abs(); {
	case off > time.Minute:
		word := "ahead of"
		if d < 0 {
			word = "behind"
		}
		return fail(check, fmt.Sprintf("this clock is %s %s the server's", off.Round(time.Second), word), "start chrony or systemd-timesyncd here: lines and spans would be put at the wrong time, or refused")
	case off > max(2*time.Second, 2*precision):
		return warn(check, fmt.Sprintf("this clock differs from the server's by %s", off.Round(100*time.Millisecond)), "traces across hosts will not nest: check the time service")
	}
	return ok(check, "this clock and the server's agree")
}
