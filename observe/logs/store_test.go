package logs_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/evenkeel/evenkeel/observe/logs"
)

const writerDir = "EVENKEEL_TEST_LOG_WRITER_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(writerDir); dir != "" {
		write(dir)
		return
	}
	os.Exit(m.Run())
}

// write commits batches until it is killed, and says which were acknowledged.
func write(dir string) {
	s, err := logs.Open(logs.Options{Dir: dir})
	if err != nil {
		panic(err)
	}
	go func() { _ = s.Run(context.Background()) }()
	round := os.Getenv("EVENKEEL_TEST_ROUND")
	for n := 0; ; n++ {
		b := s.Begin(logs.Origin{Receiver: "test"})
		for i := range 20 {
			fields := []logs.Field{{Name: "service.name", Value: fmt.Sprint("s", n%3)}, {Name: "", Value: "line"}, {Name: "id", Value: fmt.Sprintf("%s-%d-%d", round, n, i)}}
			if r := b.Add(time.Now().UnixNano(), fields, 1); r != nil {
				panic(r)
			}
		}
		if err := b.Commit(); err != nil {
			panic(err)
		}
		fmt.Println("ack", round, n)
	}
}

func open(t *testing.T, o logs.Options) *logs.Store {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	s, err := logs.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func add(t *testing.T, s *logs.Store, at time.Time, fields ...string) {
	t.Helper()
	b := s.Begin(logs.Origin{Receiver: "test"})
	var row []logs.Field
	for i := 0; i < len(fields); i += 2 {
		row = append(row, logs.Field{Name: fields[i], Value: fields[i+1]})
	}
	if r := b.Add(at.UnixNano(), row, 1); r != nil {
		t.Fatal(r)
	}
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
}

// ask returns the values of a field, one of each row.
func ask(t *testing.T, s *logs.Store, text, field string) []string {
	t.Helper()
	q, err := logs.ParseQuery(text, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	if err := s.Each(t.Context(), q, func(r logs.Row) bool {
		out = append(out, strings.Clone(r.Field(field)))
		return true
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestTwoStoresInOneProcess(t *testing.T) {
	dir := t.TempDir()
	rows, spans := open(t, logs.Options{Dir: dir}), open(t, logs.Options{Dir: dir, Name: "traces"})
	now := time.Now()
	add(t, rows, now, "service.name", "checkout", "", "payment failed", "trace_id", "abc")
	add(t, spans, now, "service.name", "checkout", "name", "POST /pay", "trace_id", "abc")
	rows.Flush()
	spans.Flush()
	if got := ask(t, rows, `trace_id:abc`, ""); len(got) != 1 || got[0] != "payment failed" {
		t.Errorf("logs: %q", got)
	}
	if got := ask(t, spans, `{service.name="checkout"} trace_id:abc`, "name"); len(got) != 1 || got[0] != "POST /pay" {
		t.Errorf("traces: %q", got)
	}
	if got := ask(t, rows, `* | stats count() n`, "n"); len(got) != 1 || got[0] != "1" {
		t.Errorf("the stores are not apart: %q", got)
	}
	if st := rows.Stats(); st.Rows != 1 || st.Days != 1 {
		t.Errorf("stats: %+v", st)
	}
	if err := rows.Close(); err != nil {
		t.Fatal(err)
	}
	b := rows.Begin(logs.Origin{Receiver: "test"})
	b.Add(0, []logs.Field{{Value: "late"}}, 0)
	if err := b.Commit(); err == nil {
		t.Error("a closed store acknowledges")
	}
	if got := ask(t, open(t, logs.Options{Dir: dir}), `*`, ""); len(got) != 1 {
		t.Errorf("after a restart: %q", got)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "logs", "wal", "*")); len(left) != 1 {
		t.Errorf("a clean stop leaves the write-ahead log: %v", left)
	}
}

func TestRowsAreBounded(t *testing.T) {
	reg := prometheus.NewRegistry()
	s := open(t, logs.Options{Registerer: reg, Limits: logs.Limits{ValueBytes: 100, Fields: 5, Streams: 3}})
	now := time.Now()
	b := s.Begin(logs.Origin{Receiver: "test"})
	f := func(at time.Time, want string, fields ...logs.Field) {
		t.Helper()
		got := ""
		if r := b.Add(at.UnixNano(), fields, 1); r != nil {
			got = r.Reason
		}
		if got != want {
			t.Errorf("got %q, expected %q", got, want)
		}
	}
	service := logs.Field{Name: "service.name", Value: "a"}
	f(now, "", service, logs.Field{Value: strings.Repeat("é", 500_000)})
	f(now, "", service, logs.Field{Value: "bin\xff\xfe\x00ary"})
	f(now, "", service, logs.Field{Value: "many"}, logs.Field{Name: "1", Value: "1"}, logs.Field{Name: "2", Value: "1"}, logs.Field{Name: "3", Value: "1"}, logs.Field{Name: "4", Value: "1"})
	f(now, "", service, logs.Field{Value: "names"}, logs.Field{Name: strings.Repeat("n", 500), Value: "long"}, logs.Field{Name: "_stream", Value: "mine"}, logs.Field{Name: "_stream", Value: "mine"})
	f(now.AddDate(1, 0, 0), "future", service, logs.Field{Value: "x"})
	f(now.AddDate(-1, 0, 0), "too_old", service, logs.Field{Value: "x"})
	f(now, "empty", logs.Field{Name: "x"})
	if n, text := b.Refused(); n != 3 || !strings.Contains(text, "at most 10m0s ahead") || !strings.Contains(text, "values were cut") {
		t.Errorf("%d refused: %s", n, text)
	}
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	late := s.Begin(logs.Origin{Receiver: "syslog", Arrival: true})
	if r := late.Add(now.AddDate(-1, 0, 0).UnixNano(), []logs.Field{service, {Value: "clock a year off"}}, 1); r != nil {
		t.Error(r)
	}
	for i := range 10 {
		if r := late.Add(0, []logs.Field{{Name: "service.name", Value: "b"}, {Name: "request", Value: fmt.Sprint(i)}, {Value: "stream"}}, 2); r != nil {
			t.Error(r)
		}
	}
	if err := late.Commit(); err != nil {
		t.Fatal(err)
	}
	s.Flush()
	if got := ask(t, s, `cut_bytes:*`, ""); len(got) != 1 || len(got[0]) != 100 || got[0] != strings.Repeat("é", 50) {
		t.Errorf("cut: %q", got)
	}
	if got := ask(t, s, `ary`, ""); len(got) != 1 || got[0] != "bin\uFFFD\x00ary" {
		t.Errorf("binary: %q", got)
	}
	if got := ask(t, s, `many`, "4"); len(got) != 1 || got[0] != "" {
		t.Errorf("fields: %q", got)
	}
	if got := ask(t, s, `names`, "field._stream"); len(got) != 1 || got[0] != "mine" {
		t.Errorf("names: %q", got)
	}
	if got := ask(t, s, `clock`, "time.sent"); len(got) != 1 || !strings.HasPrefix(got[0], fmt.Sprint(now.Year()-1)) {
		t.Errorf("time of arrival: %q", got)
	}
	if got := ask(t, s, `service.name:b | stats by (_stream) count() n`, "n"); len(got) > 4 {
		t.Errorf("the streams of one service: %q", got)
	}
	if got := testutil.ToFloat64(gather(t, reg, "evenkeel_observe_rows_changed_total", "streams")); got < 5 {
		t.Errorf("counted %v rows put into their service's stream", got)
	}
}

// gather finds a counter by its reason.
func gather(t *testing.T, reg *prometheus.Registry, name, reason string) prometheus.Collector {
	t.Helper()
	all, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "found"})
	for _, f := range all {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if f.GetName() == name && l.GetValue() == reason {
					c.Add(m.GetCounter().GetValue())
				}
			}
		}
	}
	return c
}

