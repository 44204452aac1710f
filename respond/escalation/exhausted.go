package escalation

import (
	"context"
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/respond"
)

// Exhausted are findings of the incidents that nobody acknowledged though every step of
// their policy was taken: a ticket of the incident's team. Those of open whose
// escalation has gone on or ended come resolved.
func (e *Engine) Exhausted(ctx context.Context, open []detect.Finding, now time.Time) ([]detect.Finding, error) {
	rows, err := e.o.DB.Read().QueryContext(ctx, `SELECT incident FROM escalations WHERE status = ?`, respond.EscalationExhausted)
	if err != nil {
		return nil, fmt.Errorf("cannot read escalations: %w", err)
	}
	defer rows.Close()
	var numbers []respond.Number
	for rows.Next() {
		var n respond.Number
		if err := rows.Scan(&n); err != nil {
			return nil, fmt.Errorf("cannot read escalations: %w", err)
		}
		numbers = append(numbers, n)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("cannot read escalations: %w", err)
	}
	var out []detect.Finding
	there := map[string]bool{}
	for _, n := range numbers {
		i, err := e.o.Incidents.Get(ctx, n)
		if err != nil {
			return nil, err
		}
		x, err := e.Get(ctx, n)
		if err != nil {
			return nil, err
		}
		f := unanswered(i, x)
		there[f.Labels["incident"]] = true
		out = append(out, f)
	}
	for _, f := range open {
		if f.Name == nameUnanswered && !there[f.Labels["incident"]] {
			f.ResolvedAt = now
			out = append(out, f)
		}
	}
	return out, nil
}

const nameUnanswered = "PageUnanswered"

func unanswered(i respond.Incident, x respond.Escalation) detect.Finding {
	f := detect.Finding{
		Detector: detect.DetectorReach, Name: nameUnanswered, Team: i.Team, Severity: detect.Ticket,
		Labels:      map[string]string{"alertname": nameUnanswered, "severity": string(detect.Ticket), "incident": fmt.Sprint(i.Number), "team": string(i.Team)},
		Summary:     fmt.Sprintf("nobody acknowledged incident %d, and escalation %s has nobody left to notify", i.Number, x.Policy),
		Description: fmt.Sprintf("%s. All %d steps were taken, %d times. Acknowledge it, or hand it up; then let the policy end with somebody who always answers.", i.Title, len(x.Steps), x.Repeat+1),
	}
	f.Annotations = map[string]string{"summary": f.Summary, "description": f.Description}
	return f
}
