package reach

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/state"
)

// ahead is how far into the shifts to come it is looked who will be paged.
const ahead = 30 * 24 * time.Hour

// Unreachable compares who may be paged with how they can be reached: a finding for
// each person whom a policy names, or will name in the next 30 days, and who has no
// verified way for a page, or whose last page failed on every way. It owes to the team
// whose policy it is. Those of open that are none any more come resolved.
func (b *Book) Unreachable(ctx context.Context, open []detect.Finding, now time.Time) ([]detect.Finding, error) {
	w := b.o.Workspace()
	failed, err := b.failed(ctx)
	if err != nil {
		return nil, err
	}
	ways := map[declare.PersonID][]respond.ContactMethod{}
	for who := range Paged(w, now) {
		if ways[who], err = b.Methods(ctx, who); err != nil {
			return nil, err
		}
	}
	return unreachable(Paged(w, now), ways, failed, open, now), nil
}

// Duty is why somebody may be paged: the policy, and the team that answers for it.
type Duty struct {
	Team declare.TeamID
	Why  string
}

// Paged are the people whom policies name, or will name in the next 30 days. It is pure.
func Paged(w *declare.Workspace, now time.Time) map[declare.PersonID]Duty {
	out := map[declare.PersonID]Duty{}
	add := func(e *declare.Escalation, team declare.TeamID, who declare.PersonID, target string) {
		if _, have := out[who]; who != "" && !have {
			out[who] = Duty{team, fmt.Sprintf("%s of escalation %s", target, e.Name)}
		}
	}
	for _, e := range w.Escalations {
		for _, step := range e.Steps {
			for _, t := range step.Notify {
				switch t.Kind {
				case declare.TargetPerson:
					add(e, e.Team, declare.PersonID(t.Name), t.String())
				case declare.TargetTeam:
					if team := w.Team(declare.TeamID(t.Name)); team != nil {
						for _, who := range team.Members {
							add(e, team.ID, who, t.String())
						}
					}
				case declare.TargetSchedule:
					if s := w.Schedule(t.Name); s != nil {
						for _, shift := range s.Shifts(now, now.Add(ahead)) {
							add(e, s.Team, shift.Person, t.String())
						}
					}
				}
			}
		}
	}
	return out
}

// unreachable is pure. failed says of people why the last page to them failed.
func unreachable(paged map[declare.PersonID]Duty, ways map[declare.PersonID][]respond.ContactMethod, failed map[declare.PersonID]string, open []detect.Finding, now time.Time) []detect.Finding {
	var out []detect.Finding
	there := map[string]bool{}
	for _, who := range slices.Sorted(maps.Keys(paged)) {
		usable, why := Usable(ways[who], detect.Page), ""
		switch {
		case len(usable) == 0 && len(ways[who]) > 0:
			why = fmt.Sprintf("none of the %d ways of contact is verified and takes a page", len(ways[who]))
		case len(usable) == 0:
			why = "there is no way of contact"
		case failed[who] != "":
			why = "the last page failed on every way: " + failed[who]
		default:
			continue
		}
		there[string(who)] = true
		d := paged[who]
		f := detect.Finding{
			Detector: detect.DetectorReach, Name: "PersonUnreachable", Team: d.Team, Severity: detect.Ticket,
			Labels:      map[string]string{"alertname": "PersonUnreachable", "severity": string(detect.Ticket), "person": string(who), "team": string(d.Team)},
			Summary:     fmt.Sprintf("%s cannot be paged: %s", who, why),
			Description: fmt.Sprintf("A page may go to %s by %s. Add a way of contact and enter its code: on the account page, or in the catalogue by the annotation evenkeel.dev/contact.", who, d.Why),
		}
		f.Annotations = map[string]string{"summary": f.Summary, "description": f.Description}
		out = append(out, f)
	}
	for _, f := range open {
		if f.Name == "PersonUnreachable" && !there[f.Labels["person"]] {
			f.ResolvedAt = now
			out = append(out, f)
		}
	}
	return out
}

// failed are the people whose last page that was tried failed on every way, with the
// last answer.
func (b *Book) failed(ctx context.Context) (map[declare.PersonID]string, error) {
	rows, err := b.o.DB.Read().QueryContext(ctx, `SELECT d.person, coalesce((SELECT a.kind || ': ' || a.detail FROM delivery_attempts a WHERE a.delivery = d.id ORDER BY a.n DESC LIMIT 1), '')
		FROM deliveries d WHERE d.state = 'failed' AND d.purpose = 'page' AND d.done_ms > ?
		AND d.id = (SELECT max(x.id) FROM deliveries x WHERE x.person = d.person AND x.purpose = 'page' AND x.state IN ('failed', 'delivered'))`, state.Millis(time.Now().Add(-ahead)))
	if err != nil {
		return nil, fmt.Errorf("cannot read failed pages: %w", err)
	}
	defer rows.Close()
	out := map[declare.PersonID]string{}
	for rows.Next() {
		var who declare.PersonID
		var why string
		if err := rows.Scan(&who, &why); err != nil {
			return nil, fmt.Errorf("cannot read failed pages: %w", err)
		}
		if why != "" {
			out[who] = why
		}
	}
	return out, rows.Err()
}
