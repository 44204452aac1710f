package remotewrite_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gogo/protobuf/proto"
	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/settings"
	"github.com/evenkeel/evenkeel/observe/metrics"
	"github.com/evenkeel/evenkeel/observe/remotewrite"
)

// serverDir makes this binary a server over that folder instead of a test.
const serverDir = "EVENKEEL_TEST_SERVER_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(serverDir); dir != "" {
		store := openDefault(dir)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			panic(err)
		}
		fmt.Println(l.Addr())
		panic(http.Serve(l, remotewrite.Handler(store, slog.New(slog.DiscardHandler))))
	}
	os.Exit(m.Run())
}

func openDefault(dir string) *metrics.Store {
	var s declare.Settings = settings.Default()
	store, err := metrics.Open(metrics.Options{Dir: dir, Settings: s, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()})
	if err != nil {
		panic(err)
	}
	return store
}

type point struct {
	series string
	t      int64
}

// sender writes until the server is gone. It remembers what was acknowledged.
type sender struct {
	name  string
	next  int
	acked map[point]float64
}

func (s *sender) run(address string, answered *atomic.Int64) error {
	for {
		req := &prompb.WriteRequest{}
		sent := map[point]float64{}
		s.next++
		for i := range 20 {
			id := fmt.Sprintf("%s-%d", s.name, i)
			at := time.Now().UnixMilli()
			if i%4 == 0 {
				at -= int64(s.next * 7919 % 60_000) // late, and not in order
			}
			p, v := point{id, at}, float64(s.next)
			if _, again := s.acked[p]; again {
				continue
			}
			sent[p] = v
			req.Timeseries = append(req.Timeseries, seriesV1(at, v, "__name__", "load", "id", id))
		}
		raw, err := proto.Marshal(req)
		if err != nil {
			return err
		}
		resp, err := http.Post("http://"+address, typeV1, bytes.NewReader(snappy.Encode(nil, raw)))
		if err != nil {
			return nil //nolint:nilerr // killed: not acknowledged
		}
		_ = resp.Body.Close()
		switch resp.StatusCode {
		case http.StatusNoContent:
			for p, v := range sent {
				s.acked[p] = v
			}
			answered.Add(1)
		case http.StatusBadRequest: // a sample of a request that the kill cut off is there with another value
		default:
			return fmt.Errorf("status %s", resp.Status)
		}
	}
}

// TestKillUnderLoad kills a server twenty times while four senders write to it. Every
// sample that was acknowledged is there afterwards.
func TestKillUnderLoad(t *testing.T) {
	dir := t.TempDir()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	senders := make([]*sender, 4)
	for i := range senders {
		senders[i] = &sender{name: strconv.Itoa(i), acked: map[point]float64{}}
	}
	for round := range 20 {
		cmd := exec.Command(exe)
		cmd.Env = append(os.Environ(), serverDir+"="+dir)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		address, err := bufio.NewReader(out).ReadString('\n')
		if err != nil {
			t.Fatalf("round %d: the server did not start: %v", round, err)
		}
		var answered atomic.Int64
		var wg sync.WaitGroup
		for _, s := range senders {
			wg.Go(func() {
				if err := s.run(strings.TrimSpace(address), &answered); err != nil {
					t.Error(err)
				}
			})
		}
		for deadline := time.Now().Add(20 * time.Second); answered.Load() < int64(40+round*3); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("round %d: %d requests acknowledged in 20 s", round, answered.Load())
			}
		}
		_ = cmd.Process.Kill()
		wg.Wait()
		_ = cmd.Wait()
	}

	store := openDefault(dir)
	defer store.Close()
	q, err := store.Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	stored := map[point]float64{}
	for set := q.Select(context.Background(), false, nil, labels.MustNewMatcher(labels.MatchEqual, "__name__", "load")); set.Next(); {
		for it := set.At().Iterator(nil); it.Next() != 0; {
			at, v := it.At()
			stored[point{set.At().Labels().Get("id"), at}] = v
		}
	}
	acked, lost := 0, 0
	for _, s := range senders {
		for p, v := range s.acked {
			acked++
			if got, ok := stored[p]; !ok || got != v {
				if lost++; lost < 5 {
					t.Errorf("%s at %d: acknowledged %v, stored %v (%v)", p.series, p.t, v, got, ok)
				}
			}
		}
	}
	t.Logf("%d acknowledged samples, %d stored, %d lost", acked, len(stored), lost)
	if lost > 0 || acked < 10_000 {
		t.Errorf("%d of %d acknowledged samples are lost", lost, acked)
	}
}
