package settings

import (
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
)

func TestLogs(t *testing.T) {
	var problems declare.Problems
	s := Read("evenkeel.yml", []byte(`logs:
  retention: 30d
  retention_size: 10GiB
  journal: {units: [nginx.service]}
  syslog:
    - {address: "0.0.0.0:514"}
    - {protocol: tls, address: ":6514", cert: a.pem, key: a.key, client_ca: ca.pem, rate: 5}
  files:
    - {path: /var/log/app/*.log, service: app, multiline: '^\d{4}-', format: text}
  drop: [{name: health, match: '"GET /health"'}]
  aggregate: [{name: access, match: '"GET /"', by: [status], record: web_requests}]
limits: {log_value_bytes: 1000, log_fields: 9, log_streams: 8, log_bytes_per_source: 1MB}
`), &problems)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	l := s.Logs
	if l.Retention != 30*24*time.Hour || l.RetentionSize != 10<<30 || !l.Journal.Enabled || l.Journal.Units[0] != "nginx.service" ||
		len(l.Syslog) != 2 || l.Syslog[0].Protocol != "udp" || l.Syslog[0].Rate != syslogRate || l.Syslog[1].Rate != 5 || l.Syslog[1].ClientCA != "ca.pem" ||
		len(l.Files) != 1 || l.Files[0].Service != "app" || !l.Files[0].Multiline.MatchString("2026-01-02 x") {
		t.Errorf("%+v", l)
	}
	if r := l.Reduce; len(r) != 2 || r[0].Record != "" || r[1].Record != "web_requests" || r[1].By[0] != "status" {
		t.Errorf("%+v", r)
	}
	if s.Limits.LogFields != 9 || s.Limits.LogBytesPerSource != 1<<20 {
		t.Errorf("%+v", s.Limits)
	}
}

func TestLogMistakes(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		var problems declare.Problems
		Read("e.yml", []byte(text), &problems)
		if got := problems.Error(); got != strings.Join(want, "\n") {
			t.Errorf("%s: got\n%s\nwant\n%s", text, got, strings.Join(want, "\n"))
		}
	}
	f("logs: {retention: 1h}", `e.yml:1:19: logs.retention: got "1h", expected a duration from 24h0m0s to 175200h0m0s`)
	f("logs: {syslog: [{protocol: upd, address: ':1'}]}", `e.yml:1:28: logs.syslog[0].protocol: got "upd", expected udp, tcp or tls (did you mean "udp"?)`)
	f("logs: {syslog: [{protocol: tls, address: ':1'}]}", `e.yml:1:17: logs.syslog[0]: got "protocol tls", expected the files of a certificate and its key: cert, key`)
	f("logs: {syslog: [{address: here}]}", `e.yml:1:27: logs.syslog[0].address: got "here", expected an address as 127.0.0.1:5514`)
	f("logs: {drop: [{name: a, match: '(('}]}", `e.yml:1:32: logs.drop[0].match: got "((", expected a LogsQL filter without pipes (unexpected end of query after "("; expecting a filter; context: [((])`)
	f("metrics: {drop: [{name: a, match: 'up{'}]}", `e.yml:1:35: metrics.drop[0].match: got "up{", expected a selector of series, as {__name__=~"go_.*"} (1:4: parse error: unexpected end of input inside braces)`)
	f("metrics: {drop: [{match: up}]}", `e.yml:1:18: metrics.drop[0].name: expected a name, which the counter of dropped samples has (it is missing)`)
	f("traces: {drop: [{name: a, match: '(('}]}", `e.yml:1:34: traces.drop[0].match: got "((", expected a LogsQL filter without pipes (unexpected end of query after "("; expecting a filter; context: [((])`)
	f("limits: {samples_per_source: -1}", `e.yml:1:30: limits.samples_per_source: got "-1", expected a whole number of at least 1`)
	f("logs: {aggregate: [{name: a, match: '*'}]}", `e.yml:1:20: logs.aggregate[0].record: expected the name of the series that counts the rows (it is missing)`)
	f("logs: {files: [{path: a.log}]}", `e.yml:1:23: logs.files[0].path: got "a.log", expected an absolute path`)
	f("logs: {files: [{path: /a.log, multiline: '('}]}", "e.yml:1:42: logs.files[0].multiline: got \"(\", expected a regular expression that matches a record's first line: error parsing regexp: missing closing ): `(`")
}
