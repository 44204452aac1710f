package api

import (
	"fmt"
	"strconv"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/act/change"
	"github.com/evenkeel/evenkeel/declare"
)

type changeQuery struct {
	Service declare.ServiceID `query:"service"`
	Kind    act.ChangeKind    `query:"kind"`
	From    time.Time         `query:"from" doc:"Started then or later."`
	To      time.Time         `query:"to" doc:"Started before then."`
	Text    string            `query:"text" doc:"A part of the summary."`
	page
}

func (s *server) changes(c *call, q changeQuery) (List[act.Change], error) {
	found, err := s.Changes.List(c.Context(), act.ChangeFilter{
		Service: q.Service, Kind: q.Kind, From: q.From, To: q.To, Text: q.Text, Limit: q.limit() + 1, Offset: q.Offset,
	})
	return cutList(q.page, found), err
}

// ChangeDetail is a change and how well it was made.
type ChangeDetail struct {
	act.Change
	Hygiene act.Hygiene `json:"hygiene"`
}

func (s *server) change(c *call, _ none) (ChangeDetail, error) {
	ch, err := s.Changes.Get(c.Context(), c.PathValue("change"))
	if err != nil {
		return ChangeDetail{}, err
	}
	return ChangeDetail{ch, s.Hygiene(ch, c.now)}, nil
}

// NewChange is a change to put on record.
type NewChange struct {
	ID        string            `json:"id,omitempty" doc:"Your own, so that sending it twice records it once; made here when absent."`
	Kind      act.ChangeKind    `json:"kind" doc:"deploy, rollback, config, infrastructure, flag, scale, patch, network or another lower-case word."`
	Summary   string            `json:"summary,omitempty" doc:"One line; made from kind, service and versions when absent."`
	Service   declare.ServiceID `json:"service,omitempty"`
	Resources []string          `json:"resources,omitempty"`
	Actor     string            `json:"actor,omitempty" doc:"Who changed it; you when absent."`
	Source    string            `json:"source,omitempty" doc:"Where it was learned; api when absent."`
	From      string            `json:"from,omitempty" doc:"The version before."`
	To        string            `json:"to,omitempty" doc:"The version after."`
	URL       string            `json:"url,omitempty"`
	Labels    map[string]string `json:"labels,omitempty"`
	Verdict   string            `json:"verdict,omitempty" doc:"verified, failed or rolled-back, once it is known."`
	Risk      declare.Risk      `json:"risk,omitempty" doc:"low, medium or high; found from what the change touches when absent."`
	Evidence  act.Evidence      `json:"evidence,omitzero" doc:"How it was made: hygiene and lead time come from it."`
	StartedAt time.Time         `json:"started_at,omitzero" doc:"Now when absent."`
	EndedAt   time.Time         `json:"ended_at,omitzero"`
}

func (in NewChange) change(c *call) act.Change {
	ch := act.Change{
		ID: in.ID, Kind: in.Kind, Summary: in.Summary, Service: in.Service, Resources: in.Resources, Actor: in.Actor,
		Source: in.Source, From: in.From, To: in.To, URL: in.URL, Labels: in.Labels, Verdict: in.Verdict,
		Risk: in.Risk, Evidence: in.Evidence, StartedAt: in.StartedAt, EndedAt: in.EndedAt,
	}
	if ch.Actor == "" {
		ch.Actor = string(c.me.Person)
	}
	if ch.Source == "" {
		ch.Source = "api"
	}
	if ch.Summary == "" {
		ch.Summary = summary(ch)
	}
	return ch
}

// Import is many changes at once.
type Import struct {
	Changes []NewChange `json:"changes" doc:"At most 1,000; either all of them are recorded or none."`
}

// Imported says what became of them.
type Imported struct {
	Recorded  int `json:"recorded" doc:"New, or updated."`
	Unchanged int `json:"unchanged" doc:"On record already."`
	// Warnings are each told once, maxWarnings at most.
	Warnings []string `json:"warnings,omitempty" doc:"What is strange about them, as a service that the catalogue does not know; 20 at most."`
}

// maxWarnings bounds those of one import.
const maxWarnings = 20

func (s *server) importChanges(c *call, in Import) (Imported, error) {
	if len(in.Changes) == 0 || len(in.Changes) > 1000 {
		return Imported{}, invalid("changes", strconv.Itoa(len(in.Changes)), "1 to 1,000 changes")
	}
	d := act.Delivery{Source: "import"}
	for i, n := range in.Changes {
		if n.StartedAt.IsZero() {
			return Imported{}, invalid(fmt.Sprintf("changes[%d].started_at", i), "", "a time: an import tells of the past")
		}
		ch := n.change(c)
		if n.Source == "" {
			ch.Source = "import"
		}
		d.Changes = append(d.Changes, ch)
	}
	stored, err := s.TakeChanges(c.Context(), c.now, c.me.Actor(), d)
	if err != nil {
		return Imported{}, err
	}
	done, seen := Imported{Recorded: len(stored), Unchanged: len(in.Changes) - len(stored)}, map[declare.ServiceID]bool{}
	for _, n := range in.Changes {
		if seen[n.Service] || len(done.Warnings) == maxWarnings {
			continue
		}
		seen[n.Service] = true
		if said := change.Unknown(s.Workspace(), n.Service); said != "" {
			done.Warnings = append(done.Warnings, said)
		}
	}
	return done, nil
}

// RecordedChange is a change on record, and what is strange about it.
type RecordedChange struct {
	act.Change
	Warnings []string `json:"warnings,omitempty" doc:"What is strange about it, as a service that the catalogue does not know; it is on record all the same."`
}

func (s *server) recordChange(c *call, in NewChange) (RecordedChange, error) {
	ch := in.change(c)
	if ch.StartedAt.IsZero() && ch.ID != "" {
		// The same change sent again must be the same change: it began when it was
		// first recorded.
		if was, err := s.Changes.Get(c.Context(), ch.ID); err == nil {
			ch.StartedAt = was.StartedAt
		}
	}
	ch, err := s.Changes.Record(c.Context(), c.now, c.me.Actor(), ch)
	if err != nil {
		return RecordedChange{}, err
	}
	done := RecordedChange{Change: ch}
	if said := change.Unknown(s.Workspace(), ch.Service); said != "" {
		done.Warnings = append(done.Warnings, said)
	}
	return done, nil
}

// summary says a change in one line.
func summary(ch act.Change) string {
	out := string(ch.Kind)
	if ch.Service != "" {
		out += " of " + string(ch.Service)
	}
	switch {
	case ch.From != "" && ch.To != "":
		out += " from " + ch.From + " to " + ch.To
	case ch.To != "":
		out += " to " + ch.To
	}
	return out
}
