package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed static
var staticFiles embed.FS

// pages is what is the same for every request: parsed templates and assets.
type pages struct {
	templates map[string]*template.Template
	static    http.Handler
	version   string // of the assets: part of their address, so that they are cached for good
}

// loadPages parses every page together with the layout and the shared parts, whose
// file names begin with "_". known says whether the catalogue has a service: only then it
// has a page.
func loadPages(known func(declare.ServiceID) bool) (*pages, error) {
	p := &pages{templates: map[string]*template.Template{}}
	hash := sha256.New()
	err := fs.WalkDir(staticFiles, "static", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := staticFiles.ReadFile(name)
		_, _ = hash.Write(data)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot read the assets of pages: %w", err)
	}
	p.version = hex.EncodeToString(hash.Sum(nil))[:12]
	p.static = assets()

	shared, err := template.New("").Funcs(functions).Funcs(linking(known)).ParseFS(templateFiles, "templates/_*.html")
	if err != nil {
		return nil, fmt.Errorf("cannot parse the shared templates: %w", err)
	}
	names, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		base := strings.TrimSuffix(path.Base(name), ".html")
		if strings.HasPrefix(base, "_") {
			continue
		}
		t, err := shared.Clone()
		if err == nil {
			t, err = t.ParseFS(templateFiles, name)
		}
		if err != nil {
			return nil, fmt.Errorf("cannot parse template %q: %w", base, err)
		}
		p.templates[base] = t
	}
	return p, nil
}

// assets serves the embedded files. Pages name them with their version, so that a
// browser may keep them for good.
func assets() http.Handler {
	files := http.FileServerFS(staticFiles)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/") { // no listings
			http.NotFound(w, r)
			return
		}
		if r.URL.Query().Has("v") {
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		}
		files.ServeHTTP(w, r)
	})
}

// Page is what every page's view begins with.
type Page struct {
	Title     string
	Section   string // which link of the navigation is the current one
	Me        *Me    // nil for those who are not signed in
	Here      string // path and query of this page
	Theme     string // "", light, dark
	Said      string // what the last act did
	Problem   string // what kept the form from being accepted
	Now       time.Time
	Assets    string // version of the assets
	Version   string
	Nav       []navGroup
	Refused   int        // problems of a newer workspace that is not in use
	Telemetry bool       // there are logs and traces to look into
	LiveFrom  journal.ID // the newest fact when the page was made: live goes on from there
}

// Me is the signed-in person as pages show them.
type Me struct {
	ID    declare.PersonID
	Name  string
	Level declare.Level
	Admin bool
	Teams []declare.TeamID
}

type navGroup struct {
	Room  string
	Links []navLink
}

type navLink struct {
	Label, URL, Section, Key string
	Count                    int
	Urgent                   bool
}

// page fills what every page has. Counts that cannot be read are left away: the
// page itself will say what is wrong.
func (s *site) page(r *http.Request, id act.Identity, title, section string) Page {
	p := Page{
		Title: title, Section: section, Here: r.URL.RequestURI(), Now: s.Now(),
		Assets: s.pages.version, Version: s.Version, Telemetry: s.Logs != nil && s.Traces != nil, Said: acts[r.URL.Query().Get("done")],
	}
	if c, err := r.Cookie(themeCookie); err == nil && (c.Value == "light" || c.Value == "dark") {
		p.Theme = c.Value
	}
	if id.Person == "" {
		return p
	}
	if newest, err := s.Journal.Facts(r.Context(), journal.Query{Limit: 1}); err == nil && len(newest) > 0 {
		p.LiveFrom = newest[0].ID
	}
	w := s.Workspace()
	p.Me = &Me{ID: id.Person, Name: string(id.Person), Level: w.LevelOf(id.Person), Admin: id.Admin}
	if person := w.Person(id.Person); person != nil {
		p.Me.Name, p.Me.Teams = person.Name, person.Teams
	}
	problems, _ := s.WorkspaceProblems()
	p.Refused = len(problems.Errors())

	incidents, _ := s.Incidents.List(r.Context(), respond.IncidentFilter{Active: true})
	waiting, _ := s.Runs.List(r.Context(), act.RunFilter{Waiting: true})
	p.Nav = navigation(len(incidents), len(waiting), p.Refused, id.Admin)
	return p
}

