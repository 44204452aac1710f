package app

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"golang.org/x/tools/txtar"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond"
)

var update = flag.Bool("update", false, "rewrite golden files")

// TestScenarios plays every file in testdata/scenarios. A file is a txtar archive:
//
//	workspace/…     the workspace
//	series          "load 5s", then lines of promqltest: name{labels} values
//	scenario        lines "at 2m30s: step"; '#' begins a comment
//	NAME/…          another workspace, for "push NAME"
//	review.golden   the review, where a step says "review N"
//
// Time is simulated: an hour takes about a second. Everything else is real: the
// stores, the rule manager, Alertmanager's pipeline, the shell.
//
// Steps that do: change KIND SERVICE FROM -> TO by ACTOR · PERSON acknowledges|
// mitigates|resolves N · PERSON assigns N to PERSON · PERSON notes N TEXT · PERSON
// runs RUNBOOK [for N] [k=v …] · PERSON approves|refuses STEP [because TEXT] ·
// PERSON takes · PERSON rehearses RUNBOOK · PERSON breaks the glass for RUNBOOK because TEXT ·
// PERSON writes down that PERSON approves STEP · PERSON reviews right|wrong|confirmed|disputed: TEXT ·
// PERSON cancels · PERSON has the duty of SCHEDULE from TIME to TIME · restart · push NAME · silence LABEL=VALUE for DURATION
//
// Steps that look: expect page TEXT · expect resolved TEXT · expect no page · expect
// incident N STATUS · expect no incident · expect suspect N TEXT · expect no suspect N ·
// expect run STATUS · expect step NAME STATUS · expect finding NAME open|resolved ·
// expect told PERSON … (pages that arrived since it was last looked, in order) · expect told nobody ·
// expect escalation N STATUS · expect on call PERSON in SCHEDULE · expect no finding · expect no question · expect duty KIND · expect no duty · expect impact N within DURATION of TIME · expect audit TEXT ·
// denied TEXT (the step before was refused for that reason) · review N
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/scenarios/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir() // outside the bubble: its clean-up must be too
			synctest.Test(t, func(t *testing.T) { play(t, file, dir, archive) })
		})
	}
}

type scenario struct {
	t       *testing.T
	dir     string
	files   map[string][]byte
	start   time.Time
	app     *App
	stop    func()
	phone   *phone
	told    int64 // the last delivery that was looked at
	lastErr error
	run     string // the last run started
	where   string // file and line of the step, for messages
	golden  string
	log     bytes.Buffer
}

func play(t *testing.T, file, dir string, archive *txtar.Archive) {
	s := &scenario{t: t, dir: dir, files: map[string][]byte{}, start: time.Now(), phone: newPhone(), golden: file}
	for _, f := range archive.Files {
		s.files[f.Name] = f.Data
	}
	s.push("workspace")
	s.boot()
	defer func() { s.stop(); s.phone.close() }()

	samples, err := parseSeries(s.files["series"])
	if err != nil {
		t.Fatalf("%s: series: %v", file, err)
	}
	steps, err := parseSteps(s.files["scenario"])
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	for _, step := range steps {
		s.advance(samples, step.at)
		s.where = fmt.Sprintf("%s: at %s: %s", filepath.Base(file), step.at, step.text)
		synctest.Wait()
		s.do(step.text)
		if t.Failed() {
			s.dump()
			return
		}
	}
}

// boot starts the app on the scenario's folders. It is called again for a restart.
func (s *scenario) boot() {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	level := slog.LevelInfo
	if testing.Verbose() {
		level = slog.LevelDebug
	}
	a, err := New(ctx, Options{
		Workspace: filepath.Join(s.dir, "workspace"),
		Data:      filepath.Join(s.dir, "data"),
		Logger:    slog.New(slog.NewTextHandler(&s.log, &slog.HandlerOptions{Level: level})),
		Offline:   true,
		Dial:      s.phone.dial,
	})
	if err != nil {
		s.t.Fatalf("cannot start: %v", err)
	}
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	s.app = a
	s.stop = func() {
		cancel()
		if err := <-done; err != nil {
			s.t.Errorf("run ended with %v", err)
		}
	}
}

