package app

import (
	"context"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/detect/surge"
)

// judgePatterns makes findings of patterns of errors that are new or surge.
func (a *App) judgePatterns(ctx context.Context, now time.Time) error {
	quiet, window := surge.Spans(now)
	w := a.ws()
	var seen []surge.Seen
	for _, service := range a.patterns.Services() {
		if w.Service(declare.ServiceID(service)) == nil {
			continue
		}
		shifted, err := a.patterns.Shifted(ctx, service, quiet, window)
		if err != nil {
			return err
		}
		seen = append(seen, surge.Seen{
			Service: declare.ServiceID(service), Since: a.patterns.Since(service), Shifted: shifted,
			Lines: func(id string) (uint64, bool) { return a.patterns.Lines(service, id, window) },
		})
	}
	found := surge.Judge(w, seen, a.findings.OpenFindings(detect.DetectorPattern), now)
	if len(found) == 0 {
		return nil
	}
	return a.findings.Observe(ctx, now, found)
}
