package tune

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/rulefile"
	"github.com/evenkeel/evenkeel/detect/backtest"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/state"
)

// Options of a Review. Replay may be nil: then nothing is backtested.
type Options struct {
	DB        *state.DB
	Workspace func() *declare.Workspace
	Outcomes  respond.Outcomes
	Replay    func(ctx context.Context, o backtest.Options) (*backtest.Result, error)
	// May says whether a person may change a rule file from here, and why.
	May func(person declare.PersonID) (ok bool, why string)
	// Reload looks at the workspace folder anew.
	Reload func(ctx context.Context) error
}

// Review is the alert review.
type Review struct {
	o  Options
	mu sync.Mutex // one edit at a time
}

// New returns the review.
func New(o Options) *Review { return &Review{o: o} }

// MaxDays is how far back the review looks at most.
const MaxDays = 365

// Queue lists the alerts of the last days, the worst first.
func (r *Review) Queue(ctx context.Context, now time.Time, days int) ([]ReviewedAlert, error) {
	lines, _, err := r.queue(ctx, now, days)
	return lines, err
}

func (r *Review) queue(ctx context.Context, now time.Time, days int) ([]ReviewedAlert, []respond.Episode, error) {
	if days < 1 || days > MaxDays {
		return nil, nil, &respond.InvalidError{Field: "days", Got: fmt.Sprint(days), Want: fmt.Sprintf("1 to %d", MaxDays)}
	}
	episodes, err := r.o.Outcomes.Episodes(ctx, now.AddDate(0, 0, -days), now.Add(time.Second))
	if err != nil {
		return nil, nil, err
	}
	return Queue(r.o.Workspace(), episodes), episodes, nil
}

// RuleEdit is a proposal as an edit of its rule file.
type RuleEdit struct {
	Line  ReviewedAlert `json:"line"`
	Diff  string        `json:"diff"`  // a patch of the workspace
	Shown string        `json:"shown"` // names exactly this edit: to apply it, send it back
	// Verdict is what the replay says; null where it was not asked for.
	Verdict *RuleVerdict `json:"verdict"`
	May     bool         `json:"may_apply"`
	Why     string       `json:"may_why"`

	file          *declare.RuleFile
	before, after []byte
	episodes      []respond.Episode
}

// Change is the proposal for an alert of the queue. With judge it is backtested.
func (r *Review) Change(ctx context.Context, now time.Time, days int, person declare.PersonID, name string, severity string, judge bool) (RuleEdit, error) {
	lines, episodes, err := r.queue(ctx, now, days)
	if err != nil {
		return RuleEdit{}, err
	}
	for _, l := range lines {
		if l.Name != name || string(l.Severity) != severity || l.Place == nil {
			continue
		}
		if l.Proposal == nil {
			return RuleEdit{}, &respond.InvalidError{Field: "alert", Got: name, Want: "one with a proposal: " + l.Why}
		}
		c := RuleEdit{Line: l}
		for _, e := range episodes {
			if e.Name == name && e.Severity == l.Severity && e.Detector == l.Detector {
				c.episodes = append(c.episodes, e)
			}
		}
		return r.edit(ctx, now, days, person, c, judge)
	}
	return RuleEdit{}, respond.ErrNoReview
}

func (r *Review) edit(ctx context.Context, now time.Time, days int, person declare.PersonID, c RuleEdit, judge bool) (RuleEdit, error) {
	ws, p := r.o.Workspace(), c.Line.Proposal
	for _, f := range ws.RuleFiles {
		if f.Path == p.File {
			c.file, c.before = f, f.Source
		}
	}
	if c.file == nil {
		return c, respond.ErrNoReview
	}
	var err error
	if c.after, err = Edit(c.before, *p); err != nil {
		return c, &act.ConflictError{Why: err.Error()}
	}
	c.Diff = Diff(p.File, c.before, c.after)
	sum := sha256.Sum256(append([]byte(p.File+"\x00"), c.after...))
	c.Shown = hex.EncodeToString(sum[:])
	c.May, c.Why = r.o.May(person)
	if !judge || r.o.Replay == nil {
		return c, nil
	}
	var problems declare.Problems
	fresh, _ := rulefile.Read(p.File, c.after, &problems)
	if errs := problems.Errors(); len(errs) > 0 {
		return c, &act.ConflictError{Why: errs.Error()}
	}
	o := backtest.Options{From: now.AddDate(0, 0, -days), To: now, Workspace: ws, Today: only(backtest.Declared(ws, now), p.File)}
	o.Changed = backtest.Replace(o.Today, []*declare.RuleFile{fresh})
	result, err := r.o.Replay(ctx, o)
	if err != nil {
		return c, fmt.Errorf("cannot backtest the proposal: %w", err)
	}
	v := Judge(result, c.Line.Name, p.RulePlace, c.episodes)
	c.Verdict = &v
	return c, nil
}

// only are the groups of one file: what the others do is not changed.
func only(groups []backtest.Group, file string) (out []backtest.Group) {
	for _, g := range groups {
		if g.File == file {
			out = append(out, g)
		}
	}
	return out
}

// Apply writes the edit that was shown into the workspace's file.
func (r *Review) Apply(ctx context.Context, now time.Time, actor journal.Actor, person declare.PersonID, days int, name, severity, shown string) (RuleEdit, error) {
	if ok, why := r.o.May(person); !ok {
		return RuleEdit{}, &act.DeniedError{Why: why}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	c, err := r.Change(ctx, now, days, person, name, severity, false)
	if err != nil {
		return c, err
	}
	if c.Shown != shown {
		return c, &act.ConflictError{Why: "the proposal is another one by now: look at it again"}
	}
	path := filepath.Join(r.o.Workspace().Dir, filepath.FromSlash(c.file.Path))
	if err := rewrite(path, c.before, c.after); err != nil {
		return c, err
	}
	data, err := json.Marshal(map[string]any{"diff": c.Diff, "proposal": c.Line.Proposal})
	if err != nil {
		return c, err
	}
	p := c.Line.Proposal
	err = r.o.DB.Update(ctx, func(tx *state.Tx) error {
		_, err := tx.Record(journal.Fact{
			At: now, Kind: "rule.tuned", Actor: actor, Subject: journal.MakeRef("rule", name), Data: data,
			Text: fmt.Sprintf("%s of alert %s in %s: %q, was %q: %s", p.Field, name, p.File, p.To, p.From, p.Why),
		})
		return err
	})
	return c, errors.Join(err, r.o.Reload(ctx))
}

// rewrite replaces a file that is as it was when it was read.
func rewrite(path string, before, after []byte) error {
	info, err := os.Lstat(path)
	if err != nil {
		return fmt.Errorf("cannot edit the rule file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return &act.ConflictError{Why: "the rule file is a link or no file: take the patch instead"}
	}
	now, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("cannot edit the rule file: %w", err)
	}
	if !bytes.Equal(now, before) {
		return &act.ConflictError{Why: "the rule file has just been changed: look at the proposal again"}
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".tuned-*")
	if errors.Is(err, os.ErrPermission) {
		return &act.ConflictError{Why: "the workspace folder cannot be written to by the server: take the patch instead"}
	}
	if err != nil {
		return fmt.Errorf("cannot edit the rule file: %w", err)
	}
	defer os.Remove(tmp.Name()) // gone already when all went well
	_, err = tmp.Write(after)
	if err == nil {
		err = tmp.Chmod(info.Mode().Perm())
	}
	if err == nil {
		err = tmp.Sync()
	}
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("cannot edit the rule file: %w", err)
	}
	return nil
}
