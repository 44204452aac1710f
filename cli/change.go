package cli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/api"
	"github.com/evenkeel/evenkeel/declare"
)

func init() { verbs = append(verbs, newChange) }

func newChange() *cobra.Command {
	cmd := &cobra.Command{
		Use: "change", GroupID: "act", Aliases: []string{"changes"},
		Short: "Put on record what alters production, and read it: record, import, list, show",
		Example: `  evenkeel change record --kind deploy --service checkout --from 1.4.2 --to 1.5.0
  evenkeel change list --service checkout --since -2h`,
	}
	r := newRemote(cmd)
	cmd.AddCommand(changeRecord(r), changeImport(r), changeList(r), changeShow(r))
	return cmd
}

func changeRecord(r *remote) *cobra.Command {
	var in api.NewChange
	var kind, service, file, risk string
	var labels []string
	var started, ended timeFlag
	cmd := &cobra.Command{
		Use: "record", Args: cobra.NoArgs, Short: "Record a change and print its ID",
		Long: `Record a change and print its ID. The same --id again updates the end and the verdict
and records nothing twice, so that a pipeline may repeat it. A service that the catalogue
does not know is recorded all the same, with a warning.

With --file each line is a change as JSON, with the fields of POST /changes; - is stdin.
It stops at the first line that is refused and names it; the lines before are recorded.`,
		Example: `  evenkeel change record --kind deploy --service checkout --from 1.4.2 --to 1.5.0 --id "$CI_PIPELINE_ID"
  evenkeel change record --kind deploy --service checkout --id "$CI_PIPELINE_ID" --to 1.5.0 --ended now --verdict verified
  jq -c '.[] | {id, kind: "flag", service, summary}' flags.json | evenkeel change record --file -`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			in.Kind, in.Service, in.StartedAt, in.EndedAt, in.Source = act.ChangeKind(kind), declare.ServiceID(service), started.t.UTC(), ended.t.UTC(), "cli"
			in.Risk = declare.Risk(risk)
			if started.t.IsZero() {
				in.StartedAt = started.t
			}
			if ended.t.IsZero() {
				in.EndedAt = ended.t
			}
			if file != "" {
				return recordFile(cmd, r, file)
			}
			if kind == "" {
				return fmt.Errorf("cannot record a change: expected --kind, as deploy, rollback, config or flag")
			}
			var err error
			if in.Labels, err = pairs("label", labels); err != nil {
				return err
			}
			return change(cmd, r, "record a change", post, "/changes", in, recorded(cmd))
		},
	}
	f := cmd.Flags()
	f.StringVar(&in.ID, "id", "", "your own ID, so that repeating it records it once")
	f.StringVar(&kind, "kind", "", "deploy, rollback, config, infrastructure, flag, scale, patch, network or another word")
	f.StringVar(&service, "service", "", "service that it alters")
	f.StringArrayVar(&in.Resources, "resource", nil, "resource that it alters, as resource/default/orders-db (may be repeated)")
	f.StringVarP(&in.Summary, "summary", "m", "", "one line")
	f.StringVar(&in.From, "from", "", "version before")
	f.StringVar(&in.To, "to", "", "version after")
	f.StringVar(&in.Actor, "actor", "", "who changed it (default you)")
	f.StringVar(&in.URL, "link", "", "where to read more: a pipeline, a pull request")
	f.StringArrayVarP(&labels, "label", "l", nil, "key=value (may be repeated)")
	f.Var(&started, "started", "when it began (default when it ended, else now)")
	f.Var(&ended, "ended", "when it ended")
	f.StringVar(&in.Verdict, "verdict", "", "verified, failed or rolled-back")
	f.StringVar(&risk, "risk", "", "low, medium or high (default: found from what it touches)")
	f.StringVar(&in.Evidence.Author, "author", "", "who wrote it")
	f.StringArrayVar(&in.Evidence.Reviewers, "reviewer", nil, "who reviewed it (may be repeated)")
	f.StringVar(&in.Evidence.Rollback, "rollback", "", "how it is undone: a runbook, a link, a sentence")
	f.StringVar(&in.Evidence.Checks, "checks", "", "passed or failed")
	f.StringVar(&in.Evidence.Environment, "environment", "", "where to (default production)")
	f.StringVar(&in.Evidence.Repository, "repository", "", "where its code is, as acme/checkout")
	f.StringVar(&in.Evidence.Commit, "commit", "", "which commit of it")
	f.BoolVar(&in.Evidence.Emergency, "emergency", false, "it could not wait for a window")
	f.StringVarP(&file, "file", "f", "", "read changes from JSON lines; - is stdin")
	_ = cmd.RegisterFlagCompletionFunc("kind", cobra.FixedCompletions([]cobra.Completion{"deploy", "rollback", "config", "infrastructure", "flag", "scale", "patch", "network"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("verdict", cobra.FixedCompletions([]cobra.Completion{"verified", "failed", "rolled-back"}, cobra.ShellCompDirectiveNoFileComp))
	r.liveFlag(cmd, "service", services)
	for _, other := range []string{"id", "kind", "service", "resource", "summary", "from", "to", "actor", "link", "label", "started", "ended", "verdict", "risk", "author", "reviewer", "rollback", "checks", "environment", "repository", "commit", "emergency"} {
		cmd.MarkFlagsMutuallyExclusive("file", other)
	}
	return r.changes(cmd)
}

// recorded prints the ID of a change, and beside it what is strange about the change.
func recorded(cmd *cobra.Command) func(io.Writer, api.RecordedChange) {
	return func(w io.Writer, c api.RecordedChange) {
		fmt.Fprintln(w, c.ID)
		warn(cmd, c.Warnings)
	}
}

// warn says on stderr what a server finds strange.
func warn(cmd *cobra.Command, warnings []string) {
	for _, said := range warnings {
		fmt.Fprintf(cmd.ErrOrStderr(), "evenkeel: warning: %s\n", printable(said))
	}
}

// before says how many changes are on record already when one is refused.
func before(cmd *cobra.Command, done int) {
	if done > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "%d recorded before\n", done)
	}
}

