package web

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond/status"
)

// StatusPages is what pages do with the pages for those outside; *status.Book is one.
type StatusPages interface {
	Page(ctx context.Context, now time.Time, system string) (status.Page, error)
	Statuspage(p status.Page, name string) any
	Subscribers(ctx context.Context, system string) ([]status.Subscriber, error)
	Subscribe(ctx context.Context, now time.Time, actor journal.Actor, system, url string) (status.Subscriber, error)
	Unsubscribe(ctx context.Context, now time.Time, actor journal.Actor, id int64) error
}

type statusView struct {
	Page
	Status      status.Page
	Subscribers []status.Subscriber // for those who are signed in
}

// openStatus are the status pages: without a sign-in where that was declared.
func (s *site) openStatus(mux *http.ServeMux) {
	for pattern, h := range map[string]func(http.ResponseWriter, *http.Request, act.Identity, status.Page) error{
		"GET /status/{system}":                  s.statusPage,
		"GET /status/{system}/history.rss":      s.statusFeed,
		"GET /status/{system}/api/v2/{name...}": s.statusJSON,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			me, in := act.IdentityOf(r)
			system := r.PathValue("system")
			if s.StatusPages == nil || !in && !s.public(system) {
				// Whether there is such a system is not told to those outside.
				if strings.Count(r.URL.Path, "/") == 2 {
					s.signedIn(func(http.ResponseWriter, *http.Request, act.Identity) error { return act.ErrNotFound }).ServeHTTP(w, r)
					return
				}
				http.NotFound(w, r)
				return
			}
			p, err := s.StatusPages.Page(r.Context(), s.Now(), system)
			if err == nil {
				err = h(w, r, me, p)
			}
			if err != nil {
				s.fail(w, r, me, err)
			}
		})
	}
}

func (s *site) statusRoutes() map[string]handler {
	return map[string]handler{
		"GET /status":                                s.statusList,
		"POST /status/{system}/subscribers":          s.subscribe,
		"POST /status/{system}/subscribers/{id}/end": s.unsubscribe,
	}
}

// public says whether a page is declared to be seen without a sign-in.
func (s *site) public(system string) bool {
	for _, p := range s.Workspace().Settings.StatusPages {
		if p.System == system && p.Public {
			return true
		}
	}
	return false
}

type statusListView struct {
	Page
	Systems []*declare.System
	Public  map[string]bool
}

func (s *site) statusList(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	v := statusListView{Page: s.page(r, me, "Status pages", "status"), Systems: s.Workspace().Systems, Public: map[string]bool{}}
	for _, x := range v.Systems {
		v.Public[x.Name] = s.public(x.Name)
	}
	return s.show(w, "statuslist", v)
}

func (s *site) statusPage(w http.ResponseWriter, r *http.Request, me act.Identity, p status.Page) error {
	v := statusView{Page: s.page(r, me, p.Title+" status", "status"), Status: p}
	if me.Person != "" {
		var err error
		if v.Subscribers, err = s.StatusPages.Subscribers(r.Context(), p.System); err != nil {
			return err
		}
	}
	return s.show(w, "status", v)
}

func (s *site) statusJSON(w http.ResponseWriter, r *http.Request, _ act.Identity, p status.Page) error {
	name, ok := strings.CutSuffix(r.PathValue("name"), ".json")
	v := s.StatusPages.Statuspage(p, name)
	if !ok || v == nil {
		http.NotFound(w, r)
		return nil
	}
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	if p.Public { // a page of somebody else may show it
		h.Set("Access-Control-Allow-Origin", "*")
	}
	_, _ = w.Write(data)
	return nil
}

type (
	rss struct {
		XMLName xml.Name   `xml:"rss"`
		Version string     `xml:"version,attr"`
		Atom    string     `xml:"xmlns:atom,attr"`
		Channel rssChannel `xml:"channel"`
	}
	rssChannel struct {
		Title       string    `xml:"title"`
		Link        string    `xml:"link"`
		Description string    `xml:"description"`
		Self        rssSelf   `xml:"atom:link"`
		Items       []rssItem `xml:"item"`
	}
	rssSelf struct { // where the feed itself is
		Href string `xml:"href,attr"`
		Rel  string `xml:"rel,attr"`
		Type string `xml:"type,attr"`
	}
	rssItem struct {
		Title       string  `xml:"title"`
		Link        string  `xml:"link"`
		Description string  `xml:"description"`
		Date        string  `xml:"pubDate"`
		GUID        rssGUID `xml:"guid"`
	}
	rssGUID struct {
		Permalink bool   `xml:"isPermaLink,attr"`
		Text      string `xml:",chardata"`
	}
)

// statusFeed has an item for each update, the newest first.
func (s *site) statusFeed(w http.ResponseWriter, _ *http.Request, _ act.Identity, p status.Page) error {
	link := s.url("/status/" + p.System)
	feed := rss{Version: "2.0", Atom: "http://www.w3.org/2005/Atom", Channel: rssChannel{
		Title: p.Title + " status", Link: link, Description: "What is said of " + p.Title, Self: rssSelf{link + "/history.rss", "self", "application/rss+xml"},
	}}
	for _, list := range [][]status.Trouble{p.Active, p.History} {
		for _, t := range list {
			for _, u := range t.Updates {
				at := link + "#incident-" + strconv.FormatInt(int64(t.Number), 10)
				feed.Channel.Items = append(feed.Channel.Items, rssItem{t.Name + ": " + string(u.Phase), at, u.Text, u.At.UTC().Format(time.RFC1123Z), rssGUID{Text: link + "/updates/" + strconv.FormatInt(u.ID, 10)}})
			}
		}
	}
	data, err := xml.MarshalIndent(feed, "", "  ")
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/rss+xml; charset=utf-8")
	_, _ = w.Write(append([]byte(xml.Header), data...))
	return nil
}

func (s *site) subscribe(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	if err := form(r); err != nil {
		return err
	}
	if s.StatusPages == nil {
		return act.ErrNotFound
	}
	system := r.PathValue("system")
	if _, err := s.StatusPages.Subscribe(r.Context(), s.Now(), me.Actor(), system, r.PostFormValue("url")); err != nil {
		return err
	}
	return after(w, r, "/status/"+system, "subscribed")
}

func (s *site) unsubscribe(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil || s.StatusPages == nil {
		return act.ErrNotFound
	}
	if err := s.StatusPages.Unsubscribe(r.Context(), s.Now(), me.Actor(), id); err != nil {
		return err
	}
	return after(w, r, "/status/"+r.PathValue("system"), "unsubscribed")
}
