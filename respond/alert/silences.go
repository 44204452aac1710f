package alert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/matcher/compat"
	"github.com/prometheus/alertmanager/pkg/labels"
	"github.com/prometheus/alertmanager/silence"
	pb "github.com/prometheus/alertmanager/silence/silencepb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/state"
)

// Silence keeps matching findings from being sent, and from opening incidents.
type Silence struct {
	ID        string    `json:"id"`
	Matchers  []string  `json:"matchers"` // as service="checkout"
	StartsAt  time.Time `json:"starts_at"`
	EndsAt    time.Time `json:"ends_at"`
	CreatedBy string    `json:"created_by"`
	Comment   string    `json:"comment"`
	State     string    `json:"state"` // active, pending, expired
}

// Silences lists them, those that end last first.
func (p *Pipeline) Silences(ctx context.Context) ([]Silence, error) {
	found, _, err := p.silences.Query(ctx)
	if err != nil {
		return nil, fmt.Errorf("cannot list silences: %w", err)
	}
	now := time.Now()
	out := make([]Silence, 0, len(found))
	for _, s := range found {
		x := Silence{ID: s.Id, StartsAt: s.StartsAt.AsTime(), EndsAt: s.EndsAt.AsTime(), CreatedBy: s.CreatedBy, Comment: s.Comment, State: "active"}
		switch {
		case now.Before(x.StartsAt):
			x.State = "pending"
		case !now.Before(x.EndsAt):
			x.State = "expired"
		}
		sets := []*pb.MatcherSet{{Matchers: s.Matchers}}
		if len(s.MatcherSets) > 0 {
			sets = s.MatcherSets
		}
		for _, set := range sets {
			for _, m := range set.Matchers {
				x.Matchers = append(x.Matchers, m.Name+operators[m.Type]+fmt.Sprintf("%q", m.Pattern))
			}
		}
		out = append(out, x)
	}
	slices.SortFunc(out, func(a, b Silence) int { return b.EndsAt.Compare(a.EndsAt) })
	return out, nil
}

var operators = map[pb.Matcher_Type]string{pb.Matcher_EQUAL: "=", pb.Matcher_REGEXP: "=~", pb.Matcher_NOT_EQUAL: "!=", pb.Matcher_NOT_REGEXP: "!~"}

// maxSilence is the longest silence that a page or our API gives: a longer one is a
// change of the rules.
const maxSilence = 90 * 24 * time.Hour

// AddSilence silences what matches from now on. Matchers are as service="checkout".
func (p *Pipeline) AddSilence(ctx context.Context, now time.Time, actor journal.Actor, matchers []string, d time.Duration, comment string) (Silence, error) {
	switch {
	case len(matchers) == 0:
		return Silence{}, &respond.InvalidError{Field: "matchers", Want: `at least one matcher as service="checkout"`}
	case d <= 0 || d > maxSilence:
		return Silence{}, &respond.InvalidError{Field: "duration", Got: d.String(), Want: "a duration up to " + maxSilence.String()}
	case strings.TrimSpace(comment) == "":
		return Silence{}, &respond.InvalidError{Field: "comment", Want: "a reason"}
	}
	s := &pb.Silence{StartsAt: timestamppb.New(now), EndsAt: timestamppb.New(now.Add(d)), CreatedBy: actor.Name(), Comment: comment}
	kinds := map[labels.MatchType]pb.Matcher_Type{labels.MatchEqual: pb.Matcher_EQUAL, labels.MatchNotEqual: pb.Matcher_NOT_EQUAL, labels.MatchRegexp: pb.Matcher_REGEXP, labels.MatchNotRegexp: pb.Matcher_NOT_REGEXP}
	set := &pb.MatcherSet{}
	for _, text := range matchers {
		m, err := compat.Matcher(text, "silence")
		if err != nil {
			return Silence{}, &respond.InvalidError{Field: "matchers", Got: text, Want: `a matcher as service="checkout"`}
		}
		set.Matchers = append(set.Matchers, &pb.Matcher{Name: m.Name, Pattern: m.Value, Type: kinds[m.Type]})
	}
	s.MatcherSets = []*pb.MatcherSet{set}
	defer p.quiet.changed()
	if err := p.silences.Set(ctx, s); err != nil {
		return Silence{}, &respond.InvalidError{Field: "silence", Want: err.Error()}
	}
	if err := p.snapshot("silences", p.silences.Snapshot); err != nil {
		return Silence{}, err
	}
	text := fmt.Sprintf("silenced %s for %s: %s", strings.Join(matchers, ", "), d, comment)
	return Silence{ID: s.Id, Matchers: matchers, StartsAt: now, EndsAt: now.Add(d), CreatedBy: actor.Name(), Comment: comment, State: "active"},
		p.recordSilence(ctx, now, actor, "silence.created", s.Id, text)
}

