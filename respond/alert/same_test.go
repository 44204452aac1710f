package alert

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	amalert "github.com/prometheus/alertmanager/alert"
	amconfig "github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/eventrecorder"
	"github.com/prometheus/alertmanager/featurecontrol"
	"github.com/prometheus/alertmanager/inhibit"
	"github.com/prometheus/alertmanager/marker"
	"github.com/prometheus/alertmanager/nflog"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/provider/mem"
	"github.com/prometheus/alertmanager/silence"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/state"
)

// heard is what receivers were told: of each receiver and group the messages, in order,
// each with its time and the state of its alerts.
type heard struct {
	mu    sync.Mutex
	start time.Time
	by    map[string][]string
	n     int
}

func (h *heard) notify(ctx context.Context, name string, alerts []*amalert.Alert) (bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	receiver, _ := notify.ReceiverName(ctx)
	group, _ := notify.GroupKey(ctx)
	reason, _ := notify.NotificationReason(ctx)
	routeLabels, _ := notify.RouteLabels(ctx)
	var all []string
	for _, a := range alerts {
		all = append(all, fmt.Sprintf("%s %s", a.Labels, a.Status()))
	}
	slices.Sort(all)
	key := receiver + " " + name + " " + group
	h.by[key] = append(h.by[key], fmt.Sprintf("%s %s %s: %s", time.Since(h.start).Round(100*time.Millisecond), reason, routeLabels, strings.Join(all, ", ")))
	h.n++
	return false, nil
}

// hearing is one way of being told.
type hearing struct {
	*heard
	name string
}

// Notify implements notify.Notifier.
func (h hearing) Notify(ctx context.Context, alerts ...*amalert.Alert) (bool, error) {
	return h.notify(ctx, h.name, alerts)
}

// replaced has every receiver of a configuration be heard.
func (h *heard) replaced(in notify.Integration) notify.Integration {
	return notify.NewIntegration(hearing{h, in.String()}, &in, in.Name(), in.Index(), "")
}

