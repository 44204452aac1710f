package metrics_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/observe"
	"github.com/evenkeel/evenkeel/observe/metrics"
)

// The tests start this binary again as a writer, which says on its standard output
// what it was told is stored.
const (
	writerDir   = "EVENKEEL_TEST_WRITER_DIR"
	writerRound = "EVENKEEL_TEST_WRITER_ROUND"
	writerQuota = "EVENKEEL_TEST_WRITER_QUOTA"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(writerDir); dir != "" {
		write(dir)
		return
	}
	os.Exit(m.Run())
}

const writerSeries = 50

// many are settings under which the writer is refused nothing for being too much.
func many() declare.Settings {
	s := settings()
	s.Limits.ActiveSeries = 1_000_000
	return s
}

// write commits batch after batch until it is killed, or the store fails.
func write(dir string) {
	if quota, err := strconv.ParseUint(os.Getenv(writerQuota), 10, 64); err == nil {
		// A file that may not grow is a disk that is full.
		signal.Ignore(syscall.SIGXFSZ)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: quota, Max: quota}); err != nil {
			panic(err)
		}
	}
	store, _ := open(failing{}, dir, many())
	door := store.Guarded("test", true)
	round := os.Getenv(writerRound)
	for t := time.Now().UnixMilli(); ; t++ {
		g := door.Begin(context.Background())
		for i := range writerSeries {
			// Every fifth series is written backwards: its samples are late ones. Not
			// on a full disk: there they are lost, which is what Reserve is for.
			at := t
			if i%5 == 0 && os.Getenv(writerQuota) == "" {
				at -= 2 * (t % 1000)
			}
			ls := labels.FromStrings("__name__", "written", "round", round, "i", strconv.Itoa(i), "even", strconv.FormatInt(t%7, 10))
			if _, err := g.Append(0, ls, 0, at, float64(t), nil, nil, storage.AOptions{}); err != nil {
				continue // refused: not acknowledged either
			}
			fmt.Printf("try %s %d %d\n", ls, at, t)
		}
		if err := g.Commit(); err != nil {
			fmt.Println("failed", err)
			return
		}
		fmt.Println("stored")
	}
}

type failing struct{ testing.TB }

func (failing) Helper()        {}
func (failing) Fatal(a ...any) { panic(fmt.Sprint(a...)) }

// writer runs one and reads its acknowledgements into acked until done says that it
// is enough; then it kills it. The writer may also end by itself.
func writer(t *testing.T, dir string, round int, quota string, acked map[string]map[int64]float64, done func(batches int) bool) (failure string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), writerDir+"="+dir, writerRound+"="+strconv.Itoa(round), writerQuota+"="+quota)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait() //nolint:errcheck // it is killed
	batches := 0
	var tried [][3]string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		switch what, rest, _ := strings.Cut(lines.Text(), " "); what {
		case "try":
			at := strings.LastIndex(rest, "} ")
			times := strings.Fields(rest[at+2:])
			tried = append(tried, [3]string{rest[:at+1], times[0], times[1]})
		case "stored": // also of those that were in the pipe when it was killed
			batches++
			for _, s := range tried {
				at, _ := strconv.ParseInt(s[1], 10, 64)
				v, _ := strconv.ParseFloat(s[2], 64)
				if acked[s[0]] == nil {
					acked[s[0]] = map[int64]float64{}
				}
				if old, again := acked[s[0]][at]; again && old != v {
					t.Errorf("%s at %d: acknowledged both %v and %v", s[0], at, old, v)
				}
				acked[s[0]][at] = v
			}
			tried = nil
		case "failed":
			failure = rest
		}
		if done(batches) {
			_ = cmd.Process.Kill()
		}
	}
	if batches == 0 {
		t.Fatalf("round %d: the writer has acknowledged nothing (%s)", round, failure)
	}
	return failure
}

func verify(t *testing.T, dir string, acked map[string]map[int64]float64) {
	t.Helper()
	store, _ := open(t, dir, many())
	defer store.Close()
	stored := read(t, store, "written")
	samples, missing := 0, 0
	for ls, points := range acked {
		for at, v := range points {
			samples++
			if got, ok := stored[ls][at]; !ok || got != v {
				if missing++; missing < 5 {
					t.Errorf("%s at %d: acknowledged %v, stored %v (%v)", ls, at, v, got, ok)
				}
			}
		}
	}
	if missing > 0 {
		t.Fatalf("%d of %d acknowledged samples are lost", missing, samples)
	}
	t.Logf("%d acknowledged samples in %d series are there", samples, len(acked))
}

// TestKill kills a writer again and again. What it was told is stored is there.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	acked := map[string]map[int64]float64{}
	for round := range 8 {
		writer(t, dir, round, "", acked, func(batches int) bool { return batches > 20+37*round })
		verify(t, dir, acked)
	}
}

// TestDiskFull: when the store can't write, nothing is acknowledged, the error is for
// the sender to try again, and what was acknowledged before is there.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	acked := map[string]map[int64]float64{}
	failure := writer(t, dir, 0, "300000", acked, func(batches int) bool { return batches > 5000 })
	if !strings.Contains(failure, "a store that can write") {
		t.Errorf("the writer ended with %q", failure)
	}
	verify(t, dir, acked)
}

// TestReserve: before the disk is full nothing is accepted any more.
func TestReserve(t *testing.T) {
	reg := prometheus.NewRegistry()
	store, err := metrics.Open(metrics.Options{Dir: t.TempDir(), Settings: settings(), Logger: slog.New(slog.DiscardHandler), Registerer: reg, Reserve: 1 << 60})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	g := store.Guarded("test", true).Begin(context.Background())
	if _, err := g.Append(0, labels.FromStrings("__name__", "a"), 0, time.Now().UnixMilli(), 1, nil, nil, storage.AOptions{}); err == nil {
		t.Error("accepted without room on the disk")
	}
	var refusal *observe.Refusal
	if err := g.Commit(); !errors.As(err, &refusal) || refusal.Status != 503 || !strings.Contains(err.Error(), "disk space") {
		t.Errorf("got %v, expected 503 and the disk space", err)
	}
	if n := len(read(t, store, "a")); n != 0 {
		t.Errorf("%d series are stored", n)
	}
}
