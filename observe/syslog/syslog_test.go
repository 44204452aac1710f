package syslog

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/observe/logs"
)

func TestParse(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 600, time.Local) //nolint:gosmopolitan // as syslog's own times
	f := func(msg string, at time.Time, want ...string) {
		t.Helper()
		got, fields, streams := newParser().parse([]byte(msg), "10.0.0.9", now)
		all := map[string]string{"streams": fmt.Sprint(streams)}
		for _, x := range fields {
			all[x.Name] = x.Value
		}
		if got != at.UnixNano() {
			t.Errorf("%q: got %s, expected %s", msg, time.Unix(0, got), at)
		}
		for i := 0; i < len(want); i += 2 {
			if all[want[i]] != want[i+1] {
				t.Errorf("%q: %s: got %q, expected %q in %q", msg, want[i], all[want[i]], want[i+1], all)
			}
		}
	}
	f("<165>1 2026-01-02T02:14:15.003Z mymachine.example.com evntslog 12 ID47 [exampleSDID@32473 iut=\"3\" eventSource=\"App\"] \uFEFFAn application event",
		time.Date(2026, 1, 2, 2, 14, 15, 3e6, time.UTC), "service.name", "evntslog", "host.name", "mymachine.example.com", "severity", "info", "facility", "local4", "", "An application event",
		"proc_id", "12", "msg_id", "ID47", "sd.exampleSDID@32473.iut", "3", "source", "10.0.0.9", "streams", "2")
	f("<34>Jan  2 03:04:05 host su[7]: 'su root' failed", time.Date(2026, 1, 2, 3, 4, 5, 600, time.Local), "service.name", "su", "proc_id", "7", "severity", "fatal", "facility", "auth", "", "'su root' failed") //nolint:gosmopolitan // as above
	f("<13>Dec 31 23:59:59 host a: of last year", time.Date(2025, 12, 31, 23, 59, 59, 0, time.Local), "", "of last year")                                                                                         //nolint:gosmopolitan // as above
	f("<13>1 - - - - - -", now, "host.name", "10.0.0.9", "severity", "info")
	f("nonsense\xff", now, "", "nonsense\xff", "parse_error", "not RFC 5424 or 3164", "host.name", "10.0.0.9")
	f("", now)
}

func FuzzParse(f *testing.F) {
	f.Add("<165>1 2003-10-11T22:14:15.003Z h a - ID47 [x@1 a=\"\\\"\"] m")
	f.Add("<34>Oct 11 22:14:15 mymachine su: x")
	p := newParser()
	f.Fuzz(func(t *testing.T, msg string) {
		_, fields, streams := p.parse([]byte(msg), "h", time.Now())
		if streams > len(fields) {
			t.Errorf("%d streams of %d fields", streams, len(fields))
		}
	})
}

func TestFrames(t *testing.T) {
	f := func(in string, want ...string) {
		t.Helper()
		r := bufio.NewReaderSize(strings.NewReader(in), maxMessage)
		var got []string
		for {
			msg, cut, err := frame(r)
			if len(msg) > 0 {
				got = append(got, fmt.Sprint(string(msg[:min(len(msg), 20)]), " ", cut))
			}
			if err != nil {
				break
			}
		}
		if strings.Join(got, "|") != strings.Join(want, "|") {
			t.Errorf("%.40q: got %q, expected %q", in, got, want)
		}
	}
	f("5 <1>ab7 <1>abcd<1>line\n3 <2>", "<1>ab 0", "<1>abcd 0", "<1>line 0", "<2> 0")
	f("<1>a\n\n<1>b\x00\n<1>c", "<1>a 0", "<1>b 0", "<1>c 0")
	f("99x<1>", "")
	f(fmt.Sprint(maxMessage+10, " ", strings.Repeat("x", maxMessage+10), "3 <1>"), strings.Repeat("x", 20)+" 10", "<1> 0")
	f(strings.Repeat("y", maxMessage+10)+"\n<1>z\n", strings.Repeat("y", 20)+" 10", "<1>z 0")
}

// rig is a store and a listener that runs.
func rig(t *testing.T, o declare.SyslogListener, limits ...logs.Limits) (*logs.Store, *Listener, func()) {
	t.Helper()
	options := logs.Options{Dir: t.TempDir()}
	for _, l := range limits {
		options.Limits = l
	}
	s, err := logs.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	o.Address = "127.0.0.1:0"
	l, err := Listen(s, o, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- l.Run(ctx) }()
	stopped := false
	stop := func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		s.Flush()
	}
	t.Cleanup(func() { stop(); _ = s.Close() })
	return s, l, stop
}