// ExpireSilence ends a silence now. One that has ended already stays as it is.
func (p *Pipeline) ExpireSilence(ctx context.Context, now time.Time, actor journal.Actor, id string) error {
	p.ending.Lock()
	defer p.ending.Unlock()
	if p.ended(ctx, id) {
		return nil
	}
	defer p.quiet.changed()
	if err := p.silences.Expire(ctx, id); err != nil {
		if errors.Is(err, silence.ErrNotFound) {
			return respond.ErrNotFound
		}
		return &respond.InvalidError{Field: "silence", Got: id, Want: err.Error()}
	}
	if err := p.snapshot("silences", p.silences.Snapshot); err != nil {
		return err
	}
	return p.recordSilence(ctx, now, actor, "silence.expired", id, "silence "+id+" ended")
}

// ended says whether a silence is there and over: ending it again is no act.
func (p *Pipeline) ended(ctx context.Context, id string) bool {
	found, _, err := p.silences.Query(ctx, silence.QIDs(id), silence.QState(silence.SilenceStateExpired))
	return err == nil && len(found) > 0
}

func (p *Pipeline) recordSilence(ctx context.Context, now time.Time, actor journal.Actor, kind journal.Kind, id, text string) error {
	return p.o.DB.Update(ctx, func(tx *state.Tx) error {
		_, err := tx.Record(journal.Fact{At: now, Kind: kind, Actor: actor, Subject: journal.MakeRef("silence", id), Text: text})
		return err
	})
}

// durable makes what amtool is told true: a silence is on disk before the answer is.
func (p *Pipeline) durable(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.TrimPrefix(r.URL.Path, apiPrefix)
		if r.Method == http.MethodGet || !strings.HasPrefix(path, "/silence") {
			next.ServeHTTP(w, r)
			return
		}
		body, ok := read(w, r, maxSilenceBytes)
		if !ok {
			return
		}
		again := false
		if r.Method == http.MethodDelete {
			p.ending.Lock()
			defer p.ending.Unlock()
			again = p.ended(r.Context(), strings.TrimPrefix(path, "/silence/"))
		} else if nullMatcher(body) {
			http.Error(w, "a matcher is null", http.StatusBadRequest)
			return
		}
		answer := &held{header: http.Header{}, status: http.StatusOK}
		next.ServeHTTP(answer, r)
		p.quiet.changed()
		if answer.status < 300 && !again {
			err := p.snapshot("silences", p.silences.Snapshot)
			if err == nil {
				err = p.recordForeign(r, path, body, answer.body.Bytes())
			}
			if err != nil {
				p.o.Logger.Error("cannot keep a silence", "err", err)
				http.Error(w, "cannot keep the silence: "+err.Error(), http.StatusServiceUnavailable)
				return
			}
		}
		answer.send(w)
	})
}

// recordForeign writes the fact for a silence that came or went through the
// Alertmanager API. Its actor is who was authenticated; what the client calls itself
// counts only where that is not known.
func (p *Pipeline) recordForeign(r *http.Request, path string, body, answer []byte) error {
	now := time.Now()
	actor := journal.Actor("")
	if p.o.Actor != nil {
		actor = p.o.Actor(r)
	}
	if r.Method == http.MethodDelete {
		if actor == "" {
			actor = "alertmanager-api:unknown"
		}
		id := strings.TrimPrefix(path, "/silence/")
		return p.recordSilence(r.Context(), now, actor, "silence.expired", id, "silence "+id+" ended through the Alertmanager API")
	}
	var in struct{ CreatedBy, Comment string }
	var out struct {
		SilenceID string `json:"silenceID"`
	}
	if err := errors.Join(json.Unmarshal(body, &in), json.Unmarshal(answer, &out)); err != nil {
		return fmt.Errorf("cannot read the silence: %w", err)
	}
	if actor == "" {
		actor = journal.Actor("alertmanager-api:" + in.CreatedBy)
	}
	return p.recordSilence(r.Context(), now, actor, "silence.created", out.SilenceID, "silenced through the Alertmanager API: "+in.Comment)
}

// snapshot writes a file whole or not at all. One at a time: an older one must not
// come to lie over a newer one.
func (p *Pipeline) snapshot(name string, write func(io.Writer) (int64, error)) error {
	p.saving.Lock()
	defer p.saving.Unlock()
	tmp, err := os.CreateTemp(p.dir, name+".tmp*")
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", name, err)
	}
	defer os.Remove(tmp.Name()) // gone already when all went well
	_, err = write(tmp)
	if err == nil {
		err = tmp.Sync()
	}
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), filepath.Join(p.dir, name))
	}
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", name, err)
	}
	return nil
}

func (p *Pipeline) snapshotLogged(name string, write func(io.Writer) (int64, error)) {
	if err := p.snapshot(name, write); err != nil {
		p.o.Logger.Error("cannot keep a snapshot", "err", err)
	}
}
