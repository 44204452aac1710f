package alert

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	amalert "github.com/prometheus/alertmanager/alert"
	apiv2 "github.com/prometheus/alertmanager/api/v2"
	amconfig "github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/eventrecorder"
	"github.com/prometheus/alertmanager/featurecontrol"
	"github.com/prometheus/alertmanager/inhibit"
	"github.com/prometheus/alertmanager/marker"
	"github.com/prometheus/alertmanager/nflog"
	"github.com/prometheus/alertmanager/nflog/nflogpb"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/provider/mem"
	"github.com/prometheus/alertmanager/silence"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/common/model"

	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/state"
)

const (
	retention = 120 * time.Hour  // of the notification log and of expired silences, as in Alertmanager
	lifetime  = 5 * time.Minute  // of an alert that nobody confirms any more
	gcEvery   = 30 * time.Minute // of alerts in memory
	apiPrefix = "/api/v2"
)

// Options of a Pipeline.
type Options struct {
	DB          *state.DB
	DataDir     string // silences and the notification log live in DataDir/alerts
	ExternalURL *url.URL
	Logger      *slog.Logger
	Registerer  prometheus.Registerer
	// External takes alerts posted by others, as findings.
	External func(ctx context.Context, now time.Time, seen []detect.Finding) error
	// Actor says who is behind a request to the Alertmanager API, "" for nobody known;
	// nil where callers are not known.
	Actor func(r *http.Request) journal.Actor
	// Dial opens connections to receivers; nil for the network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Pipeline is Alertmanager's machinery, wired.
type Pipeline struct {
	o           Options
	dir         string
	alerts      *mem.Alerts
	silences    *silence.Silences
	silencer    *silence.Silencer
	log         *nflog.Log
	groups      marker.GroupMarker
	api         *apiv2.API
	handler     http.Handler
	builder     *notify.PipelineBuilder
	metrics     *dispatch.DispatcherMetrics
	sent        *prometheus.CounterVec
	soon        chan struct{} // asks for a snapshot of the notification log
	external    *external
	failures    failures
	inhibitions inhibitions
	storms      storms
	records     ledger // of deliveries

	saving     sync.Mutex // one snapshot at a time
	ending     sync.Mutex // one silence ends at a time
	apply      sync.Mutex // one Apply at a time
	dispatcher atomic.Pointer[dispatch.Dispatcher]
	inhibitor  atomic.Pointer[inhibit.Inhibitor]
}

// New opens the silences and the notification log. Apply must follow.
func New(o Options) (*Pipeline, error) {
	p := &Pipeline{o: o, dir: filepath.Join(o.DataDir, "alerts"), soon: make(chan struct{}, 1), groups: marker.NewGroupMarker()}
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot create %q: %w", p.dir, err)
	}
	var err error
	if p.log, err = openSnapshot(p, "nflog", func(file string) (*nflog.Log, error) {
		return nflog.New(nflog.Options{SnapshotFile: file, Retention: retention, Logger: o.Logger, Metrics: prometheus.NewRegistry()})
	}); err != nil {
		return nil, err
	}
	if p.silences, err = openSnapshot(p, "silences", func(file string) (*silence.Silences, error) {
		return silence.New(silence.Options{
			SnapshotFile: file, Retention: retention, Logger: o.Logger, Metrics: prometheus.NewRegistry(),
			Limits: silence.Limits{MaxSilences: func() int { return 10_000 }, MaxSilenceSizeBytes: func() int { return 64 << 10 }},
		})
	}); err != nil {
		return nil, err
	}
	flags := featurecontrol.NoopFlags{}
	p.silencer = silence.NewSilencer(p.silences, o.Logger, eventrecorder.Recorder{})
	if p.alerts, err = mem.NewAlerts(context.Background(), gcEvery, 0, p.silencer, o.Logger, eventrecorder.Recorder{}, o.Registerer, flags); err != nil {
		return nil, fmt.Errorf("cannot prepare alerts: %w", err)
	}
	p.builder = notify.NewPipelineBuilder(o.Registerer, flags, eventrecorder.Recorder{})
	p.metrics = dispatch.NewDispatcherMetrics(false, o.Registerer, flags)
	p.sent = promauto.With(o.Registerer).NewCounterVec(prometheus.CounterOpts{
		Name: "evenkeel_notifications_total", Help: "Notifications, by integration and status (sent, failed, held).",
	}, []string{"integration", "status"})
	p.records.db = o.DB
	p.external = &external{Alerts: p.alerts, p: p, ends: map[model.Fingerprint]*amalert.Alert{}}
	p.api, err = apiv2.NewAPI(p.external, p.alertGroups, p.groups.Muted, p.silences, nil, o.Logger, o.Registerer)
	if err != nil {
		return nil, fmt.Errorf("cannot prepare the Alertmanager API: %w", err)
	}
	p.handler = guarded(p.durable(p.api.Handler))
	return p, nil
}

