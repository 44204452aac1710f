package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/rulefile"
	"github.com/evenkeel/evenkeel/declare/workspace"
	"github.com/evenkeel/evenkeel/detect/backtest"
)

// File is a file of a workspace.
type File struct {
	Path    string `json:"path" doc:"Relative to the workspace, with slashes."`
	Content string `json:"content"`
}

// Replaying asks what rules would have done.
type Replaying struct {
	From        time.Time `json:"from,omitzero" doc:"Default: 30 days before the end, or where the samples begin."`
	To          time.Time `json:"to,omitzero" doc:"Default: now."`
	StepSeconds float64   `json:"step_seconds,omitempty" doc:"Between evaluations. Default: the workspace's evaluation.interval or 15, and longer over a long time."`
	Rules       []File    `json:"rules,omitempty" doc:"Rule files: each replaces the one of its path, or is added. With neither rules nor a workspace, what is in force is replayed."`
	Workspace   []File    `json:"workspace,omitempty" doc:"All files of a workspace, beside the one in force."`
}

// Plan is what applying a workspace would change.
type Plan struct {
	Changes  []Planned        `json:"changes"`
	Backtest *backtest.Result `json:"backtest" doc:"What its rules and objectives would have done, beside those in force; null when neither change."`
}

// Planned is one thing that would be added, changed or removed.
type Planned struct {
	Kind string `json:"kind" doc:"service, objective, alert, recording rule, …"`
	Name string `json:"name"`
	What string `json:"what" doc:"added, changed or removed."`
	File string `json:"file,omitempty"`
}

func (s *server) backtest(c *call, in Replaying) (*backtest.Result, error) {
	o, done, err := s.replaying(c, in)
	if err != nil {
		return nil, err
	}
	defer done()
	return s.replay(c, o)
}

// Lines is the content type of an answer that comes with its progress: each line but
// the last is a Progress; the last is the answer itself, or an ErrorBody.
const Lines = "application/x-ndjson"

// Progress is how far a replay has come.
type Progress struct {
	Done  int `json:"done"`
	Total int `json:"total"`
}

// progress tells the caller how far it is, where the caller takes lines. Many rules in
// a moment make one line.
func (c *call) progress() func(done, total int) {
	if c.Header.Get("Accept") != Lines {
		return nil
	}
	const often = 100 * time.Millisecond
	var last time.Time
	return func(done, total int) {
		if time.Since(last) < often && done < total {
			return
		}
		if last.IsZero() {
			c.w.Header().Set("Content-Type", Lines)
			c.w = begun{c.w}
		}
		last = time.Now()
		if json.NewEncoder(c.w).Encode(Progress{done, total}) == nil {
			_ = http.NewResponseController(c.w).Flush()
		}
	}
}

// begun is an answer whose head has gone out: another is not sent after it.
type begun struct{ http.ResponseWriter }

func (begun) Header() http.Header { return http.Header{} }
func (begun) WriteHeader(int)     {}

func (b begun) Unwrap() http.ResponseWriter { return b.ResponseWriter }

func (s *server) replay(c *call, o backtest.Options) (*backtest.Result, error) {
	o.Progress = c.progress()
	r, err := s.Replay(c.Context(), o)
	if err != nil && c.Context().Err() == nil {
		return nil, invalid("from", "", err.Error())
	}
	return r, err
}

// replaying prepares a replay. done removes what it needed.
func (s *server) replaying(c *call, in Replaying) (o backtest.Options, done func(), err error) {
	done = func() {}
	if s.Replay == nil {
		return o, done, invalid("body", "", "a server that keeps samples")
	}
	now := s.Workspace()
	o = backtest.Options{From: in.From, To: in.To, Step: time.Duration(in.StepSeconds * float64(time.Second)), Workspace: now}
	if o.To.IsZero() {
		o.To = c.now
	}
	switch {
	case len(in.Rules) > 0 && len(in.Workspace) > 0:
		return o, done, invalid("workspace", "", "either rules or a workspace")
	case len(in.Workspace) > 0:
		changed, gone, err := unpack(in.Workspace, c.now)
		if err != nil {
			return o, done, err
		}
		done = gone
		o.Workspace, o.Changed, o.Today = changed, backtest.Declared(changed, c.now), backtest.Declared(now, c.now)
	case len(in.Rules) > 0:
		o.Today = backtest.Declared(now, c.now)
		files, err := readRules(in.Rules)
		if err != nil {
			return o, done, err
		}
		o.Changed = backtest.Replace(o.Today, files)
	default:
		o.Changed = backtest.Declared(now, c.now)
	}
	return o, done, nil
}

func readRules(files []File) ([]*declare.RuleFile, error) {
	var out []*declare.RuleFile
	var problems declare.Problems
	for _, f := range files {
		if rf, _ := rulefile.Read(f.Path, []byte(f.Content), &problems); rf != nil {
			out = append(out, rf)
		}
	}
	return out, refused("rules", problems)
}

// refused is the first error among problems.
func refused(field string, problems declare.Problems) error {
	for _, p := range problems.Errors() {
		return invalid(field, "", p.Error())
	}
	return nil
}

