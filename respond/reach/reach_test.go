package reach

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/state"
)

// post office: people, real local receivers, a real database.
type office struct {
	*testing.T
	dir  string
	db   *state.DB
	ws   *declare.Workspace
	book *Book
	stop func()
}

func newOffice(t *testing.T, people ...*declare.Person) *office {
	t.Helper()
	o := &office{T: t, dir: t.TempDir(), ws: &declare.Workspace{People: people, LoadedAt: time.Now(), Dir: t.TempDir()}}
	c := &o.ws.Settings.Channels
	c.Timeout, c.Allow, c.Email.TLS = 2*time.Second, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, "off"
	o.open()
	t.Cleanup(func() { o.close() })
	return o
}

func (o *office) open() {
	o.Helper()
	var err error
	if o.db, err = state.Open(context.Background(), o.dir); err != nil {
		o.Fatal(err)
	}
	if o.book, err = Open(context.Background(), Options{
		DB: o.db, Logger: slog.New(slog.DiscardHandler), Workspace: func() *declare.Workspace { return o.ws }, URL: func(p string) string { return "https://evenkeel.test" + p },
	}); err != nil {
		o.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- o.book.Run(ctx) }()
	o.stop = func() {
		cancel()
		if err := <-done; err != nil {
			o.Error(err)
		}
	}
}

func (o *office) close() {
	o.stop()
	_ = o.db.Close()
}

func (o *office) exec(query string, args ...any) {
	o.Helper()
	if err := o.db.Update(context.Background(), func(tx *state.Tx) error { _, err := tx.Exec(query, args...); return err }); err != nil {
		o.Fatal(err)
	}
}

func (o *office) send(n respond.Notice) {
	o.Helper()
	if n.Incident != 0 {
		o.exec(`INSERT INTO incidents (number, title, severity, status) VALUES (?, 'x', 'page', 'open') ON CONFLICT DO NOTHING`, n.Incident)
	}
	if n.Severity == "" {
		n.Severity = detect.Page
	}
	if err := o.db.Update(context.Background(), func(tx *state.Tx) error {
		id, err := tx.Record(journal.Fact{At: time.Now(), Kind: "escalation.notified", Actor: journal.System("respond"), Subject: "incident/1", Text: "x"})
		if err != nil {
			return err
		}
		n.Cause = id
		return o.book.Send(context.Background(), tx, time.Now(), []respond.Notice{n})
	}); err != nil {
		o.Fatal(err)
	}
}

// until waits for a delivery to be in a state.
func (o *office) until(who declare.PersonID, want respond.DeliveryState) respond.Delivery {
	o.Helper()
	var last []respond.Delivery
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		var err error
		if last, err = o.book.Deliveries(context.Background(), 0, who); err != nil {
			o.Fatal(err)
		}
		if len(last) > 0 && last[0].State == want {
			return last[0]
		}
	}
	o.Fatalf("%s: wanted %s, got %+v", who, want, last)
	return respond.Delivery{}
}

// seen is what a receiver got.
type seen struct {
	path   string
	header http.Header
	body   string
}

