package hook

import (
	"fmt"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
)

// argocd reads the body of the template in examples/ci/argocd-notifications.yml: Argo CD
// sends what its administrator writes.
func argocd(in input) (d act.Delivery, ignored string, err error) {
	var e struct {
		App        string    `json:"app"`
		Project    string    `json:"project"`
		Namespace  string    `json:"namespace"`
		Cluster    string    `json:"cluster"`
		Phase      string    `json:"phase"`  // of the operation: Running, Succeeded, Failed, Error
		Health     string    `json:"health"` // Healthy, Degraded, …
		Revision   string    `json:"revision"`
		Previous   string    `json:"previous"`
		StartedAt  time.Time `json:"startedAt"`
		FinishedAt string    `json:"finishedAt"`
		By         string    `json:"initiatedBy"`
		Images     []string  `json:"images"`
		URL        string    `json:"url"`
		Repo       string    `json:"repo"`
	}
	if err := decode(in.body, &e); err != nil {
		return d, "", err
	}
	switch {
	case e.App == "":
		return d, "", invalid("app", "", "the application's name")
	case e.StartedAt.IsZero():
		return d, "", invalid("startedAt", "", "when the operation began")
	}
	if e.By == "" {
		e.By = "argocd"
	}
	c := act.Change{
		ID: changeID("argocd", e.App, e.StartedAt.UTC().Format("20060102T150405Z"), short(e.Revision)), Kind: act.Deploy, Actor: line(e.By), Source: "argocd",
		From: short(e.Previous), To: short(e.Revision), URL: e.URL, StartedAt: e.StartedAt, Summary: line(fmt.Sprintf("sync of %s to %s", e.App, short(e.Revision))),
		Labels: map[string]string{"app": line(e.App)}, Evidence: act.Evidence{Commit: e.Revision, Repository: line(e.Repo)},
	}
	if len(e.Images) > 0 {
		c.Labels["images"] = line(strings.Join(e.Images, " "))
	}
	if e.Cluster != "" {
		c.Labels["cluster"] = line(e.Cluster)
	}
	in.on(&c, "application/"+strings.ToLower(e.Namespace)+"/"+strings.ToLower(e.App), e.App)
	switch e.Phase {
	case "Succeeded", "Failed", "Error":
		if c.EndedAt, err = time.Parse(time.RFC3339, e.FinishedAt); err != nil {
			return d, "", invalid("finishedAt", e.FinishedAt, "a time as 2026-03-02T12:00:00Z")
		}
		if e.Phase != "Succeeded" || e.Health == "Degraded" {
			c.Verdict = "failed"
		}
	case "Running", "":
	default:
		return d, "", invalid("phase", e.Phase, "Running, Succeeded, Failed or Error")
	}
	return act.Delivery{Changes: []act.Change{c}}, "", nil
}

// flux reads an event of Flux' notification controller.
func flux(in input) (d act.Delivery, ignored string, err error) {
	var e struct {
		Involved struct {
			Kind      string `json:"kind"`
			Namespace string `json:"namespace"`
			Name      string `json:"name"`
		} `json:"involvedObject"`
		Severity   string            `json:"severity"`
		Timestamp  time.Time         `json:"timestamp"`
		Message    string            `json:"message"`
		Reason     string            `json:"reason"`
		Metadata   map[string]string `json:"metadata"`
		Controller string            `json:"reportingController"`
	}
	if err := decode(in.body, &e); err != nil {
		return d, "", err
	}
	switch {
	case e.Involved.Kind == "" || e.Involved.Name == "":
		return d, "", invalid("involvedObject", "", "an object with kind and name")
	case e.Timestamp.IsZero():
		return d, "", invalid("timestamp", "", "a time")
	}
	kind, verdict := act.ChangeKind(""), ""
	switch e.Reason {
	case "ReconciliationSucceeded", "InstallSucceeded", "UpgradeSucceeded":
		kind = act.Deploy
	case "RollbackSucceeded":
		kind = act.Rollback
	case "ReconciliationFailed", "InstallFailed", "UpgradeFailed", "HealthCheckFailed", "TestFailed":
		kind, verdict = act.Deploy, "failed"
	case "RollbackFailed":
		kind, verdict = act.Rollback, "failed"
	case "UninstallSucceeded", "Progressing", "DriftCorrected":
		kind = act.Infrastructure
		if e.Reason == "Progressing" {
			return d, "a reconciliation in progress; its end is an event of its own", nil
		}
	default:
		return d, "nothing of " + cut(e.Reason) + " alters production", nil
	}
	if e.Involved.Kind != "Kustomization" && e.Involved.Kind != "HelmRelease" {
		return d, "a " + cut(e.Involved.Kind) + " deploys nothing", nil
	}
	revision := ""
	for _, key := range []string{"revision", "kustomize.toolkit.fluxcd.io/revision", "helm.toolkit.fluxcd.io/revision"} {
		if revision == "" {
			revision = e.Metadata[key]
		}
	}
	commit := ""
	for _, from := range []string{revision, e.Metadata["originRevision"], e.Metadata["kustomize.toolkit.fluxcd.io/originRevision"]} {
		// An OCI artefact's own revision is a digest; where it came from is a commit.
		if _, sha, ok := strings.Cut(from, "@sha1:"); ok && commit == "" {
			commit = sha
		}
	}
	to := revision
	if commit != "" {
		to = short(commit)
	}
	name := e.Involved.Namespace + "/" + e.Involved.Name
	c := act.Change{
		ID: changeID("flux", strings.ToLower(e.Involved.Kind), name, short(to), e.Reason, e.Timestamp.UTC().Format("20060102T150405Z")), Kind: kind, Actor: "flux", Source: "flux", To: line(to), Verdict: verdict,
		StartedAt: e.Timestamp, EndedAt: e.Timestamp, Summary: line(fmt.Sprintf("%s of %s: %s", kind, name, e.Message)),
		Labels: map[string]string{"object": line(e.Involved.Kind + " " + name)}, Evidence: act.Evidence{Commit: line(commit)},
	}
	if env := e.Metadata["environment"]; env != "" {
		c.Evidence.Environment = line(env)
	}
	in.on(&c, strings.ToLower(e.Involved.Kind)+"/"+strings.ToLower(name), e.Involved.Name, name)
	return act.Delivery{Changes: []act.Change{c}}, "", nil
}