func (s *scenario) push(name string) {
	s.t.Helper()
	for file, data := range s.files {
		rest, ok := strings.CutPrefix(file, name+"/")
		if !ok {
			continue
		}
		path := filepath.Join(s.dir, "workspace", rest)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			s.t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			s.t.Fatal(err)
		}
	}
}

// advance lets simulated time pass until at, appending each sample when it is due.
func (s *scenario) advance(series *seriesLoad, at time.Duration) {
	for {
		next := time.Duration(series.sent) * series.step
		if next > at {
			break
		}
		time.Sleep(time.Until(s.start.Add(next)))
		if err := series.append(s.app, s.start.Add(next)); err != nil {
			s.t.Fatalf("cannot append at %s: %v", next, err)
		}
		series.sent++
	}
	time.Sleep(time.Until(s.start.Add(at)))
}

func (s *scenario) do(text string) {
	s.t.Helper()
	now := time.Now()
	ctx := context.Background()
	words := strings.Fields(text)
	m := func(pattern string) []string {
		return regexp.MustCompile("^" + pattern + "$").FindStringSubmatch(text)
	}
	number := func(text string) respond.Number {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			s.t.Fatalf("%s: %v", s.where, err)
		}
		return respond.Number(n)
	}
	failed := s.lastErr
	s.lastErr = nil
	switch {
	case words[0] == "expect":
		s.expect(ctx, strings.TrimPrefix(text, "expect "))
	case words[0] == "denied":
		want := strings.TrimSpace(strings.TrimPrefix(text, "denied"))
		if failed == nil || !strings.Contains(failed.Error(), want) {
			s.t.Errorf("%s: got %v", s.where, failed)
		}
		failed = nil
	case text == "restart":
		s.stop()
		s.boot()
	case words[0] == "push":
		s.push(words[1])
		if err := s.app.Reload(ctx); err != nil {
			s.lastErr = err
		}
	case m(`change (\S+) (\S+) (\S+) -> (\S+) by (\S+)`) != nil:
		w := m(`change (\S+) (\S+) (\S+) -> (\S+) by (\S+)`)
		_, s.lastErr = s.app.changes.Record(ctx, now, journal.Actor("token:"+w[5]), act.Change{
			Kind: act.ChangeKind(w[1]), Service: declare.ServiceID(w[2]), From: w[3], To: w[4], Actor: w[5],
			Summary: fmt.Sprintf("%s of %s %s", w[1], w[2], w[4]), StartedAt: now, Source: "scenario",
		})
	case m(`silence (\w+)=(\S+) for (\S+)`) != nil:
		w := m(`silence (\w+)=(\S+) for (\S+)`)
		d, err := model.ParseDuration(w[3])
		if err != nil {
			s.t.Fatalf("%s: %v", s.where, err)
		}
		s.lastErr = s.app.Silence(ctx, now, journal.Person("carol"), map[string]string{w[1]: w[2]}, time.Duration(d), "scenario")
	case m(`(\w+) (acknowledge|mitigate|resolve)s (\d+)`) != nil:
		w := m(`(\w+) (acknowledge|mitigate|resolve)s (\d+)`)
		_, s.lastErr = s.app.incidents.Do(ctx, now, journal.Person(w[1]), number(w[3]), respond.Event(w[2]), "")
	case m(`(\w+) assigns (\d+) to (\w+)`) != nil:
		w := m(`(\w+) assigns (\d+) to (\w+)`)
		_, s.lastErr = s.app.incidents.Assign(ctx, now, journal.Person(w[1]), number(w[2]), declare.PersonID(w[3]))
	case m(`(\w+) notes (\d+) (.*)`) != nil:
		w := m(`(\w+) notes (\d+) (.*)`)
		s.lastErr = s.app.incidents.Note(ctx, now, journal.Person(w[1]), number(w[2]), w[3])
	case m(`(\w+) runs (\S+)(?: for (\d+))?((?: \w+=\S+)*)`) != nil:
		w := m(`(\w+) runs (\S+)(?: for (\d+))?((?: \w+=\S+)*)`)
		start := act.StartRun{Runbook: w[2], Params: map[string]string{}}
		if w[3] != "" {
			start.Incident = int64(number(w[3]))
		}
		for _, kv := range strings.Fields(w[4]) {
			k, v, _ := strings.Cut(kv, "=")
			start.Params[k] = v
		}
		run, err := s.app.runs.Start(ctx, now, declare.PersonID(w[1]), start)
		s.lastErr = err
		if err == nil {
			s.run = run.ID
		}
	case m(`(\w+) (approves|refuses) (\S+)(?: because (.*))?`) != nil:
		w := m(`(\w+) (approves|refuses) (\S+)(?: because (.*))?`)
		run, err := s.app.runs.Get(ctx, s.run)
		if err != nil {
			s.t.Fatalf("%s: %v", s.where, err)
		}
		for _, a := range run.Approvals {
			if a.Decision == "" && run.Steps[a.Step].Name == w[3] {
				_, s.lastErr = s.app.runs.Decide(ctx, now, declare.PersonID(w[1]), s.run, a.Step, w[2] == "approves", a.ShownHash, w[4])
				return
			}
		}
		s.t.Errorf("%s: no approval is asked for: %+v", s.where, run)
	case m(`(\w+) takes`) != nil:
		_, s.lastErr = s.app.runs.Take(ctx, now, declare.PersonID(words[0]), s.run)
	case m(`(\w+) (?:rehearses (\S+)|breaks the glass for (\S+) because (.*))`) != nil:
		w := m(`(\w+) (?:rehearses (\S+)|breaks the glass for (\S+) because (.*))`)
		start := act.StartRun{Runbook: w[2] + w[3], BreakGlass: w[4]}
		if w[2] != "" {
			start.Mode = act.ModeRehearsal
		}
		run, err := s.app.runs.Start(ctx, now, declare.PersonID(w[1]), start)
		s.lastErr = err
		if err == nil {
			s.run = run.ID
		}
	case m(`(\w+) writes down that (\w+) approves (\S+)`) != nil:
		w := m(`(\w+) writes down that (\w+) approves (\S+)`)
		run, err := s.app.runs.Get(ctx, s.run)
		if err != nil {
			s.t.Fatalf("%s: %v", s.where, err)
		}
		for _, a := range run.Approvals {
			if a.Decision == "" && run.Steps[a.Step].Name == w[3] {
				_, s.lastErr = s.app.runs.Voice(ctx, now, declare.PersonID(w[1]), declare.PersonID(w[2]), s.run, a.Step, a.ShownHash, "go")
			}
		}
	case m(`(\w+) reviews (right|wrong|confirmed|disputed): (.*)`) != nil:
		w := m(`(\w+) reviews (right|wrong|confirmed|disputed): (.*)`)
		owed, err := s.app.runs.Duties(ctx, false)
		if err != nil || len(owed) == 0 {
			s.t.Fatalf("%s: nothing is owed: %v", s.where, err)
		}
		_, s.lastErr = s.app.runs.Fulfil(ctx, now, declare.PersonID(w[1]), owed[0].ID, w[2], w[3])
	case m(`(\w+) cancels`) != nil:
		_, s.lastErr = s.app.runs.Cancel(ctx, now, declare.PersonID(words[0]), s.run, "scenario")
	case m(`(\w+) has the duty of (\S+) from (\S+) to (\S+)`) != nil:
		w := m(`(\w+) has the duty of (\S+) from (\S+) to (\S+)`)
		from, err1 := model.ParseDuration(w[3])
		to, err2 := model.ParseDuration(w[4])
		if err1 != nil || err2 != nil {
			s.t.Fatalf("%s: %v %v", s.where, err1, err2)
		}
		_, s.lastErr = s.app.roster.AddOverride(ctx, now, journal.Person(w[1]), respond.DutyOverride{
			Schedule: w[2], Person: declare.PersonID(w[1]), From: s.start.Add(time.Duration(from)), To: s.start.Add(time.Duration(to)),
		})
	case m(`review (\d+)`) != nil:
		s.review(ctx, now, int64(number(words[1])))
	default:
		s.t.Fatalf("%s: not a step", s.where)
	}
	if failed != nil && words[0] != "denied" {
		s.t.Errorf("%s: the step before failed: %v", s.where, failed)
	}
}

