package request

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/state"
)

// Options of a Desk. All are required.
type Options struct {
	DB        *state.DB
	Workspace func() *declare.Workspace
	Runs      act.Runs
	Changes   act.Changes
	// Check says what is wrong with a workspace folder into which files were written; an error is that it cannot be read.
	Check  func(dir string, written []string) error
	Logger *slog.Logger
}

// Desk is the desk of requests.
type Desk struct{ o Options }

// New returns the desk. Run follows fulfilments.
func New(o Options) *Desk { return &Desk{o} }

// follow is how often fulfilments are looked at.
const follow = time.Second

// Run follows fulfilments to their end until ctx ends.
func (d *Desk) Run(ctx context.Context) error {
	tick := time.NewTicker(follow)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := d.Follow(ctx, time.Now()); err != nil && ctx.Err() == nil {
			d.o.Logger.Error("cannot follow requests", "err", err)
		}
	}
}

func (d *Desk) item(name string) (*declare.RequestItem, error) {
	if item := d.o.Workspace().RequestItem(name); item != nil {
		return item, nil
	}
	return nil, fmt.Errorf("request item %q: %w", cut(name), act.ErrNotFound)
}

// Submit checks a form and puts it on record. Where nobody has to approve it, it is
// fulfilled at once.
func (d *Desk) Submit(ctx context.Context, now time.Time, who declare.PersonID, name string, in map[string]string) (act.Request, error) {
	item, err := d.item(name)
	if err != nil {
		return act.Request{}, err
	}
	form, err := Check(d.o.Workspace(), item, who, in)
	if err != nil {
		return act.Request{}, err
	}
	r := act.Request{
		Item: item.Name, Title: item.Title, Owner: item.Owner, Form: form, Requester: who, Status: act.RequestWaiting, Within: item.Within, SubmittedAt: now.UTC(),
		Reason: fmt.Sprintf("waits for an approval of level %s or above", item.Approve),
	}
	if item.Approve == "" {
		r.Status, r.Reason = act.RequestQueued, "nobody has to approve it"
	}
	data, err := json.Marshal(form)
	if err != nil {
		return r, err
	}
	err = d.o.DB.Update(ctx, func(tx *state.Tx) error {
		res, err := tx.ExecContext(ctx, `INSERT INTO requests (item, title, owner, form, requester, status, reason, within_ms, submitted_ms) VALUES (?,?,?,?,?,?,?,?,?)`,
			r.Item, r.Title, r.Owner, string(data), r.Requester, r.Status, r.Reason, r.Within.Milliseconds(), state.Millis(now))
		if err != nil {
			return fmt.Errorf("cannot store request: %w", err)
		}
		if r.ID, err = res.LastInsertId(); err != nil {
			return err
		}
		if r.Fact, err = tx.Record(journal.Fact{At: now, Kind: "request.submitted", Actor: journal.Person(string(who)), Subject: r.Ref(), Text: fmt.Sprintf("%s asks: %s", who, item.Title), Data: data}); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE requests SET fact = ? WHERE id = ?`, r.Fact, r.ID)
		return err
	})
	if err != nil || item.Approve != "" {
		return r, err
	}
	return d.Fulfil(ctx, now, who, r.ID)
}

// MayApprove says whether somebody may answer for a request, and why.
func (d *Desk) MayApprove(who declare.PersonID, r act.Request) (bool, string) {
	w := d.o.Workspace()
	item := w.RequestItem(r.Item)
	rank := func(name declare.LevelName) int {
		return slices.IndexFunc(w.Settings.Levels, func(l declare.Level) bool { return l.Name == name })
	}
	level := w.LevelOf(who)
	switch {
	case who == r.Requester:
		return false, "nobody approves what they asked for themselves"
	case item == nil:
		return false, fmt.Sprintf("the item %s is not declared any more", r.Item)
	case item.Approve == "" || rank(level.Name) >= rank(item.Approve):
		return true, fmt.Sprintf("%s is of level %s", who, level.Name)
	}
	return false, fmt.Sprintf("it takes level %s or above; %s is of level %s", item.Approve, who, level.Name)
}

// mayServe says whether somebody may work on a request: the owner's team, and whoever
// may approve it.
func (d *Desk) mayServe(who declare.PersonID, r act.Request) error {
	if t := d.o.Workspace().Team(r.Owner); t != nil && slices.Contains(t.Members, who) {
		return nil
	}
	if ok, why := d.MayApprove(who, r); !ok {
		return &act.DeniedError{Why: fmt.Sprintf("%s is not of team %s, and %s", who, r.Owner, why)}
	}
	return nil
}

func conflict(r *act.Request) error {
	return &act.ConflictError{Why: fmt.Sprintf("the request is %s already: %s", r.Status, r.Reason)}
}

func words(field, text string, needed bool) (string, error) {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "\uFFFD")), " ")
	switch {
	case len(text) > 2000:
		return "", &act.InvalidError{Field: field, Got: cut(text), Want: "at most 2000 bytes"}
	case text == "" && needed:
		return "", &act.InvalidError{Field: field, Want: "a sentence"}
	}
	return text, nil
}

// Decide lets a request through, or refuses it. The first decision holds.
func (d *Desk) Decide(ctx context.Context, now time.Time, who declare.PersonID, id int64, approve bool, reason string) (act.Request, error) {
	reason, err := words("reason", reason, !approve)
	if err != nil {
		return act.Request{}, err
	}
	kind := journal.Kind("request.refused")
	if approve {
		kind = "request.approved"
	}
	r, err := d.transition(ctx, now, journal.Person(string(who)), id, kind, func(r *act.Request) (string, error) {
		if r.Status != act.RequestWaiting {
			return "", conflict(r)
		}
		if ok, why := d.MayApprove(who, *r); !ok {
			return "", &act.DeniedError{Why: why}
		}
		r.DecidedBy, r.DecidedAt = who, now
		if !approve {
			r.Status, r.Reason, r.DoneAt = act.RequestRefused, reason, now
			return fmt.Sprintf("%s refused: %s", who, reason), nil
		}
		r.Status, r.Reason = act.RequestQueued, "approved by "+string(who)
		if reason != "" {
			r.Reason += ": " + reason
		}
		return r.Reason, nil
	})
	if err != nil || !approve {
		return r, err
	}
	return d.Fulfil(ctx, now, who, id)
}

// Ask puts a question to the requester; the clock stands until they answer.
func (d *Desk) Ask(ctx context.Context, now time.Time, who declare.PersonID, id int64, question string) (act.Request, error) {
	question, err := words("question", question, true)
	if err != nil {
		return act.Request{}, err
	}
	return d.transition(ctx, now, journal.Person(string(who)), id, "request.asked", func(r *act.Request) (string, error) {
		if r.Status != act.RequestWaiting && r.Status != act.RequestQueued {
			return "", conflict(r)
		}
		if err := d.mayServe(who, *r); err != nil {
			return "", err
		}
		r.Status, r.Reason, r.AskedAt = act.RequestAsked, question, now
		return fmt.Sprintf("%s asks %s: %s", who, r.Requester, question), nil
	})
}

// Answer is the requester's; the clock goes on.
func (d *Desk) Answer(ctx context.Context, now time.Time, who declare.PersonID, id int64, text string) (act.Request, error) {
	text, err := words("answer", text, true)
	if err != nil {
		return act.Request{}, err
	}
	return d.transition(ctx, now, journal.Person(string(who)), id, "request.answered", func(r *act.Request) (string, error) {
		switch {
		case r.Status != act.RequestAsked:
			return "", conflict(r)
		case who != r.Requester:
			return "", &act.DeniedError{Why: "only " + string(r.Requester) + ", who was asked, answers"}
		}
		// A clock that was set back does not add to the time that counts.
		r.Paused += max(now.Sub(r.AskedAt), 0)
		r.AskedAt = time.Time{}
		r.Status = act.RequestWaiting
		if !r.DecidedAt.IsZero() || d.o.Workspace().RequestItem(r.Item) != nil && d.o.Workspace().RequestItem(r.Item).Approve == "" {
			r.Status = act.RequestQueued
		}
		r.Reason = "answered: " + text
		return fmt.Sprintf("%s answers: %s", who, text), nil
	})
}

// Cancel takes a request back.
func (d *Desk) Cancel(ctx context.Context, now time.Time, who declare.PersonID, id int64) (act.Request, error) {
	return d.transition(ctx, now, journal.Person(string(who)), id, "request.cancelled", func(r *act.Request) (string, error) {
		switch {
		case who != r.Requester:
			return "", &act.DeniedError{Why: "only " + string(r.Requester) + " takes it back; others refuse it"}
		case r.Status.Ended() || r.Status == act.RequestRunning:
			return "", conflict(r)
		}
		r.Status, r.Reason, r.DoneAt = act.RequestCancelled, "taken back", now
		return fmt.Sprintf("%s took it back", who), nil
	})
}

// Reopen says that what was done is not what was asked for.
func (d *Desk) Reopen(ctx context.Context, now time.Time, who declare.PersonID, id int64, reason string) (act.Request, error) {
	reason, err := words("reason", reason, true)
	if err != nil {
		return act.Request{}, err
	}
	return d.transition(ctx, now, journal.Person(string(who)), id, "request.reopened", func(r *act.Request) (string, error) {
		switch {
		case who != r.Requester:
			return "", &act.DeniedError{Why: "only " + string(r.Requester) + " reopens it"}
		case r.Status != act.RequestDone:
			return "", conflict(r)
		}
		r.Status, r.Reason, r.DoneAt, r.SelfService = act.RequestQueued, "reopened: "+reason, time.Time{}, false
		r.Reopened++
		return fmt.Sprintf("%s reopened it: %s", who, reason), nil
	})
}

// Finish is for what was done by hand.
func (d *Desk) Finish(ctx context.Context, now time.Time, who declare.PersonID, id int64, note string) (act.Request, error) {
	note, err := words("note", note, true)
	if err != nil {
		return act.Request{}, err
	}
	return d.transition(ctx, now, journal.Person(string(who)), id, "request.done", func(r *act.Request) (string, error) {
		if r.Status != act.RequestQueued {
			return "", conflict(r)
		}
		if err := d.mayServe(who, *r); err != nil {
			return "", err
		}
		r.Status, r.Reason, r.DoneAt = act.RequestDone, note, now
		return fmt.Sprintf("done by %s: %s", who, note), nil
	})
}

// Fulfil starts what fulfils a request: its runbook, in the name of who lets it through,
// or its blueprint. Where it cannot start, the request stays queued and says why.
func (d *Desk) Fulfil(ctx context.Context, now time.Time, who declare.PersonID, id int64) (act.Request, error) {
	r, err := d.Get(ctx, id)
	if err != nil {
		return r, err
	}
	item, err := d.item(r.Item)
	if err != nil {
		return r, err
	}
	if item.Runbook == "" && item.Blueprint == "" {
		return r, nil // by hand
	}
	if who != r.Requester {
		if err := d.mayServe(who, r); err != nil {
			return r, err
		}
	} else if item.Approve != "" {
		return r, &act.DeniedError{Why: "somebody else has to let it through"}
	}
	// Whoever moves it from queued to running fulfils it, and nobody else.
	claim := claiming + now.UTC().Format(time.RFC3339Nano)
	r, err = d.transition(ctx, now, journal.Person(string(who)), id, "request.fulfilling", func(r *act.Request) (string, error) {
		if r.Status != act.RequestQueued {
			return "", conflict(r)
		}
		r.Status, r.Run, r.Reason = act.RequestRunning, "", claim
		return fmt.Sprintf("%s starts to fulfil it", who), nil
	})
	if err != nil {
		return r, err
	}
	if item.Blueprint != "" {
		return d.build(ctx, now, who, r, item)
	}
	asked := r.Requester
	run, err := d.o.Runs.Start(ctx, now, who, act.StartRun{Runbook: item.Runbook, Params: d.params(item, r.Form), Asked: asked})
	if err != nil {
		return d.failed(ctx, now, id, "the run did not start: "+err.Error(), err)
	}
	return d.transition(ctx, now, journal.System("act"), id, "request.running", func(r *act.Request) (string, error) {
		r.Run, r.Reason = run.ID, "fulfilled by run "+run.ID
		return fmt.Sprintf("run %s of %s fulfils it", run.ID, run.Title), nil
	})
}

// params are the fields that the runbook asks for.
func (d *Desk) params(item *declare.RequestItem, form map[string]string) map[string]string {
	out := map[string]string{}
	if rb := d.o.Workspace().Runbook(item.Runbook); rb != nil {
		for _, p := range rb.Params {
			if v, ok := form[p.Name]; ok {
				out[p.Name] = v
			}
		}
	}
	return out
}

// failed puts a request back into the queue.
func (d *Desk) failed(ctx context.Context, now time.Time, id int64, why string, cause error) (act.Request, error) {
	r, err := d.transition(ctx, now, journal.System("act"), id, "request.failed", func(r *act.Request) (string, error) {
		if r.Status != act.RequestRunning {
			return "", conflict(r)
		}
		r.Status, r.Reason = act.RequestQueued, cut2(why)
		r.Failed++
		return cut2(why), nil
	})
	var bad *act.InvalidError
	var denied *act.DeniedError
	var other *act.ConflictError
	if err == nil && cause != nil && !errors.As(cause, &bad) && !errors.As(cause, &denied) && !errors.As(cause, &other) && !errors.Is(cause, act.ErrNotFound) {
		return r, cause
	}
	return r, err
}

func cut2(s string) string {
	if len(s) > 1000 {
		return strings.ToValidUTF8(s[:1000], "") + "…"
	}
	return s
}

// Follow looks at the runs of requests that are running, and at claims that a restart
// left behind.
func (d *Desk) Follow(ctx context.Context, now time.Time) error {
	open, err := d.List(ctx, act.RequestFilter{Open: true, Limit: 10_000})
	if err != nil {
		return err
	}
	var errs []error
	for _, r := range open {
		if r.Status != act.RequestRunning {
			continue
		}
		if r.Run == "" {
			// Started and not told: the server stopped in between. A person looks first.
			if at := claimed(r.Reason); !at.IsZero() && now.Sub(at) > time.Minute {
				_, err := d.failed(ctx, now, r.ID, "the server stopped when it was to be fulfilled: look whether it has happened, then fulfil it again", nil)
				errs = append(errs, err)
			}
			continue
		}
		run, err := d.o.Runs.Get(ctx, r.Run)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if run.Status.Ended() {
			errs = append(errs, d.ended(ctx, now, r.ID, &run))
		}
	}
	return errors.Join(errs...)
}

// claiming begins the reason of a request that somebody has begun to fulfil, until it is
// known what came of it; the time follows.
const claiming = "is being fulfilled since "

// claimed is since when, zero for not at all.
func claimed(reason string) time.Time {
	text, ok := strings.CutPrefix(reason, claiming)
	at, err := time.Parse(time.RFC3339Nano, text)
	if !ok || err != nil {
		return time.Time{}
	}
	return at
}

// came is what a run that did not fulfil its request came to.
var came = map[act.RunStatus]string{act.RunFailed: "has failed", act.RunRolledBack: "was rolled back", act.RunCancelled: "was cancelled"}

// ended draws a run's end into its request.
func (d *Desk) ended(ctx context.Context, now time.Time, id int64, run *act.Run) error {
	if run.Status != act.RunVerified && run.Status != act.RunDone {
		_, err := d.failed(ctx, now, id, fmt.Sprintf("run %s %s: %s", run.ID, came[run.Status], run.Reason), nil)
		return err
	}
	at := run.EndedAt
	if at.IsZero() {
		at = now
	}
	_, err := d.transition(ctx, now, journal.System("act"), id, "request.done", func(r *act.Request) (string, error) {
		if r.Status != act.RequestRunning || r.Run != run.ID {
			return "", conflict(r)
		}
		r.Status, r.DoneAt, r.Change = act.RequestDone, at, run.Change
		r.Reason = fmt.Sprintf("run %s is %s", run.ID, run.Status)
		r.SelfService = r.DecidedBy == "" && len(run.Approvals) == 0 && r.Reopened == 0
		return "done: " + r.Reason, nil
	})
	return err
}

// Measure says how requests that were done in a time went.
func Measure(done []act.Request) act.RequestMeasures {
	var m act.RequestMeasures
	var took []float64
	inTime, first, self := 0, 0, 0
	for _, r := range done {
		m.Reopened += r.Reopened
		if r.Status != act.RequestDone {
			continue
		}
		m.N++
		took = append(took, r.Elapsed(r.DoneAt).Seconds())
		if !r.Late(r.DoneAt) {
			inTime++
		}
		if r.RightFirstTime() {
			first++
		}
		if r.SelfService {
			self++
		}
	}
	if m.N == 0 {
		return m
	}
	n := float64(m.N)
	m.InTime, m.RightFirstTime, m.SelfService = float64(inTime)/n, float64(first)/n, float64(self)/n
	slices.Sort(took)
	m.Median, m.P90 = took[(len(took)-1)/2], took[(len(took)-1)*9/10]
	return m
}
