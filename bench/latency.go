//go:build bench

package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/prometheus/prompb"
)

// receiver is a webhook that notes when it is told of what.
type receiver struct {
	mu   sync.Mutex
	seen map[string]time.Time // by contender and trial
	more chan struct{}        // holds an element when something was seen
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	now := time.Now()
	var body struct {
		Alerts []struct {
			Status string
			Labels map[string]string
		}
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, req.Body, 16<<20)).Decode(&body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	for _, a := range body.Alerts {
		key := req.URL.Path + " " + a.Labels["trial"]
		if _, ok := r.seen[key]; !ok && a.Status == "firing" {
			r.seen[key] = now
		}
	}
	r.mu.Unlock()
	select {
	case r.more <- struct{}{}:
	default:
	}
}

// wait returns when a contender was told of a trial.
func (r *receiver) wait(ctx context.Context, key string) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		r.mu.Lock()
		at, ok := r.seen[key]
		r.mu.Unlock()
		if ok {
			return at, nil
		}
		select {
		case <-r.more:
		case <-ctx.Done():
			return time.Time{}, fmt.Errorf("no notification of %s within a minute", key)
		}
	}
}

// contender is somebody who takes samples and notifies.
type contender struct {
	name, path string
	write      *process
	all        []*process
	latencies  []float64 // seconds
	idle       float64   // CPU seconds a second, without work
}

// sample writes one of a trial.
func (c *contender) sample(ctx context.Context, trial int, v float64) error {
	body, err := encode(&prompb.WriteRequest{Timeseries: []prompb.TimeSeries{{
		Labels:  []prompb.Label{{Name: "__name__", Value: "bench_bad"}, {Name: "trial", Value: fmt.Sprint(trial)}},
		Samples: []prompb.Sample{{Timestamp: time.Now().UnixMilli(), Value: v}},
	}}})
	if err != nil {
		return err
	}
	return push(ctx, c.write.url, body)
}

// recovery is longer than an evaluation and the group_interval together, after which an
// alert has ended for all.
const recovery = 2500 * time.Millisecond

const badRule = `groups:
  - name: bench
    rules:
      - alert: Bad
        expr: bench_bad > 100
        labels: {severity: page, service: queue, team: ops}
`

const catalog = `apiVersion: backstage.io/v1alpha1
kind: Group
metadata: {name: ops}
spec: {type: team, children: [], members: [carol]}
---
apiVersion: backstage.io/v1alpha1
kind: User
metadata: {name: carol, labels: {evenkeel.dev/level: lead}}
spec: {memberOf: [ops]}
---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: queue}
spec: {type: service, lifecycle: production, owner: ops}
`

// routing notifies of each group at once.
func routing(url string) string {
	return fmt.Sprintf(`route:
  receiver: hook
  group_by: [alertname, trial]
  group_wait: 0s
  group_interval: 1s
  repeat_interval: 24h
receivers:
  - name: hook
    webhook_configs: [{url: %q, send_resolved: false}]
`, url)
}

