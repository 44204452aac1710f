package app

import (
	"cmp"
	"context"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb/index"

	"github.com/evenkeel/evenkeel/api"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/observe/logs"
	"github.com/evenkeel/evenkeel/observe/usage"
)

// annotationTelemetry is where a service declares what it sends: logs, metrics, traces.
const annotationTelemetry = "evenkeel.dev/telemetry"

const telemetryEvery = time.Minute

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
	last   *count // of the row before: rows of one service come in a row
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
	for i := range r.Fields {
		t.last.bytes += len(r.Fields[i].Name) + len(r.Fields[i].Value)
	}
}

// book enters the counts.
func (t *taking) book() {
	now := time.Now()
	t.name, t.last = "", nil
	for s, c := range t.by {
		t.ledger.Took(usage.Key{Signal: t.signal, Service: s, Receiver: t.of.Receiver}, t.of.Source, c.rows, c.bytes, now)
	}
}

// judgeTelemetry opens findings on telemetry that has stopped, is missing or unused, and
// resolves those that are over.
func (a *App) judgeTelemetry(ctx context.Context, now time.Time) {
	w := a.ws()
	for _, f := range w.RuleFiles { // what is alerted on is used
		for _, g := range f.Logs {
			for _, r := range g.Rules {
				a.usage.Used(usage.Logs, r.Expr, now)
			}
		}
	}
	for _, o := range w.Objectives {
		if o.Ratio != nil {
			for _, l := range o.Ratio.Logs {
				a.usage.Used(usage.Logs, l.Filter, now)
			}
		}
	}
	expects := map[string][]string{}
	for _, s := range w.Services {
		for _, sig := range strings.FieldsFunc(s.Annotations[annotationTelemetry], func(r rune) bool { return r == ',' || r == ' ' }) {
			if sig == usage.Logs || sig == usage.Metrics || sig == usage.Traces {
				expects[string(s.ID)] = append(expects[string(s.ID)], sig)
			}
		}
	}
	if len(expects) > 0 {
		a.tookMetrics(expects, now)
	}
	names := map[string]string{"stopped": "TelemetryStopped", "missing": "TelemetryMissing", "unused": "TelemetryUnused"}
	severities := map[string]detect.Severity{"stopped": detect.Ticket, "missing": detect.Ticket, "unused": detect.Info}
	var seen []detect.Finding
	holds := map[detect.Fingerprint]bool{}
	for _, g := range a.usage.Gaps(expects, now) {
		service := declare.ServiceID(g.Service)
		ls := map[string]string{"alertname": names[g.Kind], "severity": string(severities[g.Kind]), "service": g.Service, "signal": g.Signal}
		f := detect.Finding{Detector: detect.DetectorTelemetry, Name: names[g.Kind], Service: service, Team: a.teamOf(service), Severity: severities[g.Kind], Summary: g.Why, Labels: ls, Since: g.Since}
		if f.Team != "" {
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

// tookMetrics books that there are series of the services that are declared to send
// some: with their name as service_name, service or job.
func (a *App) tookMetrics(expects map[string][]string, now time.Time) {
	q, err := a.metrics.Querier(now.Add(-5*time.Minute).UnixMilli(), now.UnixMilli())
	if err != nil {
		return
	}
	defer q.Close()
	for service, signals := range expects {
		if !slices.Contains(signals, usage.Metrics) {
			continue
		}
		for _, name := range []string{"service_name", "service", "job"} {
			set := q.Select(context.Background(), false, nil, labels.MustNewMatcher(labels.MatchEqual, name, service))
			if set.Next() {
				a.usage.Took(usage.Key{Signal: usage.Metrics, Service: service, Receiver: "series"}, "", 1, 0, now)
				break
			}
		}
	}
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
