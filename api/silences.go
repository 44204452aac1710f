package api

import (
	"errors"
	"slices"
	"time"

	"github.com/prometheus/common/model"

	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/respond/alert"
)

// SilenceState says where a silence is in its time.
type SilenceState string

// The states of a silence.
const (
	SilencePending SilenceState = "pending"
	SilenceActive  SilenceState = "active"
	SilenceExpired SilenceState = "expired"
)

type silenceQuery struct {
	State SilenceState `query:"state"`
}

func (s *server) silences(c *call, q silenceQuery) (List[alert.Silence], error) {
	all, err := s.Silences.Silences(c.Context())
	if err != nil {
		return List[alert.Silence]{}, err
	}
	return listOf(each(slices.DeleteFunc(slices.Clone(all), func(x alert.Silence) bool {
		return q.State != "" && x.State != string(q.State)
	}), silence)), nil
}

func silence(x alert.Silence) alert.Silence {
	x.Matchers = filled(x.Matchers)
	return x
}

// NewSilence asks for a silence that begins now.
type NewSilence struct {
	Matchers []string `json:"matchers" doc:"At least one, as service=\"checkout\"; a finding has to match all."`
	Comment  string   `json:"comment" doc:"Why, for those who wonder at the quiet."`
	Duration string   `json:"duration" doc:"As 30m, 2h or 1d."`
}

func (s *server) addSilence(c *call, in NewSilence) (alert.Silence, error) {
	d, err := model.ParseDuration(in.Duration)
	if err != nil || d <= 0 {
		return alert.Silence{}, invalid("duration", in.Duration, "a time as 30m, 2h or 1d")
	}
	if err := tooLong("comment", in.Comment); err != nil {
		return alert.Silence{}, err
	}
	x, err := s.Silences.AddSilence(c.Context(), c.now, c.me.Actor(), in.Matchers, time.Duration(d), in.Comment)
	return silence(x), err
}

func (s *server) expireSilence(c *call, _ none) (none, error) {
	err := s.Silences.ExpireSilence(c.Context(), c.now, c.me.Actor(), c.PathValue("silence"))
	if errors.Is(err, respond.ErrNotFound) {
		return none{}, respond.ErrNoSilence
	}
	return none{}, err
}
