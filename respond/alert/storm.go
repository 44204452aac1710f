package alert

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	amalert "github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/common/model"
)

const (
	// episodeQuiet re-arms an episode: what comes of an incident after so long a silence
	// pages.
	episodeQuiet = 30 * time.Minute
	// atOnceTold is how many messages of an episode go out as they come: the page, and the
	// updates of an incident that has a few groups.
	atOnceTold = 3
	// firstGap and longestGap are before the updates that follow; each gap is twice the one
	// before.
	firstGap   = time.Minute
	longestGap = 15 * time.Minute
	// endsTold is how many groups of an episode are told of their end one by one.
	endsTold = 10
	// maxEpisodes are remembered.
	maxEpisodes = 20_000
)

// Annotations of what is sent about an incident.
const (
	noticeAnnotation = "notice" // page or update
	alsoAnnotation   = "also"   // what else of the incident an update stands for
	noticePage       = "page"
	noticeUpdate     = "update"
)

// pagers wake somebody with every message that is not of a group they know: they get the
// page, and no updates.
var pagers = map[string]bool{"pagerduty": true, "opsgenie": true, "victorops": true, "pushover": true, "incidentio": true}

// storms have each incident page a receiver once, however its alerts are grouped. An episode
// is what one receiver is told of one incident:
//
//	          the first message              others, in bounds
//	(none) ───────────────────────► paged ──────────────────────► paged
//	   ▲                              │
//	   └── all that it was told of has ended, or nothing came for half an hour
//
// An update that would come too soon waits: its group is asked again, and the next update
// stands for all that wait.
type storms struct {
	mu       sync.Mutex
	episodes map[episodeKey]*episode
}

type episodeKey struct {
	receiver, integration string
	incident              int64
}

type episode struct {
	told    int             // messages since it was armed, those on their way among them
	ends    int             // groups of which the end was told
	last    time.Time       // when the last message went that is not an end
	active  time.Time       // when something was last to be told
	page    string          // the group that paged
	groups  map[string]bool // that fire; true for those told by themselves
	waiting map[string]int  // groups that wait for the next update, and how many alerts they have
	covered map[string]int  // those that an update stood for, until they are seen to
}

// verdict is what becomes of a message.
type verdict struct {
	drop   bool      // it is not sent, and its group is seen to
	wait   bool      // it is not sent now
	until  time.Time // when its group is asked again at the latest; zero for its own time
	first  bool      // of what waits: it had not waited before
	notice string    // what it is marked as; "" for not at all
	also   string
	keys   []episodeKey // the one that decides is the first
}

