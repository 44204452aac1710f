package escalation

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/respond"
)

var zero = time.Date(2026, 3, 29, 0, 30, 0, 0, time.UTC) // half an hour before clocks go forward

func policy(repeat int, ack time.Duration, waits ...time.Duration) *declare.Escalation {
	p := &declare.Escalation{Name: "p", Repeat: repeat, AckTimeout: ack}
	for _, w := range waits {
		p.Steps = append(p.Steps, declare.EscalationStep{Wait: w})
	}
	return p
}

// play runs an escalation second by second and writes down what it asks for.
func play(p *declare.Escalation, long time.Duration, in func(after time.Duration) seen, clock func(after time.Duration) time.Time) string {
	var e respond.Escalation
	out := ""
	for after := time.Duration(0); after <= long; after += time.Second {
		for {
			var do act
			var at int
			if e, do, at = next(e, in(after), p, clock(after)); do == nothing {
				break
			}
			word := map[act]string{armed: "armed", notify: fmt.Sprint("step", at), stopped: "stopped", overdue: "overdue", exhausted: "exhausted", ended: "ended", shifted: "shifted"}[do]
			out += fmt.Sprintf("%s %s; ", after, word)
		}
	}
	return out
}

func exact(after time.Duration) time.Time { return zero.Add(after) }

func TestNext(t *testing.T) {
	open := func(time.Duration) seen { return seen{status: respond.Open} }
	// changes is what the incident is from each time on.
	type change struct {
		at     time.Duration
		status respond.Status
		acked  time.Duration // -1: not
	}
	story := func(changes ...change) func(time.Duration) seen {
		return func(after time.Duration) seen {
			s := seen{status: respond.Open}
			for _, c := range changes {
				if after >= c.at {
					s.status, s.acked = c.status, time.Time{}
					if c.acked >= 0 {
						s.acked = zero.Add(c.acked)
					}
				}
			}
			return s
		}
	}
	f := func(what string, p *declare.Escalation, long time.Duration, in func(time.Duration) seen, clock func(time.Duration) time.Time, want string) {
		t.Helper()
		if got := play(p, long, in, clock); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", what, got, want)
		}
	}
	const m = time.Minute
	f("no policy", nil, time.Hour, open, exact, "")
	f("everyone silent for an hour", policy(1, 0, 5*m, 10*m), time.Hour, open, exact,
		"0s armed; 0s step0; 5m0s step1; 15m0s step0; 20m0s step1; 30m0s exhausted; ")
	f("acknowledged after the first step", policy(1, 0, 5*m, 10*m), time.Hour, story(change{6 * m, respond.Acknowledged, 6 * m}), exact,
		"0s armed; 0s step0; 5m0s step1; 6m0s stopped; ")
	f("acknowledged when nobody was left", policy(0, 0, m), 10*m, story(change{5 * m, respond.Acknowledged, 5 * m}), exact,
		"0s armed; 0s step0; 1m0s exhausted; 5m0s stopped; ")
	f("mitigated by itself, and again", policy(0, 0, 5*m, 5*m), 30*m, story(change{2 * m, respond.Mitigated, -1}, change{10 * m, respond.Open, -1}, change{17 * m, respond.Resolved, -1}), exact,
		"0s armed; 0s step0; 2m0s ended; 10m0s armed; 10m0s step0; 15m0s step1; 17m0s ended; ")
	f("it pages again and is taken before anybody looks", policy(0, 20*m, 5*m), time.Hour, story(change{m, respond.Acknowledged, m}, change{5 * m, respond.Mitigated, m}, change{10 * m, respond.Acknowledged, 10 * m}, change{20 * m, respond.Resolved, m}), exact,
		"0s armed; 0s step0; 1m0s stopped; 5m0s ended; 10m0s stopped; 20m0s ended; ")
	f("an acknowledgement runs out, once", policy(0, 15*m, 5*m), time.Hour, story(change{m, respond.Acknowledged, m}), exact,
		"0s armed; 0s step0; 1m0s stopped; 16m0s overdue; 16m0s step0; 21m0s exhausted; ")
	f("merged into another", policy(0, 0, 5*m), 10*m, story(change{2 * m, respond.Merged, -1}), exact, "0s armed; 0s step0; 2m0s ended; ")
	// Restarts: nothing is looked at in between, the times stay those that were set.
	away := func(from, to time.Duration) func(time.Duration) time.Time {
		return func(after time.Duration) time.Time {
			if after >= from && after < to {
				return zero.Add(from - time.Second) // as if nobody looked
			}
			return zero.Add(after)
		}
	}
	f("away between two steps", policy(0, 0, 5*m, 5*m, 5*m), 20*m, open, away(2*m, 4*m), "0s armed; 0s step0; 5m0s step1; 10m0s step2; 15m0s exhausted; ")
	f("away over a step: the times after it stay", policy(0, 0, 5*m, 5*m, 5*m), 20*m, open, away(4*m, 7*m), "0s armed; 0s step0; 7m0s step1; 10m0s step2; 15m0s exhausted; ")
	f("away over several: one step, and people get their time", policy(0, 0, 5*m, 5*m, 5*m), 40*m, open, away(4*m, 18*m), "0s armed; 0s step0; 18m0s step1; 23m0s step2; 28m0s exhausted; ")
	// The clock jumps.
	jump := func(at, by time.Duration) func(time.Duration) time.Time {
		return func(after time.Duration) time.Time {
			if after >= at {
				return zero.Add(after + by)
			}
			return zero.Add(after)
		}
	}
	f("an hour back", policy(0, 0, 5*m, 5*m), 20*m, open, jump(2*m, -time.Hour), "0s armed; 0s step0; 2m0s shifted; 7m0s step1; 12m0s exhausted; ")
	f("an hour forward", policy(0, 0, 5*m, 5*m), 20*m, open, jump(2*m, time.Hour), "0s armed; 0s step0; 2m0s step1; 7m0s exhausted; ")
}

// TestNextAlwaysGoesOn: whatever the clock and the incident do, a step is never taken
// twice in a round, rounds are never more than declared, and it comes to an end.
func TestNextAlwaysGoesOn(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // repeatable
	statuses := []respond.Status{respond.Open, respond.Open, respond.Open, respond.Acknowledged, respond.Mitigated, respond.Resolved}
	for range 300 {
		p := policy(r.IntN(3), time.Duration(r.IntN(3))*time.Minute, time.Duration(1+r.IntN(9))*time.Minute, time.Duration(1+r.IntN(9))*time.Minute)
		var e respond.Escalation
		taken := map[string]bool{}
		now, in := zero, seen{status: respond.Open}
		for range 400 {
			now = now.Add(time.Duration(r.IntN(300)-60) * time.Second)
			if r.IntN(20) == 0 {
				if in.status = statuses[r.IntN(len(statuses))]; in.status == respond.Acknowledged && in.acked.IsZero() {
					in.acked = now
				}
			}
			for moves := 0; ; moves++ {
				var do act
				var at int
				if e, do, at = next(e, in, p, now); do == nothing {
					break
				}
				if moves > 5 {
					t.Fatalf("it does not settle: %+v", e)
				}
				if key := fmt.Sprint(e.Arm, e.Round, at); do == notify {
					if taken[key] || e.Round > p.Repeat || at >= len(p.Steps) {
						t.Fatalf("step %d of round %d, arm %d: %+v", at, e.Round, e.Arm, e)
					}
					taken[key] = true
				}
				if e.Due.After(now.Add(10 * time.Minute)) {
					t.Fatalf("due at %s, it is %s", e.Due, now)
				}
			}
		}
	}
}
