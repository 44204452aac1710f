package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond"
)

// deskBook is the desk of the estate: it remembers what was asked of it as lines, and
// refuses what the real one refuses.
type deskBook struct{ e *estate }

func (b deskBook) did(n respond.Number, format string, args ...any) (respond.Incident, error) {
	b.e.mu.Lock()
	defer b.e.mu.Unlock()
	for _, i := range b.e.incidents {
		if i.Number == n {
			b.e.desk = append(b.e.desk, fmt.Sprintf("%d: ", n)+fmt.Sprintf(format, args...))
			return i, nil
		}
	}
	return respond.Incident{}, respond.ErrNotFound
}

func (b deskBook) SetSev(_ context.Context, _ time.Time, actor journal.Actor, n respond.Number, sev respond.Sev, why string) (respond.Incident, error) {
	if !slices.Contains(respond.Sevs, sev) {
		return respond.Incident{}, &respond.InvalidError{Field: "sev", Got: string(sev), Want: "sev1, sev2, sev3 or sev4"}
	}
	return b.did(n, "%s says %s: %s", actor.Name(), sev, why)
}

func (b deskBook) SetRole(_ context.Context, _ time.Time, actor journal.Actor, n respond.Number, role respond.Role, person declare.PersonID) (respond.Incident, error) {
	return b.did(n, "%s makes %s %s", actor.Name(), person, role)
}

func (b deskBook) SetClock(_ context.Context, _ time.Time, actor journal.Actor, n respond.Number, p respond.Point, at time.Time, why string) (respond.Incident, error) {
	return b.did(n, "%s sets %s to %s: %s", actor.Name(), p, at.Format(time.RFC3339), why)
}

func (b deskBook) Merge(_ context.Context, _ time.Time, actor journal.Actor, n, into respond.Number, why string) (respond.Incident, error) {
	return b.did(n, "%s merges into %d: %s", actor.Name(), into, why)
}

func (b deskBook) Split(_ context.Context, _ time.Time, actor journal.Actor, n respond.Number, findings []int64, why string) (respond.Incident, error) {
	if len(findings) == 0 {
		return respond.Incident{}, &respond.InvalidError{Field: "findings", Got: "0", Want: "1 to 500 findings"}
	}
	return b.did(n, "%s splits off %v: %s", actor.Name(), findings, why)
}

func (b deskBook) Alike(_ context.Context, n respond.Number) ([]respond.Likeness, error) {
	if n != 7 {
		return nil, nil
	}
	return []respond.Likeness{
		{Number: 6, Title: "Payments answers slowly", Status: respond.Mitigated, At: ago_(170 * time.Minute), Score: 0.6, Kind: "related", Reasons: []string{"payments is one step from checkout along the dependencies", "at the same time"}},
		{Number: 5, Title: "Storefront is down", Status: respond.Resolved, At: ago_(50 * time.Hour), Score: 0.72, Kind: "similar", Reasons: []string{"also on storefront"}, Ended: "incident 5 resolved: <b>rolled back</b>"},
	}, nil
}

func (b deskBook) Tasks(_ context.Context, n respond.Number) ([]respond.IncidentTask, error) {
	if n != 7 {
		return nil, nil
	}
	return []respond.IncidentTask{{ID: 1, Incident: 7, Text: "Call the bank", Owner: "alice", CreatedAt: ago_(9 * time.Minute)}, {ID: 2, Incident: 7, Text: "Tell support", CreatedAt: ago_(8 * time.Minute), DoneAt: ago_(5 * time.Minute)}}, nil
}

func (b deskBook) AddTask(_ context.Context, _ time.Time, actor journal.Actor, n respond.Number, text string, owner declare.PersonID) (respond.IncidentTask, error) {
	_, err := b.did(n, "%s adds %q for %s", actor.Name(), text, owner)
	return respond.IncidentTask{}, err
}

func (b deskBook) FinishTask(_ context.Context, _ time.Time, actor journal.Actor, n respond.Number, id int64) (respond.IncidentTask, error) {
	_, err := b.did(n, "%s finishes %d", actor.Name(), id)
	return respond.IncidentTask{}, err
}

func (b deskBook) Links(_ context.Context, n respond.Number) ([]respond.IncidentLink, error) {
	if n != 7 {
		return nil, nil
	}
	return []respond.IncidentLink{{ID: 1, Incident: 7, Kind: respond.LinkURL, Ref: "https://tickets.example.org/91", Note: "the provider's", By: journal.Person("bob"), At: ago_(4 * time.Minute)}}, nil
}

