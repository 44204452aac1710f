package api

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/respond/oncall"
)

// newRota is a world in which alice and bob take weeks.
func newRota(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	declared := *w.options.Workspace()
	monday := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	declared.Schedules = []*declare.Schedule{{
		Name: "shop", Team: "shop", Location: time.UTC, Layers: []declare.Layer{{Name: "weeks", Start: monday, Every: declare.Weekly, People: []declare.PersonID{"alice", "bob"}}},
	}}
	book, err := oncall.Open(t.Context(), oncall.Options{DB: w.db, Workspace: func() *declare.Workspace { return &declared }})
	must(t, err)
	w.options.Roster, w.options.Workspace = book, func() *declare.Workspace { return book.Over(&declared) }
	w.rebuild()
	return w
}

func TestOnCall(t *testing.T) {
	w := newRota(t)
	who := func(at, want string) {
		t.Helper()
		got := do[List[OnCallDuty]](w, alice, http.MethodGet, "/oncall?at="+at, nil, ok)
		d := got.Items[0]
		if text := fmt.Sprintf("%s (%s) until %s, then %s, %v", d.Person, d.Why, d.Until.Format("01-02 15:04"), d.Next, d.Shadows); text != want {
			t.Errorf("%s: got %s, want %s", at, text, want)
		}
	}
	who("2026-03-03T00:00:00Z", "alice (layer weeks) until 03-09 09:00, then bob, []")
	at := func(day, hour int) time.Time { return time.Date(2026, 3, day, hour, 0, 0, 0, time.UTC) }
	o := do[respond.DutyOverride](w, alice, post, "/oncall/overrides", NewOverride{Schedule: "shop", Person: "bob", From: at(3, 0), To: at(3, 12), Reason: "dentist"}, created)
	do[respond.DutyOverride](w, alice, post, "/oncall/overrides", NewOverride{Schedule: "shop", Kind: respond.OverrideShadow, Person: "alice", Of: "bob", From: at(3, 0), To: at(30, 0)}, created)
	who("2026-03-03T00:00:00Z", fmt.Sprintf("bob (override %d: dentist) until 03-03 12:00, then alice, [alice]", o.ID))
	shifts := do[List[OnCallShift]](w, bob, http.MethodGet, "/oncall/shifts?schedule=shop&from=2026-03-02T00:00:00Z&to=2026-03-04T00:00:00Z", nil, ok)
	if len(shifts.Items) != 4 || shifts.Items[0].Person != "" || shifts.Items[2].Person != "bob" {
		t.Errorf("%+v", shifts.Items)
	}
	if gaps := do[List[OnCallShift]](w, bob, http.MethodGet, "/oncall/shifts?gaps=true&from=2026-03-01T00:00:00Z&to=2026-03-04T00:00:00Z", nil, ok); len(gaps.Items) != 1 {
		t.Errorf("%+v", gaps.Items)
	}
	do[none](w, alice, http.MethodDelete, fmt.Sprintf("/oncall/overrides/%d", o.ID), nil, quiet)
	do[ErrorBody](w, alice, http.MethodDelete, fmt.Sprintf("/oncall/overrides/%d", o.ID), nil, http.StatusNotFound)
	who("2026-03-03T00:00:00Z", "alice (layer weeks) until 03-09 09:00, then bob, []")

	halves := do[List[respond.DutyOverride]](w, bob, post, "/oncall/swaps", NewSwap{Schedule: "shop", Give: at(4, 0), Take: at(10, 0)}, created).Items
	if len(halves) != 2 || halves[0].Person != "bob" || halves[1].Person != "alice" || halves[0].Swap != halves[0].ID || halves[1].Swap != halves[0].ID {
		t.Errorf("%+v", halves)
	}
	who("2026-03-05T00:00:00Z", fmt.Sprintf("bob (swap %d) until 03-09 09:00, then alice, [alice]", halves[0].ID))
	who("2026-03-12T00:00:00Z", fmt.Sprintf("alice (swap %d) until 03-23 09:00, then bob, []", halves[1].ID))
	do[none](w, alice, http.MethodDelete, fmt.Sprintf("/oncall/overrides/%d", halves[1].ID), nil, quiet)
	if left := do[List[respond.DutyOverride]](w, bob, http.MethodGet, "/oncall/overrides", nil, ok); len(left.Items) != 1 || left.Items[0].Kind != respond.OverrideShadow {
		t.Errorf("half a swap is left: %+v", left.Items)
	}

	refused := func(path string, body any, field string) {
		t.Helper()
		if e := do[ErrorBody](w, alice, post, path, body, http.StatusBadRequest); e.Error.Field != field {
			t.Errorf("%s %+v: %+v", path, body, e.Error)
		}
	}
	refused("/oncall/overrides", NewOverride{Schedule: "shop", Person: "eve", From: at(3, 0), To: at(3, 12)}, "person")
	refused("/oncall/overrides", NewOverride{Schedule: "shopp", Person: "bob", From: at(3, 0), To: at(3, 12)}, "schedule")
	refused("/oncall/overrides", NewOverride{Schedule: "shop", Person: "bob", From: at(3, 12), To: at(3, 12)}, "to")
	refused("/oncall/overrides", NewOverride{Schedule: "shop", Kind: "swap", Person: "bob", From: at(3, 0), To: at(3, 12)}, "kind")
	refused("/oncall/overrides", NewOverride{Schedule: "shop", Person: "bob", Of: "alice", From: at(3, 0), To: at(3, 12)}, "of")
	refused("/oncall/overrides", NewOverride{Schedule: "shop", Person: "bob", From: at(3, 0).AddDate(-1, 0, 0), To: at(3, 12)}, "from")
	refused("/oncall/swaps", NewSwap{Schedule: "shop", Give: at(4, 0), Take: at(5, 0)}, "take")
	refused("/oncall/swaps", NewSwap{Schedule: "shop", Give: at(1, 0), Take: at(5, 0)}, "give")
	refused("/oncall/calendars", NewCalendar{Schedule: "shop", Calendar: "hello"}, "calendar")
	do[ErrorBody](w, alice, http.MethodGet, "/oncall/shifts?schedule=nope", nil, http.StatusNotFound)
	do[ErrorBody](w, alice, http.MethodGet, "/oncall/calendars/team/shop", nil, http.StatusNotFound)
}