// latency is the time from the acknowledgement of a bad sample to the notification.
func (b *bench) latency(ctx context.Context) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	r := &receiver{seen: map[string]time.Time{}, more: make(chan struct{}, 1)}
	server := &http.Server{Handler: r}
	go func() { _ = server.Serve(l) }()
	defer server.Close()
	hook := "http://" + l.Addr().String()

	var contenders []*contender
	defer func() {
		for _, c := range contenders {
			for _, p := range c.all {
				p.stop()
			}
		}
	}()
	ours, err := b.evenkeel(ctx, map[string]string{"evenkeel.yml": quiet, "catalog/all.yml": catalog, "rules/bench.yml": badRule, "routing.yml": routing(hook + "/ours")})
	if err != nil {
		return err
	}
	contenders = append(contenders, &contender{name: "Evenkeel", path: "/ours", write: ours, all: []*process{ours}})
	for _, interval := range []string{"1s", "10ms"} {
		c := &contender{name: "Prometheus and Alertmanager, evaluation_interval " + interval + ", group_wait 0s", path: "/" + interval}
		contenders = append(contenders, c)
		manager, err := b.alertmanager(ctx, routing(hook+c.path))
		if err != nil {
			return err
		}
		c.all = append(c.all, manager)
		c.write, err = b.prometheus(ctx, fmt.Sprintf("global: {evaluation_interval: %s}\nrule_files: [bench.yml]\nalerting: {alertmanagers: [{static_configs: [{targets: [%q]}]}]}\n", interval, strings.TrimPrefix(manager.url, "http://")), map[string]string{"bench.yml": badRule})
		if err != nil {
			return err
		}
		c.all = append(c.all, c.write)
	}

	const rest = 5 * time.Second
	if err := pause(ctx, rest); err != nil { // starting is over
		return err
	}
	for _, c := range contenders {
		cpu, err := c.cpu()
		if err != nil {
			return err
		}
		if err := pause(ctx, rest); err != nil {
			return err
		}
		after, err := c.cpu()
		if err != nil {
			return err
		}
		c.idle = (after - cpu) / rest.Seconds()
	}
	phase := seeded(1, 1)
	early := 0
	for trial := range b.Trials + 2 { // two warm up
		for _, c := range contenders {
			// Samples come whenever they like, not in step with evaluations.
			if err := pause(ctx, time.Duration(phase.float()*float64(time.Second))); err != nil {
				return err
			}
			if err := c.sample(ctx, trial, 500); err != nil {
				return err
			}
			acknowledged := time.Now()
			told, err := r.wait(ctx, fmt.Sprintf("%s %d", c.path, trial))
			if err != nil {
				return err
			}
			took := told.Sub(acknowledged).Seconds()
			if took < 0 {
				early, took = early+1, 0
			}
			if trial >= 2 {
				c.latencies = append(c.latencies, took)
			}
		}
		// Each recovers before the next: ours would tell what else burns of the same incident
		// in one update.
		for _, c := range contenders {
			if err := c.sample(ctx, trial, 0); err != nil {
				return err
			}
		}
		if err := pause(ctx, recovery); err != nil {
			return err
		}
	}
	b.Section("From a bad sample to the notification")
	b.Text("One sample by remote write crosses the threshold of a rule, at a random moment; time from the acknowledgement of that request to the arrival of the notification at a webhook, %d trials each, in turn. Nobody groups: each trial is its own group, with group_wait 0s, and recovers before the next. This is elapsed time, the only one in this report.", b.Trials)
	table := [][]string{{"", "p50", "p99", "worst", "CPU without work"}}
	for _, c := range contenders {
		table = append(table, []string{c.name, seconds(quantile(c.latencies, 0.5)), seconds(quantile(c.latencies, 0.99)), seconds(quantile(c.latencies, 1)), percent(c.idle) + " of a core"})
	}
	b.Table(table...)
	if early > 0 {
		b.Text("%d notifications came before the acknowledgement; they count as 0.", early)
	}
	b.Text("Prometheus evaluates on a clock, whether anything has happened or not. It is shown with 1s, and with 10ms, which it accepts as well, where it evaluates this one rule a hundred times a second. That is no setting for objectives: the 17 rules that Sloth generates for one take it longer than 10ms (see the cost of a tick).")
	mine := contenders[0].latencies
	b.Goal("p99 from acknowledgement to notification", quantile(mine, 0.99), true, 1, " s")
	for i, interval := range []string{"1s", "10ms"} {
		theirs := contenders[1+i].latencies
		b.Goal("p50 of Prometheus and Alertmanager at "+interval+", times ours", quantile(theirs, 0.5)/quantile(mine, 0.5), false, 10, "")
		b.Goal("p99 of Prometheus and Alertmanager at "+interval+", times ours", quantile(theirs, 0.99)/quantile(mine, 0.99), false, 10, "")
	}
	return nil
}

// alertmanager runs one.
func (b *bench) alertmanager(ctx context.Context, config string) (*process, error) {
	binary, err := b.peer("alertmanager")
	if err != nil {
		return nil, err
	}
	dir, err := b.files("alertmanager", map[string]string{"alertmanager.yml": config})
	if err != nil {
		return nil, err
	}
	addr, err := free()
	if err != nil {
		return nil, err
	}
	return b.start(ctx, binary, addr, "/-/ready", "--config.file="+dir+"/alertmanager.yml", "--storage.path="+dir+"/data", "--web.listen-address="+addr, "--cluster.listen-address=")
}

// cpu of all its processes so far.
func (c *contender) cpu() (float64, error) {
	var all float64
	for _, p := range c.all {
		s, err := of(p.cmd.Process.Pid)
		if err != nil {
			return 0, err
		}
		all += s
	}
	return all, nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
