package cli

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/api"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/rulefile"
	"github.com/evenkeel/evenkeel/declare/workspace"
	"github.com/evenkeel/evenkeel/detect/backtest"
	"github.com/evenkeel/evenkeel/detect/history"
	"github.com/evenkeel/evenkeel/respond"
)

func init() { verbs = append(verbs, newBacktest, newPlan) }

// backtesting is what a backtest was asked for.
type backtesting struct {
	r         *remote
	from, to  timeFlag
	step      time.Duration
	rules     []string
	dir, rev  string
	data      string
	incidents string
}

const replayPatience = time.Hour // for the answer of a server

func newBacktest() *cobra.Command {
	var b backtesting
	cmd := &cobra.Command{
		Use: "backtest", GroupID: "detect", Args: cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
		Short: "Say what rules and objectives would have done on the data there is",
		Long: `Replay rules and objectives over history: when each alert would have fired, for how
long, whom it would have paged through the routing and the rota, at what hour, and
which incidents on record it would have caught, how much earlier or later.

What is judged: --rules (rule files; with --workspace they replace those of the same
name there), --workspace (everything declared in a folder), or what changed since a git
revision of it (--diff). Where there is something to compare with, today's rules stand
beside.

What it is judged on: the server's samples and incidents, or --data: a data folder
(Evenkeel's or a Prometheus'), the address of a Prometheus-compatible server, or a file
(OpenMetrics or Prometheus text with times, promqltest's load, a promtool unit test).
Alerts keep their states as Prometheus does, for and keep_firing_for among them.

Exit code: 0 fine, 1 a rule cannot be evaluated, or an incident or a useful alert on
record would be lost that today's rules catch, 2 it could not be done.`,
		Example: `  evenkeel backtest --rules rules/checkout.yml
  evenkeel backtest --rules rules/checkout.yml --data http://prometheus:9090 --from -7d
  evenkeel backtest --diff origin/main -o markdown > backtest.md
  evenkeel backtest --workspace . --data series.om --step 1m -o json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			result, raw, err := b.run(cmd)
			if err != nil {
				return err
			}
			return b.print(cmd, result, raw)
		},
	}
	f := cmd.Flags()
	f.Var(&b.from, "from", "beginning (default: 30 days before the end, or where the samples begin)")
	f.Var(&b.to, "to", "end (default: now, or where the samples end)")
	f.DurationVar(&b.step, "step", 0, "shortest time between two evaluations (default: the workspace's evaluation.interval or 15s, longer over a long time)")
	f.StringSliceVar(&b.rules, "rules", nil, "rule file; may be repeated")
	f.StringVar(&b.dir, "workspace", "", "workspace folder")
	f.StringVar(&b.rev, "diff", "", "compare with the workspace at this git revision")
	f.StringVar(&b.data, "data", "", "data folder, address or file (default: the server)")
	f.StringVar(&b.incidents, "incidents", "", "incidents on record, as \"evenkeel incident list -o json\" prints them")
	_ = cmd.MarkFlagDirname("workspace")
	b.r = newRemote(cmd)
	b.r.format.words = append(b.r.format.words, formatMarkdown)
	cmd.PersistentFlags().Lookup("output").Usage += ", " + formatMarkdown
	return cmd
}

// run asks the server, or replays here.
func (b *backtesting) run(cmd *cobra.Command) (*backtest.Result, []byte, error) {
	if b.step != 0 && b.step < time.Second {
		return nil, nil, fmt.Errorf("cannot replay: --step %s: expected at least 1s", b.step)
	}
	if b.data == "" && b.rev == "" && b.incidents == "" {
		return b.ask(cmd)
	}
	result, err := b.here(cmd)
	if err != nil {
		return nil, nil, err
	}
	raw, err := json.Marshal(result)
	return result, raw, err
}

func (b *backtesting) ask(cmd *cobra.Command) (*backtest.Result, []byte, error) {
	in := api.Replaying{From: b.from.t, To: b.to.t, StepSeconds: b.step.Seconds()}
	switch {
	case b.dir != "":
		files, err := pack(b.dir)
		if err != nil {
			return nil, nil, err
		}
		for _, name := range b.rules {
			f, err := b.ruleFile(name)
			if err != nil {
				return nil, nil, err
			}
			files = replaceFile(files, f)
		}
		in.Workspace = files
	default:
		for _, name := range b.rules {
			f, err := b.ruleFile(name)
			if err != nil {
				return nil, nil, err
			}
			in.Rules = append(in.Rules, f)
		}
	}
	c, err := b.r.client(cmd)
	if err != nil {
		return nil, nil, err
	}
	c.wait = max(c.wait, replayPatience)
	defer waiting(cmd.ErrOrStderr(), "the server replays")()
	var result backtest.Result
	raw, err := c.do(cmd.Context(), "replay", post, "/backtest", nil, in, &result)
	return &result, raw, err
}

// ruleFile reads a rule file; in a workspace it is named from there.
func (b *backtesting) ruleFile(name string) (api.File, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return api.File{}, fmt.Errorf("cannot read rules: %w", err)
	}
	return api.File{Path: b.named(name), Content: string(data)}, nil
}

// named is a file's path in the workspace: from its folder "rules" on.
func (b *backtesting) named(name string) string {
	full, err := filepath.Abs(name)
	if err != nil {
		full = name
	}
	if b.dir != "" {
		if dir, err := filepath.Abs(b.dir); err == nil {
			if rel, err := filepath.Rel(dir, full); err == nil && filepath.IsLocal(rel) {
				return filepath.ToSlash(rel)
			}
		}
	}
	full = filepath.ToSlash(full)
	if i := strings.LastIndex(full, "/rules/"); i >= 0 {
		return full[i+1:]
	}
	return "rules/" + path.Base(full)
}

func replaceFile(files []api.File, f api.File) []api.File {
	for i := range files {
		if files[i].Path == f.Path {
			files[i] = f
			return files
		}
	}
	return append(files, f)
}

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
	o.Progress = ruleBar(cmd.ErrOrStderr(), "replaying")
	r, err := backtest.Run(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("cannot replay: %w", err)
	}
	return r, nil
}

// ruleBar is a bar on a terminal; nil in a pipe.
func ruleBar(talk io.Writer, what string) func(done, total int) {
	if !terminal(talk) {
		return nil
	}
	return func(done, total int) {
		const width = 30
		full := width * done / max(total, 1)
		fmt.Fprintf(talk, "\r%s [%s%s] %d of %d rules", what, strings.Repeat("=", full), strings.Repeat(" ", width-full), done, total)
		if done == total {
			fmt.Fprint(talk, "\r\x1b[K")
		}
	}
}

// waiting says on a terminal how long somebody else has been at work, until what it
// returns is called.
func waiting(talk io.Writer, what string) (done func()) {
	if !terminal(talk) {
		return func() {}
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		begin, tick := time.Now(), time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				fmt.Fprint(talk, "\r\x1b[K")
				return
			case at := <-tick.C:
				fmt.Fprintf(talk, "\r%s: %s", what, backtest.Length(at.Sub(begin).Seconds()))
			}
		}
	}()
	return sync.OnceFunc(func() { close(stop); <-stopped })
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
		return nil
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
	return nil
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
	var list []entry
	var page struct {
		Items []entry `json:"items"`
	}
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("[")) {
		err = json.Unmarshal(data, &list)
	} else if err = json.Unmarshal(data, &page); err == nil {
		list = page.Items
	}
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

// pack reads the files of a workspace folder.
func pack(dir string) ([]api.File, error) {
	var out []api.File
	total := 0
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if strings.HasPrefix(d.Name(), ".") && name != dir {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		ext := filepath.Ext(name)
		if d.IsDir() || ext != ".yml" && ext != ".yaml" && ext != ".md" && ext != ".tmpl" {
			return nil
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if total += len(data); total > 16<<20 {
			return fmt.Errorf("%s has more than 16 MiB: expected a workspace folder", dir)
		}
		rel, err := filepath.Rel(dir, name)
		out = append(out, api.File{Path: filepath.ToSlash(rel), Content: string(data)})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot read the workspace: %w", err)
	}
	return out, nil
}

// print writes the result, and says by its error whether it found something.
func (b *backtesting) print(cmd *cobra.Command, r *backtest.Result, raw []byte) error {
	if b.r.format.name == formatMarkdown {
		if _, err := io.WriteString(cmd.OutOrStdout(), r.Markdown()); err != nil {
			return err
		}
	} else if err := b.r.format.print(cmd, raw, func(w io.Writer) { resultTables(w, r) }); err != nil {
		return err
	}
	return verdict(r)
}

func verdict(r *backtest.Result) error {
	var found []string
	if lost := r.Lost(); len(lost) > 0 {
		found = append(found, plural(len(lost), "incident")+" would be lost that today's rules catch")
	}
	if lost := r.LostAlerts(); len(lost) > 0 {
		found = append(found, plural(len(lost), "useful alert")+" would not be told that today's rules tell")
	}
	if failed := r.Failed(); len(failed) > 0 {
		found = append(found, fmt.Sprintf("%s could not be evaluated throughout: %s: %s", plural(len(failed), "alert"), failed[0].Title(), failed[0].Error))
	}
	if len(found) > 0 {
		return &foundError{text: strings.Join(found, "; ")}
	}
	return nil
}

const mostFirings = 40 // in a table

func resultTables(w io.Writer, r *backtest.Result) {
	fmt.Fprintf(w, "%s (took %s)\n\n", printable(r.Title()), time.Duration(r.TookMS)*time.Millisecond)
	head := []string{"", "WOULD HAVE BEEN"}
	if r.Today != nil {
		head = []string{"", "TODAY", "CHANGED"}
	}
	t := columns(head...)
	for _, l := range r.Lines() {
		if r.Today == nil {
			t.row(l.What, l.Changed)
		} else {
			t.row(l.What, l.Today, l.Changed)
		}
	}
	t.write(w)
	fmt.Fprintln(w)
	countTable(w, r)
	if len(r.Changed.Summary.People) > 0 {
		fmt.Fprintln(w)
		t = columns("PERSON", "PAGES", "AT NIGHT")
		for _, d := range r.Changed.Summary.People {
			t.row(string(d.Person), fmt.Sprint(d.Pages), fmt.Sprint(d.Night))
		}
		t.write(w)
	}
	pageTable(w, r)
	if len(r.Incidents) > 0 {
		fmt.Fprintln(w)
		t = columns("INCIDENT", "DETECTED", "TODAY", "CHANGED", "TITLE")
		for _, c := range r.Incidents {
			today := ""
			if r.Today != nil {
				today = c.Today.String()
			}
			t.row(fmt.Sprint(c.Number), clock(c.Detected), today, c.Outcome(), c.Title)
		}
		t.write(w)
	}
	if len(r.Labelled) > 0 {
		fmt.Fprintln(w)
		t = columns("ALERT ON RECORD", "OPENED", "OUTCOME", "TODAY", "CHANGED")
		for _, j := range r.Labelled {
			today := ""
			if r.Today != nil {
				today = j.Today.String()
			}
			t.row(j.Alert, clock(j.Opened), j.Word(), today, j.Verdict())
		}
		t.write(w)
	}
	firingTable(w, r)
}

// pageTable says whom each page would have reached, and at what hour of theirs.
func pageTable(w io.Writer, r *backtest.Result) {
	list, more := r.Changed.Woken(mostFirings)
	if len(list) == 0 {
		return
	}
	fmt.Fprintln(w)
	t := columns("PAGE AT", "PERSON", "TEAM", "RECEIVER", "SERVICE", "ALERTS", "WHY")
	for _, p := range list {
		t.row(p.Hour(), p.Who(), string(p.Team), p.Receiver, string(p.Service), strings.Join(p.Alerts, " "), p.Reason())
	}
	t.write(w)
	if more > 0 {
		fmt.Fprintf(w, "and %d more: -o json has them all\n", more)
	}
}

func countTable(w io.Writer, r *backtest.Result) {
	fired := func(c *backtest.Counts) string {
		switch {
		case c == nil:
			return ""
		case c.Error != "":
			return fmt.Sprintf("%d, failed", c.Firings)
		case c.Firings == 0:
			return "0"
		}
		return fmt.Sprintf("%d (%s)", c.Firings, backtest.Length(c.FiringSeconds))
	}
	pages := func(c *backtest.Counts) string {
		if c == nil {
			return ""
		}
		return fmt.Sprint(c.Pages)
	}
	t := columns("ALERT", "FIRED", "PAGES", "FILE")
	if r.Today != nil {
		t = columns("ALERT", "FIRED TODAY", "CHANGED", "PAGES TODAY", "CHANGED", "FILE")
	}
	for _, c := range r.Rules {
		if r.Today == nil {
			t.row(c.Title(), fired(c.Changed), pages(c.Changed), c.File)
		} else {
			t.row(c.Title(), fired(c.Today), fired(c.Changed), pages(c.Today), pages(c.Changed), c.File)
		}
	}
	t.write(w)
}

func firingTable(w io.Writer, r *backtest.Result) {
	t := columns("FIRED", "FOR", "ALERT", "VALUE", "LABELS")
	n := 0
	for i := range r.Changed.Alerts {
		a := &r.Changed.Alerts[i]
		for k := range a.Firings {
			f := &a.Firings[k]
			if n++; n > mostFirings {
				continue
			}
			length := "still"
			if !f.Resolved.IsZero() {
				length = backtest.Length(f.Resolved.Sub(f.Fired).Seconds())
			}
			t.row(f.Fired.UTC().Format("2006-01-02 15:04:05Z"), length, a.Title(), f.ValueText, f.Identity(a))
		}
	}
	if n == 0 {
		return
	}
	fmt.Fprintln(w)
	t.write(w)
	if n > mostFirings {
		fmt.Fprintf(w, "and %d more: -o json has them all\n", n-mostFirings)
	}
}

func newPlan() *cobra.Command {
	var r *remote
	var dir string
	cmd := &cobra.Command{
		Use: "plan", GroupID: "declare", Args: cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
		Short: "Say what applying a workspace would change, and what its alerts would have done",
		Long: `Compare a workspace folder with the one that the server uses: what would be added,
changed and removed, and what the changed alerts and objectives would have done in the
last 30 days.

Exit code: 0 it can be applied, 1 an incident would be lost that today's rules catch or
a rule cannot be evaluated, 2 it could not be done.`,
		Example: "  evenkeel plan\n  evenkeel plan --workspace my-workspace -o markdown",
		RunE: func(cmd *cobra.Command, _ []string) error {
			files, err := pack(dir)
			if err != nil {
				return err
			}
			c, err := r.client(cmd)
			if err != nil {
				return err
			}
			c.wait = max(c.wait, replayPatience)
			done := waiting(cmd.ErrOrStderr(), "the server replays")
			defer done()
			var p api.Plan
			raw, err := c.do(cmd.Context(), "plan", post, "/plan", nil, api.Replaying{Workspace: files}, &p)
			done()
			if err != nil {
				return err
			}
			if r.format.name == formatMarkdown {
				if _, err := io.WriteString(cmd.OutOrStdout(), planMarkdown(&p)); err != nil {
					return err
				}
			} else if err := r.format.print(cmd, raw, func(w io.Writer) { planTables(w, &p) }); err != nil {
				return err
			}
			if len(p.Changes) == 0 {
				fmt.Fprintln(cmd.ErrOrStderr(), "Nothing would change.")
			}
			if p.Backtest == nil {
				return nil
			}
			return verdict(p.Backtest)
		},
	}
	cmd.Flags().StringVarP(&dir, "workspace", "w", ".", "workspace folder")
	_ = cmd.MarkFlagDirname("workspace")
	r = newRemote(cmd)
	r.format.words = append(r.format.words, formatMarkdown)
	cmd.PersistentFlags().Lookup("output").Usage += ", " + formatMarkdown
	return cmd
}

func planTables(w io.Writer, p *api.Plan) {
	if len(p.Changes) == 0 {
		return
	}
	t := columns("WHAT", "KIND", "NAME", "FILE")
	for _, c := range p.Changes {
		t.row(c.What, c.Kind, c.Name, c.File)
	}
	t.write(w)
	if p.Backtest != nil {
		fmt.Fprintln(w)
		resultTables(w, p.Backtest)
	}
}

func planMarkdown(p *api.Plan) string {
	var b strings.Builder
	b.WriteString("### Plan\n\n")
	if len(p.Changes) == 0 {
		b.WriteString("Nothing would change.\n")
		return b.String()
	}
	b.WriteString("| | | name | file |\n| --- | --- | --- | --- |\n")
	for _, c := range p.Changes {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", c.What, c.Kind, strings.ReplaceAll(c.Name, "|", `\|`), strings.ReplaceAll(c.File, "|", `\|`))
	}
	if p.Backtest != nil {
		b.WriteString("\n" + p.Backtest.Markdown())
	}
	return b.String()
}
