package runbook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/act/authority"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/state"
)

// Value is one element of a query's result.
type Value struct {
	Labels string
	Value  float64
}

// Options of a Runner. Functions are required unless they say otherwise.
type Options struct {
	DB      *state.DB
	Logger  *slog.Logger
	Changes act.Changes
	// Runbook returns the runbook of a name, or nil.
	Runbook func(name string) *declare.Runbook
	// Level is the level of a person now.
	Level func(declare.PersonID) declare.Level
	// Person is somebody with level, teams and what was lent to them. Optional: of Level.
	Person func(ctx context.Context, id declare.PersonID, now time.Time) authority.Person
	// People are all who might approve. Optional.
	People func(ctx context.Context, now time.Time) []authority.Person
	// Owner is the team that owns a service. Optional.
	Owner func(declare.ServiceID) declare.TeamID
	// Blast says how far touching some services reaches. Optional.
	Blast func(...declare.ServiceID) authority.Blast
	// OnCall is who is on call for a service. Optional.
	OnCall func(s declare.ServiceID, now time.Time) declare.PersonID
	// Commander is who commands an incident, and whether it is active. Optional.
	Commander func(ctx context.Context, incident int64) (who declare.PersonID, active bool, err error)
	// Component is what the catalogue declares of a service, to notice that it has
	// changed. Optional.
	Component func(declare.ServiceID) string
	// Budget says how an objective's budget stands, in words. Optional.
	Budget func(ctx context.Context, o declare.ObjectiveName) string
	// Burn is how fast an objective's budget burned. Optional: without it nobody knows
	// what it would have done without a run.
	Burn func(ctx context.Context, o declare.ObjectiveName, from, to time.Time) ([]Sample, error)
	// Tripped is called when a breaker has been tripped. Optional.
	Tripped func(ctx context.Context)
	// TokenHolds says whether a token may still be used. Optional.
	TokenHolds func(ctx context.Context, id string, now time.Time) (bool, error)
	// KnownService says whether the catalogue has a service.
	KnownService func(declare.ServiceID) bool
	// ObjectiveOf is the objective that paged an incident, "" for none.
	ObjectiveOf func(ctx context.Context, incident int64) (declare.ObjectiveName, error)
	// Query evaluates PromQL.
	Query func(ctx context.Context, expr string, at time.Time) ([]Value, error)
	// Verify says whether an objective is met again, and why it thinks so.
	Verify func(ctx context.Context, o declare.ObjectiveName, since time.Time) (recovered bool, why string, err error)
	// Logs answers LogsQL that ends in numbers. Optional: without it logsql steps fail.
	Logs func(ctx context.Context, query string, at time.Time) ([]Value, error)
	// Secret fetches a secret by name. Optional.
	Secret func(name string) (string, error)
	// User is whom steps run as, where the server is root; "" for the server's own.
	User string
	// SSH is how hosts are reached. Without it ssh steps fail.
	SSH SSH
	// Kube is the kubeconfig file; "" for the cluster that the server is in.
	Kube string
	// Terraform is the program; default terraform, from the path.
	Terraform string
	// Dir is what relative folders of steps are relative to; Keep keeps the plans of runs
	// that go on, and nothing else.
	Dir, Keep string
	// Ground is where faults may be rehearsed.
	Ground Ground
	// Transport is for http steps; nil for the network.
	Transport http.RoundTripper
	// Registerer takes the runner's own series. Optional.
	Registerer prometheus.Registerer
	// OutputLimit is the most that is kept of a step's output; default 64 KiB.
	OutputLimit int
}

// Runner implements act.Runs.
type Runner struct {
	o       Options
	client  *http.Client
	numbers numbers

	mu      sync.Mutex // guards what follows
	ctx     context.Context
	working map[string]context.CancelFunc // runs that a goroutine drives
	busy    map[string]bool               // runs of which a step is being executed
	again   map[string]bool               // runs that were kicked meanwhile
	until   map[string]time.Time          // when verifications give up, see patience
	wg      sync.WaitGroup
}

var _ act.Runs = (*Runner)(nil)

// lookAgain is how often runs that wait are looked at.
const lookAgain = time.Minute

// poll is how often a waiting query or a verification is asked again.
const poll = time.Second

// New returns a runner. Run drives the runs.
func New(o Options) *Runner {
	if o.OutputLimit == 0 {
		o.OutputLimit = 64 << 10
	}
	if o.Transport == nil {
		o.Transport = http.DefaultTransport
	}
	r := &Runner{
		o: o, working: map[string]context.CancelFunc{}, busy: map[string]bool{}, again: map[string]bool{}, until: map[string]time.Time{},
		client: &http.Client{Transport: o.Transport, CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if len(via) > 5 || req.URL.Host != via[0].URL.Host {
				return http.ErrUseLastResponse // the runbook names the server, nobody else does
			}
			return nil
		}},
	}
	r.numbers = newNumbers(o.Registerer, r)
	return r
}

// Run drives the runs that are not ended, those of before a restart too, until ctx
// ends. Children of steps in progress are killed then.
func (r *Runner) Run(ctx context.Context) error {
	err := r.run(ctx)
	if ctx.Err() != nil {
		return nil //nolint:nilerr // it was asked to end, and what it was doing broke off
	}
	return err
}

