package routing

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
)

const good = `global: {smtp_smarthost: 'mail.example.org:25', smtp_from: keel@example.org, smtp_auth_password_file: secrets/smtp}
templates: ['templates/*.tmpl', /etc/keel/x.tmpl]
route:
  receiver: queue
  group_by: [service]
  routes:
    - matchers: ['severity="page"']
      receiver: phone
      mute_time_intervals: [night]
receivers:
  - name: queue
  - name: phone
    webhook_configs: [{url_file: secrets/hook, http_config: {tls_config: {ca_file: ca.pem}, basic_auth: {username: u, password_file: /run/p}}}]
    slack_configs: [{api_url_file: secrets/slack, channel: x}]
    email_configs: [{to: a@example.org}]
time_intervals: [{name: night, time_intervals: [{times: [{start_time: '22:00', end_time: '24:00'}]}]}]
`

// TestFilesBelongToTheWorkspace: every relative file name is read against it, whatever
// folder the program was started in.
func TestFilesBelongToTheWorkspace(t *testing.T) {
	var problems declare.Problems
	c := Read("/w", "routing.yml", []byte(good), &problems)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	phone := c.Receivers[1]
	f := func(got, want string) {
		t.Helper()
		if got != filepath.FromSlash(want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f(strings.Join(c.Templates, " "), "/w/templates/*.tmpl /etc/keel/x.tmpl")
	f(phone.WebhookConfigs[0].URLFile, "/w/secrets/hook")
	f(phone.WebhookConfigs[0].HTTPConfig.TLSConfig.CAFile, "/w/ca.pem")
	f(phone.WebhookConfigs[0].HTTPConfig.BasicAuth.PasswordFile, "/run/p")
	f(phone.SlackConfigs[0].APIURLFile, "/w/secrets/slack")
	f(c.Global.SMTPAuthPasswordFile, "/w/secrets/smtp")
	f(phone.EmailConfigs[0].AuthPasswordFile, "/w/secrets/smtp")
}

func TestNothingDeclared(t *testing.T) {
	for _, text := range []string{"", "# nothing yet\n", "---\n"} {
		var problems declare.Problems
		if c := Read("/w", "routing.yml", []byte(text), &problems); len(problems) > 0 || c.Route.Receiver != "nobody" {
			t.Errorf("%q: %v, to %s", text, problems, c.Route.Receiver)
		}
	}
}

// TestMistakes: the library names a line for some, and for most nothing but the value.
func TestMistakes(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		var problems declare.Problems
		c := Read("/w", "r.yml", []byte(text), &problems)
		if got := problems.Error(); got != want {
			t.Errorf("%s\ngot\n%s\nwant\n%s", text, got, want)
		}
		if c == nil || c.Route.Receiver != "nobody" {
			t.Errorf("%s: a configuration that was refused is used", text)
		}
	}
	const valid = "expected a valid Alertmanager configuration"
	phone := "receivers:\n  - name: phone\n"
	f("route:\n  reciever: phone\n"+phone, `r.yml:2:3: got "reciever", expected a known key (did you mean "receiver"?)`)
	f("route: {receiver: phone}\n"+phone+"    webhook_config: []\n", `r.yml:4:5: got "webhook_config", expected a known key (did you mean "webhook_configs"?)`)
	f("route: {receiver: pone}\n"+phone, `r.yml:1:19: got "pone", `+valid+` (undefined receiver "pone" used in route; did you mean "phone"?)`)
	f("route:\n  receiver: phone\n  routes:\n    - receiver: phone\n    - mute_time_intervals: [nigth]\n"+phone+"time_intervals: [{name: night}]\n",
		`r.yml:5:29: got "nigth", `+valid+` (undefined time interval "nigth" used in route; did you mean "night"?)`)
	f("route: {receiver: phone, group_wait: soon}\n"+phone, `r.yml:1:38: got "soon", `+valid+` (not a valid duration string: "soon")`)
	f("route: {receiver: phone, matchers: ['a=b']}\n"+phone, `r.yml:1:37: `+valid+` (root route must not have any matchers)`)
	f("route: {receiver: phone, routes: [{match_re: {a: '('}}]}\n"+phone, "r.yml:1:50: "+valid+" (error parsing regexp: missing closing ): `^(?:()$`)")
	f("route: {receiver: phone, repeat_interval: 0s}\n"+phone, `r.yml:1:43: `+valid+` (repeat_interval cannot be zero)`)
	f("route: {receiver: phone, group_by: [a, b, a]}\n"+phone, `r.yml:1:43: got "a", `+valid+` (duplicated label "a" in group_by)`)
	f("route: {receiver: phone}\n"+phone+"  - name: other\n  - name: phone\n", `r.yml:5:11: got "phone", `+valid+` (notification config name "phone" is not unique)`)
	f("route: {receiver: phone}\n"+phone+"  - {}\n", `r.yml:4:5: `+valid+` (missing name in receiver)`)
	f("route: {receiver: phone}\n"+phone+"    webhook_configs: [{url: 'nourl'}]\n", `r.yml:4:29: `+valid+` (invalid URL: unsupported scheme "" for URL)`)
	f("route: {receiver: phone}\n"+phone+"    slack_configs: [{channel: x}]\n", `r.yml:4:21: `+valid+` (no Slack API URL nor App token set either inline or in a file)`)
	f("route: {receiver: phone}\n"+phone+"    email_configs: [{to: a@b.c}]\n", `r.yml:4:26: `+valid+` (no global SMTP smarthost set)`)
	f("global: {smtp_smarthost: nohost}\nroute: {receiver: phone}\n"+phone, `r.yml:1:26: got "nohost", `+valid+` (address nohost: missing port in address)`)
	f("route: {receiver: phone}\n"+phone+"inhibit_rules: [{source_matchers: [x], target_matchers: ['a=b']}]\n", `r.yml:4:36: got "x", `+valid+` (bad matcher format: x)`)
	f("route: {receiver: phone}\n"+phone+"time_intervals: [{name: n, time_intervals: [{times: [{start_time: '25:00', end_time: '26:00'}]}]}]\n",
		`r.yml:4:54: `+valid+` (couldn't parse timestamp 25:00, invalid format)`)
	f("route: [phone]\n"+phone, `r.yml:1:1: `+valid+` (cannot unmarshal !!seq into config.plain)`)
	f(phone, `r.yml: `+valid+` (no routes provided)`)
	f("route: {receiver: phone}\nroute: {receiver: phone}\n"+phone, `r.yml:2:1: route: got "route", expected each key once (it is also on line 1)`)
	f("route: {receiver: phone}\n"+phone+"---\nroute: {}\n", `r.yml:5:1: got "another document", expected one document in this file (what stands after --- would not be read)`)
}

// TestSecretsStaySecret: what is wrong with a secret is told without showing it.
func TestSecretsStaySecret(t *testing.T) {
	for _, text := range []string{
		"receivers: [{name: a, slack_configs: [{api_url: 'ftp://hunter2', channel: x}]}]\nroute: {receiver: a}\n",
		"receivers: [{name: a, pagerduty_configs: [{routing_key: hunter2, routing_key_file: x}]}]\nroute: {receiver: a}\n",
		"receivers: [{name: a, webhook_configs: [{url: 'http://u:hunter2@[x/hunter2', http_config: {basic_auth: {password: hunter2}, bearer_token: hunter2}}]}]\nroute: {receiver: a}\n",
	} {
		var problems declare.Problems
		Read("/w", "r.yml", []byte(text), &problems)
		if len(problems) != 1 || strings.Contains(problems.Error(), "hunter2") || problems[0].Line != 1 || problems[0].Column == 0 {
			t.Errorf("%s: %v", text, problems)
		}
	}
}

// TestALargeFile is explained in moments, if without a place.
func TestALargeFile(t *testing.T) {
	var text strings.Builder
	text.WriteString("route:\n  receiver: r0\n  routes:\n")
	for range 20_000 {
		text.WriteString("    - {receiver: r0, matchers: ['a=b']}\n")
	}
	text.WriteString("    - receiver: gone\nreceivers: [{name: r0}]\n")
	start := time.Now()
	var problems declare.Problems
	Read("/w", "r.yml", []byte(text.String()), &problems)
	if len(problems) != 1 || problems[0].Line != 20_004 || problems[0].Got != "gone" {
		t.Errorf("%v", problems)
	}
	if took := time.Since(start); took > 60*time.Second { // two seconds are usual, five under the race detector
		t.Errorf("it took %s", took)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte(Default))
	f.Add([]byte("route: {receiver: a, routes: [&x {receiver: b}, *x]}\nreceivers: [{name: a}, {name: '\"'}]\n"))
	f.Add([]byte("global: [\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var problems declare.Problems
		c := Read("/w", "routing.yml", data, &problems)
		if c == nil || c.Route == nil {
			t.Fatal("no configuration")
		}
		for _, p := range problems {
			if p.Want == "" || p.File != "routing.yml" {
				t.Errorf("%+v", p)
			}
		}
	})
}
