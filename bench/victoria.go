//go:build bench

package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// process is a peer, or our own server, that runs while it is measured.
type process struct {
	name string
	url  string // of its HTTP server
	cmd  *exec.Cmd
	done chan error
	log  string
	once sync.Once // of its end
}

// start runs a program until stop. It is ready when a path of its server answers 200.
func (b *bench) start(ctx context.Context, binary, addr, ready string, args ...string) (*process, error) {
	p := &process{name: filepath.Base(binary), url: "http://" + addr, done: make(chan error, 1)}
	log, err := os.CreateTemp(b.dir, p.name+"-*.log")
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p.log = log.Name()
	p.cmd = exec.Command(binary, args...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { p.done <- p.cmd.Wait() }()
	deadline := time.Now().Add(time.Minute)
	for {
		res, err := http.Get(p.url + ready)
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return p, nil
			}
		}
		select {
		case err := <-p.done:
			text, _ := os.ReadFile(p.log)
			return nil, fmt.Errorf("%s ended: %v\n%s", p.name, err, tail(text, 2000))
		case <-ctx.Done():
			p.stop()
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			p.stop()
			text, _ := os.ReadFile(p.log)
			return nil, fmt.Errorf("%s does not answer at %s%s\n%s", p.name, p.url, ready, tail(text, 2000))
		}
	}
}

func tail(text []byte, n int) []byte { return text[max(0, len(text)-n):] }

// stop ends it, in its own time at first; once more does nothing.
func (p *process) stop() { p.once.Do(p.end) }

func (p *process) end() {
	_ = p.cmd.Process.Signal(os.Interrupt)
	select {
	case <-p.done:
		return
	case <-time.After(20 * time.Second):
	}
	_ = p.cmd.Process.Kill()
	<-p.done
}

// measure returns the CPU seconds that it takes while f runs.
func (p *process) measure(f func() error) (float64, error) {
	before, err := of(p.cmd.Process.Pid)
	if err != nil {
		return 0, err
	}
	if err := f(); err != nil {
		return 0, err
	}
	after, err := of(p.cmd.Process.Pid)
	return after - before, err
}

// free is an address that nobody listens on right now.
func free() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// victoria runs VictoriaMetrics with the data in it.
func (b *bench) victoria(ctx context.Context) (*process, error) {
	binary, err := b.peer("victoria-metrics")
	if err != nil {
		return nil, err
	}
	run := func(dir string) (*process, error) {
		addr, err := free()
		if err != nil {
			return nil, err
		}
		// Its cache is not to be emptied because the samples are not of today.
		return b.start(ctx, binary, addr, "/health", "-storageDataPath="+dir, "-httpListenAddr="+addr, "-retentionPeriod=20y",
			"-search.disableAutoCacheReset", "-search.maxPointsPerTimeseries=1000000", "-search.maxQueryDuration=10m", "-search.latencyOffset=0s", "-loggerLevel=ERROR")
	}
	from, err := b.samples(ctx)
	if err != nil {
		return nil, err
	}
	made, err := b.kept("victoria-metrics", func(dir string) error {
		p, err := run(dir)
		if err != nil {
			return err
		}
		defer p.stop()
		return b.fill(ctx, p, from)
	})
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(b.dir, "victoria")
	if err != nil {
		return nil, err
	}
	if err := os.CopyFS(dir, os.DirFS(made)); err != nil {
		return nil, err
	}
	return run(dir)
}

// fill sends all blocks, without stale markers: it has its own idea of them.
func (b *bench) fill(ctx context.Context, p *process, from string) (err error) {
	db, err := b.open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	sent, written := 0, 0
	for i := range b.Services {
		r, w := io.Pipe()
		go func() {
			q, err := db.Querier(math.MinInt64, math.MaxInt64)
			if err != nil {
				w.CloseWithError(err)
				return
			}
			defer q.Close()
			buf := bufio.NewWriterSize(w, 1<<20)
			set := q.Select(ctx, false, nil, labels.MustNewMatcher(labels.MatchEqual, "service", Service(i)))
			var it chunkenc.Iterator
			for set.Next() {
				it = set.At().Iterator(it)
				more := true
				for more { // lines of a bounded length
					var batch []scraped
					for len(batch) < 10_000 {
						if more = it.Next() == chunkenc.ValFloat; !more {
							break
						}
						t, v := it.At()
						batch = append(batch, scraped{t: t, v: v})
					}
					sent += line(buf, set.At().Labels(), batch)
				}
			}
			w.CloseWithError(errors.Join(set.Err(), buf.Flush()))
		}()
		if err := post(ctx, p.url+"/api/v1/import", r); err != nil {
			return err
		}
	}
	if err := get(ctx, p.url+"/internal/force_flush", nil); err != nil {
		return err
	}
	for i := range b.Services {
		n, err := p.query(ctx, fmt.Sprintf("sum(count_over_time(http_requests_total{service=%q}[%dd]))", Service(i), b.Days+1), b.End(), true)
		if err != nil {
			return err
		}
		written += int(n.f)
	}
	if written != sent {
		return fmt.Errorf("%d samples are in VictoriaMetrics, %d were sent", written, sent)
	}
	return get(ctx, p.url+"/internal/force_merge", nil)
}

