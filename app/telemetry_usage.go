package app

import (
	"cmp"
	"context"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/index"

	"github.com/evenkeel/evenkeel/api"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/observe/logs"
	"github.com/evenkeel/evenkeel/observe/usage"
)

// annotationTelemetry is where a service declares what it sends: logs, metrics, traces.
const annotationTelemetry = "evenkeel.dev/telemetry"

const (
	telemetryEvery = time.Minute
	wideEvery      = 10 * time.Minute
)

// openUsage reads the ledger of telemetry.
func (a *App) openUsage() {
	file := filepath.Join(a.o.Data, "usage.json.gz")
	var err error
	if a.usage, err = usage.Load(file, time.Now()); err != nil {
		a.o.Logger.Warn("the ledger of telemetry begins anew", "err", err)
	}
	a.onClose("telemetry usage", func() error { return a.usage.Save(file) })
	a.part("observe: telemetry usage", func(ctx context.Context) error {
		tick := time.NewTicker(telemetryEvery)
		defer tick.Stop()
		for n := 1; ; n++ {
			select {
			case <-ctx.Done():
				return nil
			case now := <-tick.C:
				a.judgeTelemetry(ctx, now)
				if n%5 == 0 {
					if err := a.usage.Save(file); err != nil {
						a.o.Logger.Error("the ledger of telemetry would be lost with the process", "err", err)
					}
				}
			}
		}
	})
}

// taking counts the rows of one batch for the ledger.
type taking struct {
	ledger *usage.Ledger
	signal string
	of     logs.Rows
	by     map[string]*count
	hosts  map[string]*count // of rows that say no service
	last   *count            // of the row before: rows of one service come in a row
	name   string
}

// count is what came of one service.
type count struct{ rows, bytes int }

func (a *App) took(signal string, rows logs.Rows) *taking {
	return &taking{ledger: a.usage, signal: signal, of: rows, by: map[string]*count{}}
}

// row counts one. Its strings are not kept.
func (t *taking) row(service string, r logs.Row) {
	if t.last == nil || t.name != service {
		if t.last = t.by[service]; t.last == nil {
			t.last = &count{}
			t.by[strings.Clone(service)] = t.last
		}
		t.name = service
	}
	t.last.rows++
	if usage.Nameless(service) {
		t.nameless(r)
	}
	for i := range r.Fields {
		t.last.bytes += len(r.Fields[i].Name) + len(r.Fields[i].Value)
	}
}

// nameless counts a row that says no service for the host that it is of.
func (t *taking) nameless(r logs.Row) {
	name := cmp.Or(r.Field("host.name"), r.Field("resource.host.name"), t.of.Source)
	c := t.hosts[name]
	if c == nil {
		if t.hosts == nil {
			t.hosts = map[string]*count{}
		}
		c = &count{}
		t.hosts[strings.Clone(name)] = c
	}
	c.rows++
}

// book enters the counts.
func (t *taking) book() {
	now := time.Now()
	t.name, t.last = "", nil
	for s, c := range t.by {
		t.ledger.Took(usage.Key{Signal: t.signal, Service: s, Receiver: t.of.Receiver}, t.of.Source, c.rows, c.bytes, now)
	}
	for name, c := range t.hosts {
		t.ledger.TookNameless(usage.Source{Signal: t.signal, Receiver: t.of.Receiver, Name: name}, t.of.Source, c.rows, now)
	}
}