// randomRouting is a configuration with everything that decides about a message.
func randomRouting(r *rand.Rand) string {
	var b strings.Builder
	values := []string{"0", "1", "2"}
	matcher := func() string {
		name := []string{"a", "b", "c", "d"}[r.IntN(4)]
		switch r.IntN(8) {
		case 0:
			return fmt.Sprintf(`%s!="%s"`, name, values[r.IntN(3)])
		case 1:
			return fmt.Sprintf(`%s=~"%s|%s"`, name, values[r.IntN(3)], values[r.IntN(3)])
		case 2:
			return fmt.Sprintf(`%s!~"%s.*"`, name, values[r.IntN(3)])
		case 3:
			return fmt.Sprintf(`%s=""`, name)
		}
		return fmt.Sprintf(`%s="%s"`, name, values[r.IntN(3)])
	}
	matchers := func(most int) string {
		var all []string
		for range 1 + r.IntN(most) {
			all = append(all, "'"+matcher()+"'")
		}
		return "[" + strings.Join(all, ", ") + "]"
	}
	var route func(depth int) string
	route = func(depth int) string {
		parts := []string{fmt.Sprintf("receiver: r%d", r.IntN(4))}
		if depth > 0 {
			parts = append(parts, "matchers: "+matchers(2))
			if r.IntN(3) == 0 {
				parts = append(parts, "continue: true")
			}
			if r.IntN(6) == 0 {
				parts = append(parts, "mute_time_intervals: [early]")
			}
			if r.IntN(6) == 0 {
				parts = append(parts, "active_time_intervals: [late, early]")
			}
			if r.IntN(5) == 0 {
				parts = append(parts, `labels: {owner: 'team {{ .CommonLabels.a }}'}`)
			}
		}
		if depth == 0 || r.IntN(2) == 0 {
			parts = append(parts, "group_by: "+[]string{"[a]", "[a, b]", "['...']", "[alertname]", "[d]"}[r.IntN(5)])
		}
		if depth == 0 || r.IntN(2) == 0 {
			parts = append(parts, fmt.Sprintf("group_wait: %ds", 1+r.IntN(30)), fmt.Sprintf("group_interval: %ds", 5+r.IntN(90)), fmt.Sprintf("repeat_interval: %ds", 100+r.IntN(600)))
		}
		if depth < 3 {
			var children []string
			for range r.IntN(5) {
				children = append(children, route(depth+1))
			}
			if len(children) > 0 {
				parts = append(parts, "routes: ["+strings.Join(children, ", ")+"]")
			}
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	fmt.Fprintf(&b, "route: %s\n", route(0))
	b.WriteString("time_intervals:\n  - {name: early, time_intervals: [{times: [{start_time: '00:05', end_time: '00:12'}]}]}\n  - {name: late, time_intervals: [{times: [{start_time: '00:20', end_time: '01:00'}]}]}\n")
	b.WriteString("inhibit_rules:\n")
	for range 4 {
		fmt.Fprintf(&b, "  - {source_matchers: %s, target_matchers: %s, equal: [%s]}\n", matchers(2), matchers(2), []string{"", "a", "b", "a, d"}[r.IntN(4)])
	}
	b.WriteString("receivers:\n")
	for i := range 4 {
		fmt.Fprintf(&b, "  - {name: r%d, webhook_configs: [{url: 'http://r%d.invalid/', send_resolved: %v}", i, i, r.IntN(2) == 0)
		if r.IntN(3) == 0 {
			fmt.Fprintf(&b, ", {url: 'http://also.invalid/', send_resolved: %v}", r.IntN(2) == 0)
		}
		b.WriteString("]}\n")
	}
	return b.String()
}

// theirs is Alertmanager's own dispatcher, inhibitor and pipeline, over the same silences.
func theirs(t *testing.T, p *Pipeline, cfg *amconfig.Config, h *heard) (put func([]detect.Finding, time.Time), stop func()) {
	log, none := slog.New(slog.DiscardHandler), eventrecorder.Recorder{}
	reg := prometheus.NewRegistry()
	silencer := silence.NewSilencer(p.silences, log, none)
	alerts, err := mem.NewAlerts(context.Background(), 30*time.Minute, 0, silencer, log, none, reg, featurecontrol.NoopFlags{})
	if err != nil {
		t.Fatal(err)
	}
	notes, err := nflog.New(nflog.Options{Retention: retention, Metrics: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	built, err := p.build(cfg)
	if err != nil {
		t.Fatal(err)
	}
	receivers := map[string][]notify.Integration{}
	for name, all := range built.receivers {
		for _, s := range all {
			receivers[name] = append(receivers[name], h.replaced(s.in))
		}
	}
	inhibitor := inhibit.NewInhibitor(alerts, cfg.InhibitRules, log, none)
	groups := marker.NewGroupMarker()
	stage := notify.NewPipelineBuilder(reg, featurecontrol.NoopFlags{}, none).New(receivers, func() time.Duration { return 0 }, inhibitor, silencer, built.intervener, groups, notes, nil)
	timeout := func(d time.Duration) time.Duration { return max(d, notify.MinTimeout) }
	d := dispatch.NewDispatcher(alerts, built.route, stage, groups, timeout, 30*time.Second, nil, log, none, nil, built.tmpl)
	go inhibitor.Run()
	inhibitor.WaitForLoading()
	go d.Run(time.Now())
	d.WaitForLoading()
	put = func(found []detect.Finding, now time.Time) {
		var all []*amalert.Alert
		for i := range found {
			all = append(all, p.toAlert(&found[i], now))
		}
		if err := alerts.Put(context.Background(), all...); err != nil {
			t.Error(err)
		}
	}
	return put, func() { inhibitor.Stop(); d.Stop(); alerts.Close() }
}

// TestSameAsAlertmanager plays random alerts against random configurations, here and in
// Alertmanager's own packages side by side: the same receivers are told the same of the same
// groups at the same times. Routes that continue, every kind of matcher, grouping, waiting,
// repeating, time intervals, inhibition, silences that come and end, alerts that end or come
// back. EVENKEEL_SEEDS sets how many configurations.
func TestSameAsAlertmanager(t *testing.T) {
	messages, groups, seeds := 0, 0, uint64(2)
	if n, err := strconv.ParseUint(os.Getenv("EVENKEEL_SEEDS"), 10, 32); err == nil && n > 0 {
		seeds = n
	}
	for seed := range seeds {
		dir := t.TempDir() // outside the bubble
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			text := randomRouting(r)
			cfg, err := amconfig.Load(text)
			if err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			db, err := state.Open(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			p, err := New(Options{DB: db, DataDir: dir, ExternalURL: &url.URL{Scheme: "http", Host: "evenkeel.test"}, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()})
			if err != nil {
				t.Fatal(err)
			}
			here, there := &heard{start: time.Now(), by: map[string][]string{}}, &heard{start: time.Now(), by: map[string][]string{}}
			built, err := p.build(cfg)
			if err != nil {
				t.Fatal(err)
			}
			for _, all := range built.receivers {
				for _, s := range all {
					s.in = here.replaced(s.in)
				}
			}
			p.enforce(cfg, built)
			ctx, stop := context.WithCancel(context.Background())
			ended := make(chan error, 1)
			go func() { ended <- p.Run(ctx) }()
			put, stopTheirs := theirs(t, p, cfg, there)

			open := map[string]detect.Finding{}
			var silences []string
			for step := range 150 {
				time.Sleep(time.Duration(r.Int64N(int64(15 * time.Second))))
				now := time.Now()
				var found []detect.Finding
				// What is old is told at once, and comes alone: of what comes at the same moment
				// Alertmanager's goroutines take one or the other first.
				age, batch := time.Duration(0), 1+r.IntN(4)
				if r.IntN(4) == 0 {
					age, batch = time.Duration(1+r.IntN(3))*10*time.Second, 1
				}
				for range batch {
					labels := map[string]string{"alertname": fmt.Sprintf("A%d", r.IntN(3))}
					for _, name := range []string{"a", "b", "c", "d"} {
						if v := r.IntN(4); v < 3 {
							labels[name] = fmt.Sprint(v)
						}
					}
					key := fmt.Sprint(labels)
					f, there := open[key]
					switch {
					case !there:
						f = detect.Finding{ID: int64(step), Labels: labels, OpenedAt: now.Add(-age)}
						open[key] = f
					case r.IntN(2) == 0:
						f.ResolvedAt = now
						delete(open, key)
					}
					found = append(found, f)
				}
				if step > 0 && step%10 == 0 { // what else is open is confirmed
					for _, f := range open {
						found = append(found, f)
					}
				}
				switch r.IntN(20) {
				case 0:
					s, err := p.AddSilence(ctx, now, journal.Person("carol"), []string{fmt.Sprintf(`a=%q`, fmt.Sprint(r.IntN(3))), `b=~"0|1"`}, time.Duration(1+r.IntN(10))*time.Minute, "works")
					if err != nil {
						t.Error(err)
					}
					silences = append(silences, s.ID)
				case 1:
					if len(silences) > 0 {
						if err := p.ExpireSilence(ctx, now, journal.Person("carol"), silences[r.IntN(len(silences))]); err != nil {
							t.Error(err)
						}
					}
				}
				if err := p.Send(ctx, now, found); err != nil {
					t.Error(err)
				}
				put(found, now)
				synctest.Wait()
			}
			now := time.Now()
			for _, f := range open {
				f.ResolvedAt = now
				if err := p.Send(ctx, now, []detect.Finding{f}); err != nil {
					t.Error(err)
				}
				put([]detect.Finding{f}, now)
				synctest.Wait()
			}
			time.Sleep(15 * time.Minute)
			synctest.Wait()
			stopTheirs()
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			synctest.Wait()
			for key := range there.by {
				if _, told := here.by[key]; !told {
					here.by[key] = nil
				}
			}
			for key, mine := range here.by {
				want := there.by[key]
				for i := range max(len(mine), len(want)) {
					at := func(all []string) string {
						if i < len(all) {
							return all[i]
						}
						return "nothing"
					}
					if at(mine) != at(want) {
						t.Errorf("seed %d, %s, message %d:\n%s\nAlertmanager:\n%s", seed, key, i+1, at(mine), at(want))
						break
					}
				}
			}
			if t.Failed() {
				t.Logf("routing:\n%s", text)
			}
			messages, groups = messages+here.n, groups+len(here.by)
		})
		if t.Failed() {
			return
		}
	}
	if t.Logf("%d messages of %d groups, the same in both", messages, groups); messages < 100*int(seeds) || groups < 10*int(seeds) {
		t.Errorf("too few to prove anything: %d messages of %d groups", messages, groups)
	}
}
