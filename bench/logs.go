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
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/observe/pattern"
)

// logStream makes JSON lines as a shop's services write them, in streams of a service
// and a host; the same ones for the same start.
type logStream struct {
	r    *rand.Rand
	at   time.Time
	step func(*rand.Rand) time.Duration // between two lines
	last string                         // trace ID of the last line
}

func newLogStream(from time.Time, step func(*rand.Rand) time.Duration) *logStream {
	return &logStream{r: rand.New(rand.NewPCG(1, 2)), at: from.UTC(), step: step}
}

var logServices = []string{"checkout", "cart", "storefront", "payments", "search", "stock", "mail", "login"}

// next appends so many lines.
func (s *logStream) next(b []byte, lines int) []byte {
	r := s.r
	for range lines {
		s.at = s.at.Add(s.step(r))
		service := logServices[r.IntN(len(logServices))]
		b = append(b, `{"_time":"`...)
		b = s.at.AppendFormat(b, time.RFC3339Nano)
		b = append(b, `","service":"`...)
		b = append(b, service...)
		b = append(b, `","host":"node-`...)
		b = strconv.AppendInt(b, int64(r.IntN(12)), 10)
		kind := r.IntN(6)
		b = append(b, `","level":"`...)
		b = append(b, []string{"info", "info", "debug", "warn", "info", "error"}[kind]...)
		s.last = fmt.Sprintf("%016x%016x", r.Uint64(), r.Uint64())
		b = append(b, `","trace_id":"`...)
		b = append(b, s.last...)
		b = append(b, `","status":`...)
		b = strconv.AppendInt(b, int64(200+r.IntN(4)*100), 10)
		b = append(b, `,"_msg":"`...)
		switch kind {
		case 0:
			b = fmt.Appendf(b, "GET /api/%s/%d 200 in %d ms", service, r.IntN(1e6), r.IntN(900))
		case 1:
			b = fmt.Appendf(b, "order %08x paid by customer %d in %.2f EUR", r.Uint32(), r.IntN(1e6), r.Float64()*300)
		case 2:
			b = fmt.Appendf(b, "cache lookup key=sku:%d hit=%t age=%ds", r.IntN(1e5), r.IntN(3) > 0, r.IntN(3600))
		case 3:
			b = fmt.Appendf(b, "slow query took %d ms: SELECT * FROM items WHERE id = %d", 200+r.IntN(3000), r.IntN(1e7))
		case 4:
			b = fmt.Appendf(b, "connection from 10.%d.%d.%d:%d accepted", r.IntN(256), r.IntN(256), r.IntN(256), 1024+r.IntN(60000))
		default:
			b = fmt.Appendf(b, "cannot reach payments at 10.0.%d.%d: connection refused (attempt %d)", r.IntN(256), r.IntN(256), r.IntN(5))
		}
		b = append(b, "\"}\n"...)
	}
	return b
}

// logLines are batches of lines of a little more than half a second each.
func logLines(batches, lines int, from time.Time) [][]byte {
	s := newLogStream(from, func(r *rand.Rand) time.Duration { return time.Duration(50+r.IntN(200)) * time.Microsecond })
	out := make([][]byte, batches)
	for i := range out {
		out[i] = s.next(nil, lines)
	}
	return out
}

const linesPerBatch = 5_000

// logServer is one side of the comparison.
type logServer struct {
	name  string
	start func(ctx context.Context, dir string) (*process, error)
	data  string // its folder of rows, below dir
}

