package app

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/observe/logs"
)

// TestLogSourcesFollowTheWorkspace: listeners and files come, change and go when the
// workspace says so, without a restart; those that stay the same are not disturbed.
func TestLogSourcesFollowTheWorkspace(t *testing.T) {
	dir := t.TempDir()
	store, err := logs.Open(logs.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	s := newSources(store, dir, slog.New(slog.DiscardHandler))
	free := func() string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		return l.Addr().String()
	}
	a, b := free(), free()
	file := filepath.Join(dir, "app.log")
	if err := os.WriteFile(file, []byte("file one\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	apply := func(files bool, addresses ...string) error {
		w := &declare.Workspace{}
		for _, addr := range addresses {
			w.Settings.Logs.Syslog = append(w.Settings.Logs.Syslog, declare.SyslogListener{Protocol: "tcp", Address: addr, Rate: 10_000})
		}
		if files {
			w.Settings.Logs.Files = []declare.LogFile{{Path: file, Service: "app", Format: "text"}}
		}
		return s.Apply(w)
	}
	if err := apply(true, a); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	send := func(addr, text string) net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintf(c, "<13>1 2026-01-02T03:04:05Z host app - - - %s\n", text); err != nil {
			t.Fatal(err)
		}
		return c
	}
	has := func(text string, want int) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			store.Flush()
			q, err := logs.ParseQuery(`"`+text+`"`, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			if err := store.Each(t.Context(), q, func(logs.Row) bool { n++; return true }); err != nil {
				t.Fatal(err)
			}
			if n == want {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%q is there %d times, expected %d", text, n, want)
			}
		}
	}
	kept := send(a, "over a")
	has("over a", 1)
	has("file one", 1)

	if err := apply(false, a, b); err != nil { // one more; files are not followed any more
		t.Fatal(err)
	}
	send(b, "over b")
	has("over b", 1)
	if _, err := fmt.Fprintf(kept, "<13>1 2026-01-02T03:04:05Z host app - - - the same connection\n"); err != nil {
		t.Errorf("a connection of a listener that stays was closed: %v", err)
	}
	has("the same connection", 1)
	add, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer add.Close()
	if _, err := add.WriteString("file two\n"); err != nil {
		t.Fatal(err)
	}

	if err := apply(true, b); err != nil { // a goes; files again, from where they were
		t.Fatal(err)
	}
	if c, err := net.Dial("tcp", a); err == nil {
		_ = c.Close()
		t.Error("an address that is not declared any more is listened on")
	}
	has("file two", 1)
	has("file one", 1)
	if err := apply(true, b, "256.0.0.1:1"); err == nil {
		t.Error("an address that cannot be listened on is no error")
	}
	send(b, "b goes on")
	has("b goes on", 1)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
