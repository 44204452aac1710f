package syslog

import (
	"context"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// lostEvery is how often the datagrams that the kernel had no room for are counted.
const lostEvery = 5 * time.Second

// countLost counts them until ctx ends.
func (l *Listener) countLost(ctx context.Context) {
	tick := time.NewTicker(lostEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if n := l.lost(); n > 0 {
				l.store.Refused(receiver, "buffer", n)
				l.log.Warn("syslog messages were lost: they came faster than they are read", "messages", n, "listener", l.Addr().String())
			}
		}
	}
}

// lost is how many datagrams the kernel has dropped since it was asked last, because the
// socket's buffer was full: what Linux says in /proc/net/udp, elsewhere none.
func (l *Listener) lost() int {
	c, ok := l.packet.(*net.UDPConn)
	if !ok {
		return 0
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return 0
	}
	var st syscall.Stat_t
	if cerr := raw.Control(func(fd uintptr) { err = syscall.Fstat(int(fd), &st) }); cerr != nil || err != nil {
		return 0
	}
	inode := strconv.FormatUint(st.Ino, 10)
	for _, file := range []string{"/proc/self/net/udp", "/proc/self/net/udp6"} {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			if len(f) < 13 || f[9] != inode {
				continue
			}
			now, err := strconv.ParseUint(f[12], 10, 32)
			if err != nil {
				return 0
			}
			n := uint32(now) - l.dropped // the kernel's counter begins anew after 32 bits
			l.dropped = uint32(now)
			return int(n)
		}
	}
	return 0
}
