package reach

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/evenkeel/evenkeel/respond"
)

// mailServer is a small real SMTP server; refuse is its answer to RCPT, "" to accept,
// and deaf ones say nothing at all.
func mailServer(t *testing.T, refuse string, deaf bool) (string, func() []string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	var mu sync.Mutex
	var mails []string
	serve := func(c net.Conn) {
		defer c.Close()
		if deaf {
			_, _ = io.Copy(io.Discard, c)
			return
		}
		say := func(s string) { fmt.Fprintf(c, "%s\r\n", s) }
		say("220 mail.test")
		in := bufio.NewScanner(c)
		for in.Scan() {
			switch verb, _, _ := strings.Cut(strings.ToUpper(in.Text()), " "); verb {
			case "EHLO":
				say("250 mail.test")
			case "RCPT":
				if refuse != "" {
					say(refuse)
					continue
				}
				say("250 ok")
			case "DATA":
				say("354 go on")
				var b strings.Builder
				for in.Scan() && in.Text() != "." {
					b.WriteString(in.Text() + "\n")
				}
				mu.Lock()
				mails = append(mails, b.String())
				mu.Unlock()
				say("250 taken")
			case "QUIT":
				say("221 bye")
				return
			default:
				say("250 ok")
			}
		}
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serve(c)
		}
	}()
	return l.Addr().String(), func() []string { mu.Lock(); defer mu.Unlock(); return append([]string(nil), mails...) }
}

func TestEmail(t *testing.T) {
	addr, mails := mailServer(t, "", false)
	alice := person("alice")
	alice.Email = "alice@example.org"
	o := newOffice(t, alice)
	o.ws.Settings.Channels.Email.Smarthost, o.ws.Settings.Channels.Email.From = addr, "evenkeel@example.org"
	n := page("k", "alice")
	n.Title = "#1 Bestellung schlägt fehl\r\nBcc: eve@example.org"
	o.send(n)
	o.until("alice", respond.DeliveryDelivered)
	m := mails()[0]
	for _, want := range []string{"To: <alice@example.org>\n", "Message-ID: <" + o.book.messageID(1) + "@example.org>\n", "Subject: =?utf-8?q?#1_Bestellung_schl=C3=A4gt_fehl=0D=0ABcc:_eve@example.org?=\n", "https://evenkeel.test/ack/1."} {
		if !strings.Contains(m, want) {
			t.Errorf("no %q in\n%s", want, m)
		}
	}
	if strings.Contains(m, "\nBcc:") {
		t.Error("a title begins a header")
	}
	// A server that demands what is not there is not talked to without.
	o.ws.Settings.Channels.Email.TLS = "starttls"
	o.send(page("k2", "alice"))
	if d := o.until("alice", respond.DeliveryFailed); !strings.Contains(d.Attempts[0].Detail, "STARTTLS") {
		t.Errorf("%+v", d)
	}
}
