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
	alertRounds   = 3 // in which what fires is sent again
	probeEvery    = 100 * time.Millisecond
	probeWait     = time.Minute
	// alertRun lasts at least so long: a sweep of Alertmanager's, each 30 s, falls into it.
	leastAlertRun = 33 * time.Second
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
	first, again float64   // CPU seconds an alert: new and told, and confirmed
	elapsed      float64   // seconds until all were told
	late         []float64 // latency of probes, in seconds
	lost         int
	resident     float64 // bytes of memory when all had been told
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

// storm sends as many groups as wanted to one contender, and again, with probes beside.
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
	if r.resident, err = rss(p.cmd.Process.Pid); err != nil {
		return r, err
	}
	if cpu, err = p.measure(func() error {
		for range alertRounds {
			if err := round(); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return r, err
	}
	r.again = cpu / float64(alertRounds*groups)
	if !b.Options.Quick {
		select {
		case <-ctx.Done():
			return r, ctx.Err()
		case <-time.After(time.Until(start.Add(leastAlertRun))):
		}
	}
	stop()
	probes.Wait()
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
		r.late = append(r.late, got.Sub(at).Seconds())
	}
	if len(r.late) == 0 {
		return r, fmt.Errorf("no probe arrived")
	}
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
	var ours, theirs alertRuns
	for pair := range b.Pairs {
		a, err := run(b.ourAlerts)
		if err != nil {
			return err
		}
		p, err := run(b.theirAlerts)
		if err != nil {
			return err
		}
		b.say("  pair %d: CPU an alert %s and %s, again %s and %s, until told %s and %s, slowest probe %s and %s", pair+1,
			seconds(a.first), seconds(p.first), seconds(a.again), seconds(p.again), seconds(a.elapsed), seconds(p.elapsed), seconds(quantile(a.late, 1)), seconds(quantile(p.late, 1)))
		ours, theirs = append(ours, a), append(theirs, p)
	}
	b.Section("Alerts, beside Alertmanager")
	b.Text("%d routes, %s groups of one alert each, %d silences, %d inhibitions; batches of %d. Each group is told to a webhook once, after a group_wait of 1 s. A probe, told without waiting, is sent each %s beside it: its latency is from the request to the message. Each run lasts at least %s, so that a sweep of Alertmanager's falls into it. Ours keeps each alert as a finding with its facts on disk before it answers, and each message with its fact; Alertmanager keeps alerts in memory. `new` is from the first request until every group was told; `again` is the same alerts %d times more. %d pairs; medians, latencies of all probes together.",
		alertRoutes, thousands(b.AlertGroups), alertSilences, alertInhibits, alertBatch, probeEvery, leastAlertRun, alertRounds, b.Pairs)
	line := func(name string, r alertRuns) []string {
		late := r.late()
		return []string{
			name, seconds(median(r.first())), seconds(median(r.again())), seconds(median(r.elapsed())),
			seconds(median(late)), seconds(quantile(late, 0.99)), seconds(quantile(late, 1)), size(median(r.resident())), thousands(r.lost()),
		}
	}
	b.Table([]string{"", "CPU an alert, new", "CPU an alert, again", "until all were told", "latency, p50", "p99", "largest", "memory", "lost"}, line("Evenkeel", ours), line("Alertmanager", theirs))
	beside := func(of func(alertRuns) []float64) (ratios []float64) {
		a, p := of(ours), of(theirs)
		for i := range a {
			ratios = append(ratios, a[i]/p[i])
		}
		return ratios
	}
	first, again := beside(alertRuns.first), beside(alertRuns.again)
	b.Text("CPU beside Alertmanager's, pair by pair: new %s × (%s to %s), again %s × (%s to %s).",
		number(median(first)), number(quantile(first, 0)), number(quantile(first, 1)), number(median(again)), number(quantile(again, 0)), number(quantile(again, 1)))
	a, p := ours.late(), theirs.late()
	b.Goal("alerts: CPU of ours beside Alertmanager's, new", median(first), true, 1, "×")
	b.Goal("alerts: CPU of ours beside Alertmanager's, again", median(again), true, 1, "×")
	b.Goal("alerts: p50 of ours beside Alertmanager's", median(a)/median(p), true, 1, "×")
	b.Goal("alerts: p99 of ours beside Alertmanager's", quantile(a, 0.99)/quantile(p, 0.99), true, 1, "×")
	b.Goal("alerts: largest latency of ours beside Alertmanager's", quantile(a, 1)/quantile(p, 1), true, 1, "×")
	b.Goal("alerts: lost by ours", float64(ours.lost()), true, 0, "")
	return nil
}

// alertRuns are those of one contender.
type alertRuns []alertRun

func (r alertRuns) each(of func(alertRun) float64) (out []float64) {
	for _, x := range r {
		out = append(out, of(x))
	}
	return out
}

func (r alertRuns) first() []float64   { return r.each(func(x alertRun) float64 { return x.first }) }
func (r alertRuns) again() []float64   { return r.each(func(x alertRun) float64 { return x.again }) }
func (r alertRuns) elapsed() []float64 { return r.each(func(x alertRun) float64 { return x.elapsed }) }
func (r alertRuns) resident() []float64 {
	return r.each(func(x alertRun) float64 { return x.resident })
}

func (r alertRuns) late() (all []float64) {
	for _, x := range r {
		all = append(all, x.late...)
	}
	return all
}

func (r alertRuns) lost() (n int) {
	for _, x := range r {
		n += x.lost
	}
	return n
}
