package hook

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
)

// terraform reads notifications of HCP Terraform (and Terraform Enterprise), and the
// webhook of Atlantis.
func terraform(in input) (d act.Delivery, ignored string, err error) {
	var probe struct {
		Version json.Number `json:"payload_version"`
	}
	if err := decode(in.body, &probe); err != nil {
		return d, "", err
	}
	if probe.Version == "" {
		return atlantis(in)
	}
	var e struct {
		RunURL       string    `json:"run_url"`
		RunID        string    `json:"run_id"`
		RunMessage   string    `json:"run_message"`
		RunCreated   time.Time `json:"run_created_at"`
		RunBy        string    `json:"run_created_by"`
		Workspace    string    `json:"workspace_name"`
		Organization string    `json:"organization_name"`
		Trigger      string    `json:"trigger"` // of what is no run: assessments, reminders, change requests
		Items        []struct {
			Message string    `json:"message"`
			Trigger string    `json:"trigger"`
			Status  string    `json:"run_status"`
			At      time.Time `json:"run_updated_at"`
			By      string    `json:"run_updated_by"`
		} `json:"notifications"`
	}
	if err := decode(in.body, &e); err != nil {
		return d, "", err
	}
	if len(e.Items) == 0 && e.Trigger != "" {
		return d, "nothing is applied at " + cut(e.Trigger), nil
	}
	if len(e.Items) == 0 {
		return d, "", invalid("notifications", "", "at least one")
	}
	if len(e.Items) > 100 {
		return d, "", invalid("notifications", fmt.Sprint(len(e.Items)), "at most 100")
	}
	if e.Items[0].Trigger == "verification" {
		return d, "a verification: the hook works", nil
	}
	name := e.Organization + "/" + e.Workspace
	for _, n := range e.Items {
		switch n.Trigger {
		case "run:applying", "run:completed", "run:errored":
		default:
			ignored = "nothing is applied at " + cut(n.Trigger)
			continue
		}
		if e.RunID == "" || n.At.IsZero() {
			return d, "", invalid("run_id", e.RunID, "a run with run_updated_at")
		}
		if n.Trigger == "run:completed" && n.Status != "applied" {
			ignored = "a run that ended as " + cut(n.Status) + " applied nothing"
			continue
		}
		by := n.By
		if by == "" {
			by = e.RunBy
		}
		c := act.Change{
			ID: changeID("terraform", e.RunID), Kind: act.Infrastructure, Actor: line(by), Source: "terraform", URL: e.RunURL, StartedAt: n.At,
			Summary: line(fmt.Sprintf("apply of %s: %s", name, e.RunMessage)), Labels: map[string]string{"workspace": line(name), "run": line(e.RunID)}, Evidence: act.Evidence{Author: line(e.RunBy)},
		}
		if by != e.RunBy && e.RunBy != "" && n.Trigger != "run:errored" {
			c.Evidence.Reviewers = []string{line(by)} // who confirmed the apply of somebody else
		}
		switch n.Trigger {
		case "run:completed":
			c.EndedAt = n.At
		case "run:errored":
			c.EndedAt, c.Verdict = n.At, "failed"
		}
		in.on(&c, "workspace/terraform/"+strings.ToLower(name), name, e.Workspace)
		d.Changes = append(d.Changes, c)
	}
	return d, ignored, nil
}

// atlantis reads its "apply" webhook. It has no ID and no time: the same apply within an
// hour is one.
func atlantis(in input) (d act.Delivery, ignored string, err error) {
	var e struct {
		Workspace string
		Repo      struct{ FullName string }
		Pull      struct {
			Num        int
			URL        string
			Author     string
			HeadCommit string
		}
		User      struct{ Username string }
		Success   bool
		Directory string
		Project   string `json:"ProjectName"`
	}
	if err := decode(in.body, &e); err != nil {
		return d, "", err
	}
	if e.Repo.FullName == "" || e.Workspace == "" {
		return d, "", invalid("body", "", "a notification of HCP Terraform (payload_version), or Atlantis' apply webhook (Workspace, Repo)")
	}
	project := e.Project
	if project == "" {
		project = e.Directory
	}
	c := act.Change{
		ID:   changeID("atlantis", e.Repo.FullName, fmt.Sprint(e.Pull.Num), project, e.Workspace, in.now.UTC().Format("2006010215")),
		Kind: act.Infrastructure, Actor: line(e.User.Username), Source: "atlantis", URL: e.Pull.URL, StartedAt: in.now, EndedAt: in.now,
		Summary: line(fmt.Sprintf("apply of %s %s (%s), pull request %d", e.Repo.FullName, project, e.Workspace, e.Pull.Num)), To: short(e.Pull.HeadCommit),
		Evidence: act.Evidence{Author: e.Pull.Author, Repository: e.Repo.FullName, Commit: e.Pull.HeadCommit},
	}
	if e.User.Username != e.Pull.Author && e.Pull.Author != "" {
		c.Evidence.Reviewers = []string{line(e.User.Username)}
	}
	if !e.Success {
		c.Verdict = "failed"
	}
	in.on(&c, "repository/github/"+strings.ToLower(e.Repo.FullName), e.Repo.FullName+"/"+project, e.Repo.FullName)
	return act.Delivery{IDs: []string{"hour:" + c.ID}, Changes: []act.Change{c}}, "", nil
}