// line writes samples of one series as its import wants them; it returns how many.
func line(w *bufio.Writer, ls labels.Labels, samples []scraped) int {
	var values, times []byte
	n := 0
	for _, s := range samples {
		if value.IsStaleNaN(s.v) {
			continue
		}
		values = strconv.AppendFloat(append(values, ','), s.v, 'g', -1, 64)
		times = strconv.AppendInt(append(times, ','), s.t, 10)
		n++
	}
	if n > 0 {
		name, _ := json.Marshal(ls)
		fmt.Fprintf(w, `{"metric":%s,"values":[%s],"timestamps":[%s]}`+"\n", name, values[1:], times[1:])
	}
	return n
}

// add sends live samples.
func (p *process) add(ctx context.Context, l *live, samples []scraped) error {
	r, w := io.Pipe()
	go func() {
		buf := bufio.NewWriter(w)
		bySeries := make([][]scraped, len(l.counters))
		for _, s := range samples {
			bySeries[s.series] = append(bySeries[s.series], s)
		}
		for i, s := range bySeries {
			line(buf, l.counters[i].Labels, s)
		}
		w.CloseWithError(buf.Flush())
	}()
	if err := post(ctx, p.url+"/api/v1/import", r); err != nil {
		return err
	}
	return get(ctx, p.url+"/internal/force_flush", nil)
}

// query asks for one value.
func (p *process) query(ctx context.Context, expr string, at time.Time, nocache bool) (result, error) {
	var answer struct {
		Data struct {
			Result []struct{ Value [2]any }
		}
	}
	form := url.Values{"query": {expr}, "time": {fmt.Sprintf("%.3f", float64(at.UnixMilli())/1000)}}
	if nocache {
		form.Set("nocache", "1")
	}
	if err := get(ctx, p.url+"/api/v1/query?"+form.Encode(), &answer); err != nil {
		return result{}, err
	}
	if len(answer.Data.Result) != 1 {
		return result{}, nil
	}
	f, err := strconv.ParseFloat(fmt.Sprint(answer.Data.Result[0].Value[1]), 64)
	return result{f, true}, err
}

// ranged asks for one series of values.
func (p *process) ranged(ctx context.Context, expr string, from, to time.Time, step time.Duration) (promql.Matrix, error) {
	var answer struct {
		Data struct {
			Result []struct{ Values [][2]any }
		}
	}
	form := url.Values{"query": {expr}, "start": {fmt.Sprint(from.Unix())}, "end": {fmt.Sprint(to.Unix())}, "step": {fmt.Sprint(step.Seconds())}, "nocache": {"1"}}
	if err := get(ctx, p.url+"/api/v1/query_range?"+form.Encode(), &answer); err != nil || len(answer.Data.Result) == 0 {
		return nil, err
	}
	var s promql.Series
	for _, v := range answer.Data.Result[0].Values {
		f, err := strconv.ParseFloat(fmt.Sprint(v[1]), 64)
		if err != nil {
			return nil, err
		}
		t, ok := v[0].(float64)
		if !ok {
			return nil, fmt.Errorf("a time is %v", v[0])
		}
		s.Floats = append(s.Floats, promql.FPoint{T: int64(t * 1000), F: f})
	}
	return promql.Matrix{s}, nil
}

func post(ctx context.Context, to string, body io.Reader) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, body)
	if err != nil {
		return err
	}
	return do(req, nil)
}

func get(ctx context.Context, from string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return err
	}
	return do(req, into)
}

func do(req *http.Request, into any) error {
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 1000))
		return fmt.Errorf("%s %s: %s: %s", req.Method, req.URL.Path, res.Status, text)
	}
	if into == nil {
		_, err = io.Copy(io.Discard, res.Body)
		return err
	}
	return json.NewDecoder(res.Body).Decode(into)
}
