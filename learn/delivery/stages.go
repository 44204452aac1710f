package delivery

import (
	"time"

	"github.com/evenkeel/evenkeel/act"
)

// Stages is where the time of a merge went; nil where it cannot be told, or where the
// clocks of two sources contradict each other.
type Stages struct {
	Coding *time.Duration // from the first commit to the pull request
	Pickup *time.Duration // to its first review
	Review *time.Duration // to the merge
	Deploy *time.Duration // from the merge to production
	Cycle  *time.Duration // from the first commit to production, or to the merge where it is not there yet
}

var stageNames = []string{"coding", "waiting for a review", "review", "waiting for the deploy"}

var stageWhat = map[string]string{
	"coding": "from the first commit to the pull request", "waiting for a review": "from the pull request to its first review by another",
	"review": "from the first review to the merge", "waiting for the deploy": "from the merge to the end of the deploy",
}

func (s Stages) all() map[string]*time.Duration {
	return map[string]*time.Duration{"coding": s.Coding, "waiting for a review": s.Pickup, "review": s.Review, "waiting for the deploy": s.Deploy}
}

// StagesOf measures a merge that was deployed then; zero where it was not.
func StagesOf(m act.Merge, deployed time.Time) Stages {
	s := Stages{
		Coding: between(m.CommittedAt, m.CreatedAt), Pickup: between(m.CreatedAt, m.ReviewedAt),
		Review: between(m.ReviewedAt, m.MergedAt), Deploy: between(m.MergedAt, deployed),
	}
	var cycle time.Duration
	for _, part := range []*time.Duration{s.Coding, between(m.CreatedAt, m.MergedAt), s.Deploy} {
		if part != nil {
			cycle += Minutes(*part)
		}
	}
	if cycle > 0 {
		s.Cycle = &cycle
	}
	return s
}

func between(from, to time.Time) *time.Duration {
	if from.IsZero() || to.IsZero() || !to.After(from) {
		return nil
	}
	d := to.Sub(from)
	return &d
}

// Minutes rounds up to whole minutes: what has begun counts.
func Minutes(d time.Duration) time.Duration {
	return (d + time.Minute - 1) / time.Minute * time.Minute
}
