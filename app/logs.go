package app

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/evenkeel/evenkeel/api/logsql"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect/logrule"
	"github.com/evenkeel/evenkeel/observe/journald"
	"github.com/evenkeel/evenkeel/observe/jsonline"
	"github.com/evenkeel/evenkeel/observe/logs"
	"github.com/evenkeel/evenkeel/observe/loki"
	"github.com/evenkeel/evenkeel/observe/otlp"
	"github.com/evenkeel/evenkeel/observe/pattern"
	"github.com/evenkeel/evenkeel/observe/reduce"
	"github.com/evenkeel/evenkeel/observe/usage"
)

// openLogs opens the store of log rows.
func (a *App) openLogs(w *declare.Workspace) (err error) {
	a.logs, err = logs.Open(logs.Options{
		Dir: a.o.Data, Retention: w.Settings.Logs.Retention, RetentionSize: w.Settings.Logs.RetentionSize,
		Limits: logLimits(w.Settings.Limits), Logger: a.o.Logger.With("room", "observe"), Registerer: a.reg,
	})
	if err != nil {
		return err
	}
	a.onClose("logs", a.logs.Close)
	a.part("observe: logs", a.logs.Run)
	a.openPatterns()
	a.logCounts = &logrule.Counter{To: a.metrics, Logger: a.o.Logger.With("room", "detect")}
	a.part("detect: counts of log lines", a.logCounts.Run)
	a.reducer = reduce.New(a.metrics, a.o.Logger.With("room", "observe"), prometheus.WrapRegistererWith(prometheus.Labels{"store": "logs"}, a.reg))
	a.part("observe: reduced logs", a.reducer.Run)
	a.logs.SetDrop(a.reducer.Drop)
	a.openUsage()
	a.logs.SetTap(a.tapLogs)
	return nil
}

// connectLogs makes what judges logs; findings are there by now.
func (a *App) connectLogs() {
	a.logRules = logrule.New(logrule.Options{
		Store: a.logs, Appendable: a.metrics, Findings: a.findings, ExternalURL: a.url, Logger: a.o.Logger.With("room", "detect"),
	})
	a.part("detect: log rules", a.logRules.Run)
	a.regularly("detect: log patterns", time.Minute, "judge log patterns", a.judgePatterns)
}

// applyLogs takes over what a workspace declares over logs.
func (a *App) applyLogs(ctx context.Context, w *declare.Workspace, now time.Time) error {
	a.logs.SetLimits(logLimits(w.Settings.Limits))
	return errors.Join(a.reducer.Apply(w.Settings.Logs.Reduce), a.spanRules.Apply(w.Settings.Traces.Reduce), a.metrics.SetDrops(w.Settings.Metrics.Drop), a.logCounts.Apply(w), a.logRules.Apply(ctx, w, now))
}

// tapLogs sees every row that was stored.
func (a *App) tapLogs(rows logs.Rows) {
	took := a.took(usage.Logs, rows)
	rows.Each(func(r logs.Row) {
		service := r.Service()
		took.row(service, r)
		a.logCounts.Take(r)
		a.patterns.Take(service, r.Severity(), r.Message(), time.Unix(0, r.Time))
	})
	took.book()
}

// openPatterns reads the book of patterns, which is kept beside the rows.
func (a *App) openPatterns() {
	a.patterns = pattern.NewBook()
	file := filepath.Join(a.o.Data, "logs", "patterns.json.gz")
	if err := a.patterns.Load(file); err != nil {
		a.o.Logger.Warn("patterns begin anew", "err", err)
		a.patterns = pattern.NewBook()
	}
	a.onClose("patterns", func() error { return a.patterns.Save(file) })
	a.regularly("observe: patterns", savePatterns, "save log patterns", func(_ context.Context, now time.Time) error {
		a.patterns.Sweep(now)
		return a.patterns.Save(file)
	})
}

const savePatterns = 5 * time.Minute

func logLimits(l declare.Limits) logs.Limits {
	return logs.Limits{ValueBytes: l.LogValueBytes, Fields: l.LogFields, Streams: l.LogStreams, PerSource: l.LogBytesPerSource, Future: l.Future}
}

func (a *App) bodyBytes() int64 { return a.metrics.Limits().BodyBytes }

func (a *App) otlpLogs() *otlp.LogReceiver { return otlp.NewLogs(a.logs, a.bodyBytes) }

// logRoutes are logs in and LogsQL out.
func (a *App) logRoutes(mux *http.ServeMux, open func(http.Handler) http.Handler) {
	mux.Handle("POST /v1/logs", open(a.otlpLogs()))
	mux.Handle("POST /loki/api/v1/push", open(loki.Handler(a.logs, a.bodyBytes)))
	mux.Handle("POST /insert/jsonline", open(jsonline.Handler(a.logs, a.bodyBytes)))
	mux.Handle("POST /insert/journald/upload", open(journald.Handler(a.logs, a.bodyBytes)))
	mux.Handle("/select/logsql/", open(logsql.New(logsql.Options{Store: a.logs, Closing: a.closing, Used: a.askedLogs})))
}
