package oncall

import (
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

// The bounds of an escalation policy.
const (
	minWait   = time.Second
	maxWait   = 7 * 24 * time.Hour
	maxRepeat = 20
	maxSteps  = 50
)

// escalation reads a policy. See docs/respond.md for what its words do.
func (r *reader) escalation(n yamldoc.Node) *declare.Escalation {
	n.Only("name", "team", "steps", "repeat", "acknowledgement_timeout")
	e := &declare.Escalation{Name: n.Field("name").Required("the policy's name"), Pos: n.Field("name").Pos()}
	if t := n.Field("team"); !t.Missing() {
		e.Team = declare.TeamID(r.name("team", t, "a team"))
	}
	if k, ok := n.Field("repeat").Int(); ok {
		if k < 0 || k > maxRepeat {
			n.Field("repeat").Problem(n.Field("repeat").Text(), fmt.Sprintf("a number from 0 to %d", maxRepeat), "")
		} else {
			e.Repeat = k
		}
	}
	e.AckTimeout = wait(n.Field("acknowledgement_timeout"), 0)
	steps := n.Field("steps").List()
	if len(steps) == 0 || len(steps) > maxSteps {
		n.Field("steps").Problem("", fmt.Sprintf("1 to %d steps", maxSteps), "")
	}
	for _, s := range steps {
		s.Only("notify", "wait")
		step := declare.EscalationStep{Wait: wait(s.Field("wait"), 5*time.Minute)}
		for _, t := range s.Field("notify").List() {
			target, err := declare.ParseTarget(t.String())
			if err != nil {
				t.Problem(t.Text(), "schedule:NAME, person:NAME or team:NAME", "")
				continue
			}
			r.References = append(r.References, yamldoc.Reference{Kind: string(target.Kind), Name: target.Name, At: t})
			step.Notify = append(step.Notify, target)
		}
		if len(s.Field("notify").List()) == 0 {
			s.Field("notify").Problem("", "at least one of schedule:NAME, person:NAME, team:NAME", "")
		}
		e.Steps = append(e.Steps, step)
	}
	return e
}

func wait(n yamldoc.Node, fallback time.Duration) time.Duration {
	d, ok := n.Duration()
	if !ok {
		return fallback
	}
	if d < minWait || d > maxWait {
		n.Problem(n.Text(), "a duration from 1s to 7d", "")
		return fallback
	}
	return d
}
