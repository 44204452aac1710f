package oncall

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
)

// calendarServer answers as the test says.
type calendarServer struct {
	*httptest.Server
	mu     sync.Mutex
	answer http.HandlerFunc
	asked  int
}

func newCalendarServer(t *testing.T) *calendarServer {
	s := &calendarServer{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked++
		answer := s.answer
		s.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *calendarServer) says(answer http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

func calendarOf(events ...[2]string) http.HandlerFunc {
	text := "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n"
	for i, e := range events {
		text += fmt.Sprintf("BEGIN:VEVENT\r\nUID:%d\r\nDTSTART:%sT100000Z\r\nDTEND:%sT120000Z\r\nSUMMARY:%s\r\nEND:VEVENT\r\n", i, e[0], e[0], e[1])
	}
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text+"END:VCALENDAR\r\n") }
}

// TestFollowCalendar: a schedule follows a calendar by its URL, every 15 minutes, over a
// restart; when the calendar is dead, slow, huge or rubbish the last good reading
// counts, and after an hour a finding says why.
func TestFollowCalendar(t *testing.T) {
	r := newRoster(t)
	s := newCalendarServer(t)
	host := strings.TrimPrefix(s.URL, "http://")
	secret := s.URL + "/secret-of-the-link.ics"
	r.ws.Schedules[0].Layers = append(r.ws.Schedules[0].Layers, declare.Layer{Name: "cover", Feed: secret})
	now := wall("2036-06-01 12:00")
	read := func() {
		t.Helper()
		if err := r.book.ReadFeeds(t.Context(), now); err != nil {
			t.Fatal(err)
		}
	}
	var open []detect.Finding
	finding := func(want ...string) {
		t.Helper()
		got := r.book.FeedFindings(open, now)
		if len(want) == 0 {
			if len(got) != len(open) || (len(got) == 1 && got[0].Open()) {
				t.Fatalf("a finding is open: %+v", got)
			}
			open = nil
			return
		}
		if len(got) != 1 || !got[0].Open() || got[0].Team != "shop" || strings.Contains(fmt.Sprint(got), "secret") {
			t.Fatalf("got %+v", got)
		}
		for _, w := range want {
			if !strings.Contains(got[0].Summary+" "+got[0].Description, w) {
				t.Errorf("got %q %q, want %q", got[0].Summary, got[0].Description, w)
			}
		}
		open = got
	}
	state := func(want string) {
		t.Helper()
		all, err := r.book.Followed(t.Context(), now, "shop")
		if err != nil || len(all) != 1 {
			t.Fatal(all, err)
		}
		c := all[0]
		if got := fmt.Sprintf("%s %v %v %d %s %q", c.Layer, c.Read.IsZero(), c.Tried.IsZero(), c.Events, c.Error, c.OfNobody); got != want || c.Host != host {
			t.Errorf("got %s at %s, want %s at %s", got, c.Host, want, host)
		}
	}

	// Before the first try nothing is known of its people.
	if got := r.book.Waiting(); len(got) != 1 || !got["shop"] {
		t.Errorf("waiting: %v", got)
	}
	state("cover true true 0  []")
	finding()

	// The first reading fails: nothing of it counts, and a finding says so at once.
	s.says(http.NotFound)
	read()
	r.has("2036-06-03 12:30", r.under("2036-06-03 12:30"))
	finding("the calendar of layer cover of schedule shop cannot be read", "at "+host+": got HTTP 404 Not Found, expected 200", "no good reading yet")

	state("cover true false 0 cannot read calendar at " + host + ": got HTTP 404 Not Found, expected 200 []")
	if got := r.book.Waiting(); len(got) != 0 {
		t.Errorf("waiting: %v", got)
	}

	// Not due again before 15 minutes are over, after a restart neither.
	s.says(calendarOf([2]string{"20360603", "carol"}))
	now = now.Add(readEvery - time.Second)
	client := r.book.o.Client
	r.open()
	r.book.o.Client = client
	read()
	if s.asked != 1 {
		t.Fatalf("it is asked %d times before its time", s.asked)
	}
	now = now.Add(time.Second)
	read()
	r.has("2036-06-03 12:30", "carol")
	finding()

	for _, bad := range []struct {
		name, want string
		answer     http.HandlerFunc
	}{
		{"broken", "HTTP 500", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusInternalServerError) }},
		{"slow", "no whole answer", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "BEGIN:VCALENDAR\r\n")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}},
		{"huge", "got more than 1 MiB, expected at most 1 MiB", func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := io.WriteString(w, strings.Repeat("X:endless\r\n", 1000)); err != nil {
					return
				}
			}
		}},
		{"rubbish", "expected BEGIN:VCALENDAR", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>please sign in</html>") }},
		{"a loop", "stopped after", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/x", http.StatusFound) }},
		{"cut off", "expected a whole answer", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, "BEGIN:VCALENDAR\r\n")
		}},
		{"of nobody", `all events to come are of nobody, the first is "Mallory" from 2036-06-03 12:00; expected people of the catalogue`, calendarOf([2]string{"20360501", "carol"}, [2]string{"20360603", "Mallory"})},
	} {
		t.Run(bad.name, func(t *testing.T) {
			outer := r.T
			r.T = t
			defer func() { r.T = outer }()
			good := now
			if bad.name == "slow" { // so that nobody waits ten seconds for it
				r.book.o.Client = &http.Client{Timeout: 300 * time.Millisecond}
				defer func() { r.book.o.Client = nil }()
			}
			s.says(bad.answer)
			now = now.Add(readEvery)
			read()
			r.has("2036-06-03 12:30", "carol")
			finding() // it may be back at the next try
			for now.Sub(good) < staleAfter {
				now = now.Add(readEvery)
				read()
			}
			r.has("2036-06-03 12:30", "carol")
			finding(bad.want, "The last good reading counts, of "+good.UTC().Format("2006-01-02 15:04"))
			s.says(calendarOf([2]string{"20360603", "carol"}))
			now = now.Add(readEvery)
			read()
			finding()
		})
	}

	// Events of nobody are left out, and named until they are over; the others count.
	s.says(calendarOf([2]string{"20360501", "gone long ago"}, [2]string{"20360603", "carol"}, [2]string{"20360604", "Mallory"}, [2]string{"20360605", "eve"}))
	now = now.Add(readEvery)
	read()
	r.has("2036-06-03 12:30", "carol")
	r.has("2036-06-04 12:30", r.under("2036-06-04 12:30"))
	r.has("2036-06-05 12:30", "eve")
	finding("the calendar of layer cover of schedule shop has an event of nobody", `"Mallory" from 2036-06-04 12:00`, "Expected people of the catalogue")
	state(`cover false false 2  ["\"Mallory\" from 2036-06-04 12:00"]`)
	then := now
	now = wall("2036-06-04 15:00")
	finding()
	now = then

	// What is moved is moved, what is gone is gone; the person's hours stay after a restart
	// without the network.
	s.says(calendarOf([2]string{"20360604", "eve"}))
	now = now.Add(readEvery)
	read()
	s.Close()
	r.open()
	r.book.o.Client = client
	r.has("2036-06-03 12:30", r.under("2036-06-03 12:30"))
	r.has("2036-06-04 12:30", "eve")
	now = now.Add(readEvery)
	read()
	now = now.Add(staleAfter)
	finding("connection refused, expected an answer")

	// A schedule that follows it no more forgets it.
	r.ws.Schedules[0].Layers = r.ws.Schedules[0].Layers[:1]
	read()
	finding()
	if kept, err := readReadings(t.Context(), r.db); err != nil || len(kept) != 0 {
		t.Errorf("%+v %v", kept, err)
	}
}

