package incident

import (
	"errors"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/respond"
)

// TestJudge: a verdict is a fact, stays on the list when it is ranked again, can be
// taken back, counts for later incidents and not for its own.
func TestJudge(t *testing.T) {
	d := newDesk(t)
	release := respond.Suspect{Rank: 1, Resource: "component/default/checkout", Change: "c-1", Kind: "deploy", Summary: "deploy of checkout 2", Score: 0.9, Reason: "a"}
	leak := respond.Suspect{Rank: 2, Resource: "component/default/payments", Summary: "payments", Score: 0.5, Reason: "b"}
	d.suspects = func() ([]respond.Suspect, error) { return []respond.Suspect{release, leak}, nil }
	d.see(0, page("Slow", "checkout"))
	judge := func(who string, rank int, v respond.Verdict) {
		t.Helper()
		if _, err := d.book.Judge(t.Context(), d.now, "person:bob", 1, rank, v, who); err != nil {
			t.Fatal(err)
		}
	}
	judge("seen in the diff", 1, respond.Confirmed)
	judge("seen in the diff", 1, respond.Confirmed) // said already
	judge("it was idle", 2, respond.Rejected)
	judge("it leaked", 2, respond.Confirmed)
	judge("no", 2, respond.Rejected)
	if yes, no := len(d.facts("incident.suspect_confirmed")), len(d.facts("incident.suspect_rejected")); yes != 2 || no != 2 {
		t.Errorf("facts: %d confirmed, %d rejected, want 2 and 2", yes, no)
	}
	for name, f := range map[string]func() error{
		"rank": func() error {
			_, err := d.book.Judge(t.Context(), d.now, "person:bob", 1, 3, respond.Confirmed, "")
			return err
		},
		"verdict": func() error {
			_, err := d.book.Judge(t.Context(), d.now, "person:bob", 1, 1, "perhaps", "")
			return err
		},
	} {
		var invalid *respond.InvalidError
		if err := f(); !errors.As(err, &invalid) || invalid.Field != name {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := d.book.Judge(t.Context(), d.now, "person:bob", 9, 1, respond.Confirmed, ""); !errors.Is(err, respond.ErrNotFound) {
		t.Errorf("no such incident: got %v", err)
	}

	d.suspects = func() ([]respond.Suspect, error) { return []respond.Suspect{leak}, nil }
	if err := d.book.RefreshSuspects(t.Context(), d.now.Add(time.Minute), 1); err != nil {
		t.Fatal(err)
	}
	list := d.get(1).Suspects
	if len(list) != 2 || list[0].Decision == nil || list[0].Decision.Verdict != respond.Rejected || list[1].Change != "c-1" || list[1].Decision.Note != "seen in the diff" {
		t.Errorf("after another ranking: %+v", list)
	}

	past := func(but respond.Number) respond.Past {
		t.Helper()
		p, err := d.book.Past(t.Context(), but)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := past(2)
	if p.Kinds["deploy"] != (respond.Record{Confirmed: 1}) || p.Resources["component/default/payments"] != (respond.Record{Rejected: 1}) || len(p.Kinds) != 1 {
		t.Errorf("past: %+v", p)
	}
	if p := past(1); len(p.Kinds)+len(p.Resources) != 0 {
		t.Errorf("its own verdicts count: %+v", p)
	}
	d.restart()
	if s := d.get(1).Suspects; len(s) != 2 || s[1].Decision == nil {
		t.Errorf("after a restart: %+v", s)
	}
}
