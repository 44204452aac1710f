package cli

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v4"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/act/gate"
	"github.com/evenkeel/evenkeel/api"
	"github.com/evenkeel/evenkeel/declare"
)

func init() { verbs = append(verbs, newGate) }

// maxChangeFile bounds a file that describes a change.
const maxChangeFile = 1 << 20

func newGate() *cobra.Command {
	var service, ref, kind, from, risk, override string
	var artefacts, destroys, reviewers []string
	cmd := &cobra.Command{
		Use: "gate", GroupID: "act", Args: cobra.NoArgs, Short: "May this change go now? 0 yes, 1 no, 2 could not tell",
		Long: `Ask whether a change may go now. The answer comes from the error budget and its policy,
freezes and windows (policies/gate.yml), open incidents, the health of what the service
depends on, changes that go on, and what evenkeel check finds in the artefacts that are
given: Kubernetes manifests, Terraform plans as JSON, a workspace. Every reason is told in words, and the answer is put on record.

--change is a file (JSON or YAML, with the fields of POST /changes), the ID of a change on
record, or the version that is to go.

Exit code: 0 yes, 1 no, 2 it could not be told.`,
		Example: `  evenkeel gate --service checkout --change 1.5.0
  evenkeel gate --service checkout --change change.yml --artefact k8s/ -o junit > gate.xml
  evenkeel gate --service checkout --change "$GITHUB_SHA" -o github
  evenkeel gate --service checkout --change 1.5.1 --override "the fix of incident 12"`,
	}
	r := &remote{}
	f := cmd.Flags()
	f.StringVar(&r.url, "url", "", "server (default $"+envURL+", else "+defaultURL+")")
	f.StringVar(&r.tokenFile, "token-file", "", "file that holds the token (default: the token is in $"+envToken+")")
	f.DurationVar(&r.timeout, "timeout", 30*time.Second, "give up on an answer after")
	r.format.flag(cmd, f, "junit", "github")
	f.StringVar(&service, "service", "", "service that is to be changed")
	f.StringVar(&ref, "change", "", "file, ID of a change on record, or version")
	f.StringVar(&kind, "kind", "", "deploy (default), rollback, config, infrastructure, flag, scale, patch or network")
	f.StringVar(&from, "from", "", "version before")
	f.StringVar(&risk, "risk", "", "low, medium or high (default: found from what it touches)")
	f.StringArrayVar(&artefacts, "artefact", nil, "file or folder to run evenkeel check on (may be repeated)")
	destroysFlag(cmd, &destroys)
	f.StringArrayVar(&reviewers, "reviewer", nil, "who reviewed it (may be repeated)")
	f.StringVar(&override, "override", "", "why it should go all the same; only for whom the policy lets")
	_ = cmd.RegisterFlagCompletionFunc("kind", cobra.FixedCompletions([]cobra.Completion{"deploy", "rollback", "config", "infrastructure", "flag", "scale", "patch", "network"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("risk", cobra.FixedCompletions([]cobra.Completion{"low", "medium", "high"}, cobra.ShellCompDirectiveNoFileComp))
	r.liveFlag(cmd, "service", services)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		q, err := gateQuestion(cmd, r, service, ref)
		if err != nil {
			return err
		}
		if q.Ref == "" {
			if kind != "" {
				q.Change.Kind = act.ChangeKind(kind)
			}
			if from != "" {
				q.Change.From = from
			}
			if risk != "" {
				q.Change.Risk = declare.Risk(risk)
			}
			q.Change.Evidence.Reviewers = append(q.Change.Evidence.Reviewers, reviewers...)
		}
		q.Override = override
		if len(artefacts) > 0 {
			found, err := checkPaths(artefacts, destroys, time.Now())
			if err != nil {
				return err
			}
			q.Artefacts = artefacts
			for _, p := range found.problems {
				said := message(p)
				if p.Line > 0 {
					said = fmt.Sprintf("line %d: %s", p.Line, said)
				}
				q.Problems = append(q.Problems, gate.ArtefactProblem{File: filepath.ToSlash(p.File), Message: said, Warning: p.Warning})
			}
		}
		c, err := r.client(cmd)
		if err != nil {
			return err
		}
		var d gate.Decision
		raw, err := c.do(cmd.Context(), "ask the gate", post, "/gate", nil, q, &d)
		if err != nil {
			return err
		}
		if err := printGate(cmd, r, raw, d); err != nil {
			return err
		}
		switch d.Answer {
		case gate.Yes:
			return nil
		case gate.No:
			return &foundError{}
		}
		return errors.New("cannot tell whether " + clip(printable(d.Change), 100) + " may go: " + printable(d.Reasons[0].Why))
	}
	return cmd
}

// gateQuestion finds out what --change means.
func gateQuestion(cmd *cobra.Command, r *remote, service, ref string) (q api.GateQuestion, err error) {
	q.Service = declare.ServiceID(service)
	if info, err := os.Stat(ref); err == nil && info.Mode().IsRegular() {
		if info.Size() > maxChangeFile {
			return q, fmt.Errorf("cannot read change %q: it has %d bytes, expected at most %d", ref, info.Size(), maxChangeFile)
		}
		data, err := os.ReadFile(ref)
		if err != nil {
			return q, fmt.Errorf("cannot read change: %w", err)
		}
		if q.Change, err = changeFile(data); err != nil {
			return q, fmt.Errorf("cannot read change %q: %w", ref, err)
		}
		return q, needService(q)
	}
	if ref != "" && !strings.ContainsAny(ref, " \t\n") && len(ref) <= 128 {
		c, err := r.client(cmd)
		if err != nil {
			return q, err
		}
		var on act.Change
		_, err = c.get(cmd.Context(), "find change "+ref, "/changes/"+seg(ref), nil, &on)
		var no *answerError
		switch {
		case err == nil:
			if service != "" && on.Service != q.Service {
				return q, fmt.Errorf("cannot ask for change %q: it is of %s, not of %s", ref, on.Service, service)
			}
			q.Ref = ref
			return q, nil
		case !errors.As(err, &no) || no.status != http.StatusNotFound:
			return q, err
		}
	}
	q.Change.To = ref
	return q, needService(q)
}

func needService(q api.GateQuestion) error {
	if q.Service == "" && q.Change.Service == "" {
		return errors.New("cannot ask the gate: expected --service")
	}
	return nil
}

// changeFile reads YAML, and JSON, which is YAML too; then the form is that of the API.
func changeFile(data []byte) (c api.NewChange, err error) {
	var tree map[string]any
	if err := yaml.Unmarshal(data, &tree); err != nil {
		return c, fmt.Errorf("expected a change in JSON or YAML: %w", err)
	}
	text, err := json.Marshal(tree)
	if err != nil {
		return c, fmt.Errorf("expected a change in JSON or YAML: %w", err)
	}
	dec := json.NewDecoder(strings.NewReader(string(text)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&c); err != nil {
		return c, fmt.Errorf("expected the fields of POST /changes: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	return c, nil
}

func printGate(cmd *cobra.Command, r *remote, raw []byte, d gate.Decision) error {
	w := cmd.OutOrStdout()
	switch r.format.name {
	case "junit":
		return gateJUnit(w, d)
	case "github":
		return gateGitHub(w, d)
	}
	return r.format.print(cmd, raw, func(w io.Writer) {
		t := columns("CHECK", "STATE", "WHY")
		for _, reason := range d.Reasons {
			t.row(reason.Check, reason.State, reason.Why)
		}
		t.write(w)
		fmt.Fprintf(w, "\n%s: %s\n", printable(d.Change), d.Answer)
	})
}

// gateJUnit prints a case a reason. What cannot be told is a failure too, so that a
// reader that counts only failures does not let it pass.
func gateJUnit(w io.Writer, d gate.Decision) error {
	s := junitSuite{Name: "gate " + string(d.Service)}
	for _, r := range d.Reasons {
		one := junitCase{Name: r.Check + ": " + r.Why, Class: "gate." + r.Check}
		if r.State == gate.Fail || r.State == gate.Doubt {
			one.Failure = &junitFailure{Message: r.Why, Type: r.State, Text: r.Why}
			s.Failures++
		} else {
			one.Out = r.State + ": " + r.Why
		}
		s.Cases = append(s.Cases, one)
		s.Tests++
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(junitSuites{Name: "evenkeel gate", Tests: s.Tests, Failures: s.Failures, Suites: []junitSuite{s}}); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// inFile is what the gate says of an artefact: its file, the line, what is wrong.
var inFile = regexp.MustCompile(`(?s)^(.+?): line ([0-9]+): (.+)$`)

// gateGitHub prints workflow commands: GitHub shows them at the head of the run, and what
// is wrong with an artefact beside its line.
func gateGitHub(w io.Writer, d gate.Decision) error {
	data := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	level := map[string]string{gate.Fail: "error", gate.Doubt: "error", gate.Overridden: "warning", gate.Pass: "notice"}
	for _, r := range d.Reasons {
		at, why := "", r.Why
		if m := inFile.FindStringSubmatch(why); m != nil && r.Check == "artefacts" && r.State == gate.Fail {
			at, why = "file="+property.Replace(clean(m[1]))+",line="+m[2]+",", m[3]
		}
		if _, err := fmt.Fprintf(w, "::%s %stitle=%s::%s\n", level[r.State], at, "gate "+r.Check, data.Replace(clean(why))); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "%s: %s\n", clean(d.Change), d.Answer)
	return err
}
