package alert

import (
	"fmt"
	"slices"
	"testing"
	"time"

	amalert "github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/common/model"
)

// TestOnePage: an incident pages each receiver once, however its alerts are grouped; the
// first updates go as they come, the others wait and are one, in growing gaps. What was told
// by itself is told of its end; what an update stood for is not.
func TestOnePage(t *testing.T) {
	var s storms
	now := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	alerts := func(n int, firing bool, incidents ...string) (all []*amalert.Alert) {
		for i := range max(n, len(incidents)) {
			a := &amalert.Alert{Alert: model.Alert{Labels: model.LabelSet{"i": model.LabelValue(fmt.Sprint(i))}, Annotations: model.LabelSet{}, EndsAt: now.Add(100 * time.Hour)}}
			if in := incidents[i%len(incidents)]; in != "" {
				a.Annotations["incident"] = model.LabelValue(in)
			}
			if !firing {
				a.EndsAt = now
			}
			all = append(all, a)
		}
		return all
	}
	ask := func(receiver, integration, group string, n int, repeat bool, incidents ...string) string {
		v := s.ask(now, receiver, integration, kindOf(integration), group, alerts(n, true, incidents...), repeat)
		switch {
		case v.drop:
			return "drop"
		case v.wait && v.until.IsZero():
			return "wait"
		case v.wait:
			return "wait " + v.until.Sub(now).String()
		}
		return v.notice + " " + v.also
	}
	f := func(want, got string) {
		t.Helper()
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	end := func(want bool, receiver, integration, group string, sends bool) {
		t.Helper()
		if got := s.end(now, receiver, integration, group, alerts(1, false, "1"), sends); got != want {
			t.Errorf("the end of %s is told: %v, want %v", group, got, want)
		}
	}
	f("page ", ask("chat", "slack[0]", "a", 1, false, "1", "1"))
	f("update ", ask("chat", "slack[0]", "b", 1, false, "1"))
	f("update ", ask("chat", "slack[0]", "c", 1, false, "1"))
	now = now.Add(time.Second)
	f("wait 59s", ask("chat", "slack[0]", "d", 4, false, "1"))
	f("wait 59s", ask("chat", "slack[0]", "e", 5, false, "1"))
	f("page ", ask("mail", "email[0]", "d", 4, false, "1"))      // another receiver
	f("page ", ask("chat", "slack[1]", "d", 4, false, "1"))      // another way
	f("page ", ask("chat", "slack[0]", "x", 1, false, "2"))      // another incident
	f(" ", ask("chat", "slack[0]", "y", 1, false, ""))           // none
	f(" ", ask("chat", "slack[0]", "y", 2, false, "1", ""))      // not all of it is of one
	f("page ", ask("chat", "slack[0]", "a", 1, true, "1"))       // repeat_interval asks for it
	f("page ", ask("chat", "slack[0]", "z", 1, false, "1", "3")) // the other incident is new
	now = now.Add(15 * time.Minute)
	f("update and 4 more alerts in 1 groups", ask("chat", "slack[0]", "e", 5, false, "1"))
	f("drop", ask("chat", "slack[0]", "d", 4, false, "1")) // the update stood for it
	f("drop", ask("chat", "slack[0]", "d", 4, true, "1"))
	f("wait 8m0s", ask("chat", "slack[0]", "d", 5, false, "1")) // there is more
	end(true, "chat", "slack[0]", "a", true)
	end(true, "chat", "slack[0]", "e", true)
	end(false, "chat", "slack[0]", "d", true)
	now = now.Add(episodeQuiet)
	f("page ", ask("chat", "slack[0]", "f", 1, false, "1")) // nothing came for long
	for _, g := range []string{"b", "c", "f", "z"} {
		end(true, "chat", "slack[0]", g, g != "b")
	}
	f("page ", ask("chat", "slack[0]", "g", 1, false, "1")) // all had ended

	// A pager gets no updates; when what paged has ended, what still burns pages.
	f("page ", ask("phone", "pagerduty[0]", "a", 1, false, "1"))
	f("wait", ask("phone", "pagerduty[0]", "b", 1, false, "1"))
	now = now.Add(time.Minute)
	f("wait", ask("phone", "pagerduty[0]", "b", 1, false, "1"))
	end(true, "phone", "pagerduty[0]", "a", true)
	f("page ", ask("phone", "pagerduty[0]", "b", 1, false, "1"))

	// A page that could not be sent is still owed.
	v := s.ask(now, "hook", "webhook[0]", "webhook", "a", alerts(1, true, "1"), false)
	f("page", v.notice)
	f("update ", ask("hook", "webhook[0]", "b", 1, false, "1"))
	s.fail(v, "a")
	s.fail(verdict{keys: v.keys}, "b")
	f("page ", ask("hook", "webhook[0]", "b", 1, false, "1"))

	// Many ends are bounded.
	told := 0
	for i := range 50 {
		g := fmt.Sprint(i)
		s.episodes[episodeKey{"hook", "webhook[0]", 1}].groups[g] = true
		s.episodes[episodeKey{"hook", "webhook[0]", 1}].groups["more"] = true
		if s.end(now, "hook", "webhook[0]", g, alerts(1, false, "1"), true) {
			told++
		}
	}
	if told != endsTold {
		t.Errorf("%d ends were told, want %d", told, endsTold)
	}
}

// TestGaps: an hour of a storm is a page and a few updates.
func TestGaps(t *testing.T) {
	var s storms
	start := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	var sent []string
	for at := time.Duration(0); at < time.Hour; at += time.Second {
		a := &amalert.Alert{Alert: model.Alert{Annotations: model.LabelSet{"incident": "1"}, EndsAt: start.Add(2 * time.Hour)}}
		if v := s.ask(start.Add(at), "chat", "slack[0]", "slack", fmt.Sprint(at), []*amalert.Alert{a}, false); !v.wait {
			sent = append(sent, v.notice+" "+at.String())
			if got := v.marked([]*amalert.Alert{a})[0].Annotations[noticeAnnotation]; string(got) != v.notice || a.Annotations[noticeAnnotation] != "" {
				t.Errorf("marked as %q; the one that was given as %q", got, a.Annotations[noticeAnnotation])
			}
		}
	}
	if want := []string{"page 0s", "update 1s", "update 2s", "update 1m2s", "update 3m2s", "update 7m2s", "update 15m2s", "update 30m2s", "update 45m2s"}; !slices.Equal(sent, want) {
		t.Errorf("%q, want %q", sent, want)
	}
}
