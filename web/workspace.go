package web

import (
	"net/http"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
)

type workspaceView struct {
	Page
	Workspace *declare.Workspace
	Refused   declare.Problems // of the newer one that is not in use
	RefusedAt time.Time
	Counts    []workspaceCount
	Files     []workspaceFile
	History   []journal.Fact
}

type workspaceCount struct {
	What  string
	Count int
	URL   string
}

// workspaceFile is a file and what it declares.
type workspaceFile struct {
	Name string
	What []Link
}

func (s *site) workspace(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	ws := s.Workspace()
	v := workspaceView{Page: s.page(r, me, "Workspace", "workspace"), Workspace: ws, Files: files(ws)}
	v.Refused, v.RefusedAt = s.WorkspaceProblems()
	v.Counts = []workspaceCount{
		{"services", len(ws.Services), "/services"}, {"objectives", len(ws.Objectives), "/services"}, {"resources", len(ws.Resources), ""},
		{"teams", len(ws.Teams), ""}, {"people", len(ws.People), ""}, {"schedules", len(ws.Schedules), ""},
		{"rule files", len(ws.RuleFiles), ""}, {"scrape jobs", len(ws.Scrape), ""}, {"runbooks", len(ws.Runbooks), "/runbooks"},
	}
	var err error
	if v.History, err = s.Journal.Facts(r.Context(), journal.Query{Kind: "workspace.", Limit: 20}); err != nil {
		return err
	}
	return s.show(w, "workspace", v)
}

// files lists the workspace's files with what each declares.
func files(ws *declare.Workspace) []workspaceFile {
	byFile := map[string][]Link{}
	add := func(pos declare.Position, text, to string) {
		if pos.File != "" {
			byFile[pos.File] = append(byFile[pos.File], Link{text, to})
		}
	}
	for _, x := range ws.Services {
		add(x.Pos, "service "+string(x.ID), "/services/"+string(x.ID))
	}
	for _, x := range ws.Resources {
		add(x.Pos, string(x.ID), "")
	}
	for _, x := range ws.Systems {
		add(x.Pos, "system "+x.Name, "")
	}
	for _, x := range ws.Teams {
		add(x.Pos, "team "+string(x.ID), "")
	}
	for _, x := range ws.People {
		add(x.Pos, "person "+string(x.ID), "")
	}
	for _, x := range ws.Objectives {
		add(x.Pos, "objective "+string(x.Name), "/services/"+string(x.Service))
	}
	for _, x := range ws.Schedules {
		add(x.Pos, "schedule "+x.Name, "")
	}
	for _, x := range ws.Runbooks {
		add(x.Pos, "runbook "+x.Title, "/runbooks/"+x.Name)
	}
	for _, x := range ws.RuleFiles {
		add(declare.Position{File: x.Path}, "rules", "")
	}
	var out []workspaceFile
	for name, what := range byFile {
		out = append(out, workspaceFile{name, what})
	}
	slices.SortFunc(out, func(a, b workspaceFile) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return out
}
