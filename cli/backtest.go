package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/api"
	"github.com/evenkeel/evenkeel/detect/backtest"
)

func init() { verbs = append(verbs, newBacktest) }

// backtesting is what a backtest was asked for.
type backtesting struct {
	r         *remote
	from, to  timeFlag
	step      time.Duration
	rules     []string
	dir, rev  string
	data      string
	incidents string
	outcomes  string
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
	f.StringVar(&b.outcomes, "outcomes", "", "what became of alerts on record, as \"evenkeel review outcomes -o json\" prints it")
	_ = cmd.MarkFlagDirname("workspace")
	b.r = newRemote(cmd)
	b.r.format.words = append(b.r.format.words, formatMarkdown)
	cmd.PersistentFlags().Lookup("output").Usage += ", " + formatMarkdown
	return cmd
}

// run asks the server, or replays here.
func (b *backtesting) run(cmd *cobra.Command) (*backtest.Result, []byte, error) {
	if cmd.Flags().Changed("step") && b.step < time.Second {
		return nil, nil, fmt.Errorf("cannot replay: --step %s: expected at least 1s", b.step)
	}
	if b.data == "" && b.rev == "" && b.incidents == "" && b.outcomes == "" {
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
	var result backtest.Result
	raw, err := c.replay(cmd.Context(), cmd.ErrOrStderr(), "replay", "/backtest", in, &result)
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
