package hook

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
)

type ghUser struct {
	Login string `json:"login"`
}

type ghRepo struct {
	FullName string `json:"full_name"`
	Name     string `json:"name"`
	HTMLURL  string `json:"html_url"`
	Default  string `json:"default_branch"`
}

type ghCommit struct {
	ID        string    `json:"id"`
	Message   string    `json:"message"`
	Timestamp time.Time `json:"timestamp"`
	Author    struct {
		Username string `json:"username"`
		Name     string `json:"name"`
	} `json:"author"`
}

// ghEvent is what is read of GitHub's events.
type ghEvent struct {
	Action     string `json:"action"`
	Repository ghRepo `json:"repository"`
	Sender     ghUser `json:"sender"`

	Deployment *struct {
		ID          int64     `json:"id"`
		SHA         string    `json:"sha"`
		Ref         string    `json:"ref"`
		Task        string    `json:"task"`
		Environment string    `json:"environment"`
		Description string    `json:"description"`
		Creator     ghUser    `json:"creator"`
		CreatedAt   time.Time `json:"created_at"`
	} `json:"deployment"`
	DeploymentStatus *struct {
		State     string    `json:"state"`
		TargetURL string    `json:"target_url"`
		LogURL    string    `json:"log_url"`
		CreatedAt time.Time `json:"created_at"`
		UpdatedAt time.Time `json:"updated_at"`
	} `json:"deployment_status"`

	PullRequest *struct {
		Number      int64  `json:"number"`
		Title       string `json:"title"`
		HTMLURL     string `json:"html_url"`
		Merged      bool   `json:"merged"`
		User        ghUser `json:"user"`
		MergeCommit string `json:"merge_commit_sha"`
		Head        struct {
			SHA string `json:"sha"`
			Ref string `json:"ref"`
		} `json:"head"`
		CreatedAt time.Time `json:"created_at"`
		MergedAt  time.Time `json:"merged_at"`
	} `json:"pull_request"`
	Review *struct {
		User        ghUser    `json:"user"`
		State       string    `json:"state"`
		SubmittedAt time.Time `json:"submitted_at"`
	} `json:"review"`

	Ref     string     `json:"ref"`
	After   string     `json:"after"`
	Deleted bool       `json:"deleted"`
	Commits []ghCommit `json:"commits"`
	Head    *ghCommit  `json:"head_commit"`

	WorkflowRun *ghRun `json:"workflow_run"`
	CheckSuite  *ghRun `json:"check_suite"`
}

type ghRun struct {
	HeadSHA    string `json:"head_sha"`
	Conclusion string `json:"conclusion"`
}

// github reads deployment, deployment_status, pull_request, pull_request_review, push,
// workflow_run and check_suite.
func github(in input) (d act.Delivery, ignored string, err error) {
	event := in.header.Get("X-GitHub-Event")
	if event == "" {
		return d, "", invalid("X-GitHub-Event", "", "the name of the event")
	}
	body := in.body
	if strings.HasPrefix(in.header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return d, "", invalid("Content-Type", in.header.Get("Content-Type"), "application/json: set the webhook's content type to it")
	}
	var e ghEvent
	if err := decode(body, &e); err != nil {
		return d, "", err
	}
	repo := e.Repository.FullName
	if event == "ping" {
		return d, "a ping: the hook works", nil
	}
	if repo == "" {
		return d, "", invalid("repository.full_name", "", "the repository")
	}
	switch event {
	case "deployment", "deployment_status":
		return e.deployment(in, repo)
	case "pull_request":
		p := e.PullRequest
		if p == nil {
			return d, "", invalid("pull_request", "", "an object")
		}
		m := act.Merge{
			ID: fmt.Sprintf("%s#%d", repo, p.Number), Repository: repo, Title: line(p.Title), Author: p.User.Login, URL: p.HTMLURL,
			Branch: p.Head.Ref, Head: p.Head.SHA, CreatedAt: p.CreatedAt,
		}
		if e.Action == "closed" && p.Merged {
			m.MergedAt, m.MergeCommit = p.MergedAt, p.MergeCommit
		}
		if e.Action == "closed" && !p.Merged {
			return d, "a pull request that was closed without a merge alters nothing", nil
		}
		return act.Delivery{Merges: []act.Merge{m}}, "a pull request alters nothing before it is deployed; it is remembered for the deploy's evidence", nil
	case "pull_request_review":
		p := e.PullRequest
		if p == nil || e.Review == nil {
			return d, "", invalid("review", "", "a pull_request and its review")
		}
		m := act.Merge{ID: fmt.Sprintf("%s#%d", repo, p.Number), Repository: repo, Title: line(p.Title), Author: p.User.Login, URL: p.HTMLURL, Branch: p.Head.Ref, Head: p.Head.SHA, CreatedAt: p.CreatedAt}
		if e.Review.User.Login != p.User.Login { // an answer of the author is no review
			m.ReviewedAt = e.Review.SubmittedAt
			if e.Review.State == "approved" {
				m.Reviewers = []string{e.Review.User.Login}
			}
		}
		return act.Delivery{Merges: []act.Merge{m}}, "a review is remembered for the deploy's evidence", nil
	case "push":
		return e.push(repo)
	case "workflow_run", "check_suite":
		run := e.WorkflowRun
		if run == nil {
			run = e.CheckSuite
		}
		if run == nil {
			return d, "", invalid(event, "", "an object")
		}
		outcome := map[string]string{"success": "passed", "failure": "failed", "timed_out": "failed", "startup_failure": "failed"}[run.Conclusion]
		if e.Action != "completed" || outcome == "" || run.HeadSHA == "" {
			return d, "a pipeline without an outcome tells nothing yet", nil
		}
		return act.Delivery{Checks: []act.Check{{Commit: run.HeadSHA, Outcome: outcome}}}, "the outcome of checks is remembered for the deploy's evidence", nil
	}
	return d, "nothing of a " + cut(event) + " event alters production", nil
}