func (r *Runner) run(ctx context.Context) error {
	if err := r.recover(ctx); err != nil {
		return err
	}
	if err := r.letGo(ctx); err != nil {
		return err
	}
	r.mu.Lock()
	r.ctx = ctx
	r.mu.Unlock()
	runs, err := r.List(ctx, act.RunFilter{Active: true, Limit: 10_000})
	if err != nil {
		return err
	}
	for _, run := range runs {
		r.kick(run.ID)
	}
	if err := r.closeChanges(ctx); err != nil {
		return err
	}
	r.tidyGround(ctx)
	r.tidyPlans(ctx)
	for wait(ctx, lookAgain) == nil { // questions expire, tokens end, clocks jump
		r.kickWaiting(ctx)
		if err := r.letGo(ctx); err != nil {
			r.o.Logger.Warn("locks stay", "err", err)
		}
		r.tidyGround(ctx)
		r.tidyPlans(ctx)
	}
	r.mu.Lock()
	r.ctx = nil // no new ones
	r.mu.Unlock()
	r.wg.Wait()
	return nil
}

// recover finds steps that the server died in the middle of.
func (r *Runner) recover(ctx context.Context) error {
	runs, err := r.List(ctx, act.RunFilter{Active: true, Limit: 10_000})
	if err != nil {
		return err
	}
	for _, summary := range runs {
		run, err := r.Get(ctx, summary.ID)
		if err != nil {
			return err
		}
		if r.outlives(&run) {
			r.setBusy(run.ID, true) // its locks hold
			r.wg.Go(func() {
				r.letEnd(ctx, &run)
				r.setBusy(run.ID, false)
				if ctx.Err() != nil {
					return // the next start sees it
				}
				r.insist(ctx, run.ID, func() error { return r.interrupted(ctx, run.ID) })
				_ = r.letGo(ctx)
				r.kick(run.ID)
			})
			continue
		}
		if err := r.interrupted(ctx, run.ID); err != nil {
			return fmt.Errorf("cannot recover run %q: %w", run.ID, err)
		}
	}
	return nil
}

// interrupted writes down that the server has died in the middle of a step of a run.
func (r *Runner) interrupted(ctx context.Context, id string) error {
	_, err := r.change(ctx, id, func(t *turn) error {
		for i := range t.run.Steps {
			s := &t.run.Steps[i]
			if s.Status != act.StepRunning || s.Language == "manual" { // a person does not end with the server
				continue
			}
			stragglers("EVENKEEL_RUN=" + id) // what it had started ends before anything of it starts again
			if s.Language == "terraform" {
				if said := r.said(t.run, s.Name); said != "" {
					s.Output = said
				}
			}
			if t.step(i).Retry {
				s.Status = act.StepPending
				return t.record(time.Now(), system, "run.step.interrupted", fmt.Sprintf("step %s was interrupted by a restart; it may run again, and does", s.Name))
			}
			s.Status, s.EndedAt = act.StepInterrupted, time.Now()
			s.Detail = "the server stopped in the middle; look whether it has happened, then retry or skip it"
			t.status(act.RunWaiting, fmt.Sprintf("step %s was interrupted: retry it, or skip it", s.Name))
			return t.record(time.Now(), system, "run.step.interrupted", fmt.Sprintf("step %s was interrupted by a restart", s.Name))
		}
		return nil
	})
	return err
}

// closeChanges ends the changes of runs that ended right before the server did.
func (r *Runner) closeChanges(ctx context.Context) error {
	rows, err := r.o.DB.Read().QueryContext(ctx, `SELECT runs.id FROM runs JOIN changes ON changes.id = runs.change_id WHERE runs.ended_ms > 0 AND changes.ended_ms = 0`)
	if err != nil {
		return fmt.Errorf("cannot look for changes that go on: %w", err)
	}
	defer rows.Close()
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return fmt.Errorf("cannot look for changes that go on: %w", err)
		}
		ids = append(ids, id)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("cannot look for changes that go on: %w", err)
	}
	for _, id := range ids {
		run, err := r.Get(ctx, id)
		if err != nil {
			return err
		}
		r.closeChange(ctx, &run)
	}
	return nil
}

// kick makes sure that a goroutine looks at a run.
func (r *Runner) kick(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ctx == nil {
		return // Run finds it in the database
	}
	if _, busy := r.working[id]; busy {
		r.again[id] = true
		return
	}
	ctx, cancel := context.WithCancel(r.ctx)
	r.working[id] = cancel
	r.wg.Go(func() { r.drive(ctx, id) })
}

// drive takes a run as far as it goes without a person.
func (r *Runner) drive(ctx context.Context, id string) {
	for {
		more, err := r.advance(ctx, id)
		if err != nil && ctx.Err() == nil {
			r.o.Logger.Error("cannot drive a run", "run", id, "err", err)
			select { // the database may come back
			case <-time.After(5 * time.Second):
				more = true
			case <-ctx.Done():
			}
		}
		if ctx.Err() == nil && more {
			continue
		}
		r.mu.Lock()
		if r.again[id] && ctx.Err() == nil {
			delete(r.again, id)
			r.mu.Unlock()
			continue
		}
		delete(r.again, id)
		r.working[id]()
		delete(r.working, id)
		r.mu.Unlock()
		return
	}
}

// stop ends what a run is doing now.
func (r *Runner) stop(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if cancel := r.working[id]; cancel != nil {
		cancel()
	}
}

// wait sleeps, unless the context ends.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return errors.New("interrupted")
	}
}
