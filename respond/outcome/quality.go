package outcome

import (
	"cmp"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/respond"
)

// flap is how soon after its end an alert that comes again is flapping.
const flap = 15 * time.Minute

// Rule is one alert, whatever makes it.
type Rule struct {
	Detector  string                `json:"detector"`
	Name      string                `json:"name"`
	Objective declare.ObjectiveName `json:"objective,omitempty"`
	Severity  detect.Severity       `json:"severity"`
}

// Quality is how good an alert was over a time.
type Quality struct {
	Rule
	Episodes  int `json:"episodes"`
	Messages  int `json:"told"` // episodes of which somebody was told
	Action    int `json:"action"`
	NoAction  int `json:"no_action"`
	Duplicate int `json:"duplicate"`
	False     int `json:"false"`
	Planned   int `json:"maintenance"`
	Unknown   int `json:"unlabelled"`
	Inferred  int `json:"inferred"` // of the labels
	Flaps     int `json:"flaps"`    // came again within 15 minutes of their end
	// Precision is the share of those that asked for something, of those with a label
	// other than maintenance; null without such a label.
	Precision *float64 `json:"precision"`
	Noise     *float64 `json:"noise"`    // the rest
	Flapping  float64  `json:"flapping"` // share of episodes
	// AckSeconds is the median from being told to the acknowledgement; null when nobody
	// acknowledged.
	AckSeconds *float64  `json:"ack_seconds"`
	Seconds    float64   `json:"firing_seconds"` // median of those that have ended
	Needless   float64   `json:"needless"`       // episodes that nobody had needed, unlabelled ones by the share of the others
	Last       time.Time `json:"last"`
}

// RuleOf names the alert of an episode.
func RuleOf(e respond.Episode) Rule {
	return Rule{Detector: e.Detector, Name: e.Name, Objective: e.Objective, Severity: e.Severity}
}

// Measure says of each alert how good it was, the worst first: the one whose needless
// episodes are the most.
func Measure(episodes []respond.Episode) []Quality {
	byRule := map[Rule][]respond.Episode{}
	for _, e := range episodes {
		byRule[RuleOf(e)] = append(byRule[RuleOf(e)], e)
	}
	var out []Quality
	for r, all := range byRule {
		out = append(out, measure(r, all))
	}
	slices.SortFunc(out, func(a, b Quality) int {
		return cmp.Or(cmp.Compare(b.Needless, a.Needless), cmp.Compare(b.Flaps, a.Flaps), cmp.Compare(b.Episodes, a.Episodes),
			cmp.Compare(a.Name, b.Name), cmp.Compare(a.Objective, b.Objective), cmp.Compare(a.Severity, b.Severity), cmp.Compare(a.Detector, b.Detector))
	})
	return out
}

func measure(r Rule, all []respond.Episode) Quality {
	q := Quality{Rule: r, Episodes: len(all)}
	slices.SortStableFunc(all, func(a, b respond.Episode) int { return a.Opened.Compare(b.Opened) })
	ended := map[detect.Fingerprint]time.Time{}
	var acks, lengths []float64
	for _, e := range all {
		if !e.Told.IsZero() {
			q.Messages++
		}
		switch e.Outcome {
		case respond.ActionTaken:
			q.Action++
		case respond.NoActionNeeded:
			q.NoAction++
		case respond.Duplicate:
			q.Duplicate++
		case respond.FalseAlarm:
			q.False++
		case respond.Maintenance:
			q.Planned++
		default:
			q.Unknown++
		}
		if e.Inferred {
			q.Inferred++
		}
		if end, was := ended[e.Fingerprint]; was && e.Opened.Sub(end) <= flap {
			q.Flaps++
		}
		if !e.Resolved.IsZero() {
			ended[e.Fingerprint] = e.Resolved
			lengths = append(lengths, e.Resolved.Sub(e.Opened).Seconds())
		}
		if told := e.Told; !e.Acked.IsZero() {
			if told.IsZero() {
				told = e.Opened
			}
			acks = append(acks, max(0, e.Acked.Sub(told).Seconds()))
		}
		if e.Opened.After(q.Last) {
			q.Last = e.Opened
		}
	}
	q.Flapping = float64(q.Flaps) / float64(len(all))
	if needless, known := q.NoAction+q.Duplicate+q.False, q.Action+q.NoAction+q.Duplicate+q.False; known > 0 {
		precision := float64(q.Action) / float64(known)
		noise := 1 - precision
		q.Precision, q.Noise = &precision, &noise
		q.Needless = float64(needless) + noise*float64(q.Unknown)
	}
	q.Needless = max(q.Needless, float64(q.Flaps)) // one that flaps needs nobody each time
	if len(acks) > 0 {
		m := median(acks)
		q.AckSeconds = &m
	}
	if len(lengths) > 0 {
		q.Seconds = median(lengths)
	}
	return q
}

func median(v []float64) float64 {
	slices.Sort(v)
	if n := len(v); n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2
	}
	return v[len(v)/2]
}