// judgeTelemetry opens findings on telemetry that has stopped, is missing or unused, and
// resolves those that are over.
func (a *App) judgeTelemetry(ctx context.Context, now time.Time) {
	w := a.ws()
	expects := map[string][]string{}
	for _, s := range w.Services {
		for _, sig := range strings.FieldsFunc(s.Annotations[annotationTelemetry], func(r rune) bool { return r == ',' || r == ' ' }) {
			if sig == usage.Logs || sig == usage.Metrics || sig == usage.Traces {
				expects[string(s.ID)] = append(expects[string(s.ID)], sig)
			}
		}
	}
	if err := a.tookMetrics(ctx, now); err != nil && ctx.Err() == nil {
		a.o.Logger.Error("cannot count series by service", "err", err)
	}
	if now.Sub(a.wideAt) >= wideEvery { // it reads every series, and every query of the workspace
		a.wideAt = now
		a.declaredUses(w, now)
		wide, err := a.spreads(ctx, w.Settings.Limits.ActiveSeries, now)
		if err != nil && ctx.Err() == nil {
			a.o.Logger.Error("cannot count label values by service", "err", err)
		} else {
			a.wide = wide
		}
	}
	gaps := append(a.usage.Gaps(expects, now), a.wide...)
	names := map[string]string{"stopped": "TelemetryStopped", "missing": "TelemetryMissing", "unused": "TelemetryUnused", "heavy": "TelemetryHeavy", "wide": "TelemetryCardinality", "nameless": "TelemetryWithoutService"}
	severities := map[string]detect.Severity{"stopped": detect.Ticket, "missing": detect.Ticket, "unused": detect.Info, "heavy": detect.Info, "wide": detect.Ticket, "nameless": detect.Info}
	var seen []detect.Finding
	holds := map[detect.Fingerprint]bool{}
	for _, g := range gaps {
		service := declare.ServiceID(g.Service)
		// A series' job, and a span's service, may be anybody's: who is declared is told.
		if g.Signal != usage.Logs && g.Kind != "nameless" && w.Service(service) == nil {
			continue
		}
		ls := map[string]string{"alertname": names[g.Kind], "severity": string(severities[g.Kind]), "service": g.Service, "signal": g.Signal}
		f := detect.Finding{Detector: detect.DetectorTelemetry, Name: names[g.Kind], Service: service, Team: a.teamOf(service), Severity: severities[g.Kind], Summary: g.Why, Labels: ls, Since: g.Since}
		if g.Kind == "nameless" {
			delete(ls, "service")
			ls["source"], ls["receiver"] = g.Source.Name, g.Source.Receiver
			f.Team = a.ownerOfSource(w, g)
		}
		if f.Team != "" && g.Kind != "nameless" { // whose a source is may be found out later: it is the same finding
			ls["team"] = string(f.Team)
		}
		f.Annotations = map[string]string{"summary": g.Why}
		f.Fingerprint = detect.MakeFingerprint(f.Detector, ls)
		holds[f.Fingerprint] = true
		seen = append(seen, f)
	}
	for _, f := range a.findings.OpenFindings(detect.DetectorTelemetry) {
		if !holds[f.Fingerprint] {
			f.ResolvedAt = now
			seen = append(seen, f)
		}
	}
	if len(seen) == 0 {
		return
	}
	if err := a.findings.Observe(ctx, now, seen); err != nil {
		a.o.Logger.Error("cannot take findings on telemetry", "err", err)
	}
}

// platform is the component whose owner has what is nobody's.
const platform declare.ServiceID = "evenkeel"

// ownerOfSource is whose rows without a service are: the owner of the resource of the
// source's name, else of all services that its sender sends of, when they have one owner,
// else of the component evenkeel.
func (a *App) ownerOfSource(w *declare.Workspace, g usage.Gap) declare.TeamID {
	host, _, _ := strings.Cut(g.Source.Name, ".")
	for _, r := range w.Resources {
		name := string(r.ID[strings.LastIndexByte(string(r.ID), '/')+1:])
		if r.Owner != "" && (strings.EqualFold(name, g.Source.Name) || strings.EqualFold(name, host)) {
			return r.Owner
		}
	}
	var owner declare.TeamID
	for _, service := range a.usage.ServicesOf(g.Sender) {
		switch team := a.teamOf(declare.ServiceID(service)); {
		case team == "", team == owner:
		case owner == "":
			owner = team
		default:
			return a.teamOf(platform)
		}
	}
	return cmp.Or(owner, a.teamOf(platform))
}

// serviceLabels are the labels that say whose a series is, best first.
var serviceLabels = []string{"service_name", "service", "job"}

const mostServices = 1000

// tookMetrics books the series of each service that has had samples in the last five
// minutes: how many there are in the head, once a minute.
func (a *App) tookMetrics(ctx context.Context, now time.Time) error {
	q, err := a.metrics.Querier(now.Add(-5*time.Minute).UnixMilli(), now.UnixMilli())
	if err != nil {
		return err
	}
	defer q.Close()
	return a.eachService(ctx, func(label, service string, ix tsdb.IndexReader) error {
		if !q.Select(ctx, false, nil, labels.MustNewMatcher(labels.MatchEqual, label, service)).Next() {
			return nil
		}
		p, err := ix.Postings(ctx, label, service)
		if err != nil {
			return err
		}
		n := 0
		for p.Next() {
			n++
		}
		a.usage.Took(usage.Key{Signal: usage.Metrics, Service: service, Receiver: "series"}, "", n, 0, now)
		return p.Err()
	})
}

