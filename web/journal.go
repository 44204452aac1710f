package web

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/journal"
)

// journalView is the audit list.
type journalView struct {
	Page
	Ref, Actor, Kind, Text string
	Facts                  []journal.Fact
	Older, Newest          string
}

func (s *site) journal(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	q := r.URL.Query()
	v := journalView{Page: s.page(r, me, "Journal", "journal"), Ref: q.Get("ref"), Actor: q.Get("actor"), Kind: q.Get("kind"), Text: q.Get("q")}
	before, _ := strconv.ParseInt(q.Get("before"), 10, 64)
	facts, err := s.Journal.Facts(r.Context(), journal.Query{
		Ref: journal.Ref(v.Ref), Actor: journal.Actor(v.Actor), Kind: journal.Kind(v.Kind), Text: v.Text,
		Before: journal.ID(max(before, 0)), Limit: 2*perPage + 1,
	})
	if err != nil {
		return err
	}
	v.Facts = facts[:min(len(facts), 2*perPage)]
	if len(facts) > len(v.Facts) {
		v.Older = withQuery(v.Here, "before", strconv.FormatInt(int64(v.Facts[len(v.Facts)-1].ID), 10))
	}
	if before > 0 {
		v.Newest = withQuery(v.Here, "before", "")
	}
	return s.show(w, "journal", v)
}

// factView is one fact with what led to it and what it led to.
type factView struct {
	Page
	Fact   journal.Fact
	Data   string
	Causes []journal.Fact // first cause first, without the fact itself
	Led    []journal.Fact // facts that name it as their cause
}

func (s *site) fact(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil || id < 1 {
		return act.ErrNotFound
	}
	chain, err := s.Journal.Causes(r.Context(), journal.ID(id))
	if err != nil {
		return err
	}
	if len(chain) == 0 || chain[0].ID != journal.ID(id) {
		return act.ErrNotFound
	}
	v := factView{Page: s.page(r, me, "Fact "+r.PathValue("id"), "journal"), Fact: chain[0]}
	for _, f := range chain[1:] {
		v.Causes = append([]journal.Fact{f}, v.Causes...)
	}
	var pretty bytes.Buffer
	if json.Indent(&pretty, v.Fact.Data, "", "  ") == nil {
		v.Data = pretty.String()
	}
	// What it led to stands after it, on the timelines of its noun.
	later, err := s.Journal.Facts(r.Context(), journal.Query{After: v.Fact.ID, Oldest: true, Limit: 1000})
	if err != nil {
		return err
	}
	for _, f := range later {
		if f.Cause == v.Fact.ID {
			v.Led = append(v.Led, f)
		}
	}
	return s.show(w, "fact", v)
}