// TestCalendars: what goes out can come in again, and a renewed link ends the old one.
func TestCalendars(t *testing.T) {
	w := newRota(t)
	token := func(link CalendarLink) string {
		t.Helper()
		return link.URL[strings.LastIndexByte(link.URL, '/')+1:]
	}
	link := do[CalendarLink](w, alice, http.MethodGet, "/oncall/calendars/person/bob", nil, ok)
	if !strings.HasPrefix(link.URL, "https://evenkeel.example/ical/person/bob/") || !strings.HasSuffix(link.URL, ".ics") {
		t.Error(link.URL)
	}
	feed, err := w.options.Roster.Feed(t.Context(), w.now, "person", "bob", token(link))
	if err != nil || strings.Count(string(feed), "BEGIN:VEVENT") != 7 || !strings.Contains(string(feed), "DTSTART:20260309T090000Z\r\nDTEND:20260316T090000Z\r\nSUMMARY:bob on call for shop") {
		t.Errorf("%v\n%s", err, feed)
	}
	for _, bad := range []string{"", "x.ics", token(link)[:10] + ".ics"} {
		if _, err := w.options.Roster.Feed(t.Context(), w.now, "person", "bob", bad); err == nil {
			t.Errorf("%q lets one in", bad)
		}
	}
	if _, err := w.options.Roster.Feed(t.Context(), w.now, "person", "alice", token(link)); err == nil {
		t.Error("bob's link shows alice's shifts")
	}
	fresh := do[CalendarLink](w, alice, post, "/oncall/calendars/person/bob/renew", nil, ok)
	if _, err := w.options.Roster.Feed(t.Context(), w.now, "person", "bob", token(link)); err == nil || fresh.URL == link.URL {
		t.Error("the old link still works")
	}
	if _, err := w.options.Roster.Feed(t.Context(), w.now, "person", "bob", token(fresh)); err != nil {
		t.Error(err)
	}
	ics := "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:1\r\nSUMMARY:Alice Able\r\nDTSTART:20260310T090000Z\r\nDTEND:20260310T170000Z\r\nRRULE:FREQ=DAILY;COUNT=3\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
	if got := do[List[respond.DutyOverride]](w, alice, post, "/oncall/calendars", NewCalendar{Schedule: "shop", Calendar: ics}, created).Items; len(got) != 3 || got[2].Person != "alice" {
		t.Errorf("%+v", got)
	}
	if d := do[List[OnCallDuty]](w, bob, http.MethodGet, "/oncall?at=2026-03-11T10:00:00Z", nil, ok).Items[0]; d.Person != "alice" {
		t.Errorf("%+v", d)
	}
}

// TestFollowedCalendars: how each stands, without its URL.
func TestFollowedCalendars(t *testing.T) {
	w := newRota(t)
	w.options.Workspace().Schedules[0].Layers[0].Feed = "https://calendar.example/a-secret.ics"
	all := do[List[respond.FollowedCalendar]](w, alice, http.MethodGet, "/oncall/calendars?schedule=shop", nil, ok).Items
	if len(all) != 1 || all[0].Layer != "weeks" || all[0].Host != "calendar.example" || !all[0].Tried.IsZero() || strings.Contains(fmt.Sprint(all), "secret") {
		t.Errorf("%+v", all)
	}
	do[ErrorBody](w, alice, http.MethodGet, "/oncall/calendars?schedule=shp", nil, http.StatusNotFound)
}

// TestLoad counts pages, hours and nights by team, and names nobody.
func TestLoad(t *testing.T) {
	w := newRota(t)
	w.burn()
	w.now = at.AddDate(0, 0, 14)
	got := do[List[respond.TeamLoad]](w, alice, http.MethodGet, "/oncall/load?from=2026-03-02T09:00:00Z", nil, ok)
	l := got.Items[0]
	if l.Team != "shop" || l.Shifts != 3 || l.Pages != 1 || l.NightPages != 0 || l.Busiest != 1 || l.Hours != 339.2 && l.Hours < 339 || l.NightHours != 14*9 || l.WeekendHours != 4*24 {
		t.Errorf("%+v", l)
	}
}
