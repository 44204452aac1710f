package alert

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	amconfig "github.com/prometheus/alertmanager/config"
)

// everyReceiver has one of each kind that Alertmanager's packages have.
const everyReceiver = `
global: {smtp_smarthost: 'mail.invalid:25', smtp_from: a@b.invalid, slack_api_url: 'http://slack.invalid/', jira_api_url: 'http://jira.invalid/', telegram_bot_token: t}
route: {receiver: all, routes: [{receiver: all, matchers: ['severity="page"'], mute_time_intervals: [night], active_time_intervals: [office]}]}
time_intervals:
  - {name: night, time_intervals: [{times: [{start_time: '22:00', end_time: '24:00'}]}]}
  - {name: office, time_intervals: [{weekdays: ['monday:friday'], location: Europe/Vienna}]}
templates: ['*.tmpl']
receivers:
  - name: all
    discord_configs: [{webhook_url: 'http://discord.invalid/'}]
    email_configs: [{to: a@b.invalid}]
    incidentio_configs: [{url: 'http://incidentio.invalid/', alert_source_token: t}]
    pagerduty_configs: [{routing_key: k}]
    slack_configs: [{channel: '#a'}]
    webhook_configs: [{url: 'http://webhook.invalid/'}]
    opsgenie_configs: [{api_key: k}]
    wechat_configs: [{corp_id: c, api_secret: s}]
    pushover_configs: [{user_key: u, token: t}]
    victorops_configs: [{api_key: k, routing_key: r}]
    sns_configs: [{topic_arn: 'arn:aws:sns:us-east-2:123456789012:x', sigv4: {region: us-east-2, access_key: a, secret_key: s}}]
    telegram_configs: [{chat_id: 1}]
    webex_configs: [{room_id: r, http_config: {authorization: {credentials: c}}}]
    msteams_configs: [{webhook_url: 'http://teams.invalid/'}]
    msteamsv2_configs: [{webhook_url: 'http://teams.invalid/'}]
    jira_configs: [{project: P, issue_type: Bug}]
    rocketchat_configs: [{token: t, token_id: i, channel: '#a'}]
    mattermost_configs: [{webhook_url: 'http://mattermost.invalid/', channel: a}]
`

// TestEveryReceiver: a configuration with one of every kind, time intervals and template
// files comes into force. A kind that Alertmanager gains fails here until it is listed.
func TestEveryReceiver(t *testing.T) {
	cfg, err := amconfig.Load(everyReceiver)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "own.tmpl"), []byte(`{{ define "slack.default.title" }}ours{{ end }}`), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg.Templates = []string{filepath.Join(dir, "*.tmpl")}
	r := open(t, t.TempDir())
	if err := r.Apply(cfg); err != nil {
		t.Fatal(err)
	}
	v := reflect.ValueOf(cfg.Receivers[0])
	kinds := 0
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; strings.HasSuffix(name, "Configs") {
			kinds++
			if v.Field(i).Len() != 1 {
				t.Errorf("%s is not tried", name)
			}
		}
	}
	built, err := r.build(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(built.receivers["all"]); got != kinds || kinds < 18 {
		t.Errorf("%d integrations of %d kinds", got, kinds)
	}
}

// TestStrangeAnswer: an answer with which a receiver's own code cannot cope (Telegram's reads
// a message that is not there) is a failed attempt, and the others are told.
func TestStrangeAnswer(t *testing.T) {
	strange := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"ok":true}`) }))
	t.Cleanup(strange.Close)
	hook, hookURL := web(t, always(200))
	r := open(t, t.TempDir())
	r.route(t, fmt.Sprintf(`
route: {receiver: all, group_by: [alertname], group_wait: 10ms, group_interval: 10s}
receivers:
  - name: all
    telegram_configs: [{api_url: %q, bot_token: '1:a', chat_id: 1}]
    webhook_configs: [{url: %q}]
`, strange.URL, hookURL))
	r.run(t)
	send(t, r, burning(1, "checkout"))
	until(t, hook, "the webhook", func() bool { return hook.count("firing") == 1 })
	until(t, hook, "the failure on record", func() bool {
		var n int
		if err := r.o.DB.Read().QueryRowContext(t.Context(), `SELECT count(*) FROM notifications WHERE status = 'failed' AND integration = 'telegram' AND detail LIKE 'the answer could not be understood%'`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n == 1
	})
}