// recordFile records one change a line.
func recordFile(cmd *cobra.Command, r *remote, file string) error {
	in, name := cmd.InOrStdin(), "stdin"
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return fmt.Errorf("cannot read changes: %w", err)
		}
		defer f.Close()
		in, name = f, file
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	done := 0
	for n := 1; lines.Scan(); n++ {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		if !json.Valid(line) {
			before(cmd, done)
			return fmt.Errorf("cannot read %s:%d: got %q, expected a JSON object", name, n, clip(string(line), 60))
		}
		what := fmt.Sprintf("record the change of %s:%d", name, n)
		if err := change(cmd, r, what, post, "/changes", json.RawMessage(bytes.Clone(line)), recorded(cmd)); err != nil {
			before(cmd, done)
			return err
		}
		done++
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("cannot read changes of %s: %w", name, err)
	}
	return nil
}

func changeList(r *remote) *cobra.Command {
	var service, kind, text string
	var since, until timeFlag
	var limit int
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Args: cobra.NoArgs, Short: "List changes, newest first",
		Example: "  evenkeel change list --service checkout --since -2h",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return list(cmd, r, "list changes", "/changes", values("service", service, "kind", kind, "text", text, "from", since.rfc(), "to", until.rfc(), "limit", limitText(limit)),
				"No change is on record.", changeTable)
		},
	}
	f := cmd.Flags()
	f.StringVar(&service, "service", "", "only this service's")
	f.StringVar(&kind, "kind", "", "only this kind")
	f.StringVar(&text, "text", "", "only those whose summary has this in it")
	f.Var(&since, "since", "only those that began then or later, as -2h")
	f.Var(&until, "until", "only those that began before then")
	f.IntVar(&limit, "limit", 0, "at most so many (default 100)")
	r.liveFlag(cmd, "service", services)
	return cmd
}

func changeTable(items []act.Change) *table {
	t := columns("ID", "STARTED", "KIND", "SERVICE", "FROM", "TO", "RISK", "WHO", "VERDICT", "SUMMARY")
	for _, c := range items {
		t.row(c.ID, ago(c.StartedAt), string(c.Kind), string(c.Service), c.From, c.To, string(c.Risk), c.Actor, c.Verdict, c.Summary)
	}
	return t
}

func changeShow(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Args: cobra.ExactArgs(1), ValidArgsFunction: r.live(changeIDs), Short: "Show one change",
		Example: "  evenkeel change show c-1f0c2d3e4a5b6c7d",
		RunE: func(cmd *cobra.Command, args []string) error {
			return one(cmd, r, "show change "+args[0], "/changes/"+seg(args[0]), func(w io.Writer, c api.ChangeDetail) {
				s := sheet{}
				s.add("change", c.ID)
				s.add("summary", c.Summary)
				s.add("kind", string(c.Kind))
				s.add("service", string(c.Service))
				s.add("resources", strings.Join(c.Resources, ", "))
				s.add("from", c.From)
				s.add("to", c.To)
				s.add("who", c.Actor)
				s.add("source", c.Source)
				s.add("run", c.Run)
				s.add("verdict", c.Verdict)
				s.add("started", exactly(c.StartedAt))
				s.add("ended", exactly(c.EndedAt))
				s.add("link", c.URL)
				s.add("risk", string(c.Risk))
				for _, why := range c.RiskWhy {
					s.add("  because", why)
				}
				if c.Hygiene.Score >= 0 {
					s.add("hygiene", fmt.Sprintf("%.0f %%", 100*c.Hygiene.Score))
				}
				for _, i := range c.Hygiene.Items {
					s.add("  "+i.State, i.Name+": "+i.Why)
				}
				for _, k := range sortedKeys(c.Labels) {
					s.add("label "+k, c.Labels[k])
				}
				s.write(w)
			})
		},
	}
}
