//go:build bench

package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gogo/protobuf/proto"
	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/tsdb"
)

const (
	writeSeries   = 2000
	writePerPush  = 500 // samples in a request, as Prometheus' own default
	writeInterval = 100 * time.Millisecond
)

// evenkeel runs our server on a workspace.
func (b *bench) evenkeel(ctx context.Context, workspace map[string]string) (*process, error) {
	dir, err := b.files("evenkeel", workspace)
	if err != nil {
		return nil, err
	}
	addr, err := free()
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(b.Evenkeel); err != nil {
		return nil, fmt.Errorf("no %s: make build makes it", b.Evenkeel)
	}
	return b.start(ctx, b.Evenkeel, addr, "/-/ready", "serve", "-w", dir, "-d", filepath.Join(b.dir, "data-"+filepath.Base(dir)), "--listen", addr)
}

// prometheus runs a Prometheus that takes remote write.
func (b *bench) prometheus(ctx context.Context, config string, files map[string]string) (*process, error) {
	binary, err := b.peer("prometheus")
	if err != nil {
		return nil, err
	}
	all := map[string]string{"prometheus.yml": config}
	for name, text := range files {
		all[name] = text
	}
	dir, err := b.files("prometheus", all)
	if err != nil {
		return nil, err
	}
	addr, err := free()
	if err != nil {
		return nil, err
	}
	return b.start(ctx, binary, addr, "/-/ready", "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.enable-remote-write-receiver", "--web.listen-address="+addr, "--enable-feature=concurrent-rule-eval")
}

// files makes a folder with some.
func (b *bench) files(name string, files map[string]string) (string, error) {
	dir, err := os.MkdirTemp(b.dir, name)
	if err != nil {
		return "", err
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return "", err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return "", err
		}
	}
	return dir, nil
}

const quiet = "evaluation: {interval: 1s}\nhost: {enabled: false}\notlp: {grpc: \"off\"}\n"

// writer is one that takes the stream.
type writer struct {
	name string
	dir  string // of its samples
	*process
	cpu []float64 // seconds a sample
}