func TestFullDiskIsTold(t *testing.T) {
	s := open(t, logs.Options{Reserve: 1 << 60})
	b := s.Begin(logs.Origin{Receiver: "test"})
	if r := b.Add(0, []logs.Field{{Value: "x"}}, 0); r != nil {
		t.Fatal(r)
	}
	if err := b.Commit(); err == nil || !strings.Contains(err.Error(), "disk space") {
		t.Errorf("got %v, expected the disk space", err)
	}
}

// TestKilled kills a writer several times; each acknowledged row is there, once.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	acked := map[string]bool{}
	for round := range 3 {
		cmd := exec.Command(os.Args[0]) //nolint:gosec // this test itself
		cmd.Env = append(os.Environ(), writerDir+"="+dir, fmt.Sprintf("EVENKEEL_TEST_ROUND=%d", round))
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// The second round lasts until the engine has written some of it to its files.
		until := time.Now().Add(time.Duration(200+rand.IntN(300)) * time.Millisecond)
		if round == 1 {
			until = time.Now().Add(4 * time.Second)
		}
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			var r, n int
			if _, err := fmt.Sscanf(lines.Text(), "ack %d %d", &r, &n); err == nil {
				for i := range 20 {
					acked[fmt.Sprintf("%d-%d-%d", r, n, i)] = true
				}
			}
			if time.Now().After(until) {
				_ = cmd.Process.Signal(syscall.SIGKILL)
				until = time.Now().Add(time.Hour)
			}
		}
		_ = cmd.Wait()
	}
	s := open(t, logs.Options{Dir: dir})
	seen := map[string]int{}
	for _, id := range ask(t, s, `*`, "id") {
		seen[id]++
	}
	lost, twice := 0, 0
	for id := range acked {
		if seen[id] == 0 {
			lost++
		}
	}
	for _, n := range seen {
		if n > 1 {
			twice++
		}
	}
	if len(acked) < 1000 || lost > 0 || twice > 0 {
		t.Errorf("of %d acknowledged rows %d are lost and %d are there twice", len(acked), lost, twice)
	}
	t.Logf("%d acknowledged rows, %d stored", len(acked), len(seen))
}
