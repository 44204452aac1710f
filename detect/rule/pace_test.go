package rule

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"

	"github.com/evenkeel/evenkeel/detect/evaluate"
)

// TestTimeGoesForward: on a busy machine an evaluation on arrival may begin after the
// group's next time. That one is then not evaluated at a time before.
func TestTimeGoesForward(t *testing.T) {
	db, err := tsdb.Open(t.TempDir(), nil, nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	synctest.Test(t, func(t *testing.T) {
		var asked []time.Duration
		began := time.Now()
		p := newPaces(evaluate.New(evaluate.Options{Queryable: db}))
		p.together = func(ctx context.Context) (context.Context, func()) { return ctx, func() {} }
		done, err := p.set(map[string]*rulefmt.RuleGroups{"f": {Groups: []rulefmt.RuleGroup{{Name: "g", Rules: []rulefmt.Rule{{Record: "r", Expr: "1"}}}}}})
		if err != nil {
			t.Fatal(err)
		}
		done()
		expr, err := parser.NewParser(parser.Options{}).ParseExpr("1")
		if err != nil {
			t.Fatal(err)
		}
		g := rules.NewGroup(rules.GroupOptions{
			Name: "g", File: "f", Interval: time.Second, Rules: []rules.Rule{rules.NewRecordingRule("r", expr, labels.EmptyLabels())},
			Opts: &rules.ManagerOptions{AppendableV2: db, QueryFunc: func(_ context.Context, _ string, at time.Time) (promql.Vector, error) {
				asked = append(asked, at.Sub(began))
				return nil, nil
			}},
		})
		f := func(at time.Duration, want ...time.Duration) {
			t.Helper()
			asked = nil
			p.iterate(t.Context(), g, began.Add(at))
			if !slices.Equal(asked, want) {
				t.Errorf("asked at %v for the time %v, expected %v", asked, at, want)
			}
		}
		f(0, 0)
		time.Sleep(time.Until(began.Add(time.Second)))
		p.groups[rules.GroupKey("f", "g")].last = began.Add(1030 * time.Millisecond)
		time.Sleep(50 * time.Millisecond)
		f(time.Second, 1050*time.Millisecond) // and not at 1s
		if late := time.Since(began); late > 2*time.Second {
			t.Errorf("it was over after %v, expected before the next time", late)
		}
		f(time.Second, 1980*time.Millisecond) // the manager makes up for a tick
		p.stop()
	})
}

// TestNotAllAtOnce: of very many groups only so many are evaluated at one time, and all in turn.
func TestNotAllAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var now, most, all int
		p := newPaces(nil)
		p.together = func(ctx context.Context) (context.Context, func()) { return ctx, func() {} }
		query := func(context.Context, string, time.Time) (promql.Vector, error) {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			now--
			all++
			mu.Unlock()
			return nil, nil
		}
		expr, err := parser.NewParser(parser.Options{}).ParseExpr("1")
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 3 * atOnce {
			g := rules.NewGroup(rules.GroupOptions{
				Name: "g", File: "f", Interval: time.Minute, Rules: []rules.Rule{rules.NewRecordingRule("r", expr, labels.EmptyLabels())},
				Opts: &rules.ManagerOptions{AppendableV2: nothing{}, QueryFunc: query},
			})
			wg.Go(func() { p.iterate(t.Context(), g, time.Now()) })
		}
		wg.Wait()
		if most != atOnce || all != 3*atOnce {
			t.Errorf("%d of %d at once, expected %d of %d", most, all, atOnce, 3*atOnce)
		}
	})
}

// nothing takes no samples.
type nothing struct{}

func (nothing) AppenderV2(context.Context) storage.AppenderV2 { return discard{} }

type discard struct{ storage.AppenderV2 }

func (discard) Commit() error   { return nil }
func (discard) Rollback() error { return nil }
