package web

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/respond"
)

type searchView struct {
	Page
	Text   string
	Groups []searchGroup
	Query  bool // it reads as PromQL
}

type searchGroup struct {
	Name string
	Hits []searchHit
}

type searchHit struct {
	Link
	Detail string
}

// search looks for a word in the names of everything. "#7" goes to incident 7 at
// once.
func (s *site) search(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	text := strings.TrimSpace(r.URL.Query().Get("q"))
	if n, err := strconv.ParseInt(strings.TrimPrefix(text, "#"), 10, 64); err == nil && strings.HasPrefix(text, "#") && n > 0 {
		http.Redirect(w, r, "/incidents/"+strconv.FormatInt(n, 10), http.StatusSeeOther)
		return nil
	}
	v := searchView{Page: s.page(r, me, "Search", ""), Text: text}
	if text == "" {
		return s.show(w, "search", v)
	}
	ctx, ws, low := r.Context(), s.Workspace(), strings.ToLower(text)
	group := func(name string, hits []searchHit) {
		if len(hits) > 0 {
			v.Groups = append(v.Groups, searchGroup{name, hits[:min(len(hits), 20)]})
		}
	}
	has := func(words ...string) bool {
		for _, word := range words {
			if strings.Contains(strings.ToLower(word), low) {
				return true
			}
		}
		return false
	}
	var hits []searchHit
	for _, x := range ws.Services {
		if has(string(x.ID), x.Title, x.Description, string(x.Owner)) {
			hits = append(hits, searchHit{Link{x.Title, "/services/" + string(x.ID)}, x.Description})
		}
	}
	group("Services", hits)
	hits = nil
	for _, x := range ws.Objectives {
		if has(string(x.Name), x.Title) {
			hits = append(hits, searchHit{Link{string(x.Name), "/objectives/" + string(x.Name)}, x.Description})
		}
	}
	group("Objectives", hits)
	hits = nil
	for _, x := range ws.Dashboards {
		if has(x.Name, x.Title, x.Description) {
			hits = append(hits, searchHit{Link{x.Title, "/dashboards/" + x.Name}, x.Description})
		}
	}
	group("Dashboards", hits)
	hits = nil
	for _, x := range ws.Runbooks {
		if has(x.Name, x.Title, x.Summary) {
			hits = append(hits, searchHit{Link{x.Title, "/runbooks/" + x.Name}, x.Summary})
		}
	}
	group("Runbooks", hits)
	hits = nil
	incidents, err := s.Incidents.List(ctx, respond.IncidentFilter{Limit: 500})
	if err != nil {
		return err
	}
	for _, x := range incidents {
		if has(x.Title, string(x.Service)) {
			hits = append(hits, searchHit{Link{"#" + strconv.FormatInt(int64(x.Number), 10) + " " + x.Title, "/incidents/" + strconv.FormatInt(int64(x.Number), 10)}, string(x.Status)})
		}
	}
	group("Incidents", hits)
	hits = nil
	found, _, err := s.Findings.List(ctx, detect.Filter{Text: text, Limit: 20})
	if err != nil {
		return err
	}
	for _, x := range found {
		hits = append(hits, searchHit{Link{x.Name, "/findings/" + strconv.FormatInt(x.ID, 10)}, x.Summary})
	}
	group("Findings", hits)
	hits = nil
	changes, err := s.Changes.List(ctx, act.ChangeFilter{Text: text, Limit: 20})
	if err != nil {
		return err
	}
	for _, x := range changes {
		hits = append(hits, searchHit{Link{x.Summary, changeURL(x.ID)}, string(x.Service) + " " + x.StartedAt.UTC().Format("2006-01-02 15:04")})
	}
	group("Changes", hits)
	_, err = parser.NewParser(parser.Options{}).ParseExpr(text)
	v.Query = err == nil
	return s.show(w, "search", v)
}

type helpView struct{ Page }

// help is the list of keys, for those without the script too.
func (s *site) help(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	return s.show(w, "help", helpView{s.page(r, me, "Keys and help", "")})
}
