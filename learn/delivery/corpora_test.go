//go:build corpora

package delivery

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/act"
)

const corpus = "../../../shared/corpora/dora-lead-time"

type row map[string]string

func table(t *testing.T, name string) []row {
	t.Helper()
	f, err := os.Open(filepath.Join(corpus, name+".csv"))
	if err != nil {
		t.Skipf("the corpus is not at %s", corpus)
	}
	defer f.Close()
	all, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var out []row
	for _, line := range all[1:] {
		r := row{}
		for i, v := range line {
			r[all[0][i]] = v
		}
		out = append(out, r)
	}
	return out
}

func moment(t *testing.T, text string) time.Time {
	t.Helper()
	if text == "" {
		return time.Time{}
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05.000-07:00", "2006-1-2 15:04:05", "2006-1-02 15:04:05"} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC()
		}
	}
	t.Fatalf("%q is no time", text)
	return time.Time{}
}

// TestCorporaLeadTime makes the table of the snapshot from the tables beside it: every
// merged pull request of the project, with its stages in minutes.
func TestCorporaLeadTime(t *testing.T) {
	pulls, commits, comments := table(t, "pull_requests"), table(t, "pull_request_commits"), table(t, "pull_request_comments")
	deploys, diffs, mapping, want := table(t, "cicd_deployment_commits"), table(t, "commits_diffs"), table(t, "project_mapping"), table(t, "project_pr_metrics")
	in := func(project, kind, id string) bool {
		return slices.ContainsFunc(mapping, func(m row) bool { return m["project_name"] == project && m["table"] == kind && m["row_id"] == id })
	}
	// deployed is the first deployment to production that has the merge between the
	// commit before it and its own.
	deployed := func(project, merge string) row {
		ordered := slices.SortedStableFunc(slices.Values(deploys), func(a, b row) int { return moment(t, a["started_date"]).Compare(moment(t, b["started_date"])) })
		for _, d := range ordered {
			if d["result"] != "SUCCESS" || d["environment"] != "PRODUCTION" || d["prev_success_deployment_commit_id"] == "" || !in(project, "cicd_scopes", d["cicd_scope_id"]) {
				continue
			}
			before := ""
			for _, p := range deploys {
				if p["id"] == d["prev_success_deployment_commit_id"] {
					before = p["commit_sha"]
				}
			}
			if slices.ContainsFunc(diffs, func(x row) bool {
				return x["old_commit_sha"] == before && x["new_commit_sha"] == d["commit_sha"] && x["commit_sha"] == merge
			}) {
				return d
			}
		}
		return nil
	}
	got := map[string]row{}
	for _, p := range pulls {
		if p["merged_date"] == "" || !in("project1", "repos", p["base_repo_id"]) {
			continue
		}
		m := act.Merge{ID: p["id"], CreatedAt: moment(t, p["created_date"]), MergedAt: moment(t, p["merged_date"])}
		first, review := row{}, row{}
		for _, c := range commits {
			if at := moment(t, c["commit_authored_date"]); c["pull_request_id"] == p["id"] && (m.CommittedAt.IsZero() || at.Before(m.CommittedAt)) {
				m.CommittedAt, first = at, c
			}
		}
		for _, c := range comments {
			if at := moment(t, c["created_date"]); c["pull_request_id"] == p["id"] && c["account_id"] != p["author_id"] && (m.ReviewedAt.IsZero() || at.Before(m.ReviewedAt)) {
				m.ReviewedAt, review = at, c
			}
		}
		d := deployed("project1", p["merge_commit_sha"])
		var end time.Time
		if d != nil {
			end = moment(t, d["finished_date"])
		}
		s := StagesOf(m, end)
		minutes := func(v *time.Duration) string {
			if v == nil {
				return ""
			}
			return fmt.Sprint(int(Minutes(*v).Minutes()))
		}
		stamp := func(at time.Time) string {
			if at.IsZero() {
				return ""
			}
			return at.Format("2006-01-02T15:04:05.000-07:00")
		}
		got[p["id"]] = row{
			"id": p["id"], "project_name": "project1", "first_commit_sha": first["commit_sha"], "pr_coding_time": minutes(s.Coding), "first_review_id": review["id"],
			"pr_pickup_time": minutes(s.Pickup), "pr_review_time": minutes(s.Review), "deployment_commit_id": d["id"], "pr_deploy_time": minutes(s.Deploy), "pr_cycle_time": minutes(s.Cycle),
			"first_commit_authored_date": stamp(m.CommittedAt), "first_comment_date": stamp(m.ReviewedAt), "pr_created_date": stamp(m.CreatedAt), "pr_merged_date": stamp(m.MergedAt), "pr_deployed_date": stamp(end),
		}
	}
	cells := 0
	for _, w := range want {
		g := got[w["id"]]
		if g == nil {
			t.Errorf("%s is missing", w["id"])
			continue
		}
		for column, v := range w {
			cells++
			if g[column] != strings.ReplaceAll(v, "Z", "+00:00") {
				t.Errorf("%s %s: got %q, want %q", w["id"], column, g[column], v)
			}
		}
	}
	if len(got) != len(want) || cells == 0 {
		t.Errorf("got %d rows, want %d", len(got), len(want))
	}
	t.Logf("%d rows, %d cells the same", len(want), cells)
}
