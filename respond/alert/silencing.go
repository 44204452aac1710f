package alert

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/alertmanager/pkg/labels"
	"github.com/prometheus/alertmanager/silence"
	pb "github.com/prometheus/alertmanager/silence/silencepb"
	"github.com/prometheus/common/model"
)

// silencing says what is silenced, from silences that are compiled again when one has come,
// changed or ended.
type silencing struct {
	silences *silence.Silences
	logger   *slog.Logger

	mu      sync.RWMutex
	version int // of the silences when these were compiled; -1 for never
	sets    []silenced
	index   index
}

// silenced is one list of matchers of a silence, and its time.
type silenced struct {
	all          labels.Matchers
	starts, ends time.Time
}

// changed has them compiled again before the next question.
func (s *silencing) changed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version = -1
}

// mutes says whether a silence that is active covers an alert.
func (s *silencing) mutes(ctx context.Context, now time.Time, set model.LabelSet) bool {
	s.mu.RLock()
	if s.version != s.silences.Version() {
		s.mu.RUnlock()
		s.compile(ctx)
		s.mu.RLock()
	}
	defer s.mu.RUnlock()
	if len(s.sets) == 0 {
		return false
	}
	var buf [16]int
	for _, i := range s.index.candidates(set, buf[:]) {
		x := &s.sets[i]
		if !now.Before(x.starts) && now.Before(x.ends) && x.all.Matches(set) {
			return true
		}
	}
	return false
}

var kinds = map[pb.Matcher_Type]labels.MatchType{
	pb.Matcher_EQUAL: labels.MatchEqual, pb.Matcher_REGEXP: labels.MatchRegexp, pb.Matcher_NOT_EQUAL: labels.MatchNotEqual, pb.Matcher_NOT_REGEXP: labels.MatchNotRegexp,
}

func (s *silencing) compile(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	version := s.silences.Version()
	if s.version == version {
		return
	}
	found, _, err := s.silences.Query(ctx, silence.QState(silence.SilenceStateActive, silence.SilenceStatePending))
	if err != nil {
		s.logger.Error("cannot look for silences; what was known of them goes on", "err", err)
		return
	}
	s.version, s.sets, s.index = version, nil, index{}
	for _, x := range found {
		sets := x.MatcherSets
		if len(sets) == 0 {
			sets = []*pb.MatcherSet{{Matchers: x.Matchers}}
		}
		for _, set := range sets {
			var all labels.Matchers
			for _, m := range set.Matchers {
				c, err := labels.NewMatcher(kinds[m.Type], m.Name, m.Pattern)
				if err != nil {
					s.logger.Error("cannot read a matcher of a silence; it silences nothing", "silence", x.Id, "err", err)
					all = nil
					break
				}
				all = append(all, c)
			}
			if len(all) == 0 {
				continue
			}
			s.index.add(len(s.sets), all)
			s.sets = append(s.sets, silenced{all, x.StartsAt.AsTime(), x.EndsAt.AsTime()})
		}
	}
}
