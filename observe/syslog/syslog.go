// Package syslog receives RFC 5424 and RFC 3164 messages over UDP, TCP and TLS.
//
// In: datagrams and streams, hostile. A stream is framed by octet counting or by line
// ends (RFC 6587); which of them each message shows. Out: rows whose stream is the
// program and the host; a message that is neither RFC's is a row with the whole of it.
// Promise: one host that floods takes nothing from the others. Over UDP what is over
// its rate, or over its share of bytes, is refused and counted; over TCP its connection is read more slowly, so that
// nothing is lost. Nobody can be told more: syslog has no answers.
package syslog

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/observe/logs"
)

const (
	receiver       = "syslog"
	maxMessage     = 64 << 10
	maxConnections = 1000
	perHost        = 50 // connections
	idle           = 10 * time.Minute
)

// Listener is one address.
type Listener struct {
	dropped uint32 // datagrams that the kernel had no room for when it was asked last; countLost has it

	store  *logs.Store
	log    *slog.Logger
	rate   rates
	packet net.PacketConn
	stream net.Listener
	secure *tls.Config

	mu    sync.Mutex
	conns map[net.Conn]string
}

// Listen opens an address; Run serves it.
func Listen(store *logs.Store, o declare.SyslogListener, log *slog.Logger) (_ *Listener, err error) {
	l := &Listener{store: store, log: log, rate: rates{perSecond: o.Rate}, conns: map[net.Conn]string{}}
	switch o.Protocol {
	case "udp":
		l.packet, err = net.ListenPacket("udp", o.Address)
		if c, ok := l.packet.(*net.UDPConn); ok {
			_ = c.SetReadBuffer(4 << 20) // a burst waits there; less is granted by some systems
		}
	case "tls":
		if l.secure, err = secure(o); err != nil {
			return nil, fmt.Errorf("cannot listen for syslog: %w", err)
		}
		fallthrough
	default:
		l.stream, err = net.Listen("tcp", o.Address)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot listen for syslog: %w (logs.syslog in evenkeel.yml)", err)
	}
	return l, nil
}

func secure(o declare.SyslogListener) (*tls.Config, error) {
	cert, err := tls.LoadX509KeyPair(o.Cert, o.Key)
	if err != nil {
		return nil, err
	}
	c := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	if o.ClientCA != "" {
		pem, err := os.ReadFile(o.ClientCA)
		if err != nil {
			return nil, err
		}
		c.ClientCAs = x509.NewCertPool()
		if !c.ClientCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("no certificate in %q", o.ClientCA)
		}
		c.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return c, nil
}

// Addr is where it listens.
func (l *Listener) Addr() net.Addr {
	if l.packet != nil {
		return l.packet.LocalAddr()
	}
	return l.stream.Addr()
}

// Run serves until ctx ends.
func (l *Listener) Run(ctx context.Context) error {
	collect := l.store.Collect(logs.Origin{Receiver: receiver, Arrival: true}, func(err error) {
		l.log.Error("syslog messages are lost", "err", err)
	})
	ended := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		<-ctx.Done()
		if l.packet != nil {
			_ = l.packet.Close()
		} else {
			_ = l.stream.Close()
		}
		l.mu.Lock()
		for c := range l.conns {
			_ = c.Close()
		}
		l.mu.Unlock()
	})
	go func() { _ = collect.Run(ctx); close(ended) }()
	var err error
	if l.packet != nil {
		wg.Go(func() { l.countLost(ctx) })
		err = l.datagrams(collect)
	} else {
		err = l.accept(ctx, collect, &wg)
	}
	if ctx.Err() == nil {
		return fmt.Errorf("cannot serve syslog on %s: %w", l.Addr(), err)
	}
	wg.Wait()
	<-ended
	collect.Flush()
	return nil
}

func (l *Listener) datagrams(collect *logs.Collector) error {
	p := newParser()
	buf := make([]byte, maxMessage)
	for {
		n, from, err := l.packet.ReadFrom(buf)
		if err != nil {
			return err
		}
		if n == 0 {
			continue
		}
		host := hostOf(from)
		now := time.Now()
		if l.rate.wait(host, now) > 0 || l.store.Take(now, host, n) > 0 {
			l.store.Refused(receiver, "quota", 1)
			continue
		}
		collect.Add(p.parse(buf[:n], host, now))
	}
}

func (l *Listener) accept(ctx context.Context, collect *logs.Collector, wg *sync.WaitGroup) error {
	for {
		c, err := l.stream.Accept()
		if err != nil {
			return err
		}
		host := hostOf(c.RemoteAddr())
		l.mu.Lock()
		same := 0
		for _, h := range l.conns {
			if h == host {
				same++
			}
		}
		full := len(l.conns) >= maxConnections || same >= perHost || ctx.Err() != nil
		if !full {
			l.conns[c] = host
		}
		l.mu.Unlock()
		if full {
			l.store.Refused(receiver, "connections", 1)
			_ = c.Close()
			continue
		}
		wg.Go(func() {
			l.connection(ctx, c, host, collect)
			l.mu.Lock()
			delete(l.conns, c)
			l.mu.Unlock()
			_ = c.Close()
		})
	}
}