// write sends the same remote-write 1.0 stream to this server, once more to this server
// while it evaluates objectives over the stream, to Prometheus and to VictoriaMetrics.
func (b *bench) write(ctx context.Context) error {
	var all []*writer
	defer func() {
		for _, w := range all {
			w.stop()
		}
	}()
	add := func(name string, p *process, dir string, err error) error {
		if err == nil {
			all = append(all, &writer{name: name, process: p, dir: dir})
		}
		return err
	}
	for _, o := range []struct {
		name  string
		files map[string]string
	}{{"Evenkeel", map[string]string{"evenkeel.yml": quiet}}, {"Evenkeel, with the objectives", objectivesOf(writeJobs)}} {
		p, err := b.evenkeel(ctx, o.files)
		if err := add(o.name, p, "", err); err != nil {
			return err
		}
	}
	theirs, err := b.prometheus(ctx, "", nil)
	if err := add("Prometheus", theirs, "", err); err != nil {
		return err
	}
	binary, err := b.peer("victoria-metrics")
	if err != nil {
		return err
	}
	addr, err := free()
	if err != nil {
		return err
	}
	victoriaDir := filepath.Join(b.dir, "victoria-write")
	vm, err := b.start(ctx, binary, addr, "/health", "-storageDataPath="+victoriaDir, "-httpListenAddr="+addr, "-retentionPeriod=1", "-loggerLevel=ERROR")
	if err := add("VictoriaMetrics", vm, victoriaDir, err); err != nil {
		return err
	}

	at := time.Now().Add(-time.Duration((b.Pairs+1)*b.Pushes) * writeInterval)
	n := float64(writeSeries * b.Pushes)
	for pair := range b.Pairs + 1 { // the first warms all up
		bodies, err := requests(at, b.Pushes)
		if err != nil {
			return err
		}
		at = at.Add(time.Duration(b.Pushes) * writeInterval)
		for _, w := range all {
			cpu, err := w.measure(func() error {
				for _, body := range bodies {
					if err := push(ctx, w.url, body); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
			if pair > 0 {
				w.cpu = append(w.cpu, cpu/n)
			}
		}
	}
	stored := n * float64(b.Pairs+1)
	if err := get(ctx, vm.url+"/internal/force_flush", nil); err != nil {
		return err
	}
	if err := get(ctx, vm.url+"/internal/force_merge", nil); err != nil {
		return err
	}
	for _, w := range all { // what was acknowledged is there
		query := fmt.Sprintf("sum(count_over_time(http_server_requests_total[%ds]))", int(stored/writeSeries*writeInterval.Seconds())+60)
		got, err := w.query(ctx, query, at.Add(time.Second), true)
		if err != nil {
			return err
		}
		if got.f != stored {
			return fmt.Errorf("%s has %.0f samples, %.0f were acknowledged", w.name, got.f, stored)
		}
	}
	asked, err := evaluated(ctx, all[1].url)
	if err != nil {
		return err
	}
	for _, w := range all {
		w.stop()
	}
	ours, err := headBytes(b.dataOf(all[0]), stored)
	if err != nil {
		return err
	}
	prom, err := headBytes(b.dataOf(all[2]), stored)
	if err != nil {
		return err
	}
	bytes, err := folderSize(filepath.Join(victoriaDir, "data"))
	if err != nil {
		return err
	}
	perSample := []float64{ours, ours, prom, bytes / stored}

	against := func(mine, other *writer) *Pairs {
		return &Pairs{Ours: mine.cpu, Theirs: other.cpu}
	}
	b.Section("Remote write")
	b.Text("Remote write 1.0 of %s series, %d samples a request, the same bytes to each in turn; Prometheus and we with our write-ahead logs. CPU of the whole process. Then all %s samples are counted in each. Once more ours evaluates %d objectives over these series each second meanwhile (%s expressions by its own count); the others evaluate nothing. Bytes are those of blocks that the store's library makes of the head, and of VictoriaMetrics' folder after a merge, indexes with them; ours has its own metrics among them. These counters are regular; VictoriaMetrics' codec makes more of that than Prometheus' chunks, which are ours.", thousands(writeSeries), writePerPush, thousands(int(stored)), writeJobs, thousands(int(asked)))
	table := [][]string{{"", "samples a CPU second", "Evenkeel beside it", "the same, with the objectives", "bytes a sample on disk"}}
	for i, w := range all {
		row := []string{w.name, number(1 / median(w.cpu)), "", "", number(perSample[i])}
		if i > 1 {
			row[2], row[3] = against(all[0], w).times(), against(all[1], w).times()
		}
		if i == 1 {
			row[4] = ""
		}
		table = append(table, row)
	}
	b.Table(table...)
	for i, want := range []float64{3, 1} {
		w := all[2+i]
		ratio, _, _ := against(all[1], w).Ratio()
		b.Goal("remote write, with the objectives: CPU of "+w.name+", times ours", ratio, false, want, "")
	}
	return nil
}

// writeJobs is how many jobs the series are of.
const writeJobs = 20

// objectivesOf is a workspace with an objective for each job.
func objectivesOf(jobs int) map[string]string {
	var objectives, services strings.Builder
	for i := range jobs {
		job := fmt.Sprintf("svc-%02d", i)
		fmt.Fprintf(&services, "---\napiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {name: %s}\nspec: {type: service, lifecycle: production, owner: ops}\n", job)
		fmt.Fprintf(&objectives, `---
apiVersion: openslo/v1
kind: SLO
metadata: {name: %[1]s-availability}
spec:
  service: %[1]s
  indicator:
    metadata: {name: %[1]s-failed}
    spec:
      ratioMetric:
        counter: true
        bad: {metricSource: {type: Prometheus, spec: {query: 'http_server_requests_total{job="%[1]s",code=~"5.."}'}}}
        total: {metricSource: {type: Prometheus, spec: {query: 'http_server_requests_total{job="%[1]s"}'}}}
  timeWindow: [{duration: 30d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.999}]
`, job)
	}
	return map[string]string{"evenkeel.yml": quiet, "catalog/all.yml": catalog + services.String(), "objectives/all.yml": objectives.String()}
}

// dataOf is the folder with the samples of a server that keeps them as Prometheus does.
func (b *bench) dataOf(w *writer) string {
	for i, arg := range w.cmd.Args {
		if arg == "-d" {
			return filepath.Join(w.cmd.Args[i+1], "metrics")
		}
		if dir, ok := strings.CutPrefix(arg, "--storage.tsdb.path="); ok {
			return dir
		}
	}
	return ""
}

// headBytes is what a sample takes in a block, when the head of a store becomes one.
func headBytes(dir string, samples float64) (float64, error) {
	db, err := tsdb.Open(dir, slog.New(slog.DiscardHandler), nil, tsdb.DefaultOptions(), nil)
	if err != nil {
		return 0, err
	}
	to, err := os.MkdirTemp(filepath.Dir(dir), "snapshot-")
	if err == nil {
		err = db.Snapshot(to, true)
	}
	if err = errors.Join(err, db.Close()); err != nil {
		return 0, err
	}
	size, err := folderSize(to)
	return size / samples, err
}

// evaluated is how many expressions a server of ours has evaluated, by its own count.
func evaluated(ctx context.Context, base string) (n float64, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		if _, err := fmt.Sscanf(lines.Text(), "evenkeel_evaluate_incremental_total %g", &n); err == nil {
			return n, nil
		}
	}
	return 0, fmt.Errorf("%s/metrics does not say how many expressions were evaluated", base)
}

// requests are what both get: the same bytes, made beforehand.
func requests(from time.Time, rounds int) ([][]byte, error) {
	var bodies [][]byte
	for round := range rounds {
		ms := from.Add(time.Duration(round) * writeInterval).UnixMilli()
		for first := 0; first < writeSeries; first += writePerPush {
			var req prompb.WriteRequest
			for i := first; i < first+writePerPush; i++ {
				req.Timeseries = append(req.Timeseries, prompb.TimeSeries{
					Labels: []prompb.Label{
						{Name: "__name__", Value: "http_server_requests_total"}, {Name: "code", Value: strconv.Itoa(200 + i%5*100)},
						{Name: "instance", Value: fmt.Sprintf("10.0.%d.%d:8080", i/250, i%250)}, {Name: "job", Value: fmt.Sprintf("svc-%02d", i%writeJobs)}, {Name: "route", Value: "/orders"},
					},
					Samples: []prompb.Sample{{Timestamp: ms, Value: float64(ms/1000%100_000) * float64(i%7+1)}},
				})
			}
			body, err := encode(&req)
			if err != nil {
				return nil, err
			}
			bodies = append(bodies, body)
		}
	}
	return bodies, nil
}

func encode(req *prompb.WriteRequest) ([]byte, error) {
	raw, err := proto.Marshal(req)
	return snappy.Encode(nil, raw), err
}

// push sends one request; nil means that it was acknowledged.
func push(ctx context.Context, base string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/api/v1/write", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	req.Header.Set("Content-Encoding", "snappy")
	return do(req, nil)
}
