package settings

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
)

func TestSettings(t *testing.T) {
	var problems declare.Problems
	if got := Read("evenkeel.yml", nil, &problems); !reflect.DeepEqual(got, Default()) || len(problems) > 0 {
		t.Errorf("an empty file is all defaults: %+v, %v", got, problems)
	}
	s := Read("evenkeel.yml", []byte(`external_url: https://keel.example.org/
evaluation: {interval: 1s}
metrics: {retention: 1w, retention_size: 10GiB, out_of_order: 0s}
limits: {body_bytes: 512MB, samples_per_write: 10, labels_per_series: 11, label_name_bytes: 12, label_value_bytes: 13, active_series: 14, future: 1m}
host: {enabled: false, interval: 5s}
otlp: {grpc: "off"}
levels: [{name: new}, {name: old, alone: high, approve: high}]
`), &problems)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	var want declare.Settings
	want.ExternalURL, want.Evaluation.Interval = "https://keel.example.org", time.Second
	want.Evaluation.Spacing = time.Second
	want.Logs.Retention, want.Traces.Retention = 7*24*time.Hour, 7*24*time.Hour
	want.Metrics.Retention, want.Metrics.RetentionSize = 7*24*time.Hour, 10<<30
	want.Limits = declare.Limits{BodyBytes: 512 << 20, SamplesPerWrite: 10, LabelsPerSeries: 11, LabelNameBytes: 12, LabelValueBytes: 13, ActiveSeries: 14, Future: time.Minute}
	want.Host.Disabled, want.Host.Interval, want.OTLP.GRPC = true, 5*time.Second, "off"
	want.Runner.User = "nobody"
	want.Channels = Default().Channels
	want.Levels = []declare.Level{{Name: "new", Alone: "none", Approve: "none"}, {Name: "old", Rank: declare.Lead, Alone: "high", Approve: "high"}}
	if !reflect.DeepEqual(s, want) {
		t.Errorf("got\n%+v\nwant\n%+v", s, want)
	}
}

func TestMistakes(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		var problems declare.Problems
		s := Read("e.yml", []byte(text), &problems)
		if got := problems.Error(); got != strings.Join(want, "\n") {
			t.Errorf("%s: got\n%s\nwant\n%s", text, got, strings.Join(want, "\n"))
		}
		if s.Limits != Default().Limits {
			t.Errorf("%s: a value that was refused is used: %+v", text, s.Limits)
		}
	}
	f("[]", `e.yml:1:1: got "a list", expected a mapping`)
	f("metric: {}", `e.yml:1:1: metric: got "metric", expected one of external_url, evaluation, metrics, logs, traces, limits, host, otlp, levels, hooks, runner, channels, status_pages, update_templates (did you mean "metrics"?)`)
	f("update_templates: {investigating: 'since {when}'}", `e.yml:1:35: update_templates.investigating: got "{when}", expected one of {services}, {since}, {until}`)
	f("update_templates: {begun: x}", `e.yml:1:20: update_templates.begun: got "begun", expected one of investigating, identified, monitoring, resolved`)
	f("update_templates: {resolved: ' '}", `e.yml:1:30: update_templates.resolved: got "0 bytes", expected a text of 1 to 2000 bytes`)
	f("external_url: example.org", `e.yml:1:15: external_url: got "example.org", expected a URL as https://evenkeel.example.org`)
	f("external_url: https://u:p@example.org", `e.yml:1:15: external_url: got "https://u:p@example.org", expected a URL as https://evenkeel.example.org`)
	f("evaluation: {interval: 5}", `e.yml:1:24: evaluation.interval: got "5", expected a duration as 15s, 5m or 30d`)
	f("evaluation: {interval: 2d}", `e.yml:1:24: evaluation.interval: got "2d", expected a duration from 100ms to 1h0m0s`)
	f("metrics: {retention_size: lots}", `e.yml:1:27: metrics.retention_size: got "lots", expected a size as 512MB or 10GB`)
	f("limits: {body_bytes: 0}", `e.yml:1:22: limits.body_bytes: got "0", expected a size of at least 1024 bytes`)
	f("limits: {body_bytes: -5MB}", `e.yml:1:22: limits.body_bytes: got "-5MB", expected a size as 512MB or 10GB`)
	f("limits: {active_series: 0}", `e.yml:1:25: limits.active_series: got "0", expected a whole number of at least 1`)
	f("limits: {active_series: 1e6}", `e.yml:1:25: limits.active_series: got "1e6", expected a whole number`)
	f("otlp: {grpc: everywhere}", `e.yml:1:14: otlp.grpc: got "everywhere", expected an address as 127.0.0.1:4317, or off`)
	f("levels: []", `e.yml:1:9: levels: expected at least one level`)
	f("levels: [{name: a, alone: hihg}]", `e.yml:1:27: levels[0].alone: got "hihg", expected none, low, medium or high (did you mean "high"?)`)
	f("levels: [{name: a}, {name: a}]", `e.yml:1:28: levels[1].name: got "a", expected each level once`)
	f("levels: [{name: boss, alone: high}, {name: new}]",
		`e.yml:1:37: levels[1]: got "new", expected levels that may at least what the first one, boss, may (the first level is that of everybody who has none: put the lowest there)`)
	f("hooks: {githbu: {secret: '${env:A}'}}", `e.yml:1:9: hooks.githbu: got "githbu", expected one of argocd, cdevents, cloudevents, flux, github, gitlab, terraform (did you mean "github"?)`)
	f("hooks: {github: {secret: hunter2}}", `e.yml:1:26: hooks.github.secret: got "…", expected an environment variable as ${env:GITHUB_WEBHOOK_SECRET}, or secret_file (a secret does not belong into this file)`)
	f("hooks: {github: {}}", `e.yml:1:17: hooks.github: expected a secret as ${env:GITHUB_WEBHOOK_SECRET}, or a secret_file (without one nothing is taken)`)
	f("hooks: {github: {secret: '${env:A}', secret_file: b}}", `e.yml:1:51: hooks.github.secret_file: got "b", expected either secret or secret_file`)
	f("host: {}\n---\nhost: {}\n", `e.yml:3:1: got "another document", expected one document in this file (what stands after --- would not be read)`)
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("limits: {body_bytes: 512MB}\nlevels: [{name: a, alone: low}]\n"))
	f.Add([]byte("metrics: {retention_size: 9999999999EB, retention: 99999y}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var problems declare.Problems
		s := Read("e.yml", data, &problems)
		if l := s.Limits; len(problems) == 0 && (l.BodyBytes < 1 || l.ActiveSeries < 1 || l.SamplesPerWrite < 1 || s.Metrics.RetentionSize < 0 || len(s.Levels) == 0) {
			t.Errorf("accepted: %+v", s)
		}
	})
}