func (l *Listener) connection(ctx context.Context, c net.Conn, host string, collect *logs.Collector) {
	if l.secure != nil {
		t := tls.Server(c, l.secure)
		hello, cancel := context.WithTimeout(ctx, 10*time.Second)
		err := t.HandshakeContext(hello)
		cancel()
		if err != nil {
			l.store.Refused(receiver, "tls", 1)
			return
		}
		c = t
	}
	p := newParser()
	r := bufio.NewReaderSize(c, maxMessage)
	for {
		_ = c.SetReadDeadline(time.Now().Add(idle))
		msg, cut, err := frame(r)
		if len(msg) > 0 {
			wait(ctx, func(now time.Time) time.Duration { return l.rate.wait(host, now) })
			wait(ctx, func(now time.Time) time.Duration { return l.store.Take(now, host, len(msg)) })
			now := time.Now()
			at, fields, streams := p.parse(msg, host, now)
			if cut > 0 {
				fields = append(fields, logs.Field{Name: "cut_bytes", Value: strconv.Itoa(cut)})
				l.store.Changed(receiver, logs.ChangedCut, 1)
			}
			collect.Add(at, fields, streams)
		}
		if err != nil {
			if errors.Is(err, errFrame) {
				l.store.Refused(receiver, "malformed", 1)
			}
			return
		}
	}
}

// wait lets a sender's own connection wait until it may take of its share.
func wait(ctx context.Context, take func(now time.Time) time.Duration) {
	for d := take(time.Now()); d > 0 && ctx.Err() == nil; d = take(time.Now()) {
		select {
		case <-time.After(d):
		case <-ctx.Done():
		}
	}
}

var errFrame = errors.New("not a frame of RFC 6587")

// frame reads one message: "123 <…" counts octets, anything else ends with the line. A
// message over the limit is cut there, and its rest is skipped; cut is how many bytes that
// is.
func frame(r *bufio.Reader) (msg []byte, cut int, err error) {
	first, err := r.Peek(1)
	if err != nil {
		return nil, 0, err
	}
	if first[0] < '1' || first[0] > '9' {
		return line(r)
	}
	n := 0
	for range 8 {
		c, err := r.ReadByte()
		if err != nil {
			return nil, 0, err
		}
		if c == ' ' {
			break
		}
		if c < '0' || c > '9' || n > 10<<20 {
			return nil, 0, errFrame
		}
		n = n*10 + int(c-'0')
	}
	keep := min(n, maxMessage)
	msg = make([]byte, keep)
	if _, err := io.ReadFull(r, msg); err != nil {
		return nil, 0, err
	}
	if n > keep {
		if _, err := r.Discard(n - keep); err != nil {
			return msg, n - keep, err
		}
	}
	return msg, n - keep, nil
}

func line(r *bufio.Reader) (msg []byte, cut int, err error) {
	part, err := r.ReadSlice('\n')
	msg = append(msg, part...)
	for errors.Is(err, bufio.ErrBufferFull) {
		part, err = r.ReadSlice('\n')
		cut += len(bytes.TrimRight(part, "\r\n\x00"))
	}
	for len(msg) > 0 && (msg[len(msg)-1] == '\n' || msg[len(msg)-1] == '\r' || msg[len(msg)-1] == 0) {
		msg = msg[:len(msg)-1]
	}
	return msg, cut, err
}

func hostOf(a net.Addr) string {
	if h, _, err := net.SplitHostPort(a.String()); err == nil {
		return h
	}
	return a.String()
}

// rates gives each host its own messages a second.
type rates struct {
	perSecond int
	mu        sync.Mutex
	hosts     map[string]*share
}

type share struct {
	left float64
	at   time.Time
}

const (
	burst    = 2 // seconds' worth that may come at once
	maxHosts = 100_000
)

// wait takes one message of a host's share, or says when there will be one.
func (r *rates) wait(host string, now time.Time) time.Duration {
	if r.perSecond <= 0 {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.hosts[host]
	most := float64(burst * r.perSecond)
	if s == nil {
		if r.hosts == nil || len(r.hosts) >= maxHosts {
			r.hosts = map[string]*share{}
		}
		s = &share{left: most, at: now}
		r.hosts[host] = s
	}
	s.left = min(most, s.left+now.Sub(s.at).Seconds()*float64(r.perSecond))
	s.at = now
	if s.left < 1 {
		return time.Duration((1 - s.left) / float64(r.perSecond) * float64(time.Second))
	}
	s.left--
	return 0
}
