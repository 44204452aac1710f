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
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	amalert "github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/api/metrics"
	apiv2 "github.com/prometheus/alertmanager/api/v2"
	amconfig "github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/eventrecorder"
	"github.com/prometheus/alertmanager/marker"
	"github.com/prometheus/alertmanager/silence"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/common/model"

	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/state"
)

const (
	retention = 120 * time.Hour // of the notification log and of expired silences, as in Alertmanager
	lifetime  = 5 * time.Minute // of an alert of others that has no end, and after a start of any of them, unless it is confirmed
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

// Pipeline takes findings, and tells receivers of them.
type Pipeline struct {
	o           Options
	dir         string
	findings    string // where the page of a finding is, without its number
	alerts      *store
	silences    *silence.Silences
	silencer    *silence.Silencer // for the API, which says which silence it is
	quiet       silencing
	log         *told
	api         *apiv2.API
	handler     http.Handler
	counters    *counters
	sent        *prometheus.CounterVec
	received    *metrics.Alerts
	timeout     atomic.Int64 // resolve_timeout of the routing in force, in nanoseconds
	external    *external
	failures    failures
	inhibitions inhibitions
	storms      storms
	notes       *ledger[delivery] // in the notification log
	records     *ledger[delivery] // in the database

	saving     sync.Mutex // one snapshot at a time
	ending     sync.Mutex // one silence ends at a time
	apply      sync.Mutex // one Apply at a time
	dispatcher atomic.Pointer[dispatcher]
}

// New opens the silences and the notification log. Apply must follow.
func New(o Options) (*Pipeline, error) {
	p := &Pipeline{o: o, dir: filepath.Join(o.DataDir, "alerts"), findings: o.ExternalURL.JoinPath("findings").String() + "/"}
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot create %q: %w", p.dir, err)
	}
	var err error
	if p.log, err = openTold(p); err != nil {
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
	p.quiet.silences, p.quiet.logger, p.quiet.version = p.silences, o.Logger, -1
	p.silencer = silence.NewSilencer(p.silences, o.Logger, eventrecorder.Recorder{})
	p.alerts = &store{entries: map[model.Fingerprint]*entry{}, gone: p.silencer.PostGC}
	p.counters = newCounters(o.Registerer, p.groups)
	if err := o.Registerer.Register(standing{p}); err != nil {
		return nil, fmt.Errorf("cannot count alerts: %w", err)
	}
	p.sent = promauto.With(o.Registerer).NewCounterVec(prometheus.CounterOpts{
		Name: "evenkeel_notifications_total", Help: "Notifications, by integration and status (sent, failed, held).",
	}, []string{"integration", "status"})
	p.storms.load(p.log.past, time.Now())
	p.notes = &ledger[delivery]{store: p.note, done: p.noted, gather: time.Millisecond}
	p.records = &ledger[delivery]{store: p.record, done: p.recorded, gather: 20 * time.Millisecond}
	missed, err := p.missed(context.Background(), p.log.past)
	if err != nil {
		return nil, err
	}
	for _, x := range missed {
		p.records.add(x)
	}
	p.log.past = nil
	p.received = metrics.NewAlerts(o.Registerer)
	p.external = &external{store: p.alerts, p: p, ends: map[detect.Fingerprint]ending{}}
	p.api, err = apiv2.NewAPI(p.external, p.alertGroups, p.mutedGroup, p.silences, nil, o.Logger, prometheus.NewRegistry())
	if err != nil {
		return nil, fmt.Errorf("cannot prepare the Alertmanager API: %w", err)
	}
	p.handler = p.guarded(p.durable(p.api.Handler))
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

// Handler serves /api/v2/….
func (p *Pipeline) Handler() http.Handler { return p.handler }

func (p *Pipeline) alertGroups(ctx context.Context, routes func(*dispatch.Route) bool, alerts func(*amalert.Alert, time.Time) bool) (dispatch.AlertGroups, map[model.Fingerprint][]string, error) {
	return p.dispatcher.Load().Groups(ctx, routes, alerts)
}

func (p *Pipeline) mutedGroup(routeID, groupKey string) ([]string, bool) {
	return p.dispatcher.Load().muters.groups.Muted(routeID, groupKey)
}

// groups counts them.
func (p *Pipeline) groups() float64 {
	d := p.dispatcher.Load()
	if d == nil {
		return 0
	}
	p.alerts.mu.Lock()
	defer p.alerts.mu.Unlock()
	return float64(d.count)
}

// Send puts findings on their way.
func (p *Pipeline) Send(_ context.Context, now time.Time, findings []detect.Finding) error {
	alerts := make([]*amalert.Alert, len(findings))
	for i := range findings {
		alerts[i] = p.toAlert(&findings[i], now)
	}
	p.inhibitions.see(now, alerts...)
	p.alerts.mu.Lock()
	defer p.alerts.mu.Unlock()
	d := p.dispatcher.Load()
	for i, a := range alerts {
		e := p.alerts.put(a)
		if e.fact = findings[i].Fact; d != nil {
			d.route(e, now)
		}
	}
	return nil
}

func (p *Pipeline) toAlert(f *detect.Finding, now time.Time) *amalert.Alert {
	a := &amalert.Alert{UpdatedAt: now, Alert: model.Alert{Labels: labelsOf(f), Annotations: make(model.LabelSet, len(f.Annotations)+2), StartsAt: f.OpenedAt}}
	for k, v := range f.Annotations {
		a.Annotations[model.LabelName(k)] = model.LabelValue(v)
	}
	// Which incident a delivery is recorded on is ours to say, not that of an annotation.
	if delete(a.Annotations, "incident"); f.Incident != 0 {
		a.Annotations["incident"] = model.LabelValue(strconv.FormatInt(f.Incident, 10))
	}
	id := strconv.FormatInt(f.ID, 10)
	a.Annotations["finding"] = model.LabelValue(id)
	a.GeneratorURL = p.findings + id
	// One that holds has no end until it is told to have ended: what finds it may look once
	// a day only.
	a.EndsAt = f.ResolvedAt
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
	return silencedBy, p.inhibitions.mutes(set, nil)
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
	p.enforce(cfg, built)
	return nil
}

// enforce has a routing that was built replace the one in force.
func (p *Pipeline) enforce(cfg *amconfig.Config, built *built) {
	p.dispatcher.Load().stop(reloadPatience)
	p.inhibitions.use(cfg.InhibitRules)
	p.api.Update(cfg, p.mark)
	if cfg.Global != nil {
		p.timeout.Store(int64(cfg.Global.ResolveTimeout))
	}
	d := &dispatcher{
		p: p, store: p.alerts, root: compile(built.route, built.receivers), tmpl: built.tmpl, logger: p.o.Logger.With("component", "dispatcher"),
		muters: muters{
			inhibited: func(_ context.Context, now time.Time, set model.LabelSet) bool {
				return p.inhibitions.mutes(set, nil)
			},
			silenced: p.quiet.mutes, intervener: built.intervener, groups: marker.NewGroupMarker(),
		},
	}
	for _, all := range built.receivers {
		for _, s := range all {
			s.d = d
		}
	}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	p.dispatcher.Store(d)
	d.start()
}

// mark says for the API what keeps an alert from being told.
func (p *Pipeline) mark(ctx context.Context, set model.LabelSet) {
	p.silencer.Mutes(ctx, set)
	m, ok := marker.FromContext(ctx)
	if !ok {
		return
	}
	var by []string
	if fp, is := p.inhibitions.mutedBy(set, nil); is {
		by = []string{fp.String()}
	}
	m.SetInhibited(set.Fingerprint(), by)
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
			p.dispatcher.Load().stop(endPatience)
			p.apply.Unlock()
			p.notes.wait()
			p.records.wait()
			return errors.Join(p.log.compact(true), p.snapshot("silences", p.silences.Snapshot))
		case <-expire.C:
			p.external.expire(ctx, time.Now())
			if p.log.waits() { // the disk was full, and may have room again
				_ = p.log.write() // who noted it has been told already that it does not work
			}
		case <-slow.C:
			p.alerts.sweep(time.Now())
			if err := p.log.compact(false); err != nil {
				p.o.Logger.Error("cannot keep the notification log", "err", err)
			}
			if _, err := p.silences.GC(); err != nil {
				p.o.Logger.Error("cannot clean silences", "err", err)
			}
			p.snapshotLogged("silences", p.silences.Snapshot)
		}
	}
}
