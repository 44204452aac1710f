//go:build bench

package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// logLines are what the row about logs pushes: batches of JSON lines as a shop's
// services write them, in streams of a service and a host.
func logLines(batches, lines int, from time.Time) [][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	services := []string{"checkout", "cart", "storefront", "payments", "search", "stock", "mail", "login"}
	at := from
	out := make([][]byte, batches)
	for i := range out {
		var b bytes.Buffer
		for range lines {
			at = at.Add(time.Duration(50+r.IntN(200)) * time.Microsecond)
			service := services[r.IntN(len(services))]
			level, msg := "info", ""
			switch r.IntN(6) {
			case 0:
				msg = fmt.Sprintf("GET /api/%s/%d 200 in %d ms", service, r.IntN(1e6), r.IntN(900))
			case 1:
				msg = fmt.Sprintf("order %08x paid by customer %d in %.2f EUR", r.Uint32(), r.IntN(1e6), r.Float64()*300)
			case 2:
				level, msg = "debug", fmt.Sprintf("cache lookup key=sku:%d hit=%t age=%ds", r.IntN(1e5), r.IntN(3) > 0, r.IntN(3600))
			case 3:
				level, msg = "warn", fmt.Sprintf("slow query took %d ms: SELECT * FROM items WHERE id = %d", 200+r.IntN(3000), r.IntN(1e7))
			case 4:
				msg = fmt.Sprintf("connection from 10.%d.%d.%d:%d accepted", r.IntN(256), r.IntN(256), r.IntN(256), 1024+r.IntN(60000))
			default:
				level, msg = "error", fmt.Sprintf("cannot reach payments at 10.0.%d.%d: connection refused (attempt %d)", r.IntN(256), r.IntN(256), r.IntN(5))
			}
			fmt.Fprintf(&b, `{"_time":%q,"service":%q,"host":"node-%d","level":%q,"trace_id":"%016x%016x","status":%d,"_msg":%q}`+"\n",
				at.Format(time.RFC3339Nano), service, r.IntN(12), level, r.Uint64(), r.Uint64(), 200+r.IntN(4)*100, msg)
		}
		out[i] = b.Bytes()
	}
	return out
}

// logServer is one side of the comparison.
type logServer struct {
	name  string
	start func(ctx context.Context, dir string) (*process, error)
	data  string // its folder of rows, below dir
}

// logs pushes one stream of lines to our server and to VictoriaLogs' own.
func (b *bench) logs(ctx context.Context) error {
	theirs, err := b.peer("victoria-logs")
	if err != nil {
		return err
	}
	ours := logServer{name: "Evenkeel", data: "data/logs/data", start: func(ctx context.Context, dir string) (*process, error) {
		ws := filepath.Join(dir, "workspace")
		if err := os.MkdirAll(ws, 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(ws, "evenkeel.yml"), []byte("host: {enabled: false}\notlp: {grpc: \"off\"}\n"), 0o600); err != nil {
			return nil, err
		}
		addr, err := free()
		if err != nil {
			return nil, err
		}
		return b.start(ctx, b.Evenkeel, addr, "/-/ready", "serve", "-w", ws, "-d", filepath.Join(dir, "data"), "--listen", addr)
	}}
	peer := logServer{name: "victoria-logs", data: "data", start: func(ctx context.Context, dir string) (*process, error) {
		addr, err := free()
		if err != nil {
			return nil, err
		}
		return b.start(ctx, theirs, addr, "/health", "-storageDataPath", filepath.Join(dir, "data"), "-httpListenAddr", addr, "-loggerLevel", "WARN")
	}}
	stream := logLines(b.LogBatches, 5_000, time.Now().Add(-time.Hour).UTC())
	total := 0
	for _, x := range stream {
		total += len(x)
	}
	var cpu, disk Pairs
	var ourCPU, theirCPU, ourDisk, theirDisk, idle []float64
	for range b.Pairs {
		c, d, rss, err := b.pushLogs(ctx, ours, stream)
		if err != nil {
			return err
		}
		pc, pd, _, err := b.pushLogs(ctx, peer, stream)
		if err != nil {
			return err
		}
		cpu.Add(c, pc)
		disk.Add(d, pd)
		ourCPU, theirCPU, ourDisk, theirDisk, idle = append(ourCPU, c), append(theirCPU, pc), append(ourDisk, d), append(theirDisk, pd), append(idle, rss)
	}
	mib := float64(total) / (1 << 20)
	b.Section("Logs")
	b.Text("%d batches of 5,000 JSON lines (%.0f MiB) to `/insert/jsonline`, one after the other, on a fresh server each; the time of both until the rows can be read and the server has stopped. Ours writes ahead and mines patterns while it takes them in; nothing acknowledged is lost by `kill -9`, which the peer's first seconds are.", b.LogBatches, mib)
	b.Table(
		[]string{"", "Evenkeel", "victoria-logs", "ours / theirs"},
		[]string{"CPU a MiB", seconds(median(ourCPU) / mib), seconds(median(theirCPU) / mib), cpu.times()},
		[]string{"bytes on disk", size(median(ourDisk)), size(median(theirDisk)), disk.times()},
		[]string{"memory of the idle program", size(median(idle)), "", ""},
	)
	ratio, _, _ := cpu.Ratio()
	b.Goal("log ingest: CPU beside victoria-logs' own", ratio, true, 1.10, "times")
	ratio, _, _ = disk.Ratio()
	b.Goal("logs: bytes on disk beside victoria-logs' own", ratio, true, 1.02, "times")
	b.Goal("memory of the idle program", median(idle)/(1<<20), true, 200, "MiB")
	return nil
}

