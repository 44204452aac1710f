//go:build bench

package bench

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/gogo/protobuf/proto"
	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/prometheus/prompb"
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

// write sends the same remote-write 1.0 stream to this server and to Prometheus.
func (b *bench) write(ctx context.Context) error {
	ours, err := b.evenkeel(ctx, map[string]string{"evenkeel.yml": quiet})
	if err != nil {
		return err
	}
	defer ours.stop()
	theirs, err := b.prometheus(ctx, "", nil)
	if err != nil {
		return err
	}
	defer theirs.stop()
	at := time.Now().Add(-time.Duration((b.Pairs+1)*b.Pushes) * writeInterval)
	var p Pairs
	n := float64(writeSeries * b.Pushes)
	for pair := range b.Pairs + 1 { // the first warms both up
		bodies, err := requests(at, b.Pushes)
		if err != nil {
			return err
		}
		at = at.Add(time.Duration(b.Pushes) * writeInterval)
		send := func(to *process) (float64, error) {
			return to.measure(func() error {
				for _, body := range bodies {
					if err := push(ctx, to.url, body); err != nil {
						return err
					}
				}
				return nil
			})
		}
		x, err := send(ours)
		if err != nil {
			return err
		}
		y, err := send(theirs)
		if err != nil {
			return err
		}
		if pair > 0 {
			p.Add(x/n, y/n)
		}
	}
	b.Section("Remote write")
	b.Text("Remote write 1.0, %s series, %d samples a request, both with their write-ahead log. Samples a CPU second, of the whole process: ours %s, Prometheus %s: %s.", thousands(writeSeries), writePerPush, number(1/median(p.Ours)), number(1/median(p.Theirs)), p.times())
	return nil
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
						{Name: "instance", Value: fmt.Sprintf("10.0.%d.%d:8080", i/250, i%250)}, {Name: "job", Value: "checkout"}, {Name: "route", Value: "/orders"},
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
