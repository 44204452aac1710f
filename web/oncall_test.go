package web

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// TestOnCallPage: the calendar shows what is declared, an override and a swap change
// it, a mistake keeps what was typed, and the link gives the calendar to a program.
func TestOnCallPage(t *testing.T) {
	e := quiet(t)
	h := e.handler()
	page := func() string { t.Helper(); return body(t, get(t, h, e, "alice", "/oncall")) }
	text := page()
	for _, want := range []string{"What it asked of teams", `class="turn mine"`, "flight", "Mon 23 Nov", "/ical/person/alice/"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	if strings.Contains(text, "Nobody is on call") {
		t.Error("a gap is shown, and there is none")
	}
	send := func(path string, in url.Values, status int, want string) {
		t.Helper()
		res := post(t, h, e, "alice", path, in)
		text := body(t, res)
		if res.StatusCode != status || !strings.Contains(text+res.Header.Get("Location"), want) {
			t.Errorf("%s: status %d, %s, want %q in %.300s", path, res.StatusCode, res.Header.Get("Location"), want, text)
		}
	}
	send("/oncall/overrides", url.Values{"schedule": {"shop"}, "person": {"alice"}, "kind": {"override"}, "from": {"2026-11-25T10:00"}, "to": {"2026-11-25T18:00"}, "reason": {"dentist"}}, http.StatusSeeOther, "done=override")
	send("/oncall/overrides", url.Values{"schedule": {"shop"}, "person": {"bob"}, "kind": {"override"}, "from": {"2026-11-25T10:00"}, "to": {"yesterday"}, "reason": {"dentist again"}}, http.StatusBadRequest, "dentist again")
	send("/oncall/swaps", url.Values{"schedule": {"shop"}, "give": {"2026-11-24T10:00"}, "take": {"2026-11-24T11:00"}}, http.StatusBadRequest, "a shift of somebody else")
	send("/oncall/swaps", url.Values{"schedule": {"platform"}, "give": {"2026-11-26T10:00"}, "take": {"2026-11-27T10:00"}}, http.StatusSeeOther, "done=swapped")
	if text = page(); !strings.Contains(text, "dentist") || !strings.Contains(text, "swap") {
		t.Error("what was changed is not shown")
	}
	link := regexp.MustCompile(`/ical/schedule/shop/[\w-]+\.ics`).FindString(text)
	res := get(t, h, e, "", link)
	if feed := body(t, res); res.StatusCode != http.StatusOK || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/calendar") || !strings.Contains(feed, "DTSTART:20261125T100000Z") {
		t.Errorf("%s: status %d\n%.300s", link, res.StatusCode, feed)
	}
	if res := get(t, h, e, "", "/ical/schedule/shop/guess.ics"); res.StatusCode != http.StatusNotFound {
		t.Errorf("a guessed link: status %d", res.StatusCode)
	}
	send("/oncall/overrides/1/remove", nil, http.StatusSeeOther, "done=override-removed")
	send("/oncall/overrides/1/remove", nil, http.StatusNotFound, "Not here")
	send("/oncall/calendars/schedule/shop/renew", nil, http.StatusSeeOther, "done=calendar")
	if res := get(t, h, e, "", link); res.StatusCode != http.StatusNotFound {
		t.Errorf("the old link: status %d", res.StatusCode)
	}
}
