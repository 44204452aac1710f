package reach

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/smtp"
	"net/textproto"
	"strings"

	"github.com/evenkeel/evenkeel/declare"
)

// email sends by SMTP. A Message-ID that stays the same lets a mailbox see that a
// message came twice.
func (b *Book) email(ctx context.Context, w *declare.Workspace, to string, m message) error {
	c := w.Settings.Channels.Email
	if c.Smarthost == "" {
		return &refusal{"evenkeel.yml has no channels.email"}
	}
	password := ""
	if c.Username != "" {
		var err error
		if password, err = secret(w, c.PasswordFile, "channels.email.password_file"); err != nil {
			return err
		}
	}
	host, _, err := net.SplitHostPort(c.Smarthost)
	if err != nil {
		return &refusal{"channels.email.smarthost is no host:port"}
	}
	conn, err := b.dial(nil, true)(ctx, "tcp", c.Smarthost)
	if err != nil {
		return err
	}
	// The whole dialogue ends with the attempt: a server that says nothing must not hold it.
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	err = talk(conn, host, c.TLS, c.Username, password, c.From, to, mail(c.From, to, m))
	if ctx.Err() != nil && err != nil {
		return fmt.Errorf("no answer in time: %w", ctx.Err())
	}
	var protocol *textproto.Error
	if errors.As(err, &protocol) && protocol.Code >= 500 {
		return &refusal{err.Error()}
	}
	return err
}

func talk(conn net.Conn, host, security, username, password, from, to string, text []byte) error {
	defer conn.Close()
	if security == "tls" {
		conn = tls.Client(conn, &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12})
	}
	client, err := smtp.NewClient(conn, host)
	if err != nil {
		return err
	}
	defer client.Close()
	if security == "starttls" {
		if ok, _ := client.Extension("STARTTLS"); !ok {
			return &refusal{"the mail server has no STARTTLS; channels.email.tls: off sends without"}
		}
		if err := client.StartTLS(&tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}); err != nil {
			return err
		}
	}
	if username != "" {
		if err := client.Auth(smtp.PlainAuth("", username, password, host)); err != nil {
			return err
		}
	}
	if err := client.Mail(from); err != nil {
		return err
	}
	if err := client.Rcpt(to); err != nil {
		return err
	}
	body, err := client.Data()
	if err != nil {
		return err
	}
	if _, err := body.Write(text); err != nil {
		return err
	}
	if err := body.Close(); err != nil {
		return err
	}
	_ = client.Quit() // it has arrived, whatever comes now
	return nil
}

// mail writes a message for a mailbox. Nothing of it can begin another header.
func mail(from, to string, m message) []byte {
	var b strings.Builder
	domain := from[strings.LastIndexByte(from, '@')+1:]
	line := func(k, v string) {
		fmt.Fprintf(&b, "%s: %s\r\n", k, strings.NewReplacer("\r", " ", "\n", " ").Replace(v))
	}
	line("From", "Evenkeel <"+from+">")
	line("To", "<"+to+">")
	line("Subject", mime.QEncoding.Encode("utf-8", cut(m.Title, 300)))
	line("Date", m.At.UTC().Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	line("Message-ID", "<"+m.ID+"@"+domain+">")
	if m.Severity == "page" {
		line("X-Priority", "1")
	}
	line("Auto-Submitted", "auto-generated")
	line("MIME-Version", "1.0")
	line("Content-Type", "text/plain; charset=utf-8")
	line("Content-Transfer-Encoding", "quoted-printable")
	b.WriteString("\r\n")
	q := quotedprintable.NewWriter(&b)
	_, _ = q.Write([]byte(strings.ReplaceAll(m.plain(), "\n", "\r\n"))) // a builder takes all
	_ = q.Close()
	return []byte(b.String())
}
