package reach

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/respond"
)

// refusal is an answer that trying again will not change.
type refusal struct{ text string }

func (r *refusal) Error() string { return r.text }

// send brings a message one way, once.
func (b *Book) send(ctx context.Context, w *declare.Workspace, way respond.ContactMethod, m message) error {
	if way.Kind == declare.ContactEmail {
		return b.email(ctx, w, way.URL, m)
	}
	r, err := request(w, way, m)
	if err != nil {
		return err
	}
	return b.post(ctx, w.Settings.Channels.Allow, r)
}

// call is one HTTP request. Ours says that the address is the operator's, which the
// guard lets into any network.
type call struct {
	url    string
	ours   bool
	header map[string]string
	body   []byte
	reads  func(body []byte) error // what a 200 may still refuse
}

// request makes the call for a kind. Its secrets are read from their files now.
func request(w *declare.Workspace, way respond.ContactMethod, m message) (call, error) {
	c := w.Settings.Channels
	js := func(url string, v any) (call, error) {
		body, err := json.Marshal(v)
		return call{url: url, body: body, header: map[string]string{"Content-Type": "application/json"}}, err
	}
	bold := "*" + escapeSlack(m.Title) + "*\n" + escapeSlack(m.Text)
	switch way.Kind {
	case declare.ContactSlack:
		blocks := []any{object{"type": "section", "text": object{"type": "mrkdwn", "text": cut(bold, 2900)}}}
		var buttons []any
		if m.Ack != "" {
			buttons = append(buttons, object{"type": "button", "action_id": "acknowledge", "style": "primary", "value": m.Token, "text": object{"type": "plain_text", "text": "Acknowledge"}})
		}
		if m.URL != "" {
			buttons = append(buttons, object{"type": "button", "action_id": "open", "url": m.URL, "text": object{"type": "plain_text", "text": "Open"}})
		}
		if len(buttons) > 0 {
			blocks = append(blocks, object{"type": "actions", "elements": buttons})
		}
		if strings.HasPrefix(way.URL, "http") { // a webhook's buttons do not come back to us: it gets links
			return js(way.URL, object{"text": bold + "\n" + m.URL + linked("\n<%s|Acknowledge>", m.Ack)})
		}
		token, err := secret(w, c.Slack.TokenFile, "channels.slack.token_file")
		if err != nil {
			return call{}, err
		}
		r, err := js(c.Slack.URL+"/chat.postMessage", object{"channel": way.URL, "text": m.Title, "blocks": blocks})
		r.ours, r.reads = true, slackSays
		r.header["Authorization"] = "Bearer " + token
		return r, err
	case declare.ContactTeams:
		card := object{
			"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4",
			"body": []any{object{"type": "TextBlock", "weight": "Bolder", "size": "Medium", "wrap": true, "text": m.Title}, object{"type": "TextBlock", "wrap": true, "text": m.Text}},
		}
		var actions []any
		for _, a := range [][2]string{{"Acknowledge", m.Ack}, {"Open", m.URL}} {
			if a[1] != "" {
				actions = append(actions, object{"type": "Action.OpenUrl", "title": a[0], "url": a[1]})
			}
		}
		if actions != nil {
			card["actions"] = actions
		}
		return js(way.URL, object{"type": "message", "attachments": []any{object{"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": nil, "content": card}}})
	case declare.ContactMattermost:
		return js(way.URL, object{"text": cut("**"+m.Title+"**\n"+m.Text+linked("\n[Open](%s)", m.URL)+linked(" · [Acknowledge](%s)", m.Ack), 16000)})
	case declare.ContactDiscord:
		return js(way.URL, object{"content": cut("**"+m.Title+"**\n"+m.Text+linked("\n[Open](%s)", m.URL)+linked(" · [Acknowledge](%s)", m.Ack), 2000), "allowed_mentions": object{"parse": []string{}}})
	case declare.ContactTelegram:
		token, err := secret(w, c.Telegram.TokenFile, "channels.telegram.token_file")
		if err != nil {
			return call{}, err
		}
		body := object{"chat_id": way.URL, "text": cut(m.Title+"\n"+m.plain(), 4096), "link_preview_options": object{"is_disabled": true}}
		r, err := js(c.Telegram.URL+"/bot"+token+"/sendMessage", body)
		r.ours = true
		return r, err
	case declare.ContactPagerDuty:
		severity := map[string]string{"page": "critical", "ticket": "warning"}[m.Severity]
		if severity == "" {
			severity = "info"
		}
		body := object{"routing_key": way.URL, "event_action": "trigger", "dedup_key": m.ID, "client": "Evenkeel", "client_url": m.URL,
			"payload": object{"summary": cut(m.Title, 1024), "source": "evenkeel", "severity": severity, "timestamp": m.At.UTC().Format(time.RFC3339), "custom_details": object{"text": m.plain()}}}
		if m.Ack != "" {
			body["links"] = []any{object{"href": m.Ack, "text": "Acknowledge"}}
		}
		r, err := js(c.PagerDuty.URL+"/v2/enqueue", body)
		r.ours = true
		return r, err
	case declare.ContactOpsgenie:
		priority := map[string]string{"page": "P1", "ticket": "P3"}[m.Severity]
		if priority == "" {
			priority = "P5"
		}
		r, err := js(c.Opsgenie.URL+"/v2/alerts", object{"message": cut(m.Title, 130), "alias": m.ID, "description": cut(m.plain(), 15000), "priority": priority, "source": "evenkeel"})
		r.ours = true
		r.header["Authorization"] = "GenieKey " + way.URL
		return r, err
	case declare.ContactNtfy:
		priority := map[string]string{"page": "5", "ticket": "3"}[m.Severity]
		if priority == "" {
			priority = "2"
		}
		h := map[string]string{"Title": headerText(m.Title), "Priority": priority, "Content-Type": "text/plain; charset=utf-8", "X-Sequence-ID": m.ID}
		if m.URL != "" {
			h["Click"] = m.URL
		}
		if m.Ack != "" {
			h["Actions"] = "view, Acknowledge, " + m.Ack
		}
		return call{url: way.URL, header: h, body: []byte(cut(m.Text, 4000))}, nil
	case declare.ContactWebhook:
		return webhook(w, way.URL, m)
	}
	return call{}, &refusal{fmt.Sprintf("cannot send by %q", way.Kind)}
}

