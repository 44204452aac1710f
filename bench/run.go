//go:build bench

package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// Scale is how much is measured.
type Scale struct {
	Data
	Pairs       int
	Ticks       int           // of a minute each, in one measurement of ours
	Raw         int           // objectives that the raw expressions, and Sloth's rules, are measured on
	Victoria    int           // objectives that VictoriaMetrics is measured on
	Many        int           // objectives evaluated each second
	History     time.Duration // of the series of those
	Seconds     int           // for so long
	Replay      int           // objectives in one replay of ours
	ReplayDays  int           // how much is replayed
	Trials      int           // of the latency
	Pushes      int           // rounds of remote write in one measurement
	LogBatches  int           // of 5,000 lines, in one measurement
	SpanBatches int           // of 1,000 spans, in one measurement
	LogRows     int           // that queries are answered over
	AlertGroups int           // of alerts, beside Alertmanager
}

// Full is the scale of the goals, Quick one to try the program with.
var (
	Full = Scale{
		Data: Data{Services: 100, Days: 30}, Pairs: 5, Ticks: 60, Raw: 100, Victoria: 20, Many: 10_000, History: 2 * time.Hour, Seconds: 60,
		Replay: 10, ReplayDays: 30, Trials: 200, Pushes: 1000, LogBatches: 100, SpanBatches: 200, LogRows: 100_000_000, AlertGroups: 50_000,
	}
	Quick = Scale{
		Data: Data{Services: 10, Days: 4}, Pairs: 3, Ticks: 30, Raw: 5, Victoria: 5, Many: 500, History: 30 * time.Minute, Seconds: 20,
		Replay: 5, ReplayDays: 1, Trials: 8, Pushes: 40, LogBatches: 20, SpanBatches: 20, LogRows: 300_000, AlertGroups: 2_000,
	}
)

// Options of Run.
type Options struct {
	Scale
	Quick    bool
	Cache    string   // folder that keeps the data between runs
	Peers    string   // folder with the peers' binaries
	Evenkeel string   // our binary
	Only     []string // rows to measure; none means all
	Profile  string   // folder for CPU profiles of our parts; may be empty
	Keep     bool     // what is not measured stays as the report has it
	Alone    bool     // our own parts only, to profile them: no peers, no goals beside them
	Log      io.Writer
}

// bench is one run.
type bench struct {
	Options
	*Report
	dir      string // removed at the end
	profiles int
	decode   float64 // seconds that a sample takes to decode, once the row about ticks has measured it
}

// row is one part of the report.
type row struct {
	name  string
	run   func(*bench, context.Context) error
	named bool // measured only when it is named
}

var rows = []row{
	{name: "ticks", run: (*bench).ticks},
	{name: "many", run: (*bench).many},
	{name: "backtest", run: (*bench).backtest},
	{name: "latency", run: (*bench).latency},
	{name: "write", run: (*bench).write},
	{name: "logs", run: (*bench).logs},
	{name: "spans", run: (*bench).spans},
	{name: "idle", run: (*bench).idle},
	{name: "hundredmillion", run: (*bench).hundredMillion, named: true},
	{name: "alerts", run: (*bench).alerts},
}