// openSnapshot opens a store from its snapshot; one that cannot be read is moved
// aside, because a torn file must not keep the pager from starting.
func openSnapshot[T any](p *Pipeline, name string, open func(file string) (T, error)) (T, error) {
	file := filepath.Join(p.dir, name)
	store, err := open(file)
	if err == nil {
		return store, nil
	}
	aside := file + ".unreadable"
	p.o.Logger.Error("cannot read a snapshot, starting without it", "file", file, "moved_to", aside, "err", err)
	if renameErr := os.Rename(file, aside); renameErr != nil {
		return store, fmt.Errorf("cannot open %q: %w", file, errors.Join(err, renameErr))
	}
	return open(file)
}

// noted is the notification log; it asks for a snapshot once an entry is in it.
type noted struct {
	notify.NotificationLog
	soon chan<- struct{}
}

// Log implements notify.NotificationLog.
func (n noted) Log(r *nflogpb.Receiver, group string, firing, resolved []uint64, store *nflog.Store, expiry time.Duration) error {
	err := n.NotificationLog.Log(r, group, firing, resolved, store, expiry)
	select {
	case n.soon <- struct{}{}:
	default: // asked for already
	}
	return err
}

// Handler serves /api/v2/….
func (p *Pipeline) Handler() http.Handler { return p.handler }

func (p *Pipeline) alertGroups(ctx context.Context, routes func(*dispatch.Route) bool, alerts func(*amalert.Alert, time.Time) bool) (dispatch.AlertGroups, map[model.Fingerprint][]string, error) {
	return p.dispatcher.Load().Groups(ctx, routes, alerts)
}

// Send puts findings on their way.
func (p *Pipeline) Send(ctx context.Context, now time.Time, findings []detect.Finding) error {
	alerts := make([]*amalert.Alert, 0, len(findings))
	for i := range findings {
		a := p.toAlert(&findings[i], now)
		p.inhibitions.see(now, a.Labels, a.EndsAt)
		alerts = append(alerts, a)
	}
	if err := p.alerts.Put(ctx, alerts...); err != nil {
		return fmt.Errorf("cannot send findings: %w", err)
	}
	return nil
}

func (p *Pipeline) toAlert(f *detect.Finding, now time.Time) *amalert.Alert {
	a := &amalert.Alert{UpdatedAt: now, Alert: model.Alert{Labels: labelsOf(f), Annotations: model.LabelSet{}, StartsAt: f.OpenedAt}}
	for k, v := range f.Annotations {
		a.Annotations[model.LabelName(k)] = model.LabelValue(v)
	}
	// Which incident a delivery is recorded on is ours to say, not that of an annotation.
	if delete(a.Annotations, "incident"); f.Incident != 0 {
		a.Annotations["incident"] = model.LabelValue(fmt.Sprint(f.Incident))
	}
	a.Annotations["finding"] = model.LabelValue(fmt.Sprint(f.ID))
	a.GeneratorURL = p.o.ExternalURL.JoinPath("findings", fmt.Sprint(f.ID)).String()
	if f.Open() {
		a.EndsAt, a.Timeout = now.Add(lifetime), true
	} else {
		a.EndsAt = f.ResolvedAt
	}
	return a
}