func count(t *testing.T, s *logs.Store, query string) (n int) {
	t.Helper()
	s.Flush()
	q, err := logs.ParseQuery(query, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Each(t.Context(), q, func(logs.Row) bool { n++; return true }); err != nil {
		t.Fatal(err)
	}
	return n
}

func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !f(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain for ", what)
		}
	}
}

// datagrams sends n messages from an address of this machine.
func datagrams(t *testing.T, l *Listener, from, text string, n int) {
	t.Helper()
	c, err := net.DialUDP("udp", &net.UDPAddr{IP: net.ParseIP(from)}, l.Addr().(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for i := range n {
		if _, err := fmt.Fprintf(c, "<13>1 - - app - - - %s %d", text, i); err != nil {
			t.Fatal(err)
		}
	}
}

// The share of bytes holds beside the rate of messages: few long messages are a flood too.
func TestUDPAndTheShareOfBytes(t *testing.T) {
	s, l, _ := rig(t, declare.SyslogListener{Protocol: "udp"}, logs.Limits{PerSource: 1000})
	datagrams(t, l, "127.0.0.1", "flood "+strings.Repeat("x", 3000), 50)
	datagrams(t, l, "127.0.0.2", "calm", 20)
	until(t, "the calm host's messages", func() bool { return count(t, s, "calm") == 20 })
	if n := count(t, s, "flood"); n < 3 || n > 20 {
		t.Errorf("of 50 messages of 3 kB %d are stored, expected about 3: ten seconds' share", n)
	}
}

func TestTCPWaitsForTheShareOfBytes(t *testing.T) {
	s, l, _ := rig(t, declare.SyslogListener{Protocol: "tcp"}, logs.Limits{PerSource: 100_000})
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for i := range 22 { // 1.1 MB: ten seconds' share at once, and a second of waiting
		if _, err := fmt.Fprintf(c, "<13>1 - - app - - - message %d %s\n", i, strings.Repeat("x", 50_000)); err != nil {
			t.Fatal(err)
		}
	}
	_ = c.Close()
	until(t, "all messages", func() bool { return count(t, s, `{service.name="app"}`) == 22 })
	if d := time.Since(began); d < time.Second {
		t.Errorf("1.1 MB are read within %s, expected at least a second at 100 kB a second", d)
	}
}

func TestUDPAndTheFloodOfOneHost(t *testing.T) {
	s, l, _ := rig(t, declare.SyslogListener{Protocol: "udp", Rate: 50})
	send := func(from, text string, n int) { t.Helper(); datagrams(t, l, from, text, n) }
	send("127.0.0.1", "flood", 1000)
	send("127.0.0.2", "calm", 20)
	until(t, "the calm host's messages", func() bool { return count(t, s, "calm") == 20 })
	if n := count(t, s, "flood"); n < 50 || n > 500 {
		t.Errorf("of a flood of 1000 %d are stored, expected about %d", n, burst*50)
	}
}

func TestTCPLosesNothing(t *testing.T) {
	s, l, _ := rig(t, declare.SyslogListener{Protocol: "tcp", Rate: 400})
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		msg := fmt.Sprintf("<13>Nov  2 03:04:05 h app: message %d", i)
		if i%2 == 0 {
			msg = fmt.Sprintf("%d %s", len(msg), msg)
		} else {
			msg += "\n"
		}
		if _, err := c.Write([]byte(msg)); err != nil {
			t.Fatal(err)
		}
	}
	_ = c.Close()
	until(t, "all messages", func() bool { return count(t, s, `{service.name="app"}`) == 1000 })
}

func TestTLS(t *testing.T) {
	cert, key := certificate(t)
	s, l, _ := rig(t, declare.SyslogListener{Protocol: "tls", Cert: cert, Key: key, ClientCA: cert})
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{pair}}) //nolint:gosec // a test's certificate
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("<13>1 - - app - - - secret\n")); err != nil {
		t.Fatal(err)
	}
	until(t, "the message", func() bool { return count(t, s, "secret") == 1 })
	_ = c.Close()
	if c, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true}); err == nil { //nolint:gosec // as above
		_, _ = c.Write([]byte("<13>1 - - app - - - stranger\n"))
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("a sender without a certificate is let in")
		}
		_ = c.Close()
	}
}

func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "EC PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}
