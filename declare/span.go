package declare

import (
	"encoding/json"
	"time"

	"github.com/prometheus/common/model"
)

// Span is a duration that files write as 5m, and JSON as seconds.
type Span time.Duration

// MarshalJSON writes seconds.
func (s Span) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(s).Seconds()) }

// UnmarshalJSON reads seconds.
func (s *Span) UnmarshalJSON(data []byte) error {
	var seconds float64
	err := json.Unmarshal(data, &seconds)
	*s = Span(seconds * float64(time.Second))
	return err
}

// MarshalYAML writes Prometheus' notation.
func (s Span) MarshalYAML() (any, error) { return model.Duration(s).String(), nil }

// IsZero leaves what is not set out of files.
func (s Span) IsZero() bool { return s == 0 }
