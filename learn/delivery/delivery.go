// Package delivery measures how changes reach users: deployment frequency, lead time,
// change failure rate, failed-deployment recovery time and rework.
//
// In: changes, merges and incidents of a time. Out: each measure with how many it comes
// from, median and 90th percentile where it is a time, and the records behind it.
// Promise: it is pure; what is not known is left out and not guessed; measures are of
// services and teams, never of a person.
package delivery

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
)

// Outage is an incident as it matters here.
type Outage struct {
	Number    int64
	Change    string // the change that is the first suspect, "" for none
	Began     time.Time
	Mitigated time.Time
}

// Input is what is measured.
type Input struct {
	Changes []act.Change // of production; others are left out
	Merges  []act.Merge
	Outages []Outage
	// Repository is whose code a repository holds, "" where nobody knows.
	Repository func(repo string) declare.ServiceID
	// Production says whether an environment's name means production.
	Production func(environment string) bool
}

// Record is one thing that a measure comes from.
type Record struct {
	Change   string            `json:"change"`
	Service  declare.ServiceID `json:"service,omitempty"`
	Summary  string            `json:"summary"`
	At       time.Time         `json:"at"`
	Seconds  float64           `json:"seconds,omitempty"`
	Counts   bool              `json:"counts" doc:"Of a share: whether it is among those that are counted."`
	Why      string            `json:"why,omitempty"`
	Incident int64             `json:"incident,omitempty"`
	Merge    string            `json:"merge,omitempty"`
}

// Measure is one of the five.
type Measure struct {
	Name    string   `json:"name"`
	Unit    string   `json:"unit" doc:"a day, seconds, or share."`
	N       int      `json:"n"`
	Value   *float64 `json:"value" doc:"The mean a day, the median of times, the share; null where there is nothing to tell it from."`
	Median  *float64 `json:"median"`
	P90     *float64 `json:"p90"`
	What    string   `json:"what" doc:"What is counted, in a sentence."`
	Records []Record `json:"records"`
}

// Report is all of them over a time.
type Report struct {
	From     time.Time `json:"from"`
	To       time.Time `json:"to"`
	Measures []Measure `json:"measures"`
	Stages   []Measure `json:"stages" doc:"Where the lead time goes: coding, waiting for a review, review, waiting for the deploy."`
}

// The names of the measures.
const (
	Frequency = "deployment frequency"
	LeadTime  = "lead time"
	Failures  = "change failure rate"
	Recovery  = "failed-deployment recovery time"
	Rework    = "rework"
)

// deploy is one deployment, and what became of it.
type deploy struct {
	act.Change
	end      time.Time
	failed   string // why, "" when it has not
	incident int64
	since    time.Time // the failure began
	restored time.Time // zero: not yet
	repair   string    // of which change it is the repair, "" for none
	prev     time.Time // when the deploy before it of the same service ended
}

// Make measures [from, to). Changes before from serve to tell what a deploy followed.
func Make(in Input, from, to time.Time) Report {
	deploys := follow(in)
	r := Report{From: from.UTC(), To: to.UTC()}
	freq := Measure{Name: Frequency, Unit: "a day", What: "deploys to production that ended, a day; median and 90th percentile are of the days"}
	lead := Measure{Name: LeadTime, Unit: "seconds", What: "from the first commit of a merge to the end of the deploy that brought it to production"}
	fail := Measure{Name: Failures, Unit: "share", What: "deploys that failed, were rolled back, or are the first suspect of an incident, of all deploys"}
	back := Measure{Name: Recovery, Unit: "seconds", What: "from when a failed deploy began to hurt to the deploy, rollback or mitigation that ended it"}
	work := Measure{Name: Rework, Unit: "share", What: "deploys and rollbacks that were made to repair a failed deploy, or as an emergency, of all"}
	stages := map[string]*Measure{}
	for _, s := range stageNames {
		stages[s] = &Measure{Name: s, Unit: "seconds", What: stageWhat[s]}
	}
	perDay := map[string]int{}
	var leads, recoveries []float64
	times := map[string][]float64{}
	for _, d := range deploys {
		if d.end.Before(from) || !d.end.Before(to) {
			continue
		}
		rec := Record{Change: d.ID, Service: d.Service, Summary: d.Summary, At: d.end.UTC()}
		rework := rec
		if d.repair != "" {
			rework.Counts, rework.Why = true, "it repairs "+d.repair
		} else if d.Evidence.Emergency {
			rework.Counts, rework.Why = true, "an emergency"
		}
		work.Records = append(work.Records, rework)
		if d.Kind != act.Deploy {
			continue
		}
		perDay[d.end.UTC().Format(time.DateOnly)]++
		freq.Records = append(freq.Records, rec)
		failed := rec
		failed.Counts, failed.Why, failed.Incident = d.failed != "", d.failed, d.incident
		fail.Records = append(fail.Records, failed)
		if d.failed != "" && !d.restored.IsZero() && d.restored.Before(to) {
			one := failed
			one.Seconds = d.restored.Sub(d.since).Seconds()
			recoveries = append(recoveries, one.Seconds)
			back.Records = append(back.Records, one)
		}
		for _, m := range mergesOf(in, d) {
			s := StagesOf(m, d.end)
			for name, v := range s.all() {
				if v != nil {
					one := rec
					one.Merge, one.Seconds = m.ID, v.Seconds()
					times[name] = append(times[name], v.Seconds())
					stages[name].Records = append(stages[name].Records, one)
				}
			}
			if m.CommittedAt.IsZero() || m.CommittedAt.After(d.end) {
				continue
			}
			one := rec
			one.Merge, one.Seconds = m.ID, d.end.Sub(m.CommittedAt).Seconds()
			leads = append(leads, one.Seconds)
			lead.Records = append(lead.Records, one)
		}
	}
	freq.N = len(freq.Records)
	if days := daysIn(from, to); len(days) > 0 {
		counts := make([]float64, len(days))
		for i, day := range days {
			counts[i] = float64(perDay[day])
		}
		mean := float64(freq.N) / (to.Sub(from).Hours() / 24)
		freq.Value, freq.Median, freq.P90 = &mean, Quantile(counts, 0.5), Quantile(counts, 0.9)
	}
	spread(&lead, leads)
	spread(&back, recoveries)
	share(&fail)
	share(&work)
	r.Measures = []Measure{freq, lead, fail, back, work}
	for _, name := range stageNames {
		spread(stages[name], times[name])
		r.Stages = append(r.Stages, *stages[name])
	}
	for _, list := range [][]Measure{r.Measures, r.Stages} {
		for i := range list {
			slices.SortStableFunc(list[i].Records, func(a, b Record) int { return b.At.Compare(a.At) })
			if list[i].Records == nil {
				list[i].Records = []Record{}
			}
		}
	}
	return r
}

