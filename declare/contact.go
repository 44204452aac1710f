package declare

import (
	"fmt"
	"net/mail"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// ContactKind is a way to reach a person.
type ContactKind string

// The kinds. Those that take a URL get it as their address.
const (
	ContactEmail      ContactKind = "email"      // an address; needs channels.email
	ContactSlack      ContactKind = "slack"      // a user's ID (needs channels.slack), or an incoming webhook's URL
	ContactTeams      ContactKind = "teams"      // the URL of a workflow
	ContactMattermost ContactKind = "mattermost" // an incoming webhook's URL
	ContactTelegram   ContactKind = "telegram"   // a chat's ID; needs channels.telegram
	ContactDiscord    ContactKind = "discord"    // a webhook's URL
	ContactPagerDuty  ContactKind = "pagerduty"  // a routing key of the Events API v2
	ContactOpsgenie   ContactKind = "opsgenie"   // an API integration's key
	ContactNtfy       ContactKind = "ntfy"       // a topic's URL
	ContactWebhook    ContactKind = "webhook"    // a URL, signed as Standard Webhooks
)

// ContactKinds are all kinds.
var ContactKinds = []ContactKind{
	ContactEmail, ContactSlack, ContactTeams, ContactMattermost, ContactTelegram, ContactDiscord, ContactPagerDuty, ContactOpsgenie, ContactNtfy, ContactWebhook,
}

// Contact is one way to reach one person.
type Contact struct {
	Kind    ContactKind
	Address string
}

var (
	slackID    = regexp.MustCompile(`^[UWCDG][A-Z0-9]{2,30}$`)
	telegramID = regexp.MustCompile(`^(-?[0-9]{1,20}|@[A-Za-z0-9_]{5,32})$`)
	keyText    = regexp.MustCompile(`^[A-Za-z0-9-]{16,64}$`)
)

// Check says what is wrong with a contact, nil for nothing.
func (c Contact) Check() error {
	web := func() error {
		u, err := url.Parse(c.Address)
		if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.User != nil || len(c.Address) > 2000 {
			return fmt.Errorf("expected a URL as https://example.org/…")
		}
		return nil
	}
	like := func(r *regexp.Regexp, want string) error {
		if !r.MatchString(c.Address) {
			return fmt.Errorf("expected %s", want)
		}
		return nil
	}
	switch c.Kind {
	case ContactEmail:
		a, err := mail.ParseAddress(c.Address)
		if err != nil || a.Name != "" || a.Address != c.Address || strings.ContainsAny(c.Address, " \r\n") {
			return fmt.Errorf("expected an address as alice@example.org")
		}
		return nil
	case ContactSlack:
		if strings.HasPrefix(c.Address, "http") {
			return web()
		}
		return like(slackID, "a member's ID as U012AB3CD, or the URL of an incoming webhook")
	case ContactTelegram:
		return like(telegramID, "a chat's ID as 123456789 or @name")
	case ContactPagerDuty:
		return like(keyText, "a routing key of 32 characters")
	case ContactOpsgenie:
		return like(keyText, "the key of an API integration")
	case ContactTeams, ContactMattermost, ContactDiscord, ContactNtfy, ContactWebhook:
		return web()
	}
	return fmt.Errorf("expected a kind of %v", ContactKinds)
}

// ParseContact reads a contact as the annotation evenkeel.dev/contact has it:
// ntfy:https://ntfy.sh/topic.
func ParseContact(text string) (Contact, error) {
	kind, address, _ := strings.Cut(text, ":")
	c := Contact{ContactKind(kind), address}
	if !slices.Contains(ContactKinds, c.Kind) {
		return c, fmt.Errorf("expected KIND:ADDRESS with a kind of %v", ContactKinds)
	}
	return c, c.Check()
}

// Shown is the address as logs and pages show it: of what is a secret, not all.
func (c Contact) Shown() string {
	if u, err := url.Parse(c.Address); err == nil && u.Host != "" {
		return u.Host
	}
	if c.Kind == ContactPagerDuty || c.Kind == ContactOpsgenie {
		return "…" + c.Address[max(0, len(c.Address)-4):]
	}
	return c.Address
}

// Channels is how messages to people leave: the part of evenkeel.yml that all share.
// Files hold secrets and are read when a message is sent; their names are relative to
// the workspace.
type Channels struct {
	Email struct {
		Smarthost    string // host:port; "" for none
		From         string
		Username     string
		PasswordFile string
		TLS          string // starttls (the default), tls, or off
	}
	Slack struct {
		TokenFile         string // of a bot
		SigningSecretFile string // for buttons that come back
		URL               string
	}
	Telegram  struct{ TokenFile, URL string }
	PagerDuty struct{ URL string }
	Opsgenie  struct{ URL string }
	Webhook   struct{ SecretFile string }
	Timeout   time.Duration // of one attempt
	// Allow are networks that addresses of people may lie in beside the public
	// internet: without it a person could make the server call what only it can reach.
	Allow []netip.Prefix
}
