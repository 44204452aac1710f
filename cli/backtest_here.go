package cli

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/api"
	"github.com/evenkeel/evenkeel/app"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/rulefile"
	"github.com/evenkeel/evenkeel/declare/workspace"
	"github.com/evenkeel/evenkeel/detect/backtest"
	"github.com/evenkeel/evenkeel/detect/history"
	"github.com/evenkeel/evenkeel/respond"
)

// here replays in this process.
func (b *backtesting) here(cmd *cobra.Command) (*backtest.Result, error) {
	ctx := cmd.Context()
	o := backtest.Options{Step: b.step}
	now := time.Now()
	if err := b.declared(ctx, &o, now); err != nil {
		return nil, err
	}
	h, err := b.open(cmd)
	if err != nil {
		return nil, err
	}
	defer h.Close()
	o.History, o.Oldest, o.Data = h, h.Oldest, h.What
	if o.From, o.To, err = b.times(ctx, h, now); err != nil {
		return nil, err
	}
	switch {
	case b.incidents != "":
		if o.Incidents, err = readIncidents(b.incidents); err != nil {
			return nil, err
		}
	case b.data == "":
		if o.Incidents, err = b.onRecord(cmd, o.From); err != nil {
			return nil, err
		}
	}
	switch {
	case b.outcomes != "":
		if o.Labelled, err = readOutcomes(b.outcomes); err != nil {
			return nil, err
		}
	case b.data == "":
		if o.Labelled, err = b.outcomesOnRecord(cmd, o.From, o.To); err != nil {
			return nil, err
		}
	}
	o.Progress = ruleBar(cmd.ErrOrStderr(), "replaying")
	r, err := backtest.Run(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("cannot replay: %w", err)
	}
	return r, nil
}

// onRecord asks the server for its incidents since a time.
func (b *backtesting) onRecord(cmd *cobra.Command, since time.Time) ([]backtest.Incident, error) {
	c, err := b.r.client(cmd)
	if err != nil {
		return nil, err
	}
	var out []backtest.Incident
	const many = 500
	for offset := 0; ; offset += many {
		q := url.Values{"limit": {strconv.Itoa(many)}, "offset": {strconv.Itoa(offset)}}
		raw, err := c.do(cmd.Context(), "list incidents", http.MethodGet, "/incidents", q, nil, nil)
		if err != nil {
			return nil, err
		}
		list, err := parseIncidents("the server", raw)
		if err != nil {
			return nil, err
		}
		out = append(out, list...)
		if len(list) < many || list[len(list)-1].Detected.Before(since.Add(-30*24*time.Hour)) {
			return out, nil
		}
	}
}

// outcomesOnRecord asks the server what became of its alerts; nothing where it keeps no
// outcomes.
func (b *backtesting) outcomesOnRecord(cmd *cobra.Command, from, to time.Time) ([]backtest.Labelled, error) {
	c, err := b.r.client(cmd)
	if err != nil {
		return nil, err
	}
	q := url.Values{"from": {from.UTC().Format(time.RFC3339)}, "to": {to.UTC().Format(time.RFC3339)}}
	raw, err := c.do(cmd.Context(), "list outcomes", http.MethodGet, "/outcomes", q, nil, nil)
	if e := (*answerError)(nil); errors.As(err, &e) && e.status == http.StatusNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parseOutcomes("the server", raw)
}

// readOutcomes reads what "review outcomes -o json" prints.
func readOutcomes(name string) ([]backtest.Labelled, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("cannot read outcomes: %w", err)
	}
	return parseOutcomes(name, data)
}

func parseOutcomes(name string, data []byte) ([]backtest.Labelled, error) {
	list, err := parseList[respond.Episode](data)
	if err != nil {
		return nil, fmt.Errorf("%s: expected the JSON that \"evenkeel review outcomes -o json\" prints: %w", name, err)
	}
	for i, e := range list {
		switch {
		case e.Name == "":
			return nil, fmt.Errorf("%s: outcome %d: name: expected the alert's", name, i)
		case e.Opened.IsZero():
			return nil, fmt.Errorf("%s: outcome %d: opened: expected a time", name, i)
		case e.Outcome != "" && !slices.Contains(respond.OutcomeLabels, e.Outcome):
			return nil, fmt.Errorf("%s: outcome %d: outcome: got %q, expected one of %v", name, i, e.Outcome, respond.OutcomeLabels)
		}
	}
	return app.Labelled(list), nil
}

// parseList reads a list, or an answer of the API that has one.
func parseList[T any](data []byte) (list []T, err error) {
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("[")) {
		err = json.Unmarshal(data, &list)
		return list, err
	}
	var page api.List[T]
	err = json.Unmarshal(data, &page)
	return page.Items, err
}

// declared finds the rules of both sides.
func (b *backtesting) declared(ctx context.Context, o *backtest.Options, now time.Time) error {
	dir := b.dir
	if dir == "" && (b.rev != "" || len(b.rules) == 0) {
		dir = "."
	}
	if dir != "" {
		w, err := loadWorkspace(dir, now)
		if err != nil {
			return err
		}
		o.Workspace, o.Changed = w, backtest.Declared(w, now)
	}
	if b.rev != "" {
		old, err := atRevision(ctx, dir, b.rev, now)
		if err != nil {
			return err
		}
		o.Today = backtest.Declared(old, now)
	}
	if len(b.rules) == 0 {
		return b.some(dir, o)
	}
	var files []*declare.RuleFile
	for _, name := range b.rules {
		f, err := b.ruleFile(name)
		if err != nil {
			return err
		}
		if dir == "" {
			f.Path = filepath.ToSlash(filepath.Clean(name))
		}
		var problems declare.Problems
		rf, _ := rulefile.Read(f.Path, []byte(f.Content), &problems)
		for _, p := range problems.Errors() {
			p.File = name
			return fmt.Errorf("cannot read rules: %w", p)
		}
		files = append(files, rf)
	}
	if dir != "" && b.rev == "" {
		o.Today = o.Changed
	}
	o.Changed = backtest.Replace(o.Changed, files)
	return b.some(strings.Join(b.rules, ", "), o)
}