// navigation is the loop, in the order in which a datum walks through it.
func navigation(incidents, waiting, refused int, admin bool) []navGroup {
	groups := []navGroup{
		{"", []navLink{{Label: "What needs me", URL: "/", Section: "now", Key: "n"}}},
		{"Declare", []navLink{
			{Label: "Services", URL: "/services", Section: "services", Key: "s"},
			{Label: "Objectives", URL: "/objectives", Section: "objectives"},
			{Label: "Workspace", URL: "/workspace", Section: "workspace", Key: "w", Count: refused, Urgent: true},
		}},
		{"Observe", []navLink{{Label: "Explore", URL: "/explore", Section: "explore", Key: "e"}, {Label: "Dashboards", URL: "/dashboards", Section: "dashboards", Key: "h"}, {Label: "Log patterns", URL: "/patterns", Section: "patterns", Key: "k"}, {Label: "Saved views", URL: "/views", Section: "views", Key: "x"}}},
		{"Detect", []navLink{
			{Label: "Findings", URL: "/findings", Section: "findings", Key: "f"},
			{Label: "Rules", URL: "/rules", Section: "rules"},
			{Label: "Backtest", URL: "/backtest", Section: "backtest", Key: "t"},
		}},
		{"Respond", []navLink{
			{Label: "Incidents", URL: "/incidents", Section: "incidents", Key: "i", Count: incidents, Urgent: true},
			{Label: "On call", URL: "/oncall", Section: "oncall", Key: "o"},
			{Label: "Silences", URL: "/silences", Section: "silences", Key: "m"},
			{Label: "Status pages", URL: "/status", Section: "status", Key: "u"},
		}},
		{"Act", []navLink{
			{Label: "Runbooks", URL: "/runbooks", Section: "runbooks", Key: "b"},
			{Label: "Runs", URL: "/runs", Section: "runs", Key: "r", Count: waiting},
			{Label: "Changes", URL: "/changes", Section: "changes", Key: "c"},
			{Label: "Requests", URL: "/requests", Section: "requests", Key: "q"},
			{Label: "Gate", URL: "/gate", Section: "gate", Key: "y"},
		}},
		{"Learn", []navLink{
			{Label: "Reviews", URL: "/reviews", Section: "reviews", Key: "v"},
			{Label: "Alert review", URL: "/alerts/review", Section: "alert-review", Key: "a"},
			{Label: "Delivery", URL: "/delivery", Section: "delivery", Key: "d"},
			{Label: "Toil", URL: "/toil", Section: "toil", Key: "l"},
			{Label: "Journal", URL: "/journal", Section: "journal", Key: "j"},
		}},
	}
	if admin {
		groups = append(groups, navGroup{"Admin", []navLink{{Label: "People", URL: "/admin/people", Section: "people", Key: "p"}}})
	}
	return groups
}

// render writes a page. It is made in memory first, so that an error in the middle
// is an error and not half a page.
func (s *site) render(w http.ResponseWriter, status int, name string, view any) {
	var b bytes.Buffer
	if err := s.pages.templates[name].ExecuteTemplate(&b, "layout", view); err != nil {
		s.Logger.Error("cannot render page", "page", name, "error", err)
		http.Error(w, "This page could not be rendered; the server's log has the reason.", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

// show renders a page that worked.
func (s *site) show(w http.ResponseWriter, name string, view any) error {
	s.render(w, http.StatusOK, name, view)
	return nil
}

// acts are the words for what an act did, by the short word that the redirect
// carries: a text in the URL would let anybody put words into our mouth.
var acts = map[string]string{
	"acknowledge": "Acknowledged. The escalation stops here.", "mitigate": "Marked as mitigated.", "resolve": "Resolved. A review can be drafted now.",
	"outcome": "Thank you: it is on record.", "tuned": "Applied: the rule file is changed and in force.",
	"subscribed": "Subscribed: it is told of what is said from now on.", "unsubscribed": "It is told nothing any more.",
	"severity": "Severity set.", "role": "Role given.", "clock": "Clock corrected.", "merged": "Merged: this is the one that stays.", "split": "Split off: this is the new one.",
	"task": "Task added.", "task-done": "Task done.", "linked": "Linked.", "told": "Told.",
	"assigned": "Assigned.", "suspect": "On the timeline. Later rankings weigh it.", "noted": "Note added to the timeline.",
	"silenced": "Silence added.", "expired": "Silence ended.",
	"started": "Run started.", "approved": "Approved: the step runs.", "refused": "Refused: the step will not run.",
	"read": "On record: you have read it.", "voted": "Thank you: the vote is on record.", "breaker-closed": "It may run again.", "taken": "The run is yours now.", "ticked": "Noted: the run goes on.", "duty-done": "On record.", "lent": "Lent.", "loan-ended": "Taken back.",
	"retried": "The step runs again.", "skipped": "Step skipped.", "cancelled": "Run cancelled.",
	"recorded": "Change recorded.", "drafted": "Review drafted from the journal.", "redrafted": "Drafted anew.",
	"saved": "Review saved.", "published": "Review published.", "followup": "Follow-up added.", "followup-done": "Follow-up done.",
	"revoked": "Token revoked: it stops working at once.", "disabled": "Account disabled: its sessions and tokens stop working at once.", "enabled": "Account enabled.",
	"still": "You are at it: nobody else is notified.", "handed-up": "Handed up to the next level.", "handup-accept": "You have taken the incident over.", "handup-return": "Sent back with what is missing.",
	"contact": "A code goes to it: enter it below.", "contact-verified": "Verified: you are reached this way.", "contact-removed": "Removed.", "quiet": "Quiet hours saved.",
	"override": "The schedule is changed.", "override-removed": "Removed: the schedule counts again.", "swapped": "The two shifts are swapped.", "calendar": "The old calendar link has ended; the new one is below.",
	"view-saved": "Saved. Saved views lists it.", "view-removed": "View removed.",
	"welcome": "Welcome aboard.",
}

// after sends the person to a page that says what the act did.
func after(w http.ResponseWriter, r *http.Request, to, done string) error {
	sep := "?"
	if strings.Contains(to, "?") {
		sep = "&"
	}
	to, frag, _ := strings.Cut(to, "#")
	if frag != "" {
		frag = "#" + frag
	}
	http.Redirect(w, r, to+sep+"done="+done+frag, http.StatusSeeOther)
	return nil
}