type object = map[string]any

// webhook signs as Standard Webhooks has it: the receiver knows a repeated message by
// its ID, and who made it by the signature.
func webhook(w *declare.Workspace, url string, m message) (call, error) {
	body, err := json.Marshal(object{
		"type": "notice", "timestamp": m.At.UTC().Format(time.RFC3339Nano),
		"data": object{"title": m.Title, "text": m.Text, "severity": m.Severity, "incident": m.Incident, "url": m.URL, "acknowledge_url": m.Ack},
	})
	if err != nil {
		return call{}, err
	}
	stamp := fmt.Sprint(m.At.Unix())
	h := map[string]string{"Content-Type": "application/json", "webhook-id": m.ID, "webhook-timestamp": stamp}
	if file := w.Settings.Channels.Webhook.SecretFile; file != "" {
		text, err := secret(w, file, "channels.webhook.secret_file")
		if err != nil {
			return call{}, err
		}
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, "whsec_"))
		if err != nil {
			return call{}, &refusal{"cannot sign: channels.webhook.secret_file does not hold whsec_ and base64"}
		}
		h["webhook-signature"] = Sign(key, m.ID, stamp, body)
	}
	return call{url: url, header: h, body: body}, nil
}

// Sign is the signature of Standard Webhooks.
func Sign(key []byte, id, stamp string, body []byte) string {
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.", id, stamp)
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// secret reads a file of the workspace.
func secret(w *declare.Workspace, file, setting string) (string, error) {
	if file == "" {
		return "", &refusal{"evenkeel.yml has no " + setting}
	}
	if !filepath.IsAbs(file) {
		file = filepath.Join(w.Dir, file)
	}
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("cannot read %s: %w", setting, errors.Unwrap(err))
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 4096))
	if err != nil {
		return "", fmt.Errorf("cannot read %s: %w", setting, err)
	}
	return strings.TrimSpace(string(text)), nil
}