func (b deskBook) AddLink(_ context.Context, _ time.Time, actor journal.Actor, n respond.Number, kind respond.LinkKind, ref, note string) (respond.IncidentLink, error) {
	_, err := b.did(n, "%s links %s %s: %s", actor.Name(), kind, ref, note)
	return respond.IncidentLink{}, err
}

func (b deskBook) Updates(_ context.Context, n respond.Number) ([]respond.IncidentUpdate, error) {
	if n != 7 {
		return nil, nil
	}
	return []respond.IncidentUpdate{{ID: 1, Incident: 7, Phase: respond.Investigating, Text: "Some orders fail.", Public: true, By: journal.Person("bob"), At: ago_(7 * time.Minute)}}, nil
}

func (b deskBook) AddUpdate(_ context.Context, _ time.Time, actor journal.Actor, n respond.Number, phase respond.Phase, text string, public bool) (respond.IncidentUpdate, error) {
	_, err := b.did(n, "%s tells %s, public %v: %s", actor.Name(), phase, public, text)
	return respond.IncidentUpdate{}, err
}

func (b deskBook) Template(_ context.Context, _ time.Time, _ respond.Number, phase respond.Phase) (string, error) {
	return "The template of " + string(phase) + ".", nil
}

// TestDesk: what the incident page shows of the desk, and what its forms ask for.
func TestDesk(t *testing.T) {
	e := busy(t)
	h := e.handler()
	page := body(t, get(t, h, e, "alice", "/incidents/7"))
	for _, want := range []string{
		"Call the bank", "Some orders fail.", "https://tickets.example.org/91", "payments is one step from checkout", "&lt;b&gt;rolled back&lt;/b&gt;",
		"The template of identified.", "checkout 1.4.2", `<option value="6">#6 Payments answers slowly</option>`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q on the page", want)
		}
	}
	if page := body(t, get(t, h, e, "alice", "/incidents/7?phase=resolved")); !strings.Contains(page, "The template of resolved.") || !strings.Contains(page, "<details open>") {
		t.Error("a phase in the URL does not open its wording")
	}
	f := func(path string, form url.Values, status int, want string) {
		t.Helper()
		e.desk = nil
		if res := post(t, h, e, "alice", path, form); res.StatusCode != status {
			t.Errorf("%s: %d %s", path, res.StatusCode, body(t, res))
		}
		if got := strings.Join(e.desk, "\n"); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
	f("/incidents/7/severity", url.Values{"sev": {"sev1"}, "why": {"all"}}, http.StatusSeeOther, "7: alice says sev1: all")
	f("/incidents/7/severity", url.Values{"sev": {"sev9"}}, http.StatusBadRequest, "")
	f("/incidents/7/role", url.Values{"role": {"scribe"}, "person": {"bob"}}, http.StatusSeeOther, "7: alice makes bob scribe")
	f("/incidents/7/clock", url.Values{"point": {"impact"}, "at": {"2026-11-23T02:50"}, "why": {"a call"}}, http.StatusSeeOther, "7: alice sets impact to 2026-11-23T02:50:00Z: a call")
	f("/incidents/7/clock", url.Values{"point": {"impact"}, "at": {"yesterday"}, "why": {"a call"}}, http.StatusBadRequest, "")
	f("/incidents/7/merge", url.Values{"into": {"6"}, "why": {"same"}}, http.StatusSeeOther, "7: alice merges into 6: same")
	f("/incidents/7/merge", url.Values{"into": {"x"}}, http.StatusBadRequest, "")
	f("/incidents/7/split", url.Values{"finding": {"12", "10"}}, http.StatusSeeOther, "7: alice splits off [12 10]: ")
	f("/incidents/7/split", url.Values{}, http.StatusBadRequest, "")
	f("/incidents/7/tasks", url.Values{"text": {"sleep"}, "owner": {"bob"}}, http.StatusSeeOther, `7: alice adds "sleep" for bob`)
	f("/incidents/7/tasks/1/done", url.Values{}, http.StatusSeeOther, "7: alice finishes 1")
	f("/incidents/7/links", url.Values{"ref": {"c-142"}}, http.StatusSeeOther, "7: alice links change c-142: ")
	f("/incidents/7/links", url.Values{"ref": {"https://x.example"}, "note": {"n"}}, http.StatusSeeOther, "7: alice links url https://x.example: n")
	f("/incidents/7/updates", url.Values{"phase": {"identified"}, "text": {"found"}, "public": {"yes"}}, http.StatusSeeOther, "7: alice tells identified, public true: found")
	f("/incidents/99/tasks", url.Values{"text": {"x"}}, http.StatusNotFound, "")
}
