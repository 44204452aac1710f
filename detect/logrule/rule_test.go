package logrule

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/observe/logs"
)

// book takes findings.
type book struct {
	open map[detect.Fingerprint]detect.Finding
}

func (b *book) Observe(_ context.Context, _ time.Time, seen []detect.Finding) error {
	for _, f := range seen {
		if f.ResolvedAt.IsZero() {
			b.open[f.Fingerprint] = f
		} else {
			delete(b.open, f.Fingerprint)
		}
	}
	return nil
}

func (b *book) OpenFindings(detector string) (out []detect.Finding) {
	for _, f := range b.open {
		if f.Detector == detector {
			out = append(out, f)
		}
	}
	return out
}

func (b *book) summaries() string {
	var out []string
	for _, f := range b.open {
		out = append(out, fmt.Sprintf("%s %s %s %q", f.Severity, f.Service, f.Name, f.Summary))
	}
	sort.Strings(out)
	return strings.Join(out, "\n")
}

// samples takes what is recorded.
type samples struct{ got []string }

func (s *samples) AppenderV2(context.Context) storage.AppenderV2 { return s }
func (s *samples) Commit() error                                 { return nil }
func (s *samples) Rollback() error                               { return nil }
func (s *samples) Append(_ storage.SeriesRef, ls labels.Labels, _, _ int64, v float64, _ *histogram.Histogram, _ *histogram.FloatHistogram, _ storage.AOptions) (storage.SeriesRef, error) {
	s.got = append(s.got, fmt.Sprintf("%s %g", ls, v))
	return 0, nil
}

func open(t *testing.T) *logs.Store {
	t.Helper()
	s, err := logs.Open(logs.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func add(t *testing.T, s *logs.Store, at time.Time, service, severity string, n int) {
	t.Helper()
	b := s.Begin(logs.Origin{Receiver: "test"})
	for i := range n {
		if r := b.Add(at.Add(time.Duration(i)).UnixNano(), []logs.Field{{Name: "service.name", Value: service}, {Name: "severity", Value: severity}, {Value: fmt.Sprint("line ", i)}}, 1); r != nil {
			t.Fatal(r)
		}
	}
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	s.Flush()
}

func TestRules(t *testing.T) {
	s, b, rec := open(t), &book{open: map[detect.Fingerprint]detect.Finding{}}, &samples{}
	group := declare.LogGroup{Name: "shop", File: "rules/logs.yml", Interval: time.Minute, Rules: []declare.LogRule{
		{Record: "log_errors", Expr: `severity:error | stats by (service.name) count() errors`, Labels: map[string]string{"env": "prod"}},
		{Alert: "ManyErrors", Expr: `severity:error | stats by (service.name) count() errors | filter errors:>5`, For: time.Minute,
			Labels:      map[string]string{"severity": "ticket"},
			Annotations: map[string]string{"summary": `{{ index $labels "service.name" }} wrote {{ $value }} errors`}},
	}}
	w := &declare.Workspace{RuleFiles: []*declare.RuleFile{{Path: "rules/logs.yml", Logs: []declare.LogGroup{group}}}}
	r := New(Options{Store: s, Appendable: rec, Findings: b, ExternalURL: &url.URL{}, Logger: slog.New(slog.DiscardHandler)})
	now := time.Now().Truncate(time.Second).Add(-10 * time.Minute)
	if err := r.Apply(t.Context(), w, now); err != nil {
		t.Fatal(err)
	}
	turn := func(want string) {
		t.Helper()
		r.turn(t.Context(), now)
		if got := b.summaries(); got != want {
			t.Errorf("got %q, expected %q", got, want)
		}
		now = now.Add(time.Minute)
	}
	add(t, s, now.Add(-30*time.Second), "checkout", "error", 7)
	add(t, s, now.Add(-30*time.Second), "checkout", "info", 50)
	add(t, s, now.Add(-30*time.Second), "cart", "error", 2)
	turn("") // pending
	sort.Strings(rec.got)
	want := `{__name__="log_errors", env="prod", service.name="cart", stats_result="errors"} 2
{__name__="log_errors", env="prod", service.name="checkout", stats_result="errors"} 7`
	if got := strings.Join(rec.got, "\n"); strings.ReplaceAll(got, `"service.name"=`, "service.name=") != want {
		t.Errorf("recorded\n%s\nexpected\n%s", got, want)
	}
	add(t, s, now.Add(-30*time.Second), "checkout", "error", 9)
	turn(`ticket checkout ManyErrors "checkout wrote 9 errors"`)
	// A restart in between: a new runner resolves what does not hold any more.
	r = New(Options{Store: s, Appendable: rec, Findings: b, ExternalURL: &url.URL{}, Logger: slog.New(slog.DiscardHandler)})
	if err := r.Apply(t.Context(), w, now); err != nil {
		t.Fatal(err)
	}
	turn("")
	// Rules that are gone resolve theirs.
	add(t, s, now.Add(-30*time.Second), "checkout", "error", 9)
	turn("")
	add(t, s, now.Add(-30*time.Second), "checkout", "error", 9)
	turn(`ticket checkout ManyErrors "checkout wrote 9 errors"`)
	if err := r.Apply(t.Context(), &declare.Workspace{}, now); err != nil {
		t.Fatal(err)
	}
	if len(b.open) != 0 {
		t.Errorf("a finding of a rule that is gone: %s", b.summaries())
	}
}

func TestCounts(t *testing.T) {
	s, rec := open(t), &samples{}
	c := &Counter{To: rec, Logger: slog.New(slog.DiscardHandler)}
	s.SetTap(func(rows logs.Rows) { rows.Each(c.Take) })
	w := &declare.Workspace{Objectives: []*declare.Objective{{Name: "o", Ratio: &declare.Ratio{Logs: []declare.LogCount{
		{ID: "bad", Filter: `{service.name="checkout"} severity:error`}, {ID: "all", Filter: `service.name:checkout`}, {ID: "text", Filter: `"line 1"`},
	}}}}}
	if err := c.Apply(w); err != nil {
		t.Fatal(err)
	}
	add(t, s, time.Now(), "checkout", "error", 3)
	add(t, s, time.Now(), "checkout", "info", 4)
	add(t, s, time.Now(), "cart", "error", 5)
	if err := c.Apply(w); err != nil { // the same again goes on
		t.Fatal(err)
	}
	if err := c.write(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	want := `{__name__="log_events_total", filter="bad"} 0
{__name__="log_events_total", filter="bad"} 3
{__name__="log_events_total", filter="all"} 0
{__name__="log_events_total", filter="all"} 7
{__name__="log_events_total", filter="text"} 0
{__name__="log_events_total", filter="text"} 3`
	if got := strings.Join(rec.got, "\n"); got != want {
		t.Errorf("got\n%s\nexpected\n%s", got, want)
	}
}
