package hook

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
)

// glTime reads the forms in which GitLab writes times.
type glTime struct{ time.Time }

// UnmarshalJSON reads a time.
func (t *glTime) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil || s == "" {
		return err
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05 MST", "2006-01-02 15:04:05"} {
		if at, err := time.Parse(layout, s); err == nil {
			t.Time = at.UTC()
			return nil
		}
	}
	return fmt.Errorf("%q is no time as GitLab writes it", cut(s))
}

type glUser struct {
	Username string `json:"username"`
	Name     string `json:"name"`
}

type glEvent struct {
	Kind    string `json:"object_kind"`
	Project struct {
		Path    string `json:"path_with_namespace"`
		Name    string `json:"name"`
		WebURL  string `json:"web_url"`
		Default string `json:"default_branch"`
	} `json:"project"`
	User      glUser   `json:"user"`
	Reviewers []glUser `json:"reviewers"`

	// deployment
	Status        string `json:"status"`
	DeploymentID  int64  `json:"deployment_id"`
	StatusChanged glTime `json:"status_changed_at"`
	Environment   string `json:"environment"`
	Ref           string `json:"ref"`
	ShortSHA      string `json:"short_sha"`
	CommitURL     string `json:"commit_url"`
	CommitTitle   string `json:"commit_title"`
	DeployableURL string `json:"deployable_url"`

	// push
	After    string     `json:"after"`
	UserName string     `json:"user_username"`
	Commits  []glCommit `json:"commits"`

	Attributes struct {
		IID         int64  `json:"iid"`
		Action      string `json:"action"`
		State       string `json:"state"`
		Title       string `json:"title"`
		URL         string `json:"url"`
		Source      string `json:"source_branch"`
		MergeCommit string `json:"merge_commit_sha"`
		CreatedAt   glTime `json:"created_at"`
		UpdatedAt   glTime `json:"updated_at"`
		MergedAt    glTime `json:"merged_at"`
		Last        struct {
			ID string `json:"id"`
		} `json:"last_commit"`
		// pipeline
		SHA    string `json:"sha"`
		Status string `json:"status"`
		// feature flag
		ID     int64  `json:"id"`
		Name   string `json:"name"`
		Active bool   `json:"active"`
	} `json:"object_attributes"`
}

type glCommit struct {
	ID        string `json:"id"`
	Timestamp glTime `json:"timestamp"`
	Title     string `json:"title"`
}

// gitlab reads deployment, merge request, push, pipeline and feature flag events.
func gitlab(in input) (d act.Delivery, ignored string, err error) {
	var e glEvent
	if err := decode(in.body, &e); err != nil {
		return d, "", err
	}
	path := e.Project.Path
	if path == "" {
		return d, "", invalid("project.path_with_namespace", "", "the project")
	}
	a := e.Attributes
	switch e.Kind {
	case "deployment":
		if e.DeploymentID == 0 || e.StatusChanged.IsZero() {
			return d, "", invalid("deployment_id", "", "a deployment with its number and status_changed_at")
		}
		c := act.Change{
			ID: changeID("gitlab", path, "deployment", strconv.FormatInt(e.DeploymentID, 10)), Kind: act.Deploy, Actor: e.User.Username, Source: "gitlab", To: e.ShortSHA,
			Summary: line(fmt.Sprintf("deploy of %s %s to %s", path, e.ShortSHA, e.Environment)), URL: e.DeployableURL, StartedAt: e.StatusChanged.Time,
			Labels:   map[string]string{"project": path, "ref": line(e.Ref)},
			Evidence: act.Evidence{Environment: e.Environment, Repository: path, Commit: e.CommitURL[strings.LastIndexByte(e.CommitURL, '/')+1:]},
		}
		in.on(&c, "repository/gitlab/"+strings.ToLower(path), path, e.Project.Name)
		switch e.Status {
		case "created", "running":
		case "success":
			c.EndedAt = e.StatusChanged.Time
		case "failed":
			c.EndedAt, c.Verdict = e.StatusChanged.Time, "failed"
		default:
			return d, "a deployment that is " + cut(e.Status) + " alters nothing", nil
		}
		return act.Delivery{Changes: []act.Change{c}}, "", nil
	case "merge_request":
		m := act.Merge{
			ID: fmt.Sprintf("%s!%d", path, a.IID), Repository: path, Title: line(a.Title), URL: a.URL, Branch: a.Source, Head: a.Last.ID, CreatedAt: a.CreatedAt.Time,
		}
		switch a.Action {
		case "open":
			m.Author = e.User.Username // who acts is who opens
		case "approved", "approval":
			m.Reviewers, m.ReviewedAt = []string{e.User.Username}, a.UpdatedAt.Time
		case "merge":
			m.MergeCommit, m.MergedAt = a.MergeCommit, a.MergedAt.Time
			if m.MergedAt.IsZero() {
				m.MergedAt = a.UpdatedAt.Time
			}
		}
		return act.Delivery{Merges: []act.Merge{m}}, "a merge request alters nothing before it is deployed; it is remembered for the deploy's evidence", nil
	case "push":
		branch, ok := strings.CutPrefix(e.Ref, "refs/heads/")
		if !ok || len(e.Commits) == 0 {
			return d, "a push without commits to a branch tells nothing", nil
		}
		first, last := e.Commits[0].Timestamp.Time, e.Commits[0].Timestamp.Time
		for _, c := range e.Commits {
			if at := c.Timestamp.Time; at.Before(first) {
				first = at
			} else if at.After(last) {
				last = at
			}
		}
		m := act.Merge{ID: "branch:" + path + ":" + branch, Repository: path, Branch: branch, CommittedAt: first}
		if branch == e.Project.Default {
			m = act.Merge{ID: path + "@" + e.After, Repository: path, Author: e.UserName, Title: line(e.Commits[len(e.Commits)-1].Title), Branch: branch, Head: e.After, MergeCommit: e.After, CommittedAt: first, CreatedAt: first, MergedAt: last}
		}
		return act.Delivery{Merges: []act.Merge{m}}, "a push alters nothing before it is deployed; its commits are remembered for the lead time", nil
	case "pipeline":
		outcome := map[string]string{"success": "passed", "failed": "failed"}[a.Status]
		if outcome == "" || a.SHA == "" {
			return d, "a pipeline without an outcome tells nothing yet", nil
		}
		return act.Delivery{Checks: []act.Check{{Commit: a.SHA, Outcome: outcome}}}, "the outcome of checks is remembered for the deploy's evidence", nil
	case "feature_flag":
		state := map[bool]string{true: "on", false: "off"}[a.Active]
		c := act.Change{
			ID: changeID("gitlab", path, "flag", strconv.FormatInt(a.ID, 10), state, in.now.UTC().Format("20060102T150405.000")), Kind: act.Flag, Actor: e.User.Username, Source: "gitlab",
			Summary: line(fmt.Sprintf("flag %s %s", a.Name, state)), To: state, StartedAt: in.now, EndedAt: in.now, URL: e.Project.WebURL, Evidence: act.Evidence{Repository: path},
		}
		in.on(&c, "repository/gitlab/"+strings.ToLower(path), path, e.Project.Name)
		// The body has no time: a flag that is switched on again sends the same one.
		return act.Delivery{IDs: []string{changeID("minute", path, strconv.FormatInt(a.ID, 10), state, in.now.UTC().Format("200601021504"))}, Changes: []act.Change{c}}, "", nil
	}
	return d, "nothing of a " + cut(e.Kind) + " event alters production", nil
}
