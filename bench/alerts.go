//go:build bench

package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const (
	alertRoutes   = 500
	alertSilences = 100
	alertInhibits = 100
	alertBatch    = 500
	probeEvery    = 500 * time.Millisecond
	probeWait     = time.Minute
)

// alerting is the configuration that both get: each alert is a group of its own, a
// probe is told at once.
func alerting(hook string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "route:\n  receiver: sink\n  group_by: [instance]\n  group_wait: 1s\n  group_interval: 1m\n  repeat_interval: 4h\n  routes:\n    - {receiver: probe, matchers: ['probe=\"yes\"'], group_wait: 0s, group_by: [instance]}\n")
	for i := range alertRoutes - 1 {
		fmt.Fprintf(&b, "    - {receiver: sink, matchers: ['shard=\"%d\"']}\n", i)
	}
	b.WriteString("inhibit_rules:\n")
	for i := range alertInhibits {
		fmt.Fprintf(&b, "  - {source_matchers: ['cause=\"%d\"'], target_matchers: ['effect=\"%d\"'], equal: [shard]}\n", i, i)
	}
	fmt.Fprintf(&b, "receivers:\n  - name: sink\n    webhook_configs: [{url: %q, send_resolved: false}]\n  - name: probe\n    webhook_configs: [{url: %q, send_resolved: false}]\n", hook+"/sink", hook+"/probe")
	return b.String()
}

// sink takes the messages and notes when each probe arrived.
type sink struct {
	*httptest.Server
	mu     sync.Mutex
	seen   map[string]bool
	probes map[string]time.Time
}

func newSink() *sink {
	s := &sink{seen: map[string]bool{}, probes: map[string]time.Time{}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		now := time.Now()
		var m struct {
			Alerts []struct{ Labels map[string]string }
		}
		if json.NewDecoder(r.Body).Decode(&m) != nil {
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, a := range m.Alerts {
			if id := a.Labels["instance"]; r.URL.Path == "/sink" {
				s.seen[id] = true
			} else if s.probes[id].IsZero() {
				s.probes[id] = now
			}
		}
	}))
	return s
}

func (s *sink) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.seen)
}

// alertRun is what one contender did.
type alertRun struct {
	first, again    float64 // CPU seconds an alert: new and told, and confirmed
	elapsed         float64
	median, p99, at float64 // latency of probes in seconds; at is the largest
	lost            int
}

func sendAlerts(ctx context.Context, base string, alerts []map[string]string) error {
	type alert struct {
		Labels map[string]string `json:"labels"`
		EndsAt time.Time         `json:"endsAt"`
	}
	all := make([]alert, len(alerts))
	for i, l := range alerts {
		all[i] = alert{l, time.Now().Add(10 * time.Minute)}
	}
	body, err := json.Marshal(all)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/api/v2/alerts", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	return do(req, nil)
}