// eachService calls f with each service that has series in the head, and the label that
// names it.
func (a *App) eachService(ctx context.Context, f func(label, service string, ix tsdb.IndexReader) error) error {
	ix, err := a.metrics.Head().Index()
	if err != nil {
		return err
	}
	defer ix.Close()
	seen := map[string]bool{}
	for _, label := range serviceLabels {
		values, err := ix.LabelValues(ctx, label, nil)
		if err != nil {
			return err
		}
		for _, v := range values {
			if v == "" || seen[v] || len(seen) >= mostServices {
				continue
			}
			seen[strings.Clone(v)] = true
			if err := f(label, v, ix); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// spreads are the services with too many series, and the label that makes them, and those
// most of whose series nobody asks for.
func (a *App) spreads(ctx context.Context, limit int, now time.Time) ([]usage.Gap, error) {
	if err := a.tookNames(ctx, now); err != nil {
		return nil, err
	}
	var out []usage.Gap
	err := a.eachService(ctx, func(label, service string, ix tsdb.IndexReader) error {
		p, err := ix.Postings(ctx, label, service)
		if err != nil {
			return err
		}
		s := usage.Spread{Service: service}
		values, names := map[string]map[string]bool{}, map[string]int{}
		var b labels.ScratchBuilder
		for p.Next() {
			if err := ix.Series(p.At(), &b, nil); err != nil {
				continue // it went meanwhile
			}
			s.Series++
			names[b.Labels().Get(labels.MetricName)]++
			b.Labels().Range(func(l labels.Label) {
				if values[l.Name] == nil {
					values[l.Name] = map[string]bool{}
				}
				values[l.Name][l.Value] = true
			})
		}
		for name, v := range values {
			if name != labels.MetricName && (len(v) > s.Values || len(v) == s.Values && name < s.Label) {
				s.Label, s.Values = name, len(v)
			}
		}
		if why, wide := s.Wide(limit); wide {
			out = append(out, usage.Gap{Signal: usage.Metrics, Service: strings.Clone(service), Kind: "wide", Since: now, Why: why})
		}
		if why, idle := a.usage.IdleOf(service, names, now); idle {
			out = append(out, usage.Gap{Signal: usage.Metrics, Service: strings.Clone(service), Kind: "unused", Since: now, Why: why})
		}
		return p.Err()
	})
	return out, err
}

// tookNames books how many series each metric has in the head.
func (a *App) tookNames(ctx context.Context, now time.Time) error {
	ix, err := a.metrics.Head().Index()
	if err != nil {
		return err
	}
	defer ix.Close()
	names, err := ix.LabelValues(ctx, labels.MetricName, nil)
	if err != nil {
		return err
	}
	series := make(map[string]int, len(names))
	for _, n := range names {
		p, err := ix.Postings(ctx, labels.MetricName, n)
		if err != nil {
			return err
		}
		for p.Next() {
			series[n]++
		}
		if err := p.Err(); err != nil {
			return err
		}
	}
	a.usage.Stores(series, now)
	return nil
}

const mostOf = 20

// telemetry reports on what is sent and whether anybody looks at it.
func (a *App) telemetry(ctx context.Context, from, to time.Time) (api.Telemetry, error) {
	now := time.Now()
	var t api.Telemetry
	for _, it := range a.usage.Report(from, to, now) {
		t.Items = append(t.Items, api.TelemetryItem{Item: it})
	}
	stats := a.metrics.Head().Stats(labels.MetricName, mostOf)
	t.Series = stats.NumSeries
	t.SeriesBy = cardinalities(stats.IndexPostingStats.CardinalityMetricsStats)
	t.ValuesBy = cardinalities(stats.IndexPostingStats.CardinalityLabelStats)
	for i, m := range a.usage.Idle(now) {
		t.Unused += uint64(m.Series)
		if i < mostOf {
			t.UnusedBy = append(t.UnusedBy, api.Cardinality{Name: m.Name, Count: uint64(m.Series)})
		}
	}
	t.JobsBy = cardinalities(a.metrics.Head().Stats("job", mostOf).IndexPostingStats.CardinalityMetricsStats)
	q, err := logs.ParseQuery("*", now)
	if err != nil {
		return t, err
	}
	q.AddTimeFilter(now.Add(-time.Hour).UnixNano(), now.UnixNano())
	names, err := a.logs.StreamFieldNames(ctx, q, "")
	if err != nil {
		return t, err
	}
	for _, n := range names[:min(len(names), mostOf)] {
		q, err := logs.ParseQuery("*", now)
		if err != nil {
			return t, err
		}
		q.AddTimeFilter(now.Add(-time.Hour).UnixNano(), now.UnixNano())
		values, err := a.logs.StreamFieldValues(ctx, q, n.Value, "", 100_000)
		if err != nil {
			return t, err
		}
		t.LogValuesBy = append(t.LogValuesBy, api.Cardinality{Name: n.Value, Count: uint64(len(values))})
	}
	slices.SortFunc(t.LogValuesBy, func(a, b api.Cardinality) int { return cmp.Compare(b.Count, a.Count) })
	return t, nil
}

func cardinalities(in []index.Stat) []api.Cardinality {
	out := make([]api.Cardinality, len(in))
	for i, s := range in {
		out[i] = api.Cardinality{Name: s.Name, Count: s.Count}
	}
	return out
}