// pushLogs measures one server: CPU seconds, bytes on disk, and what it took in memory
// before anything came.
func (b *bench) pushLogs(ctx context.Context, s logServer, stream [][]byte) (cpu, disk, idle float64, err error) {
	dir, err := os.MkdirTemp(b.dir, "logs-")
	if err != nil {
		return 0, 0, 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	p, err := s.start(ctx, dir)
	if err != nil {
		return 0, 0, 0, err
	}
	running := true
	defer func() {
		if running {
			p.stop()
		}
	}()
	if idle, err = rss(p.cmd.Process.Pid); err != nil {
		return 0, 0, 0, err
	}
	target := p.url + "/insert/jsonline?" + url.Values{"_stream_fields": {"service,host"}}.Encode()
	rows := 0
	cpu, err = p.measure(func() error {
		for _, body := range stream {
			res, err := http.Post(target, "application/stream+json", bytes.NewReader(body))
			if err != nil {
				return err
			}
			text, _ := io.ReadAll(io.LimitReader(res.Body, 300))
			_ = res.Body.Close()
			if res.StatusCode != http.StatusOK {
				return fmt.Errorf("%s answers %s: %s", s.name, res.Status, text)
			}
			rows += bytes.Count(body, []byte("\n"))
		}
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
			n, err := countLogs(p.url)
			if err == nil && n == rows {
				break
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("%s stores %d of %d lines: %w", s.name, n, rows, err)
			}
		}
		time.Sleep(8 * time.Second) // what is in memory goes to disk, and is merged
		return nil
	})
	if err != nil {
		return 0, 0, 0, err
	}
	running = false
	p.stop()
	err = filepath.WalkDir(filepath.Join(dir, s.data), func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			disk += float64(info.Size())
		}
		return err
	})
	return cpu, disk, idle, err
}

func countLogs(base string) (n int, err error) {
	res, err := http.Get(base + "/select/logsql/query?" + url.Values{"query": {"* | count() n"}}.Encode())
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 10_000))
	if err != nil {
		return 0, err
	}
	_, err = fmt.Sscanf(strings.TrimSpace(string(text)), `{"n":"%d"}`, &n)
	return n, err
}

// rss is the memory of a process in bytes.
func rss(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for _, line := range strings.Split(string(text), "\n") {
		var kib float64
		if _, err := fmt.Sscanf(line, "VmRSS: %f kB", &kib); err == nil {
			return kib * 1024, nil
		}
	}
	return 0, fmt.Errorf("process %d has no VmRSS", pid)
}