// incidentsOf are those that a message is about, the lowest number first; nil where an
// alert has none.
func incidentsOf(alerts []*amalert.Alert) []int64 {
	var out []int64
	for _, a := range alerts {
		n, err := strconv.ParseInt(string(a.Annotations["incident"]), 10, 64)
		if err != nil || n == 0 {
			return nil
		}
		if !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}

func gapAfter(told int) time.Duration {
	if told < atOnceTold {
		return 0
	}
	return min(firstGap<<min(told-atOnceTold, 10), longestGap)
}

// ask decides about a message of a group that fires, and takes its place: fail gives it
// back. repeat says that the message only repeats the last one.
func (s *storms) ask(now time.Time, receiver, integration, kind, group string, alerts []*amalert.Alert, repeat bool) verdict {
	incidents := incidentsOf(alerts)
	if len(incidents) == 0 {
		return verdict{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v := verdict{notice: noticeUpdate}
	all := make([]*episode, len(incidents))
	for i, n := range incidents {
		k := episodeKey{receiver, integration, n}
		v.keys, all[i] = append(v.keys, k), s.episode(k, now)
		if all[i].active = now; all[i].told == 0 {
			v.notice = noticePage
		}
	}
	lead := all[0]
	alone, known := lead.groups[group]
	due := lead.last.Add(gapAfter(lead.told))
	switch {
	case v.notice == noticePage:
	case repeat && group == lead.page:
		v.notice = noticePage // repeat_interval asks for it
	case repeat && known && !alone, lead.covered[group] >= len(alerts):
		delete(lead.covered, group)
		return verdict{drop: true, keys: v.keys}
	case pagers[kind]:
		v.wait = true
	case now.Before(due):
		v.wait, v.until = true, due
	}
	if v.wait {
		_, before := lead.waiting[group]
		lead.waiting[group] = len(alerts)
		v.first = !before
		return v
	}
	for _, e := range all {
		if e.told == 0 {
			e.page = group
		}
		e.told++
		e.last = now
		e.groups[group] = true
	}
	delete(lead.waiting, group)
	if n := len(lead.waiting); n > 0 && v.notice == noticeUpdate {
		sum := 0
		for g, alerts := range lead.waiting {
			sum += alerts
			lead.covered[g] = alerts
			lead.groups[g] = false
		}
		clear(lead.waiting)
		v.also = fmt.Sprintf("and %d more alerts in %d groups", sum, n)
	}
	return v
}

// fail gives back the place of a message that could not be sent: the next one takes it.
func (s *storms) fail(v verdict, group string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, k := range v.keys {
		e := s.episodes[k]
		if e == nil {
			continue
		}
		if e.told--; e.told <= 0 {
			e.told, e.page, e.last = 0, "", time.Time{}
		}
		delete(e.groups, group)
		if i == 0 {
			maps.Copy(e.waiting, e.covered)
			clear(e.covered)
		}
	}
}

// end says whether the end of a group is told: not of one that an update stood for, and of
// so many at most. sends is false for a receiver that is not told of ends.
func (s *storms) end(now time.Time, receiver, integration, group string, alerts []*amalert.Alert, sends bool) bool {
	incidents := incidentsOf(alerts)
	if len(incidents) == 0 {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	told := true
	for i, n := range incidents {
		k := episodeKey{receiver, integration, n}
		e := s.episode(k, now)
		alone, known := e.groups[group]
		if i == 0 {
			if told = (alone || !known) && e.ends < endsTold; told && sends {
				e.ends++
			}
		}
		delete(e.groups, group)
		delete(e.waiting, group)
		delete(e.covered, group)
		if e.page == group {
			e.page = ""
			if pagers[kindOf(integration)] {
				e.told = 0 // the page has ended with its group: what still burns pages anew
			}
		}
		if len(e.groups)+len(e.waiting)+len(e.covered) == 0 {
			delete(s.episodes, k)
		}
	}
	return told
}

// kindOf is the name of an integration without its number.
func kindOf(integration string) string {
	for i := range len(integration) {
		if integration[i] == '[' {
			return integration[:i]
		}
	}
	return integration
}

// episode returns one, armed again where it was quiet for long. The lock must be held.
func (s *storms) episode(k episodeKey, now time.Time) *episode {
	if s.episodes == nil {
		s.episodes = map[episodeKey]*episode{}
	}
	e := s.episodes[k]
	if e == nil {
		if len(s.episodes) >= maxEpisodes {
			s.prune(now)
		}
		e = &episode{groups: map[string]bool{}, waiting: map[string]int{}, covered: map[string]int{}, active: now}
		s.episodes[k] = e
	}
	if now.Sub(e.active) >= episodeQuiet {
		e.told, e.ends, e.page, e.active = 0, 0, "", now
	}
	return e
}

// prune forgets what is quiet for long. The lock must be held.
func (s *storms) prune(now time.Time) {
	for k, e := range s.episodes {
		if now.Sub(e.active) >= episodeQuiet {
			delete(s.episodes, k)
		}
	}
}

// toldOf is how many messages an episode has had.
func (s *storms) toldOf(k episodeKey) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.episodes[k]; e != nil {
		return e.told
	}
	return 0
}

// marked are the alerts of a message with what it is: the page of an incident, or an update.
func (v *verdict) marked(alerts []*amalert.Alert) []*amalert.Alert {
	if v.notice == "" {
		return alerts
	}
	out := make([]*amalert.Alert, len(alerts))
	for i, a := range alerts {
		c := *a
		c.Annotations = make(model.LabelSet, len(a.Annotations)+2)
		maps.Copy(c.Annotations, a.Annotations)
		c.Annotations[noticeAnnotation] = model.LabelValue(v.notice)
		if v.also != "" {
			c.Annotations[alsoAnnotation] = model.LabelValue(v.also)
		}
		out[i] = &c
	}
	return out
}
