package settings

import (
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

func defaultChannels() declare.Channels {
	var c declare.Channels
	c.Email.TLS = "starttls"
	c.Slack.URL = "https://slack.com/api"
	c.Telegram.URL = "https://api.telegram.org"
	c.PagerDuty.URL = "https://events.pagerduty.com"
	c.Opsgenie.URL = "https://api.opsgenie.com"
	c.Timeout = 10 * time.Second
	return c
}

// channels reads how messages to people leave.
func channels(n yamldoc.Node) declare.Channels {
	c := defaultChannels()
	if n.Missing() {
		return c
	}
	n.Only("email", "slack", "telegram", "pagerduty", "opsgenie", "webhook", "timeout", "allow")
	duration(n.Field("timeout"), &c.Timeout, time.Second, time.Minute)
	if e := n.Field("email"); !e.Missing() {
		e.Only("smarthost", "from", "username", "password_file", "tls")
		c.Email.Smarthost = e.Field("smarthost").Required("host:port, as mail.example.org:587")
		if _, port, err := net.SplitHostPort(c.Email.Smarthost); c.Email.Smarthost != "" && (err != nil || port == "") {
			e.Field("smarthost").Problem(c.Email.Smarthost, "host:port, as mail.example.org:587", "")
		}
		c.Email.From = e.Field("from").Required("an address as evenkeel@example.org")
		if a, err := mail.ParseAddress(c.Email.From); c.Email.From != "" && (err != nil || a.Address != c.Email.From) {
			e.Field("from").Problem(c.Email.From, "an address as evenkeel@example.org", "")
		}
		c.Email.Username, c.Email.PasswordFile = e.Field("username").String(), e.Field("password_file").String()
		if t := e.Field("tls"); !t.Missing() {
			c.Email.TLS = t.String()
			if c.Email.TLS != "starttls" && c.Email.TLS != "tls" && c.Email.TLS != "off" {
				t.Problem(t.Text(), "starttls, tls or off", yamldoc.Suggest(t.Text(), []string{"starttls", "tls", "off"}))
			}
		}
	}
	s := n.Field("slack")
	s.Only("token_file", "signing_secret_file", "url")
	c.Slack.TokenFile, c.Slack.SigningSecretFile = s.Field("token_file").String(), s.Field("signing_secret_file").String()
	base(s.Field("url"), &c.Slack.URL)
	t := n.Field("telegram")
	t.Only("token_file", "url")
	c.Telegram.TokenFile = t.Field("token_file").String()
	base(t.Field("url"), &c.Telegram.URL)
	n.Field("pagerduty").Only("url")
	base(n.At("pagerduty", "url"), &c.PagerDuty.URL)
	n.Field("opsgenie").Only("url")
	base(n.At("opsgenie", "url"), &c.Opsgenie.URL)
	n.Field("webhook").Only("secret_file")
	c.Webhook.SecretFile = n.At("webhook", "secret_file").String()
	for _, a := range n.Field("allow").List() {
		p, err := netip.ParsePrefix(a.String())
		if err != nil {
			a.Problem(a.Text(), "a network as 10.20.0.0/16", "")
			continue
		}
		c.Allow = append(c.Allow, p.Masked())
	}
	return c
}

func base(n yamldoc.Node, into *string) {
	if n.Missing() {
		return
	}
	u, err := url.Parse(n.String())
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		n.Problem(n.Text(), "a URL as https://api.example.org", "")
		return
	}
	*into = n.String()
}