// logs pushes one stream of lines to our server and to VictoriaLogs' own.
func (b *bench) logs(ctx context.Context) error {
	ours := logServer{name: "Evenkeel", data: "data/logs/data", start: b.evenkeelIn}
	peer := logServer{name: "victoria-logs", data: "data", start: b.victoriaLogs}
	stream := logLines(b.LogBatches, linesPerBatch, time.Now().Add(-time.Hour).UTC())
	total := 0
	for _, x := range stream {
		total += len(x)
	}
	var cpu, disk Pairs // ours beside theirs: the smaller the better
	for pair := range b.Pairs {
		c, d, err := b.pushLogs(ctx, ours, stream)
		if err != nil {
			return err
		}
		pc, pd, err := b.pushLogs(ctx, peer, stream)
		if err != nil {
			return err
		}
		cpu.Add(pc, c)
		disk.Add(pd, d)
		b.say("  pair %d: ours %s, theirs %s", pair+1, seconds(c), seconds(pc))
	}
	mib := float64(total) / (1 << 20)
	lines := float64(b.LogBatches * linesPerBatch)
	b.Section("Logs")
	b.Text("%d batches of %s JSON lines (%.0f MiB) to `/insert/jsonline`, one after the other, on a fresh server each; the time of both until the rows can be read and for eight seconds more, in which they go to disk. Ours writes ahead, mines patterns and counts by service while it takes them in, and nothing that it acknowledged is lost by `kill -9`; the peer's last seconds are.", b.LogBatches, thousands(linesPerBatch), mib)
	b.Table(
		[]string{"", "Evenkeel", "victoria-logs", "ours beside theirs"},
		[]string{"CPU a line", seconds(median(cpu.Theirs) / lines), seconds(median(cpu.Ours) / lines), cpu.times()},
		[]string{"MiB a CPU second", number(mib / median(cpu.Theirs)), number(mib / median(cpu.Ours)), ""},
		[]string{"bytes on disk", size(median(disk.Theirs)), size(median(disk.Ours)), disk.times()},
	)
	mined, err := b.mine(stream)
	if err != nil {
		return err
	}
	b.Text("Mining the patterns of these lines alone, as it does while it takes them in: %s lines a CPU second.", number(mined))
	b.Goal("log patterns: lines a CPU second", mined, false, 1e6, "")
	ratio, _, _ := cpu.Ratio()
	b.Goal("log ingest: CPU beside victoria-logs' own", ratio, true, 1.10, " times")
	ratio, _, _ = disk.Ratio()
	b.Goal("logs: bytes on disk beside victoria-logs' own", ratio, true, 1.02, " times")
	return nil
}

// mine is how many lines a CPU second a miner of patterns takes.
func (b *bench) mine(stream [][]byte) (float64, error) {
	var lines []string
	for _, body := range stream {
		for _, l := range strings.Split(string(body), "\n") {
			if _, msg, ok := strings.Cut(l, `"_msg":"`); ok {
				lines = append(lines, strings.TrimSuffix(msg, `"}`))
			}
		}
	}
	m := pattern.NewMiner()
	cpu, err := b.ours("patterns", func() error {
		for _, l := range lines {
			m.Add(l)
		}
		return nil
	})
	return float64(len(lines)) / cpu, err
}

// evenkeelIn runs our server with its data in a folder.
func (b *bench) evenkeelIn(ctx context.Context, dir string) (*process, error) {
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
}

// victoriaLogs runs VictoriaLogs' own server with its data in a folder.
func (b *bench) victoriaLogs(ctx context.Context, dir string) (*process, error) {
	binary, err := b.peer("victoria-logs")
	if err != nil {
		return nil, err
	}
	addr, err := free()
	if err != nil {
		return nil, err
	}
	return b.start(ctx, binary, addr, "/health", "-storageDataPath", filepath.Join(dir, "data"), "-httpListenAddr", addr, "-loggerLevel", "WARN")
}

// pushLogs measures one server: CPU seconds and bytes on disk.
func (b *bench) pushLogs(ctx context.Context, s logServer, stream [][]byte) (cpu, disk float64, err error) {
	dir, err := os.MkdirTemp(b.dir, "logs-")
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	p, err := s.start(ctx, dir)
	if err != nil {
		return 0, 0, err
	}
	running := true
	defer func() {
		if running {
			p.stop()
		}
	}()
	rows := 0
	cpu, err = p.measure(func() error {
		for _, body := range stream {
			if err := pushLines(p.url, body); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
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
		return 0, 0, err
	}
	running = false
	p.stop()
	disk, err = folderSize(filepath.Join(dir, s.data))
	return cpu, disk, err
}

// folderSize is the bytes of all files in a folder.
func folderSize(dir string) (bytes float64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			bytes += float64(info.Size())
		}
		return err
	})
	return bytes, err
}

// pushLines sends lines; nil means that they were acknowledged.
func pushLines(base string, body []byte) error {
	res, err := http.Post(base+"/insert/jsonline?_stream_fields=service,host", "application/stream+json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(res.Body, 300))
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the answer is %s: %s", res.Status, text)
	}
	return nil
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