func daysIn(from, to time.Time) []string {
	var out []string
	for d := from.UTC().Truncate(24 * time.Hour); d.Before(to) && len(out) < 4000; d = d.Add(24 * time.Hour) {
		out = append(out, d.Format(time.DateOnly))
	}
	return out
}

func spread(m *Measure, v []float64) {
	m.N, m.Median, m.P90 = len(v), Quantile(v, 0.5), Quantile(v, 0.9)
	m.Value = m.Median
}

func share(m *Measure) {
	m.N = len(m.Records)
	if m.N == 0 {
		return
	}
	counted := 0
	for _, r := range m.Records {
		if r.Counts {
			counted++
		}
	}
	v := float64(counted) / float64(m.N)
	m.Value = &v
}

// Quantile interpolates between the values next to it; nil of none.
func Quantile(values []float64, q float64) *float64 {
	if len(values) == 0 {
		return nil
	}
	s := slices.Sorted(slices.Values(values))
	at := q * float64(len(s)-1)
	low := int(math.Floor(at))
	high := min(low+1, len(s)-1)
	v := s[low] + (at-float64(low))*(s[high]-s[low])
	return &v
}

// follow puts deploys and rollbacks in order and tells what became of each.
func follow(in Input) []*deploy {
	var out []*deploy
	for _, c := range in.Changes {
		if c.Kind != act.Deploy && c.Kind != act.Rollback || !in.Production(c.Evidence.Environment) {
			continue
		}
		d := &deploy{Change: c, end: c.EndedAt}
		if d.end.IsZero() {
			d.end = c.StartedAt
		}
		out = append(out, d)
	}
	slices.SortStableFunc(out, func(a, b *deploy) int { return cmp.Or(a.end.Compare(b.end), cmp.Compare(a.ID, b.ID)) })
	outages := map[string]Outage{}
	for _, o := range in.Outages {
		if was, ok := outages[o.Change]; o.Change != "" && (!ok || o.Began.Before(was.Began)) {
			outages[o.Change] = o
		}
	}
	last := map[string]*deploy{}   // of each service
	broken := map[string]*deploy{} // its last deploy, where that failed
	for _, d := range out {
		key := string(d.Service) + fmt.Sprint(d.Resources)
		if prev := last[key]; prev != nil {
			d.prev = prev.end
			if d.Kind == act.Rollback && prev.Kind == act.Deploy && prev.failed == "" && d.From != "" && d.From == prev.To {
				prev.failed, prev.since = "rolled back by "+d.ID, prev.end
				broken[key] = prev
			}
		}
		switch d.Verdict {
		case "failed":
			d.failed, d.since = "its verdict is failed", d.end
		case "rolled-back":
			d.failed, d.since = "it was rolled back", d.end
		}
		if o, ok := outages[d.ID]; ok {
			d.incident, d.since, d.restored = o.Number, o.Began, o.Mitigated
			d.failed = fmt.Sprintf("it is the first suspect of incident #%d", o.Number)
		}
		if b := broken[key]; b != nil {
			d.repair = b.ID
			if b.restored.IsZero() && d.failed == "" {
				b.restored = d.end
			}
			if d.failed == "" {
				delete(broken, key)
			}
		}
		if d.failed != "" && d.Kind == act.Deploy {
			broken[key] = d
		}
		last[key] = d
	}
	return out
}

// mergesOf are the merges that a deploy brought: that of its commit, and those of its
// repository since the deploy before it.
func mergesOf(in Input, d *deploy) []act.Merge {
	var out []act.Merge
	commit := d.Evidence.Commit
	for _, m := range in.Merges {
		if m.MergedAt.IsZero() || m.MergedAt.After(d.StartedAt) && m.MergeCommit != commit {
			continue
		}
		mine := d.Evidence.Repository != "" && m.Repository == d.Evidence.Repository ||
			d.Evidence.Repository == "" && d.Service != "" && in.Repository(m.Repository) == d.Service
		exactly := commit != "" && (m.MergeCommit == commit || m.Head == commit)
		if exactly || mine && !d.prev.IsZero() && m.MergedAt.After(d.prev) {
			out = append(out, m)
		}
	}
	if len(out) == 0 && !d.Evidence.CommittedAt.IsZero() {
		out = append(out, act.Merge{ID: "commit:" + commit, CommittedAt: d.Evidence.CommittedAt})
	}
	return out
}
