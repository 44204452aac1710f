package tail

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/observe/logs"
)

type rig struct {
	*testing.T
	store *logs.Store
	dir   string
	t     *Tailer
	files []declare.LogFile
}

func start(t *testing.T, files ...declare.LogFile) *rig {
	t.Helper()
	r := &rig{T: t, dir: t.TempDir(), files: files}
	var err error
	if r.store, err = logs.Open(logs.Options{Dir: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.store.Close() })
	for i := range r.files {
		r.files[i].Path = filepath.Join(r.dir, r.files[i].Path)
	}
	r.restart()
	return r
}

func (r *rig) restart() {
	r.Helper()
	var err error
	if r.t, err = New(Options{Store: r.store, Files: r.files, State: filepath.Join(r.dir, "positions.json"), Host: "h", Logger: slog.New(slog.DiscardHandler)}); err != nil {
		r.Fatal(err)
	}
}

func (r *rig) path(name string) string { return filepath.Join(r.dir, name) }

func (r *rig) append(name, text string) {
	r.Helper()
	f, err := os.OpenFile(r.path(name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.WriteString(text)
	}
	if err != nil {
		r.Fatal(err)
	}
	_ = f.Close()
}

// stored are the messages, in order.
func (r *rig) stored() []string {
	r.Helper()
	r.store.Flush()
	q, err := logs.ParseQuery("*", time.Now())
	if err != nil {
		r.Fatal(err)
	}
	var out []string
	if err := r.store.Each(r.Context(), q, func(row logs.Row) bool {
		out = append(out, strings.Clone(row.Message()))
		return true
	}); err != nil {
		r.Fatal(err)
	}
	slices.Sort(out)
	return out
}

func (r *rig) expect(want ...string) {
	r.Helper()
	r.t.turn(time.Now(), false)
	r.t.turn(time.Now(), false) // a file that was replaced is opened in the next turn
	if got := r.stored(); strings.Join(got, "|") != strings.Join(want, "|") {
		r.Errorf("got %q, expected %q", got, want)
	}
}

// TestTruncatedAndAsLongAgain: between two looks a file was truncated and written again, past
// where it was read to; also while nobody looked at all.
func TestTruncatedAndAsLongAgain(t *testing.T) {
	r := start(t, declare.LogFile{Path: "a.log", Service: "app"})
	again := func(text string) {
		t.Helper()
		if err := os.Truncate(r.path("a.log"), 0); err != nil {
			t.Fatal(err)
		}
		r.append("a.log", text)
	}
	r.append("a.log", "one\n")
	r.expect("one")
	again("two, longer\n")
	r.expect("one", "two, longer")
	r.append("a.log", "three\n")
	r.expect("one", "three", "two, longer")
	r.t.turn(time.Now(), true)
	again("four, longer than all that was there before\n")
	r.restart()
	r.expect("four, longer than all that was there before", "one", "three", "two, longer")
}

func TestRotations(t *testing.T) {
	r := start(t, declare.LogFile{Path: "a*.log", Service: "app"})
	r.append("a.log", "1\n2\n3")
	r.expect("1", "2")
	r.append("a.log", "3\n")
	r.expect("1", "2", "33")
	// renamed, and written to once more
	if err := os.Rename(r.path("a.log"), r.path("a.log.1")); err != nil {
		t.Fatal(err)
	}
	r.append("a.log.1", "4\n")
	r.append("a.log", "5\n")
	r.expect("1", "2", "33", "4", "5")
	// copied and truncated
	if err := os.Truncate(r.path("a.log"), 0); err != nil {
		t.Fatal(err)
	}
	r.t.turn(time.Now(), false)
	r.append("a.log", "6\n")
	r.expect("1", "2", "33", "4", "5", "6")
	// rotated while nobody looked
	r.append("a.log", "7\n")
	if err := os.Rename(r.path("a.log"), r.path("a.log.2")); err != nil {
		t.Fatal(err)
	}
	r.append("a.log", "8\n")
	r.restart()
	r.expect("1", "2", "33", "4", "5", "6", "7", "8")
	r.restart()
	r.append("a2.log", "9\r\n\n")
	r.expect("1", "2", "33", "4", "5", "6", "7", "8", "9")
}

func TestLinesThatBelongTogether(t *testing.T) {
	r := start(t, declare.LogFile{Path: "a.log", Service: "app", Multiline: regexp.MustCompile(`^\d{4}-`)})
	r.append("a.log", "2026-01-01 one\n at x\n at y\n2026-01-01 two\n")
	now := time.Now()
	r.t.turn(now, false)
	if got := r.stored(); len(got) != 1 || got[0] != "2026-01-01 one\n at x\n at y" {
		t.Errorf("got %q", got)
	}
	r.restart() // as if killed: what waits for more is read again
	r.append("a.log", " at z\n")
	r.t.turn(now, false)
	r.t.turn(now.Add(2*quiet), false)
	if got := r.stored(); len(got) != 2 || got[1] != "2026-01-01 two\n at z" {
		t.Errorf("got %q", got)
	}
	r.restart()
	r.t.turn(now.Add(4*quiet), true)
	if got := r.stored(); len(got) != 2 {
		t.Errorf("a restart reads again: %q", got)
	}
}

func TestJSONTimesAndHugeLines(t *testing.T) {
	r := start(t, declare.LogFile{Path: "a.json", Format: "json"}, declare.LogFile{Path: "b.log"})
	at := time.Now().Add(-time.Hour).UTC().Truncate(time.Millisecond)
	r.append("a.json", fmt.Sprintf(`{"time":%q,"msg":"structured","level":"warn","service.name":"other"}`+"\nnot json\n", at.Format(time.RFC3339Nano)))
	r.append("b.log", at.Format(time.RFC3339Nano)+" stamped\n"+strings.Repeat("x", 3<<20)+"\nafter\n")
	r.t.turn(time.Now(), false)
	r.t.turn(time.Now(), false)
	r.store.Flush()
	q, _ := logs.ParseQuery("*", time.Now())
	seen := map[string]logs.Row{}
	if err := r.store.Each(t.Context(), q, func(row logs.Row) bool {
		m := strings.Clone(row.Message())
		copied := logs.Row{Time: row.Time}
		for _, f := range row.Fields {
			copied.Fields = append(copied.Fields, logs.Field{Name: strings.Clone(f.Name), Value: strings.Clone(f.Value)})
		}
		seen[m[:min(len(m), 10)]] = copied
		return true
	}); err != nil {
		t.Fatal(err)
	}
	if s := seen["structured"]; s.Time != at.UnixNano() || s.Field("level") != "warn" || s.Service() != "a.json" || s.Field("log.service.name") != "other" {
		t.Errorf("json: %+v", s)
	}
	if s := seen[at.Format(time.RFC3339Nano)[:10]]; s.Time != at.UnixNano() || s.Service() != "b" {
		t.Errorf("stamped: %+v", s)
	}
	if s := seen["xxxxxxxxxx"]; len(s.Message()) > maxRecord || s.Field("cut_bytes") == "" {
		t.Errorf("a huge line: %d bytes, cut %q", len(s.Message()), s.Field("cut_bytes"))
	}
	if _, ok := seen["after"]; !ok || len(seen) != 5 {
		t.Errorf("%d rows", len(seen))
	}
}
