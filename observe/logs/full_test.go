package logs_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/observe"
	"github.com/evenkeel/evenkeel/observe/logs"
)

// TestDiskFills writes to a small file system until it is nearly full: then rows are
// refused with 503, those that were acknowledged are there, and when there is room again
// it goes on.
func TestDiskFills(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64m"); err != nil {
		t.Skipf("cannot mount a small file system here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 24<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	o := logs.Options{Dir: dir, Reserve: 16 << 20, Now: func() time.Time { return now }}
	s, err := logs.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	acked := 0
	commit := func() error {
		now = now.Add(time.Second) // the space is looked at once a second
		b := s.Begin(logs.Origin{Receiver: "test"})
		for i := range 20 {
			var text strings.Builder
			for range 600 { // nothing that can be compressed
				fmt.Fprintf(&text, "%016x", r.Uint64())
			}
			if refusal := b.Add(now.UnixNano()+int64(i), []logs.Field{{Name: "service.name", Value: "a"}, {Value: text.String()}}, 1); refusal != nil {
				t.Fatal(refusal)
			}
		}
		err := b.Commit()
		if err == nil {
			acked += 20
		}
		return err
	}
	fill := func() error {
		for range 2000 {
			if err := commit(); err != nil {
				return err
			}
		}
		return nil
	}
	err = fill()
	var refusal *observe.Refusal
	if !errors.As(err, &refusal) || refusal.Status != http.StatusServiceUnavailable || !strings.Contains(err.Error(), "disk space") {
		t.Fatalf("a disk that fills: %v after %d rows", err, acked)
	}
	before := acked
	if before == 0 {
		t.Fatal("nothing was acknowledged while there was room")
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if err := commit(); err != nil || acked != before+20 {
		t.Fatalf("there is room again: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = logs.Open(o); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := ask(t, s, "* | count() n", "n"); len(got) != 1 || got[0] != fmt.Sprint(acked) {
		t.Errorf("%v rows are there, %d were acknowledged", got, acked)
	}
}