// storm sends as many groups as wanted to one contender, twice, with probes beside.
func (b *bench) storm(ctx context.Context, p *process, s *sink, groups int) (r alertRun, err error) {
	labels := func(i int) map[string]string {
		return map[string]string{"alertname": "Load", "severity": "ticket", "shard": fmt.Sprint(i % (alertRoutes - 1)), "instance": fmt.Sprintf("i-%d", i), "effect": fmt.Sprint(i % (2 * alertInhibits))}
	}
	round := func() error {
		for from := 0; from < groups; from += alertBatch {
			var some []map[string]string
			for i := from; i < min(from+alertBatch, groups); i++ {
				some = append(some, labels(i))
			}
			if err := sendAlerts(ctx, p.url, some); err != nil {
				return err
			}
		}
		return nil
	}
	sent := map[string]time.Time{}
	probing, stop := context.WithCancel(ctx)
	defer stop()
	var probes sync.WaitGroup
	probes.Go(func() {
		tick := time.NewTicker(probeEvery)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-probing.Done():
				return
			case <-tick.C:
			}
			id := fmt.Sprintf("p-%d", n)
			sent[id] = time.Now()
			_ = sendAlerts(ctx, p.url, []map[string]string{{"alertname": "Probe", "severity": "ticket", "probe": "yes", "instance": id}})
		}
	})
	start := time.Now()
	cpu, err := p.measure(func() error {
		if err := round(); err != nil {
			return err
		}
		for end := time.Now().Add(5 * time.Minute); s.count() < groups && time.Now().Before(end); {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(50 * time.Millisecond):
			}
		}
		return nil
	})
	if err != nil {
		return r, err
	}
	r.first, r.elapsed, r.lost = cpu/float64(groups), time.Since(start).Seconds(), groups-s.count()
	if cpu, err = p.measure(round); err != nil {
		return r, err
	}
	r.again = cpu / float64(groups)
	stop()
	probes.Wait()
	var late []float64
	for end := time.Now().Add(probeWait); ; time.Sleep(50 * time.Millisecond) {
		s.mu.Lock()
		have := len(s.probes)
		s.mu.Unlock()
		if have >= len(sent) || time.Now().After(end) {
			break
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, at := range sent {
		got := s.probes[id]
		if got.IsZero() {
			r.lost++
			continue
		}
		late = append(late, got.Sub(at).Seconds())
	}
	if len(late) == 0 {
		return r, fmt.Errorf("no probe arrived")
	}
	r.median, r.p99, r.at = median(late), quantile(late, 0.99), quantile(late, 1)
	return r, nil
}

// silences adds silences that match nothing here: what they cost is the looking.
func addSilences(ctx context.Context, base, token string) error {
	for i := range alertSilences {
		body := fmt.Sprintf(`{"matchers":[{"name":"shard","value":"x%d","isRegex":false,"isEqual":true}],"startsAt":%q,"endsAt":%q,"createdBy":"bench","comment":"bench"}`,
			i, time.Now().UTC().Format(time.RFC3339), time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/api/v2/silences", strings.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/json")
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		if err := do(req, nil); err != nil {
			return err
		}
	}
	return nil
}

const benchPeople = "apiVersion: backstage.io/v1alpha1\nkind: Group\nmetadata: {name: ops}\nspec: {type: team, children: [], members: [carol]}\n---\napiVersion: backstage.io/v1alpha1\nkind: User\nmetadata: {name: carol, labels: {evenkeel.dev/level: lead}}\nspec: {memberOf: [ops]}\n"

// ourAlerts runs this server with the routing of the bench.
func (b *bench) ourAlerts(ctx context.Context, s *sink) (*process, error) {
	dir, err := b.files("alerts", map[string]string{"evenkeel.yml": quiet, "catalog/all.yml": benchPeople, "routing.yml": alerting(s.URL)})
	if err != nil {
		return nil, err
	}
	data := dir + "-data"
	addr, err := free()
	if err != nil {
		return nil, err
	}
	p, err := b.start(ctx, b.Evenkeel, addr, "/-/ready", "serve", "-w", dir, "-d", data, "--listen", addr)
	if err != nil {
		return nil, err
	}
	token, err := exec.CommandContext(ctx, b.Evenkeel, "token", "create", "--person", "carol", "-d", data).Output()
	if err != nil {
		err = fmt.Errorf("cannot make a token: %w", err)
	} else {
		err = addSilences(ctx, p.url, strings.TrimSpace(string(token)))
	}
	if err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

// theirAlerts runs Alertmanager with the same.
func (b *bench) theirAlerts(ctx context.Context, s *sink) (*process, error) {
	binary, err := b.peer("alertmanager")
	if err != nil {
		return nil, err
	}
	dir, err := b.files("alertmanager", map[string]string{"alertmanager.yml": alerting(s.URL)})
	if err != nil {
		return nil, err
	}
	addr, err := free()
	if err != nil {
		return nil, err
	}
	p, err := b.start(ctx, binary, addr, "/-/ready", "--config.file="+filepath.Join(dir, "alertmanager.yml"), "--storage.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+addr, "--cluster.listen-address=")
	if err != nil {
		return nil, err
	}
	if err := addSilences(ctx, p.url, ""); err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

// alerts sends the same groups to this server and to Alertmanager.
func (b *bench) alerts(ctx context.Context) error {
	run := func(make func(context.Context, *sink) (*process, error)) (alertRun, error) {
		s := newSink()
		defer s.Close()
		p, err := make(ctx, s)
		if err != nil {
			return alertRun{}, err
		}
		defer p.stop()
		return b.storm(ctx, p, s, b.AlertGroups)
	}
	ours, err := run(b.ourAlerts)
	if err != nil {
		return err
	}
	theirs, err := run(b.theirAlerts)
	if err != nil {
		return err
	}
	b.Section("Alerts, beside Alertmanager")
	b.Text("%d routes, %s groups of one alert each, %d silences, %d inhibitions; batches of %d. Each group is told to a webhook once. A probe, told without waiting, is sent each %s beside it: its latency is from the request to the message. Ours keeps each alert as a finding with its facts on disk before it answers; Alertmanager keeps it in memory. `new` is from the first request until every group was told; `again` is the same alerts once more.",
		alertRoutes, thousands(b.AlertGroups), alertSilences, alertInhibits, alertBatch, probeEvery)
	line := func(name string, r alertRun) []string {
		return []string{name, seconds(r.first), seconds(r.again), seconds(r.elapsed), seconds(r.median), seconds(r.p99), seconds(r.at), thousands(r.lost)}
	}
	b.Table([]string{"", "CPU an alert, new", "CPU an alert, again", "until all were told", "latency, median", "p99", "largest", "lost"}, line("Evenkeel", ours), line("Alertmanager", theirs))
	b.Goal("alerts: CPU of ours beside Alertmanager's, new", ours.first/theirs.first, true, 1, "×")
	b.Goal("alerts: CPU of ours beside Alertmanager's, again", ours.again/theirs.again, true, 1, "×")
	b.Goal("alerts: largest latency of ours beside Alertmanager's", ours.at/theirs.at, true, 1, "×")
	b.Goal("alerts: lost by ours", float64(ours.lost), true, 0, "")
	return nil
}