// Run measures everything. Of a row that fails the report says so, and the others go on.
func Run(ctx context.Context, o Options) (r *Report, err error) {
	for _, name := range o.Only {
		if !slices.ContainsFunc(rows, func(r row) bool { return r.name == name }) {
			return nil, fmt.Errorf("cannot measure %q: expected ticks, many, backtest, latency, write, logs, spans, idle, hundredmillion or alerts", name)
		}
	}
	if err := os.MkdirAll(o.Cache, 0o755); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(o.Cache, "run-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b := &bench{Options: o, dir: dir, Report: &Report{Quick: o.Quick, Machine: o.machine(), Data: fmt.Sprintf(
		"Data: %d services, 4 counters each, every %s for %d days: %.1f million samples. Half of the services have mild traffic, half bursts; counters reset, scrapes are missed, services fall silent, some with stale markers. Chunks are of the newest encoding (XOR2), for all readers. Windows: %s. A tick is a minute.",
		o.Services, Scrape, o.Days, float64(o.Samples())/1e6, spans(Windows))}}
	b.Busy = busy()
	for _, row := range rows {
		if len(o.Only) > 0 && !slices.Contains(o.Only, row.name) || len(o.Only) == 0 && row.named {
			continue
		}
		start := time.Now()
		b.say("%s", row.name)
		if err := row.run(b, ctx); err != nil {
			if ctx.Err() != nil {
				return nil, err
			}
			b.say("%s failed: %v", row.name, err)
			b.Missed(row.name, "it failed, see what the run printed")
		}
		b.say("%s took %s", row.name, time.Since(start).Round(time.Second))
		runtime.GC()
		debug.FreeOSMemory()
	}
	return b.Report, nil
}

func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.Log, "%s "+format+"\n", append([]any{time.Now().Format(time.TimeOnly)}, args...)...)
}

// peer is the path of a peer's binary.
func (o *Options) peer(name string) (string, error) {
	path := filepath.Join(o.Peers, name)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("no %s: scripts/bench-tools and scripts/test-tools build it", name)
	}
	return path, nil
}

// busy says so when other work shares the processors.
func busy() string {
	raw, _ := os.ReadFile("/proc/loadavg")
	var load float64
	if _, err := fmt.Sscan(string(raw), &load); err != nil || load < 1.5*float64(runtime.NumCPU()) {
		return ""
	}
	return fmt.Sprintf("The machine was busy with other work: load %.0f on %d processors. Times are longer than on an idle one, and the more so the more a way lives from the caches, as ours does.", load, runtime.NumCPU())
}

var version = regexp.MustCompile(`v?\d+\.\d+\.\d+`)

// machine says what this runs on. Binaries that go install has built do not know their
// version; the scripts that install them leave a mark.
func (o *Options) machine() []string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	model := "an unknown processor"
	if m := regexp.MustCompile(`model name\s*: (.*)`).FindSubmatch(info); m != nil {
		model = string(m[1])
	}
	memory, _ := os.ReadFile("/proc/meminfo")
	var kib int
	_, _ = fmt.Sscanf(string(memory), "MemTotal: %d kB", &kib)
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	load, _ := os.ReadFile("/proc/loadavg")
	out := []string{
		fmt.Sprintf("%d × %s, %.0f GiB memory, Linux %s; load at the start %s", runtime.NumCPU(), model, float64(kib)/(1<<20), strings.TrimSpace(string(kernel)), strings.Join(strings.Fields(string(load))[:min(3, len(strings.Fields(string(load))))], " ")),
		runtime.Version() + ", " + time.Now().UTC().Format(time.DateOnly),
	}
	commit, err := exec.Command("git", "rev-parse", "--short", "HEAD").Output()
	if err == nil {
		out[1] += ", Evenkeel at " + strings.TrimSpace(string(commit))
	}
	var peers []string
	for _, name := range []string{"prometheus", "alertmanager", "victoria-metrics", "victoria-logs", "jaeger"} {
		marks, _ := filepath.Glob(filepath.Join(o.Peers, "."+name+"-*"))
		if len(marks) == 1 {
			peers = append(peers, name+" "+version.FindString(filepath.Base(marks[0])))
		} else {
			peers = append(peers, "no "+name)
		}
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if d.Path == "github.com/prometheus/prometheus" {
				peers = append(peers, "promql.Engine, rule manager and TSDB of "+d.Version)
			}
		}
	}
	return append(out, "Peers: "+strings.Join(peers, ", "))
}

func spans(w []time.Duration) string {
	var out []string
	for _, d := range w {
		out = append(out, span(d))
	}
	return strings.Join(out, " ")
}
