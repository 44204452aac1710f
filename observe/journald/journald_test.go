package journald

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/observe/logs"
)

func store(t testing.TB) *logs.Store {
	t.Helper()
	s, err := logs.Open(logs.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func messages(t *testing.T, s *logs.Store, query string) (out []string) {
	t.Helper()
	s.Flush()
	q, err := logs.ParseQuery(query, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Each(t.Context(), q, func(r logs.Row) bool {
		out = append(out, strings.Clone(r.Message()))
		return true
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

// journalctl writes a program that stands for it: it shows its arguments and prints
// two entries behind the cursor that it is given.
func journalctl(t *testing.T, dir string) string {
	t.Helper()
	now := time.Now().UnixMicro()
	script := fmt.Sprintf(`#!/bin/sh
echo "$@" >> %s/args
case "$*" in *after-cursor=c2*) first=3;; *) first=1;; esac
second=$((first+1))
echo "{\"__CURSOR\":\"c$first\",\"__REALTIME_TIMESTAMP\":\"%d\",\"MESSAGE\":\"entry $first\",\"_SYSTEMD_UNIT\":\"nginx.service\",\"_HOSTNAME\":\"h\",\"PRIORITY\":\"3\"}"
echo "not json"
echo "{\"__CURSOR\":\"c$second\",\"__REALTIME_TIMESTAMP\":\"%d\",\"MESSAGE\":[101,110,116,114,121,32,$((48+second))],\"SYSLOG_IDENTIFIER\":\"sshd\",\"_HOSTNAME\":\"h\"}"
`, dir, now, now+1)
	path := filepath.Join(dir, "journalctl")
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	return path
}

func TestFollowGoesOnBehindTheCursor(t *testing.T) {
	s, dir := store(t), t.TempDir()
	f, err := New(Options{
		Store: s, Journal: declare.Journal{Enabled: true, Units: []string{"nginx.service"}}, State: filepath.Join(dir, "cursor"), Command: journalctl(t, dir),
		Again: time.Millisecond, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- f.Run(ctx) }()
	for deadline := time.Now().Add(20 * time.Second); len(messages(t, s, "*")) < 4; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain for four entries: ", messages(t, s, "*"))
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got := messages(t, s, `{service.name="nginx",host.name="h"} severity:error`); len(got) == 0 || got[0] != "entry 1" {
		t.Errorf("nginx: %q", got)
	}
	if got := messages(t, s, `{service.name="sshd"}`); len(got) == 0 || got[0] != "entry 2" {
		t.Errorf("bytes: %q", got)
	}
	args, err := os.ReadFile(filepath.Join(dir, "args"))
	if err != nil || !strings.Contains(string(args), "--lines=1000 --unit=nginx.service") || !strings.Contains(string(args), "--after-cursor=c2") {
		t.Errorf("journalctl was asked %q, %v", args, err)
	}
	if _, err := New(Options{Command: filepath.Join(dir, "none")}); err == nil {
		t.Error("a journalctl that is not there is not told")
	}
}

func TestUpload(t *testing.T) {
	s := store(t)
	h := Handler(s, func() int64 { return 1 << 20 })
	post := func(body string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("POST", "/insert/journald/upload", strings.NewReader(body)))
		return w
	}
	now := time.Now().UnixMicro()
	body := fmt.Sprintf("__CURSOR=a\n__REALTIME_TIMESTAMP=%d\nMESSAGE=plain\n_SYSTEMD_UNIT=a.service\n\nMESSAGE\n\x08\x00\x00\x00\x00\x00\x00\x00two\nline\n_SYSTEMD_UNIT=a.service\n", now)
	if w := post(body); w.Code != 204 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	if got := messages(t, s, `{service.name="a"}`); len(got) != 2 || got[0] != "plain" || got[1] != "two\nline" {
		t.Errorf("got %q", got)
	}
	if w := post("MESSAGE\n\xff\xff\xff\xff\xff\xff\xff\xffx"); w.Code != 400 {
		t.Errorf("a length that lies: %d", w.Code)
	}
}

func FuzzExport(f *testing.F) {
	f.Add([]byte("A=b\n\nC\n\x01\x00\x00\x00\x00\x00\x00\x00x\n"))
	f.Fuzz(func(_ *testing.T, data []byte) {
		_ = export(data, func(e entry) { e.row() })
	})
}