func (s *scenario) expect(ctx context.Context, text string) {
	s.t.Helper()
	first, rest, _ := strings.Cut(text, " ")
	switch {
	case text == "no page":
		if got := s.phone.take(); len(got) > 0 {
			s.t.Errorf("%s: got %v", s.where, got)
		}
	case text == "no question":
		run, err := s.app.runs.Get(ctx, s.run)
		if err != nil || len(run.Approvals) > 0 {
			s.t.Errorf("%s: got %+v, %v", s.where, run.Approvals, err)
		}
	case first == "duty" || text == "no duty":
		owed, err := s.app.runs.Duties(ctx, false)
		if err != nil || (len(owed) == 0) != (text == "no duty") || (len(owed) > 0 && string(owed[0].Kind) != rest) {
			s.t.Errorf("%s: got %+v, %v", s.where, owed, err)
		}
	case text == "no incident":
		if got, err := s.app.incidents.List(ctx, respond.IncidentFilter{}); err != nil || len(got) > 0 {
			s.t.Errorf("%s: got %+v, %v", s.where, got, err)
		}
	case strings.HasPrefix(text, "no finding "):
		open := true
		if got, _, err := s.app.findings.List(ctx, detect.Filter{Open: &open, Text: strings.TrimPrefix(text, "no finding ")}); err != nil || len(got) > 0 {
			s.t.Errorf("%s: got %+v, %v", s.where, got, err)
		}
	case text == "no finding":
		open := true
		if got, _, err := s.app.findings.List(ctx, detect.Filter{Open: &open}); err != nil || len(got) > 0 {
			s.t.Errorf("%s: got %+v, %v", s.where, got, err)
		}
	case first == "page" || first == "resolved":
		status := map[string]string{"page": "firing", "resolved": "resolved"}[first]
		got := s.phone.take()
		for _, msg := range got {
			if msg.status == status && strings.Contains(msg.text, rest) {
				return
			}
		}
		s.t.Errorf("%s: got %v", s.where, got)
	case first == "incident":
		n, want, _ := strings.Cut(rest, " ")
		got := s.incident(ctx, n)
		if string(got.Status) != want {
			s.t.Errorf("%s: got %q (%+v)", s.where, got.Status, got.Clocks)
		}
	case first == "suspect":
		n, want, _ := strings.Cut(rest, " ")
		got := s.incident(ctx, n)
		if len(got.Suspects) == 0 || !strings.Contains(got.Suspects[0].Reason+" "+got.Suspects[0].Summary, want) {
			s.t.Errorf("%s: got %+v", s.where, got.Suspects)
		}
	case strings.HasPrefix(text, "no suspect "):
		if got := s.incident(ctx, strings.TrimPrefix(text, "no suspect ")); len(got.Suspects) != 0 {
			s.t.Errorf("%s: got %+v", s.where, got.Suspects)
		}
	case first == "impact": // N within DURATION of TIME
		w := strings.Fields(rest)
		within, err1 := model.ParseDuration(w[2])
		at, err2 := model.ParseDuration(w[4])
		if err1 != nil || err2 != nil {
			s.t.Fatalf("%s: %v %v", s.where, err1, err2)
		}
		got := s.incident(ctx, w[0]).Clocks
		off := got.Impact.Sub(s.start.Add(time.Duration(at))).Abs()
		if got.Impact.IsZero() || off > time.Duration(within) {
			s.t.Errorf("%s: got %s after the start (%s)", s.where, got.Impact.Sub(s.start), got.ImpactSource)
		}
	case first == "run" || first == "step":
		run, err := s.app.runs.Get(ctx, s.run)
		if err != nil {
			s.t.Fatalf("%s: %v", s.where, err)
		}
		if first == "run" {
			if string(run.Status) != rest {
				s.t.Errorf("%s: got %q: %s %+v", s.where, run.Status, run.Reason, run.Steps)
			}
			return
		}
		name, want, _ := strings.Cut(rest, " ")
		for _, step := range run.Steps {
			if step.Name == name && string(step.Status) == want {
				return
			}
		}
		s.t.Errorf("%s: got %+v", s.where, run.Steps)
	case first == "finding":
		name, want, _ := strings.Cut(rest, " ")
		open := want == "open"
		got, _, err := s.app.findings.List(ctx, detect.Filter{Open: &open, Text: name})
		if err != nil || len(got) == 0 {
			s.t.Errorf("%s: got none, %v", s.where, err)
		}
	case first == "findings": // NAME COUNT: episodes
		name, count, _ := strings.Cut(rest, " ")
		_, total, err := s.app.findings.List(ctx, detect.Filter{Text: name})
		if err != nil || fmt.Sprint(total) != count {
			s.t.Errorf("%s: got %d, %v", s.where, total, err)
		}
	case first == "told":
		incidents, err := s.app.incidents.List(ctx, respond.IncidentFilter{})
		if err != nil {
			s.t.Fatalf("%s: %v", s.where, err)
		}
		var all []respond.Delivery
		for _, i := range incidents {
			some, err := s.app.reach.Deliveries(ctx, i.Number, "")
			if err != nil {
				s.t.Fatalf("%s: %v", s.where, err)
			}
			all = append(all, some...)
		}
		slices.SortFunc(all, func(a, b respond.Delivery) int { return cmp.Compare(a.ID, b.ID) })
		var got []string
		for _, d := range all {
			if d.ID > s.told && d.Purpose == respond.PurposePage && d.State == respond.DeliveryDelivered {
				got = append(got, string(d.Person))
			}
		}
		if len(all) > 0 {
			s.told = all[len(all)-1].ID
		}
		if text := cmp.Or(strings.Join(got, " "), "nobody"); text != rest {
			s.t.Errorf("%s: told %s; %+v", s.where, text, all)
		}
	case first == "escalation":
		n, want, _ := strings.Cut(rest, " ")
		if got, err := s.app.ladder.Get(ctx, s.incident(ctx, n).Number); err != nil || string(got.Status) != want {
			s.t.Errorf("%s: got %+v, %v", s.where, got, err)
		}
	case strings.HasPrefix(text, "on call "):
		who, schedule, _ := strings.Cut(strings.TrimPrefix(text, "on call "), " in ")
		if got := s.app.ws().Schedule(schedule).Duty(time.Now()); string(got.Person) != who {
			s.t.Errorf("%s: got %+v", s.where, got)
		}
	case first == "audit":
		got, err := s.app.db.Facts(ctx, journal.Query{Text: rest})
		if err != nil || len(got) == 0 {
			s.t.Errorf("%s: no such fact, %v", s.where, err)
		}
	default:
		s.t.Fatalf("%s: not an expectation", s.where)
	}
}

