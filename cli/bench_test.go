//go:build bench

package cli

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gogo/protobuf/proto"
	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/prometheus/prompb"
)

const (
	benchPairs    = 5
	benchSeries   = 2000
	benchPerPush  = 500 // samples in a request, as Prometheus' own default
	benchRounds   = 200 // samples of each series in one measurement
	benchInterval = 100 * time.Millisecond
)

// TestBenchRemoteWrite sends the same remote-write 1.0 stream to this server and to
// Prometheus, in turn, and prints the CPU seconds that each process spent on it.
func TestBenchRemoteWrite(t *testing.T) {
	ours := newProcess(t)
	ours.start()
	port := freePort(t)
	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(config, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	theirs := exec.Command(peer(t, "prometheus"), "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.enable-remote-write-receiver", fmt.Sprintf("--web.listen-address=127.0.0.1:%d", port))
	if err := theirs.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = theirs.Process.Kill(); _ = theirs.Wait() })
	base := fmt.Sprintf("http://127.0.0.1:%d", port)
	ours.until("Prometheus", func() bool {
		res, err := http.Get(base + "/-/ready")
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return res.StatusCode == http.StatusOK
	})

	at := time.Now().Add(-time.Duration((benchPairs+1)*benchRounds) * benchInterval)
	fmt.Printf("remote write 1.0: %d series, %d samples a request; %d CPUs, %s; Prometheus as scripts/test-tools builds it\n", benchSeries, benchPerPush, runtime.NumCPU(), runtime.Version())
	var ratios []float64
	for pair := range benchPairs + 1 { // the first warms both up
		bodies := stream(t, at)
		at = at.Add(benchRounds * benchInterval)
		a := measure(t, ours.cmd.Process.Pid, "http://"+ours.addr+"/api/v1/write", bodies)
		b := measure(t, theirs.Process.Pid, base+"/api/v1/write", bodies)
		if pair == 0 {
			continue
		}
		ratios = append(ratios, b/a)
		n := float64(benchSeries * benchRounds)
		fmt.Printf("  Evenkeel %.2f CPU s (%.0f samples a CPU second)   Prometheus %.2f CPU s (%.0f)   ratio %.2f\n", a, n/a, b, n/b, b/a)
	}
	slices.Sort(ratios)
	fmt.Printf("Evenkeel takes %.2f times Prometheus' samples per CPU second (median of %d pairs, %.2f to %.2f)\n", ratios[len(ratios)/2], len(ratios), ratios[0], ratios[len(ratios)-1])
}

// stream is what both get: the same requests, made beforehand.
func stream(t *testing.T, from time.Time) [][]byte {
	t.Helper()
	var bodies [][]byte
	for round := range benchRounds {
		ms := from.Add(time.Duration(round) * benchInterval).UnixMilli()
		for first := 0; first < benchSeries; first += benchPerPush {
			var req prompb.WriteRequest
			for i := first; i < first+benchPerPush; i++ {
				req.Timeseries = append(req.Timeseries, prompb.TimeSeries{
					Labels: []prompb.Label{
						{Name: "__name__", Value: "http_server_requests_total"}, {Name: "code", Value: strconv.Itoa(200 + i%5*100)},
						{Name: "instance", Value: fmt.Sprintf("10.0.%d.%d:8080", i/250, i%250)}, {Name: "job", Value: "checkout"}, {Name: "route", Value: "/orders"},
					},
					Samples: []prompb.Sample{{Timestamp: ms, Value: float64(ms/1000%100_000) * float64(i%7+1)}},
				})
			}
			raw, err := proto.Marshal(&req)
			if err != nil {
				t.Fatal(err)
			}
			bodies = append(bodies, snappy.Encode(nil, raw))
		}
	}
	return bodies
}

// measure sends them one after the other and returns the CPU seconds of the process.
func measure(t *testing.T, pid int, url string, bodies [][]byte) float64 {
	t.Helper()
	before := cpu(t, pid)
	for _, b := range bodies {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-protobuf")
		req.Header.Set("Content-Encoding", "snappy")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode/100 != 2 {
			t.Fatalf("%s: %s", url, res.Status)
		}
	}
	return cpu(t, pid) - before
}

// cpu is what a process has used, user and system, in seconds (proc_pid_stat(5), fields
// 14 and 15, in ticks of 10 ms).
func cpu(t *testing.T, pid int) float64 {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
	user, err1 := strconv.ParseFloat(f[11], 64)
	system, err2 := strconv.ParseFloat(f[12], 64)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	return (user + system) / 100
}