func (e *ghEvent) deployment(in input, repo string) (d act.Delivery, ignored string, err error) {
	dep := e.Deployment
	if dep == nil || dep.ID == 0 {
		return d, "", invalid("deployment.id", "", "a deployment with its number")
	}
	if dep.CreatedAt.IsZero() {
		return d, "", invalid("deployment.created_at", "", "a time")
	}
	kind := act.Deploy
	if strings.Contains(strings.ToLower(dep.Task), "rollback") {
		kind = act.Rollback
	}
	to := short(dep.Ref)
	if to == "" {
		to = short(dep.SHA)
	}
	c := act.Change{
		ID: changeID("github", repo, "deployment", strconv.FormatInt(dep.ID, 10)), Kind: kind, Actor: dep.Creator.Login, Source: "github", To: to,
		StartedAt: dep.CreatedAt, URL: e.Repository.HTMLURL,
		Summary:  line(fmt.Sprintf("%s of %s %s to %s", kind, repo, to, dep.Environment)),
		Labels:   map[string]string{"repository": repo},
		Evidence: act.Evidence{Environment: dep.Environment, Repository: repo, Commit: dep.SHA},
	}
	if dep.Description != "" {
		c.Summary = line(dep.Description)
	}
	in.on(&c, "repository/github/"+strings.ToLower(repo), repo, e.Repository.Name)
	if s := e.DeploymentStatus; s != nil {
		at := s.UpdatedAt
		if at.IsZero() {
			at = s.CreatedAt
		}
		switch s.State {
		case "success", "inactive":
			c.EndedAt = at
			if s.State == "inactive" {
				return d, "an older deployment was replaced; the newer one is its own event", nil
			}
		case "failure", "error":
			c.EndedAt, c.Verdict = at, "failed"
		}
		if s.LogURL != "" {
			c.URL = s.LogURL
		}
	}
	return act.Delivery{Changes: []act.Change{c}}, "", nil
}

// push remembers when commits were made: a branch's first one begins the lead time of
// its pull request; one to the default branch without a pull request is a merge itself.
func (e *ghEvent) push(repo string) (d act.Delivery, ignored string, err error) {
	branch, ok := strings.CutPrefix(e.Ref, "refs/heads/")
	if !ok || e.Deleted || e.Head == nil || len(e.Commits) == 0 {
		return d, "a push without commits to a branch tells nothing", nil
	}
	first := e.Head.Timestamp
	for _, c := range e.Commits {
		if !c.Timestamp.IsZero() && c.Timestamp.Before(first) {
			first = c.Timestamp
		}
	}
	m := act.Merge{ID: "branch:" + repo + ":" + branch, Repository: repo, Branch: branch, CommittedAt: first}
	if branch == e.Repository.Default {
		author := e.Head.Author.Username
		if author == "" {
			author = e.Head.Author.Name
		}
		title, _, _ := strings.Cut(e.Head.Message, "\n")
		m = act.Merge{ID: repo + "@" + e.After, Repository: repo, Title: line(title), Author: author, Branch: branch, Head: e.After, MergeCommit: e.After, CommittedAt: first, CreatedAt: first, MergedAt: e.Head.Timestamp}
	}
	return act.Delivery{Merges: []act.Merge{m}}, "a push alters nothing before it is deployed; its commits are remembered for the lead time", nil
}