// some refuses a replay of nothing, which would say that nobody is paged.
func (b *backtesting) some(where string, o *backtest.Options) error {
	if len(o.Changed)+len(o.Today) > 0 {
		return nil
	}
	if where == "." {
		where = "this folder"
	}
	return fmt.Errorf("cannot replay: no rule and no objective is declared in %s: expected some there, or in what --rules or --workspace name", where)
}

func loadWorkspace(dir string, now time.Time) (*declare.Workspace, error) {
	w, problems, err := workspace.Load(dir, now)
	if err != nil {
		return nil, err
	}
	if errs := problems.Errors(); w == nil && len(errs) > 0 {
		return nil, fmt.Errorf("cannot use the workspace %s: %w (evenkeel check shows all of %s)", dir, errs[0], plural(len(errs), "error"))
	}
	return w, nil
}

// open opens the history: --data, or the server.
func (b *backtesting) open(cmd *cobra.Command) (*history.History, error) {
	o := history.Options{Where: b.data}
	if b.data == "" {
		c, err := b.r.client(cmd)
		if err != nil {
			return nil, err
		}
		o.Where, o.Client = c.base.String(), &http.Client{Transport: &bearer{token: c.token, next: c.http.Transport}}
	}
	return history.Open(cmd.Context(), o)
}

// bearer adds the token to each request.
type bearer struct {
	token string
	next  http.RoundTripper
}

func (b *bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	next := b.next
	if next == nil {
		next = http.DefaultTransport
	}
	if b.token != "" {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+b.token)
	}
	return next.RoundTrip(r)
}

// times are the beginning and the end.
func (b *backtesting) times(ctx context.Context, h *history.History, now time.Time) (from, to time.Time, err error) {
	from, to = b.from.t, b.to.t
	if to.IsZero() {
		to = now
		if !h.Newest.IsZero() && h.Newest.Before(now) {
			to = h.Newest
		}
	}
	if from.IsZero() {
		if from, err = h.First(ctx, to.Add(-30*24*time.Hour), to); err != nil {
			return from, to, fmt.Errorf("cannot find where the samples begin: %w", err)
		}
	}
	if !from.Before(to) {
		return from, to, fmt.Errorf("cannot replay from %s to %s: expected the end after the beginning", from.Format(time.RFC3339), to.Format(time.RFC3339))
	}
	return from, to, nil
}

// readIncidents reads what "incident list -o json" prints.
func readIncidents(name string) ([]backtest.Incident, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("cannot read incidents: %w", err)
	}
	return parseIncidents(name, data)
}

func parseIncidents(name string, data []byte) (out []backtest.Incident, err error) {
	type entry struct {
		respond.Incident
		False bool `json:"false"`
	}
	list, err := parseList[entry](data)
	if err != nil {
		return nil, fmt.Errorf("%s: expected the JSON that \"evenkeel incident list -o json\" prints: %w", name, err)
	}
	for i, e := range list {
		if e.Clocks.Detected.IsZero() {
			return nil, fmt.Errorf("%s: incident %d: clocks.detected: expected a time", name, i)
		}
		services := e.Services
		if len(services) == 0 && e.Service != "" {
			services = []declare.ServiceID{e.Service}
		}
		out = append(out, backtest.Incident{
			Number: int64(e.Number), Title: e.Title, Services: services, False: e.False,
			Impact: e.Clocks.Impact, Detected: e.Clocks.Detected, Resolved: e.Clocks.Resolved,
		})
	}
	return out, nil
}

// atRevision loads a workspace as git has it.
func atRevision(ctx context.Context, dir, rev string, now time.Time) (*declare.Workspace, error) {
	if strings.HasPrefix(rev, "-") {
		return nil, fmt.Errorf("cannot use the revision %q: expected a branch, a tag or a commit", rev)
	}
	var complaint bytes.Buffer
	git := exec.CommandContext(ctx, "git", "-C", dir, "archive", "--format=tar", rev, ".")
	git.Stderr = &complaint
	archive, err := git.Output()
	if err != nil {
		return nil, fmt.Errorf("cannot read the workspace at %s: %s (%w)", rev, strings.TrimSpace(complaint.String()), err)
	}
	tmp, err := os.MkdirTemp("", "evenkeel-workspace-*")
	if err != nil {
		return nil, fmt.Errorf("cannot keep the workspace at %s: %w", rev, err)
	}
	defer os.RemoveAll(tmp)
	for t := tar.NewReader(bytes.NewReader(archive)); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("cannot read the workspace at %s: %w", rev, err)
		}
		if h.Typeflag != tar.TypeReg || !filepath.IsLocal(h.Name) {
			continue
		}
		data, err := io.ReadAll(t)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(filepath.Join(tmp, h.Name)), 0o700)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(tmp, h.Name), data, 0o600)
		}
		if err != nil {
			return nil, fmt.Errorf("cannot keep the workspace at %s: %w", rev, err)
		}
	}
	w, err := loadWorkspace(tmp, now)
	if err != nil {
		return nil, fmt.Errorf("at %s: %w", rev, err)
	}
	return w, nil
}
