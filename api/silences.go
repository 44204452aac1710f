package api

import (
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
)

// SilenceState says where a silence is in its time.
type SilenceState string

// The states of a silence.
const (
	SilencePending SilenceState = "pending"
	SilenceActive  SilenceState = "active"
	SilenceExpired SilenceState = "expired"
)

// Silence mutes the notifications of the findings that all its matchers match.
type Silence struct {
	ID       string       `json:"id"`
	Matchers []string     `json:"matchers" doc:"Each as Alertmanager writes one: service=\"checkout\", severity=~\"page|ticket\"."`
	Comment  string       `json:"comment"`
	By       string       `json:"created_by"`
	Starts   time.Time    `json:"starts_at"`
	Ends     time.Time    `json:"ends_at"`
	State    SilenceState `json:"state"`
}

type silenceQuery struct {
	State SilenceState `query:"state"`
}

func (s *server) silences(c *call, q silenceQuery) (List[Silence], error) {
	all, err := s.Silences.List(c.Context())
	if err != nil {
		return List[Silence]{}, err
	}
	out := slices.DeleteFunc(slices.Clone(all), func(x Silence) bool { return q.State != "" && x.State != q.State })
	for i := range out {
		out[i].Matchers = filled(out[i].Matchers)
	}
	return listOf(out), nil
}

// NewSilence asks for a silence. One of ends_at and duration says how long.
type NewSilence struct {
	Matchers []string  `json:"matchers" doc:"At least one; a finding has to match all."`
	Comment  string    `json:"comment" doc:"Why, for those who wonder at the quiet."`
	Starts   time.Time `json:"starts_at,omitzero" doc:"Now when absent."`
	Ends     time.Time `json:"ends_at,omitzero"`
	Duration string    `json:"duration,omitempty" doc:"As 2h or 1d, from the start on."`
}

// maxSilence keeps a silence from being forgotten for ever.
const maxSilence = 366 * 24 * time.Hour

func (s *server) addSilence(c *call, in NewSilence) (Silence, error) {
	out := Silence{Matchers: in.Matchers, Comment: in.Comment, By: string(c.me.Person), Starts: in.Starts.UTC(), Ends: in.Ends.UTC(), State: SilencePending}
	if in.Starts.IsZero() || in.Starts.Before(c.now) {
		out.Starts, out.State = c.now.UTC(), SilenceActive
	}
	switch {
	case len(in.Matchers) == 0:
		return out, invalid("matchers", "", `at least one, as service="checkout"`)
	case strings.TrimSpace(in.Comment) == "":
		return out, invalid("comment", in.Comment, "a reason")
	case (in.Duration == "") == in.Ends.IsZero():
		return out, invalid("duration", in.Duration, "one of duration and ends_at")
	}
	if err := tooLong("comment", in.Comment); err != nil {
		return out, err
	}
	if in.Duration != "" {
		d, err := model.ParseDuration(in.Duration)
		if err != nil || d <= 0 {
			return out, invalid("duration", in.Duration, "a time as 30m, 2h or 1d")
		}
		out.Ends = out.Starts.Add(time.Duration(d))
	}
	if !out.Ends.After(out.Starts) || out.Ends.Sub(out.Starts) > maxSilence {
		return out, invalid("ends_at", out.Ends.Format(time.RFC3339), "a time after the start, at most a year later")
	}
	id, err := s.Silences.Add(c.Context(), c.now, c.me.Actor(), out)
	out.ID = id
	return out, err
}

func (s *server) expireSilence(c *call, _ none) (none, error) {
	return none{}, s.Silences.Expire(c.Context(), c.now, c.me.Actor(), c.PathValue("silence"))
}