func (s *scenario) incident(ctx context.Context, n string) respond.Incident {
	s.t.Helper()
	num, err := strconv.ParseInt(n, 10, 64)
	if err != nil {
		s.t.Fatalf("%s: %v", s.where, err)
	}
	got, err := s.app.incidents.Get(ctx, respond.Number(num))
	if err != nil {
		s.t.Errorf("%s: %v", s.where, err)
	}
	return got
}

// review compares the drafted review with the archive's review.golden, with run
// IDs, which are random, named by the order of their appearance. Facts lose their
// numbers: notifications of one moment are recorded in the order they end.
func (s *scenario) review(ctx context.Context, now time.Time, incident int64) {
	s.t.Helper()
	r, err := s.app.reviews.Draft(ctx, now, journal.Person("carol"), incident)
	if err != nil {
		s.t.Fatalf("%s: %v", s.where, err)
	}
	names := map[string]string{}
	got := regexp.MustCompile(`\b([rc])-[0-9a-zA-Z]{6,}`).ReplaceAllStringFunc(r.Markdown, func(id string) string {
		if names[id] == "" {
			names[id] = fmt.Sprintf("%s-%d", id[:1], len(names)+1)
		}
		return names[id]
	})
	got = regexp.MustCompile(`\bfact=\d+`).ReplaceAllString(got, "fact=N")
	if got == string(s.files["review.golden"]) {
		return
	}
	if !*update {
		s.t.Errorf("%s: the review differs from review.golden (make golden rewrites it):\n%s", s.where, got)
		return
	}
	archive, err := txtar.ParseFile(s.golden)
	if err != nil {
		s.t.Fatal(err)
	}
	replaced := false
	for i := range archive.Files {
		if archive.Files[i].Name == "review.golden" {
			archive.Files[i].Data, replaced = []byte(got), true
		}
	}
	if !replaced {
		archive.Files = append(archive.Files, txtar.File{Name: "review.golden", Data: []byte(got)})
	}
	if err := os.WriteFile(s.golden, txtar.Format(archive), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// dump shows what happened when a scenario fails: the journal, then the log.
func (s *scenario) dump() {
	facts, err := s.app.db.Facts(context.Background(), journal.Query{Oldest: true, Limit: 500})
	if err != nil {
		s.t.Logf("cannot read the journal: %v", err)
	}
	for _, f := range facts {
		s.t.Logf("%8s  %-24s %-16s %s", f.At.Sub(s.start).Round(time.Second), f.Kind, f.Actor, f.Text)
	}
	if s.log.Len() > 0 {
		s.t.Logf("log:\n%s", s.log.String())
	}
}

type step struct {
	at   time.Duration
	text string
}

func parseSteps(data []byte) ([]step, error) {
	var steps []step
	lines := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		w := regexp.MustCompile(`^at (\S+): (.+)$`).FindStringSubmatch(line)
		if w == nil {
			return nil, fmt.Errorf("scenario:%d: got %q, expected \"at TIME: step\"", n, line)
		}
		at, err := model.ParseDuration(w[1])
		if err != nil {
			return nil, fmt.Errorf("scenario:%d: %w", n, err)
		}
		if len(steps) > 0 && time.Duration(at) < steps[len(steps)-1].at {
			return nil, fmt.Errorf("scenario:%d: goes back in time", n)
		}
		steps = append(steps, step{time.Duration(at), w[2]})
	}
	return steps, nil
}

type seriesValues struct {
	labels labels.Labels
	values []parser.SequenceValue
}

type seriesLoad struct {
	step   time.Duration
	series []seriesValues
	sent   int
}

func parseSeries(data []byte) (*seriesLoad, error) {
	load := &seriesLoad{step: time.Minute}
	p := parser.NewParser(parser.Options{})
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if step, ok := strings.CutPrefix(line, "load "); ok {
			d, err := model.ParseDuration(step)
			if err != nil {
				return nil, err
			}
			load.step = time.Duration(d)
			continue
		}
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		lbls, values, err := p.ParseSeriesDesc(line)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", line, err)
		}
		load.series = append(load.series, seriesValues{lbls, values})
	}
	return load, nil
}

