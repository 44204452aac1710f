package api

import (
	"io"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/learn"
)

func review(r learn.Review) learn.Review {
	r.FollowUps = filled(r.FollowUps)
	return r
}

func (s *server) reviews(c *call, _ none) (List[learn.Review], error) {
	found, err := s.Reviews.List(c.Context())
	return listOf(each(found, review)), err
}

func (s *server) review(c *call, _ none) (learn.Review, error) {
	i, err := s.theIncident(c)
	if err != nil {
		return learn.Review{}, err
	}
	r, err := s.Reviews.Get(c.Context(), int64(i.Number))
	return review(r), err
}

func (s *server) reviewMarkdown(c *call, q none) error {
	r, err := s.review(c, q)
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "text/markdown; charset=utf-8")
	_, err = io.WriteString(c.w, r.Markdown)
	if err != nil {
		s.Logger.Debug("a review was not taken", "err", err)
	}
	return nil
}

// Drafting asks for a review's draft.
type Drafting struct {
	Anew bool `json:"anew,omitempty" doc:"Throw the draft that is there away, with what people wrote into it."`
}

func (s *server) draftReview(c *call, in Drafting) (learn.Review, error) {
	i, err := s.theIncident(c)
	if err != nil {
		return learn.Review{}, err
	}
	draft := s.Reviews.Draft
	if in.Anew {
		draft = s.Reviews.Redraft
	}
	r, err := draft(c.Context(), c.now, c.me.Actor(), int64(i.Number))
	return review(r), err
}

// ReviewText is a review as a person leaves it.
type ReviewText struct {
	Markdown *string   `json:"markdown,omitempty" doc:"The whole text; the one that is there when absent."`
	Publish  bool      `json:"publish,omitempty"`
	Base     time.Time `json:"base,omitzero" doc:"updated_at of the review that you changed: when somebody has saved since, it is a conflict."`
}

func (s *server) saveReview(c *call, in ReviewText) (learn.Review, error) {
	was, err := s.review(c, none{})
	if err != nil {
		return learn.Review{}, err
	}
	if !in.Base.IsZero() && !in.Base.Equal(was.UpdatedAt) {
		return learn.Review{}, &act.ConflictError{Why: was.UpdatedBy.Name() + " has saved this review at " + was.UpdatedAt.UTC().Format(time.RFC3339) + ", after the text that you changed"}
	}
	markdown := was.Markdown
	if in.Markdown != nil {
		markdown = *in.Markdown
	}
	r, err := s.Reviews.Save(c.Context(), c.now, c.me.Actor(), was.Incident, markdown, in.Publish)
	return review(r), err
}

// NewFollowUp is something to do so that it does not happen again.
type NewFollowUp struct {
	Text  string `json:"text"`
	Owner string `json:"owner,omitempty"`
}

func (s *server) addFollowUp(c *call, in NewFollowUp) (learn.FollowUp, error) {
	r, err := s.review(c, none{})
	if err != nil {
		return learn.FollowUp{}, err
	}
	if strings.TrimSpace(in.Text) == "" {
		return learn.FollowUp{}, invalid("text", in.Text, "a text that is not empty")
	}
	if err := tooLong("text", in.Text); err != nil {
		return learn.FollowUp{}, err
	}
	return s.Reviews.AddFollowUp(c.Context(), c.now, c.me.Actor(), r.Incident, in.Text, in.Owner)
}

func (s *server) finishFollowUp(c *call, _ none) (none, error) {
	id, err := c.number("follow_up")
	if err != nil {
		return none{}, err
	}
	return none{}, s.Reviews.FinishFollowUp(c.Context(), c.now, c.me.Actor(), id)
}