// post makes the call; what the answer says decides whether to try again.
func (b *Book) post(ctx context.Context, allow []netip.Prefix, c call) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(c.body))
	if err != nil {
		return &refusal{"the address is no URL"}
	}
	for k, v := range c.header {
		req.Header.Set(k, v)
	}
	req.Header.Set("User-Agent", "Evenkeel")
	client := &http.Client{
		Transport:     &http.Transport{DialContext: b.dial(allow, c.ours), DisableKeepAlives: true, TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: time.Minute},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // a redirect may lead to where the guard would not let us
	}
	res, err := client.Do(req)
	if err != nil {
		var guarded *refusal
		if errors.As(err, &guarded) {
			return guarded
		}
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return fmt.Errorf("cannot read the answer: %w", err)
	}
	switch {
	case res.StatusCode/100 == 2 && c.reads != nil:
		return c.reads(body)
	case res.StatusCode/100 == 2:
		return nil
	case res.StatusCode == http.StatusTooManyRequests, res.StatusCode == http.StatusRequestTimeout, res.StatusCode/100 == 5:
		return fmt.Errorf("the answer was %s", res.Status)
	}
	return &refusal{"the answer was " + res.Status}
}

func slackSays(body []byte) error {
	var a struct {
		OK    bool
		Error string
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return fmt.Errorf("cannot read the answer: %w", err)
	}
	switch {
	case a.OK:
		return nil
	case a.Error == "ratelimited" || a.Error == "internal_error" || a.Error == "service_unavailable":
		return errors.New("the answer was " + a.Error)
	}
	return &refusal{"the answer was " + cut(a.Error, 60)}
}

// dial connects, but for people's addresses not to networks that are not allowed.
func (b *Book) dial(allow []netip.Prefix, ours bool) func(ctx context.Context, network, address string) (net.Conn, error) {
	if b.o.Dial != nil {
		return b.o.Dial
	}
	d := &net.Dialer{Timeout: 10 * time.Second}
	if !ours {
		d.Control = func(_, address string, _ syscall.RawConn) error { return guard(allow, address) }
	}
	return d.DialContext
}

// guard looks at the address that a name led to, right before the connection: looking
// at the name earlier could see another one.
func guard(allow []netip.Prefix, address string) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return &refusal{"the address cannot be checked"}
	}
	ip := at.Addr().Unmap()
	for _, p := range allow {
		if p.Contains(ip) {
			return nil
		}
	}
	if !ip.IsGlobalUnicast() || ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() || shared.Contains(ip) || nat64.Contains(ip) {
		return &refusal{"the address lies in a network that channels.allow does not list"}
	}
	return nil
}

var (
	shared = netip.MustParsePrefix("100.64.0.0/10")
	nat64  = netip.MustParsePrefix("64:ff9b::/96")
)

// linked writes a URL into a form, or nothing where there is none.
func linked(form, url string) string {
	if url == "" {
		return ""
	}
	return fmt.Sprintf(form, url)
}

func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most-3], "") + "…"
}

func escapeSlack(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

// headerText fits a line into a header: ntfy reads RFC 2047.
func headerText(s string) string {
	for _, r := range s {
		if r > 126 || r < 32 {
			return "=?UTF-8?B?" + base64.StdEncoding.EncodeToString([]byte(cut(s, 200))) + "?="
		}
	}
	return cut(s, 200)
}