func (l *seriesLoad) append(a *App, at time.Time) error {
	app := a.metrics.AppenderV2(context.Background())
	for _, s := range l.series {
		if l.sent >= len(s.values) || s.values[l.sent].Omitted {
			continue
		}
		if _, err := app.Append(0, s.labels, 0, at.UnixMilli(), s.values[l.sent].Value, nil, nil, storage.AppendV2Options{}); err != nil {
			return err
		}
	}
	return app.Commit()
}

// phone is the person's end of a webhook receiver: a real HTTP server on pipes,
// because a socket would keep simulated time from passing.
type phone struct {
	mu    sync.Mutex
	msgs  []message
	conns chan net.Conn
	done  chan struct{}
	srv   *http.Server
}

type message struct{ status, text string }

func newPhone() *phone {
	p := &phone{conns: make(chan net.Conn), done: make(chan struct{})}
	p.srv = &http.Server{Handler: http.HandlerFunc(p.receive)}
	p.srv.SetKeepAlivesEnabled(false)
	go func() { _ = p.srv.Serve(p) }()
	return p
}

func (p *phone) receive(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	var hook struct {
		Alerts []struct {
			Status      string
			Labels      map[string]string
			Annotations map[string]string
		}
	}
	if err := json.Unmarshal(body, &hook); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range hook.Alerts {
		p.msgs = append(p.msgs, message{a.Status, fmt.Sprint(a.Labels, a.Annotations)})
	}
}

// take returns what arrived since the last call.
func (p *phone) take() []message {
	p.mu.Lock()
	defer p.mu.Unlock()
	msgs := p.msgs
	p.msgs = nil
	return msgs
}

func (p *phone) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *phone) close() { _ = p.srv.Close() }

// Accept, Close and Addr make the phone a net.Listener.
func (p *phone) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *phone) Close() error   { close(p.done); return nil }
func (p *phone) Addr() net.Addr { return &net.UnixAddr{Name: "phone"} }