// Muted says which silences cover a finding, and whether another one inhibits it.
func (p *Pipeline) Muted(ctx context.Context, labels map[string]string) (silencedBy []string, inhibited bool) {
	set := model.LabelSet{}
	for k, v := range labels {
		set[model.LabelName(k)] = model.LabelValue(v)
	}
	found, _, err := p.silences.Query(ctx, silence.QState(silence.SilenceStateActive), silence.QMatches(set))
	if err != nil {
		p.o.Logger.Error("cannot look for silences", "err", err)
	}
	for _, s := range found {
		silencedBy = append(silencedBy, s.Id)
	}
	return silencedBy, p.inhibitions.mutes(time.Now(), set, nil)
}

// Apply takes over a routing configuration. Alerts, silences and the notification log
// are kept. When it fails, the one before stays in force.
func (p *Pipeline) Apply(cfg *amconfig.Config) error {
	p.apply.Lock()
	defer p.apply.Unlock()
	built, err := p.build(cfg)
	if err != nil {
		return fmt.Errorf("cannot apply routing.yml: %w", err)
	}
	p.stopRouting()
	p.inhibitions.use(cfg.InhibitRules)
	inhibitor := inhibit.NewInhibitor(p.alerts, cfg.InhibitRules, p.o.Logger, eventrecorder.Recorder{})
	stage := p.builder.New(built.receivers, func() time.Duration { return 0 }, inhibitor, p.silencer, built.intervener, p.groups, noted{p.log, p.soon}, nil)
	p.api.Update(cfg, func(ctx context.Context, labels model.LabelSet) {
		inhibitor.Mutes(ctx, labels)
		p.silencer.Mutes(ctx, labels)
	})
	timeout := func(d time.Duration) time.Duration { return max(d, notify.MinTimeout) }
	dispatcher := dispatch.NewDispatcher(p.alerts, built.route, stage, p.groups, timeout, 30*time.Second, nil, p.o.Logger, eventrecorder.Recorder{}, p.metrics, built.tmpl)
	// The inhibitor loads first: an alert that it will inhibit must not be sent.
	go inhibitor.Run()
	inhibitor.WaitForLoading()
	p.inhibitor.Store(inhibitor)
	go dispatcher.Run(time.Now())
	dispatcher.WaitForLoading()
	p.dispatcher.Store(dispatcher)
	return nil
}

func (p *Pipeline) stopRouting() {
	if i := p.inhibitor.Load(); i != nil {
		i.Stop()
	}
	if d := p.dispatcher.Load(); d != nil {
		d.Stop()
	}
}

// Run keeps snapshots and lets foreign alerts that nobody confirms end, until ctx
// ends; then it stops sending.
func (p *Pipeline) Run(ctx context.Context) error {
	slow := time.NewTicker(time.Minute)
	defer slow.Stop()
	expire := time.NewTicker(time.Second)
	defer expire.Stop()
	for {
		select {
		case <-ctx.Done():
			p.apply.Lock()
			p.stopRouting()
			p.apply.Unlock()
			p.alerts.Close()
			return errors.Join(p.snapshot("nflog", p.log.Snapshot), p.snapshot("silences", p.silences.Snapshot))
		case <-p.soon:
			p.snapshotLogged("nflog", p.log.Snapshot)
		case <-expire.C:
			p.external.expire(ctx, time.Now())
		case <-slow.C:
			if _, err := p.log.GC(); err != nil {
				p.o.Logger.Error("cannot clean the notification log", "err", err)
			}
			if _, err := p.silences.GC(); err != nil {
				p.o.Logger.Error("cannot clean silences", "err", err)
			}
			p.snapshotLogged("nflog", p.log.Snapshot)
			p.snapshotLogged("silences", p.silences.Snapshot)
		}
	}
}
