package app

import (
	"net/http"

	"github.com/evenkeel/evenkeel/api/logsql"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/observe/jsonline"
	"github.com/evenkeel/evenkeel/observe/logs"
	"github.com/evenkeel/evenkeel/observe/loki"
	"github.com/evenkeel/evenkeel/observe/otlp"
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
	return nil
}

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
	mux.Handle("/select/logsql/", open(logsql.New(logsql.Options{Store: a.logs, Closing: a.closing})))
}
