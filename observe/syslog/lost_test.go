package syslog

import (
	"net"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/declare"
)

// What the kernel has no room for is counted, once.
func TestLostDatagramsAreCounted(t *testing.T) {
	l, err := Listen(nil, declare.SyslogListener{Protocol: "udp", Address: "127.0.0.1:0"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.packet.Close()
	if n := l.lost(); n != 0 {
		t.Errorf("%d are lost before any is sent", n)
	}
	c, err := net.Dial("udp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	message := []byte("<13>" + strings.Repeat("x", 8000))
	const sent = 3000 // 24 MB, and nobody reads
	for range sent {
		if _, err := c.Write(message); err != nil {
			t.Fatal(err)
		}
	}
	if n := l.lost(); n < 100 || n >= sent {
		t.Errorf("%d of %d are lost", n, sent)
	}
	if n := l.lost(); n != 0 {
		t.Errorf("%d are counted twice", n)
	}
}