// receiver is a real HTTP server that answers in turn with these statuses, the last one
// for ever; 0 is no answer at all until the client gives up.
func receiver(t *testing.T, answer string, statuses ...int) (string, func() []seen) {
	t.Helper()
	var mu sync.Mutex
	var got []seen
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		n := len(got)
		got = append(got, seen{r.URL.Path, r.Header, string(body)})
		mu.Unlock()
		status := statuses[min(n, len(statuses)-1)]
		if status == 0 {
			<-r.Context().Done()
			return
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(srv.Close)
	return srv.URL, func() []seen { mu.Lock(); defer mu.Unlock(); return append([]seen(nil), got...) }
}

func person(id declare.PersonID, contacts ...string) *declare.Person {
	p := &declare.Person{ID: id, Name: string(id)}
	for _, c := range contacts {
		parsed, err := declare.ParseContact(c)
		if err != nil {
			panic(err)
		}
		p.Contacts = append(p.Contacts, parsed)
	}
	return p
}

func page(key string, who declare.PersonID) respond.Notice {
	return respond.Notice{Key: key, Person: who, Purpose: respond.PurposePage, Incident: 1, Title: "#1 checkout: Slow", Text: "Users suffer for 2m.\n", Why: "person:" + string(who)}
}

// TestEveryKind brings a page each way to a real local receiver and looks at what came.
func TestEveryKind(t *testing.T) {
	text, got := receiver(t, `{"ok":true}`, 200)
	key := base64.StdEncoding.EncodeToString([]byte("a key of thirty-two bytes, about"))
	id := ""
	named := map[string]bool{}
	f := func(contact string, look func(s seen, body object)) {
		t.Helper()
		o := newOffice(t, person("alice", contact))
		if id = o.book.messageID(1); named[id] {
			t.Error("two servers give messages the same identity")
		}
		named[id] = true
		c := &o.ws.Settings.Channels
		for file, text := range map[string]string{"slack": "xoxb-1", "telegram": "42:abc", "webhook": "whsec_" + key} {
			if err := os.WriteFile(filepath.Join(o.ws.Dir, file), []byte(text+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		c.Slack.URL, c.Telegram.URL, c.PagerDuty.URL, c.Opsgenie.URL = text, text, text, text
		c.Slack.TokenFile, c.Telegram.TokenFile, c.Webhook.SecretFile = "slack", "telegram", "webhook"
		before := len(got())
		o.send(page("k", "alice"))
		d := o.until("alice", respond.DeliveryDelivered)
		if len(d.Attempts) != 1 || !d.Attempts[0].OK || d.Why != "person:alice" {
			t.Errorf("%s: %+v", contact, d)
		}
		s := got()[before]
		var body object
		_ = json.Unmarshal([]byte(s.body), &body)
		if !strings.Contains(s.body+fmt.Sprint(s.header), "#1 checkout: Slow") || !strings.Contains(s.body+fmt.Sprint(s.header), "/ack/") && !strings.Contains(s.body, `"value":"1.`) && !strings.HasPrefix(contact, "opsgenie") {
			t.Errorf("%s: %v\n%s", contact, s.header, s.body)
		}
		look(s, body)
	}
	want := func(ok bool, s seen) {
		t.Helper()
		if !ok {
			t.Errorf("%s %v\n%s", s.path, s.header, s.body)
		}
	}
	f("slack:U012AB3CD", func(s seen, b object) {
		want(s.path == "/chat.postMessage" && s.header.Get("Authorization") == "Bearer xoxb-1" && b["channel"] == "U012AB3CD" && strings.Contains(s.body, `"action_id":"acknowledge"`), s)
	})
	f("slack:"+text+"/services/x", func(s seen, _ object) { want(s.path == "/services/x" && strings.Contains(s.body, "|Acknowledge"), s) })
	f("teams:"+text+"/workflows/x", func(s seen, b object) {
		a, _ := b["attachments"].([]any)
		want(b["type"] == "message" && len(a) == 1 && a[0].(object)["contentType"] == "application/vnd.microsoft.card.adaptive" && strings.Contains(s.body, `"type":"AdaptiveCard"`), s)
	})
	f("mattermost:"+text+"/hooks/x", func(s seen, b object) { want(strings.HasPrefix(fmt.Sprint(b["text"]), "**#1 checkout"), s) })
	f("discord:"+text+"/api/webhooks/x", func(s seen, b object) { want(strings.HasPrefix(fmt.Sprint(b["content"]), "**#1 checkout"), s) })
	f("telegram:12345", func(s seen, b object) { want(s.path == "/bot42:abc/sendMessage" && b["chat_id"] == "12345", s) })
	f("pagerduty:0123456789abcdef0123456789abcdef", func(s seen, b object) {
		p, _ := b["payload"].(object)
		want(s.path == "/v2/enqueue" && b["event_action"] == "trigger" && b["dedup_key"] == id && p["severity"] == "critical" && p["source"] == "evenkeel", s)
	})
	f("opsgenie:0123456789abcdef-0123", func(s seen, b object) {
		want(s.path == "/v2/alerts" && s.header.Get("Authorization") == "GenieKey 0123456789abcdef-0123" && b["priority"] == "P1" && b["alias"] == id, s)
	})
	f("ntfy:"+text+"/topic", func(s seen, _ object) {
		want(s.path == "/topic" && s.header.Get("X-Sequence-ID") == id && s.header.Get("Priority") == "5" && s.header.Get("Click") == "https://evenkeel.test/incidents/1" && strings.HasPrefix(s.header.Get("Actions"), "view, Acknowledge, https://evenkeel.test/ack/1."), s)
	})
	f("webhook:"+text+"/hook", func(s seen, _ object) {
		h := s.header
		want(h.Get("webhook-id") == id && h.Get("webhook-signature") == Sign([]byte("a key of thirty-two bytes, about"), id, h.Get("webhook-timestamp"), []byte(s.body)), s)
	})
}

// TestDeadAndSlow: what refuses is left at once for the next way, what stumbles is
// tried again, what does not answer is given up in time; and others do not wait for it.
func TestDeadAndSlow(t *testing.T) {
	saved := pauses
	pauses = []time.Duration{10 * time.Millisecond, 20 * time.Millisecond}
	t.Cleanup(func() { pauses = saved })
	good, _ := receiver(t, "", 200)
	gone, _ := receiver(t, "", 404)
	shaky, shakes := receiver(t, "", 503, 429, 200)
	down, downs := receiver(t, "", 500)
	slow, _ := receiver(t, "", 0)
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refusing := "http://" + dead.Addr().String() + "/x"
	_ = dead.Close() // nobody listens there now
	deaf, _ := mailServer(t, "", true)
	bounce, _ := mailServer(t, "550 no such user", false)

	o := newOffice(t,
		person("gone", "ntfy:"+gone+"/x", "webhook:"+good+"/x"), person("shaky", "ntfy:"+shaky+"/x", "webhook:"+good+"/x"), person("down", "ntfy:"+down+"/x", "webhook:"+good+"/x"),
		person("refusing", "ntfy:"+refusing, "webhook:"+good+"/x"), person("slow", "ntfy:"+slow+"/x", "webhook:"+good+"/x"), person("fast", "webhook:"+good+"/x"),
		person("lost", "ntfy:"+gone+"/x", "webhook:"+gone+"/x"), person("none"), person("deaf", "email:deaf@example.org", "webhook:"+good+"/x"), person("bounce", "email:b@example.org", "webhook:"+good+"/x"))
	o.ws.Settings.Channels.Timeout = 300 * time.Millisecond
	o.ws.Settings.Channels.Email.Smarthost, o.ws.Settings.Channels.Email.From = deaf, "evenkeel@example.org"
	f := func(who declare.PersonID, state respond.DeliveryState, attempts int, first string) respond.Delivery {
		t.Helper()
		d := o.until(who, state)
		if len(d.Attempts) != attempts || (attempts > 0 && !strings.Contains(d.Attempts[0].Detail, first)) {
			t.Errorf("%s: %d attempts, want %d: %+v", who, len(d.Attempts), attempts, d.Attempts)
		}
		return d
	}
	for _, p := range o.ws.People[:9] {
		o.send(page("k/"+string(p.ID), p.ID))
	}
	f("fast", respond.DeliveryDelivered, 1, "")
	f("gone", respond.DeliveryDelivered, 2, "404")
	f("shaky", respond.DeliveryDelivered, 3, "503")
	f("down", respond.DeliveryDelivered, 4, "500")
	f("refusing", respond.DeliveryDelivered, 4, "connection refused")
	f("slow", respond.DeliveryDelivered, 4, "")
	f("deaf", respond.DeliveryDelivered, 4, "no answer in time")
	f("lost", respond.DeliveryFailed, 2, "404")
	f("none", respond.DeliveryFailed, 0, "")
	o.ws.Settings.Channels.Email.Smarthost = bounce
	o.send(page("k/bounce", "bounce"))
	f("bounce", respond.DeliveryDelivered, 2, `550 "no such user"`)
	if len(shakes()) != 3 || len(downs()) != 3 {
		t.Errorf("%d and %d tries", len(shakes()), len(downs()))
	}
	for _, d := range []declare.PersonID{"slow", "deaf"} {
		if took := f(d, respond.DeliveryDelivered, 4, "").Attempts[0].TookMS; took < 250 || took > 2500 {
			t.Errorf("%s: an attempt took %d ms", d, took)
		}
	}
	facts, err := o.db.Facts(t.Context(), journal.Query{Ref: "person/lost", Oldest: true})
	if err != nil || len(facts) != 2 || facts[1].Kind != "notice.failed" || facts[1].Cause == 0 || strings.Contains(facts[0].Text, gone) {
		t.Errorf("%+v %v", facts, err)
	}
}

// TestGuard: addresses of people do not lead into networks that are not allowed.
func TestGuard(t *testing.T) {
	inner, got := receiver(t, "", 200)
	o := newOffice(t, person("alice", "webhook:"+inner+"/x", "ntfy:http://localhost:"+inner[strings.LastIndexByte(inner, ':')+1:]+"/y"))
	o.ws.Settings.Channels.Allow = nil
	o.send(page("k", "alice"))
	d := o.until("alice", respond.DeliveryFailed)
	if len(got()) != 0 || len(d.Attempts) != 2 || !strings.Contains(d.Attempts[0].Detail, "channels.allow") || !strings.Contains(d.Attempts[1].Detail, "channels.allow") {
		t.Errorf("%+v", d.Attempts)
	}
	allow := []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}
	f := func(addr string, ok bool) {
		t.Helper()
		if err := guard(allow, addr); (err == nil) != ok {
			t.Errorf("%s: %v", addr, err)
		}
	}
	f("93.184.216.34:443", true)
	f("10.1.2.3:443", true)
	f("10.2.2.3:443", false)
	f("169.254.169.254:80", false)
	f("[::1]:80", false)
	f("[::ffff:127.0.0.1]:80", false)
	f("[fd00::1]:80", false)
	f("[fe80::1%eth0]:80", false)
	f("100.64.0.1:80", false)
	f("0.0.0.0:80", false)
	f("[64:ff9b::7f00:1]:80", false)
	f("224.0.0.1:80", false)
}

// TestOnceOverARestart: a key is queued once, a kill in the middle of an attempt sends
// it again with the same identity, and what was delivered is not.
func TestOnceOverARestart(t *testing.T) {
	hook, got := receiver(t, "", 200)
	o := newOffice(t, person("alice", "webhook:"+hook+"/x"))
	o.send(page("k", "alice"))
	o.until("alice", respond.DeliveryDelivered)
	o.send(page("k", "alice"))
	o.close()
	o.open()
	o.send(page("k", "alice"))
	// As a kill leaves it that fell after sending and before noting.
	o.exec(`UPDATE deliveries SET state = 'sending', lease_ms = ?, done_ms = 0`, state.Millis(time.Now().Add(100*time.Millisecond)))
	o.exec(`DELETE FROM delivery_attempts`)
	o.send(page("k2", "alice")) // wakes the queue
	o.until("alice", respond.DeliveryDelivered)
	for deadline := time.Now().Add(20 * time.Second); len(got()) < 3 && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
	}
	ids := map[string]int{}
	for _, s := range got() {
		ids[s.header.Get("webhook-id")]++
	}
	if len(got()) != 3 || ids[o.book.messageID(1)] != 2 || len(ids) != 2 {
		t.Errorf("%v", ids)
	}
}

// TestNotAnyMore: who is not needed any more is not woken.
func TestNotAnyMore(t *testing.T) {
	hook, got := receiver(t, "", 200)
	o := newOffice(t, person("alice", "webhook:"+hook+"/x"))
	o.exec(`INSERT INTO incidents (number, title, severity, status) VALUES (1, 'x', 'page', 'acknowledged')`)
	o.send(page("k", "alice"))
	o.until("alice", respond.DeliveryCancelled)
	if len(got()) != 0 {
		t.Error("it was sent")
	}
}

func TestLinks(t *testing.T) {
	hook, got := receiver(t, "", 200)
	o := newOffice(t, person("alice", "webhook:"+hook+"/x"))
	o.send(page("k", "alice"))
	o.until("alice", respond.DeliveryDelivered)
	var body struct {
		Data struct{ Acknowledge_url string }
	} //nolint:revive // as it is sent
	if err := json.Unmarshal([]byte(got()[0].body), &body); err != nil {
		t.Fatal(err)
	}
	token := body.Data.Acknowledge_url[strings.LastIndexByte(body.Data.Acknowledge_url, '/')+1:]
	ctx, now := t.Context(), time.Now()
	if d, err := o.book.Link(ctx, now, token); err != nil || d.Person != "alice" || d.Incident != 1 {
		t.Errorf("%+v %v", d, err)
	}
	for _, bad := range []string{"", "1", "..", "1.zzzzzz." + token[strings.LastIndexByte(token, '.')+1:], "2" + token[1:], token + "x"} {
		if _, err := o.book.Link(ctx, now, bad); err == nil {
			t.Errorf("%q opens", bad)
		}
	}
	if _, err := o.book.Link(ctx, now.Add(73*time.Hour), token); err == nil {
		t.Error("it opens after its time")
	}
	if _, err := o.book.UseLink(ctx, now, token); err != nil {
		t.Error(err)
	}
	if _, err := o.book.UseLink(ctx, now, token); err == nil {
		t.Error("it works twice")
	}
}

func TestMethods(t *testing.T) {
	hook, got := receiver(t, "", 200)
	o := newOffice(t, person("alice", "webhook:"+hook+"/declared"))
	ctx, now := t.Context(), time.Now()
	m, err := o.book.AddMethod(ctx, now, "person:alice", respond.ContactMethod{Person: "alice", Kind: "ntfy", URL: hook + "/own", Severities: []detect.Severity{detect.Page}})
	if err != nil {
		t.Fatal(err)
	}
	o.until("alice", respond.DeliveryDelivered)
	s := got()[0]
	code := s.header.Get("Title")[len("Evenkeel: your code is "):]
	if s.path != "/own" || len(code) != 6 {
		t.Fatalf("%+v", s)
	}
	if all, err := o.book.Methods(ctx, "alice"); err != nil || len(Usable(all, detect.Page)) != 1 {
		t.Errorf("an unverified way is used: %+v %v", all, err)
	}
	wrong := "000000"
	if code == wrong {
		wrong = "111111"
	}
	if err := o.book.VerifyMethod(ctx, now, "person:alice", "alice", m.ID, wrong); err == nil {
		t.Error("a wrong code is taken")
	}
	if err := o.book.VerifyMethod(ctx, now, "person:bob", "bob", m.ID, code); err == nil {
		t.Error("somebody else verifies it")
	}
	if err := o.book.VerifyMethod(ctx, now, "person:alice", "alice", m.ID, code); err != nil {
		t.Error(err)
	}
	all, err := o.book.Methods(ctx, "alice")
	if err != nil || len(Usable(all, detect.Page)) != 2 || Usable(all, detect.Page)[0].Kind != "ntfy" || len(Usable(all, detect.Ticket)) != 1 {
		t.Errorf("%+v %v", all, err)
	}
	facts, _ := o.db.Facts(ctx, journal.Query{Limit: 1000})
	for _, f := range facts {
		if strings.Contains(f.Text, code) || strings.Contains(f.Text, hook) {
			t.Errorf("a secret in the journal: %s", f.Text)
		}
	}
	// Five wrong codes are all that one may try.
	m2, err := o.book.AddMethod(ctx, now, "person:alice", respond.ContactMethod{Person: "alice", Kind: "webhook", URL: hook + "/two"})
	if err != nil {
		t.Fatal(err)
	}
	for range maxTries {
		_ = o.book.VerifyMethod(ctx, now, "person:alice", "alice", m2.ID, "xxxxxx")
	}
	for _, s := range got() {
		if strings.HasPrefix(s.path, "/two") {
			code = s.body[strings.Index(s.body, "code is ")+8:][:6]
		}
	}
	if err := o.book.VerifyMethod(ctx, now, "person:alice", "alice", m2.ID, code); err == nil {
		t.Error("it can be guessed")
	}
	if err := o.book.RemoveMethod(ctx, now, "person:alice", "alice", m.ID); err != nil {
		t.Error(err)
	}
	for _, bad := range []respond.ContactMethod{
		{Person: "alice", Kind: "fax", URL: "1"}, {Person: "alice", Kind: "email", URL: "no address"}, {Person: "alice", Kind: "email", URL: "a@b.c\r\nBcc: x@y.z"}, {Person: "nobody", Kind: "ntfy", URL: hook},
		{Person: "alice", Kind: "ntfy", URL: "file:///etc/passwd"}, {Person: "alice", Kind: "ntfy", URL: hook, Severities: []detect.Severity{"loud"}},
	} {
		if _, err := o.book.AddMethod(ctx, now, "person:alice", bad); err == nil {
			t.Errorf("taken: %+v", bad)
		}
	}
}

func TestQuietHours(t *testing.T) {
	r := respond.QuietRule{From: 22 * 60, To: 7 * 60, Zone: "Europe/Vienna", Severities: []detect.Severity{detect.Ticket, detect.Info}}
	f := func(severity detect.Severity, at, want string) {
		t.Helper()
		now, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if got := quietUntil(r, severity, now).UTC().Format(time.RFC3339); got != want {
			t.Errorf("%s at %s: %s, want %s", severity, at, got, want)
		}
	}
	f(detect.Page, "2026-01-10T23:00:00Z", "2026-01-10T23:00:00Z")
	f(detect.Ticket, "2026-01-10T20:59:59Z", "2026-01-10T20:59:59Z")
	f(detect.Ticket, "2026-01-10T21:00:00Z", "2026-01-11T06:00:00Z")
	f(detect.Info, "2026-01-11T02:00:00Z", "2026-01-11T06:00:00Z")
	f(detect.Info, "2026-01-11T06:00:00Z", "2026-01-11T06:00:00Z")
	f(detect.Info, "2026-03-28T23:00:00Z", "2026-03-29T05:00:00Z") // the night of 23 hours
	f(detect.Info, "2026-10-24T23:00:00Z", "2026-10-25T06:00:00Z") // and of 25
	hook, _ := receiver(t, "", 200)
	o := newOffice(t, person("alice", "webhook:"+hook+"/x"))
	if err := o.book.SetQuiet(t.Context(), time.Now(), "person:alice", "alice", respond.QuietRule{From: 0, To: 60, Zone: "UTC", Severities: []detect.Severity{detect.Page}}); err == nil {
		t.Error("a page is kept back")
	}
}
