package rule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/parser/posrange"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/detect/evaluate"
	"github.com/evenkeel/evenkeel/detect/objective"
)

const (
	// resendDelay is how often a firing alert is confirmed to the rooms that follow.
	resendDelay = 15 * time.Second
	// patience is how many evaluations an open finding may be without an alert before
	// it has ended: a new group restores its alerts after its second one.
	patience = 3
	// restartGrace is how long findings of before a start stay open in any case:
	// telemetry has to come in again before rules can say anything.
	restartGrace = time.Minute
)

// Options of a Runner.
type Options struct {
	Engine     *evaluate.Incremental
	Appendable storage.AppendableV2 // where results are recorded
	Queryable  storage.Queryable    // where alert state is restored from
	// Findings takes what fires and what has stopped to.
	Findings interface {
		Observe(ctx context.Context, now time.Time, seen []detect.Finding) error
		OpenFindings(detector string) []detect.Finding
	}
	ExternalURL *url.URL
	Logger      *slog.Logger
	Registerer  prometheus.Registerer
}

// Runner runs rules.
type Runner struct {
	opts    Options
	manager *rules.Manager
	paces   *paces
	cancel  context.CancelFunc

	mu      sync.Mutex // guards what follows
	current *declare.Workspace
	files   map[string]*rulefmt.RuleGroups
	renew   time.Time                        // when a calendar period rolls over; zero for never
	started time.Time                        // rules run since then; zero before
	missing map[detect.Fingerprint]time.Time // open findings without an alert, since when
}

// New makes a runner; Apply gives it rules, Run runs them.
func New(o Options) *Runner {
	ctx, cancel := context.WithCancel(context.Background())
	r := &Runner{opts: o, cancel: cancel, files: map[string]*rulefmt.RuleGroups{}, paces: newPaces(o.Engine)}
	r.paces.together = r.together
	r.manager = rules.NewManager(&rules.ManagerOptions{
		ExternalURL: o.ExternalURL,
		QueryFunc:   r.paces.query,
		NotifyFunc:  r.notify, Context: ctx, AppendableV2: o.Appendable, Queryable: o.Queryable, Metrics: groupMetrics(o.Registerer),
		Logger:          slog.New(newSeldom(o.Logger.Handler())),
		OutageTolerance: time.Hour, ForGracePeriod: 10 * time.Second, ResendDelay: resendDelay, GroupLoader: loader{r}, RuleDependencyController: inOrder{},
		RestoreNewRuleGroups: true, Parser: parser.NewParser(parser.Options{}),
		DefaultRuleQueryOffset: func() time.Duration { return 0 },
	})
	return r
}

// groupMetrics are those of the manager's that alerts are made of. It has eleven of each group,
// and each objective is a group.
func groupMetrics(reg prometheus.Registerer) *rules.Metrics {
	m := rules.NewGroupMetrics(nil)
	if reg != nil {
		reg.MustRegister(m.EvalDuration, m.IterationDuration, m.IterationsMissed, m.EvalFailures)
	}
	return m
}

// Manager is for the API: RuleGroups and AlertingRules.
func (r *Runner) Manager() *rules.Manager { return r.manager }

// loader gives the manager rule groups from memory.
type loader struct{ r *Runner }

func (l loader) Load(identifier string, _ bool, _ model.ValidationScheme) (*rulefmt.RuleGroups, []error) {
	if g := l.r.files[identifier]; g != nil {
		return g, nil
	}
	return nil, []error{fmt.Errorf("no rule file %q", identifier)}
}

func (l loader) Parse(query string) (parser.Expr, error) {
	if w, ok := l.r.paces.written[query]; ok {
		return w, nil
	}
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(query)
	if err != nil {
		return nil, err
	}
	return written{Expr: expr, text: expr.String(), is: expr.Type()}, nil
}

// written is an expression as the manager needs it: it asks how it is written, several times
// at each evaluation, and leaves the rest to who evaluates.
type written struct {
	parser.Expr // of none of the methods below
	text        string
	is          parser.ValueType
}

func (w written) String() string         { return w.text }
func (w written) Type() parser.ValueType { return w.is }

func (w written) Pretty(level int) string {
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(w.text)
	if err != nil {
		return w.text
	}
	return expr.Pretty(level)
}

func (w written) PositionRange() posrange.PositionRange {
	return posrange.PositionRange{End: posrange.Pos(len(w.text))}
}

// inOrder leaves the rules of a group in their order, which is how they are evaluated: what
// depends on what need not be known.
type inOrder struct{}

// AnalyseRules implements rules.RuleDependencyController.
func (inOrder) AnalyseRules([]rules.Rule) {}

// Apply takes over the rules and objectives of a workspace. Groups that are the same
// keep their state; findings of rules that are gone are resolved.
func (r *Runner) Apply(ctx context.Context, w *declare.Workspace, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.current = w
	return r.apply(ctx, now)
}

// apply is called with the lock held.
func (r *Runner) apply(ctx context.Context, now time.Time) error {
	w := r.current
	files := map[string]*rulefmt.RuleGroups{"built-in": builtIn()}
	names := []string{"built-in"}
	for _, rf := range w.RuleFiles {
		files[rf.Path] = rf.Groups
		names = append(names, rf.Path)
	}
	var objectives rulefmt.RuleGroups
	objectives.Groups, r.renew = objective.Groups(w, now)
	files["objectives"] = &objectives
	names = append(names, "objectives")
	r.files = files
	done, err := r.paces.set(files)
	if err != nil {
		return fmt.Errorf("cannot apply rules: %w", err)
	}
	defer done()
	if err := r.manager.Update(w.Settings.Evaluation.Interval, names, labels.EmptyLabels(), r.externalURL(), r.paces.iterate); err != nil {
		return fmt.Errorf("cannot apply rules: %w", err)
	}
	if r.started.IsZero() {
		return nil // what was open before the start gets its time first
	}
	return r.reconcile(ctx, now)
}

func (r *Runner) externalURL() string {
	if r.opts.ExternalURL == nil {
		return ""
	}
	return r.opts.ExternalURL.String()
}

// Run evaluates until ctx ends.
func (r *Runner) Run(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.manager.Run()
	}()
	defer func() {
		r.cancel()
		r.paces.stop()
		r.manager.Stop()
		<-done
	}()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := r.keep(ctx, time.Now()); err != nil && !errors.Is(err, context.Canceled) {
				r.opts.Logger.Error("cannot keep rules", "err", err)
			}
		}
	}
}

// keep does what follows from time alone: a calendar period that rolls over, and the
// end of findings that no alert stands for any more.
func (r *Runner) keep(ctx context.Context, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.started.IsZero() {
		r.started = now
	}
	if r.current == nil {
		return nil
	}
	if !r.renew.IsZero() && !now.Before(r.renew) {
		if err := r.apply(ctx, now); err != nil {
			return err
		}
	}
	return r.reconcile(ctx, now)
}