// under is who has the duty without any calendar.
func (r *roster) under(at string) string {
	s := *r.ws.Schedules[0]
	s.Layers = s.Layers[:1]
	return string(s.OnCall(wall(at)))
}

// TestHolidaysFollowCalendar: the holidays of a schedule come from a URL, and the loop
// reads it when it begins.
func TestHolidaysFollowCalendar(t *testing.T) {
	r := newRoster(t)
	s := newCalendarServer(t)
	s.says(calendarOf([2]string{"20360603", "Corpus Christi"}))
	first := r.ws.Schedules[0]
	first.Feeds = []string{s.URL}
	first.Layers = append(first.Layers, declare.Layer{Name: "holidays", Start: wall("2026-03-01 09:00"), Every: declare.Daily, People: []declare.PersonID{"eve"}, Holidays: declare.HolidaysOnly})
	r.book.o.Logger = slog.New(slog.DiscardHandler)
	ctx, stop := context.WithCancel(t.Context())
	facts := r.db.Follow(ctx)
	done := make(chan error)
	go func() { done <- r.book.Run(ctx) }()
	if f := <-facts; f.Kind != "oncall.calendar.changed" || f.Text != "the calendar of the holidays of schedule shop says other times than before" {
		t.Errorf("%+v", f)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	r.open() // as it is stored
	r.has("2036-06-03 12:30", "eve")
	r.has("2036-06-03 14:30", r.under("2036-06-03 14:30"))
}

// TestAFreezeFollowsACalendar as a schedule does: what was read fills it, what comes later
// changes it, and what cannot be read leaves it as it was.
func TestAFreezeFollowsACalendar(t *testing.T) {
	r := newRoster(t)
	s := newCalendarServer(t)
	r.ws.Gate.Freezes = []declare.Freeze{
		{Name: "sale", From: wall("2036-05-01 12:00"), To: wall("2036-05-02 12:00")},
		{Name: "company", Feed: s.URL + "/secret.ics", Location: time.UTC, Unread: true},
	}
	now := wall("2036-06-01 12:00")
	read := func() declare.Freeze {
		t.Helper()
		if err := r.book.ReadFeeds(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		return r.book.Over(r.ws).Gate.Freezes[1]
	}
	says := func(f declare.Freeze, want string) {
		t.Helper()
		got := fmt.Sprint(f.Unread)
		for _, e := range f.Times() {
			got += " " + e.Name + e.From.UTC().Format(" 01-02")
		}
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	findings := func(want int) {
		t.Helper()
		got := r.book.FeedFindings(nil, now)
		if len(got) != want || want == 1 && (!strings.Contains(got[0].Summary, "freeze company") || strings.Contains(fmt.Sprint(got), "secret")) {
			t.Errorf("got %+v", got)
		}
	}
	s.says(http.NotFound)
	says(read(), "true")
	findings(1)
	now = now.Add(readEvery)
	s.says(calendarOf([2]string{"20360701", "Year end"}))
	says(read(), "false Year end 07-01")
	findings(0)
	if first := r.ws.Gate.Freezes[1]; !first.Unread || first.Events != nil {
		t.Errorf("the declared workspace was changed: %+v", first)
	}
	now = now.Add(readEvery)
	s.says(calendarOf([2]string{"20360708", "Year end"}, [2]string{"20360710", "Inventory"}))
	says(read(), "false Year end 07-08 Inventory 07-10")
	now = now.Add(2 * time.Hour)
	s.says(http.NotFound)
	says(read(), "false Year end 07-08 Inventory 07-10")
	findings(1)
	if got := r.book.Waiting(); len(got) != 0 {
		t.Errorf("no schedule waits for it: %v", got)
	}
	if all, err := r.book.Followed(t.Context(), now, ""); err != nil || len(all) != 0 {
		t.Errorf("it is no calendar of a schedule: %+v %v", all, err)
	}
}