// unpack loads a workspace that was sent. gone removes it from the disk.
func unpack(files []File, now time.Time) (w *declare.Workspace, gone func(), err error) {
	dir, err := os.MkdirTemp("", "evenkeel-workspace-*")
	if err != nil {
		return nil, nil, fmt.Errorf("cannot keep the workspace: %w", err)
	}
	gone = func() { _ = os.RemoveAll(dir) }
	remove := gone // a return of an error leaves nothing in gone
	defer func() {
		if err != nil {
			remove()
		}
	}()
	for _, f := range files {
		if !filepath.IsLocal(filepath.FromSlash(f.Path)) || strings.Contains(f.Path, `\`) {
			return nil, nil, invalid("workspace.path", f.Path, "a path inside the workspace")
		}
		to := filepath.Join(dir, filepath.FromSlash(f.Path))
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return nil, nil, invalid("workspace.path", f.Path, "a path that is no file of another")
		}
		if err := os.WriteFile(to, []byte(f.Content), 0o600); err != nil {
			return nil, nil, invalid("workspace.path", f.Path, "a path that can be written")
		}
	}
	w, problems, err := workspace.Load(dir, now)
	if err != nil {
		return nil, nil, err
	}
	if err := refused("workspace", problems); err != nil {
		return nil, nil, err
	}
	return w, gone, nil
}

func (s *server) plan(c *call, in Replaying) (Plan, error) {
	if len(in.Workspace) == 0 {
		return Plan{}, invalid("workspace", "", "the files of a workspace")
	}
	o, done, err := s.replaying(c, in)
	if err != nil {
		return Plan{}, err
	}
	defer done()
	p := Plan{Changes: Difference(s.Workspace(), o.Workspace, c.now)}
	if !slices.ContainsFunc(p.Changes, func(x Planned) bool { return x.alerting() }) {
		return p, nil
	}
	p.Backtest, err = s.replay(c, o)
	return p, err
}

// alerting says whether a change may change what fires or whom it reaches.
func (p *Planned) alerting() bool {
	return slices.Contains([]string{"alert", "recording rule", "objective", "routing", "schedule", "settings"}, p.Kind)
}

// Difference is what stands between two workspaces, by kind and name.
func Difference(before, after *declare.Workspace, now time.Time) []Planned {
	a, b := nouns(before), nouns(after)
	keys := map[[2]string]bool{}
	for k := range a {
		keys[k] = true
	}
	for k := range b {
		keys[k] = true
	}
	out := []Planned{}
	for _, k := range slices.SortedFunc(maps.Keys(keys), func(x, y [2]string) int {
		return strings.Compare(x[0]+"\x00"+x[1], y[0]+"\x00"+y[1])
	}) {
		x, was := a[k]
		y, is := b[k]
		p := Planned{Kind: k[0], Name: k[1], File: y.file}
		switch {
		case !was:
			p.What = "added"
		case !is:
			p.What, p.File = "removed", x.file
		case !reflect.DeepEqual(x.value, y.value):
			p.What = "changed"
		default:
			continue
		}
		out = append(out, p)
	}
	return out
}

// noun is something declared, without its place.
type noun struct {
	file  string
	value any
}

func nouns(w *declare.Workspace) map[[2]string]noun {
	out := map[[2]string]noun{}
	add := func(kind, name string, pos declare.Position, v any) {
		for k := [2]string{kind, name}; ; k[1] += "'" { // of one name there may be several rules
			if _, taken := out[k]; !taken {
				out[k] = noun{pos.File, v}
				return
			}
		}
	}
	for _, x := range w.Services {
		v := *x
		v.Pos = declare.Position{}
		add("service", string(x.ID), x.Pos, v)
	}
	for _, x := range w.Teams {
		v := *x
		v.Pos = declare.Position{}
		add("team", string(x.ID), x.Pos, v)
	}
	for _, x := range w.People {
		v := *x
		v.Pos = declare.Position{}
		add("person", string(x.ID), x.Pos, v)
	}
	for _, x := range w.Objectives {
		v := *x
		v.Pos = declare.Position{}
		add("objective", string(x.Name), x.Pos, v)
	}
	for _, x := range w.Runbooks {
		add("runbook", x.Name, x.Pos, x.Source)
	}
	for _, x := range w.Schedules {
		v := *x
		v.Pos, v.Location = declare.Position{}, nil
		add("schedule", x.Name, x.Pos, []any{v, x.Location.String()})
	}
	for _, f := range w.RuleFiles {
		for _, g := range f.Groups.Groups {
			for _, r := range g.Rules {
				kind, name := "alert", r.Alert
				if r.Record != "" {
					kind, name = "recording rule", r.Record
				}
				add(kind, name, declare.Position{File: f.Path}, []any{r, g.Interval, g.Limit, g.QueryOffset, g.Labels})
			}
		}
	}
	add("routing", "routing.yml", declare.Position{File: "routing.yml"}, string(w.RoutingYML))
	s := w.Settings
	add("settings", "evaluation", declare.Position{File: "evenkeel.yml"}, s.Evaluation)
	return out
}
