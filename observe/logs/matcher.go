package logs

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
)

// Matcher says of single rows, as they come, whether a LogsQL filter finds them. It is
// safe for several goroutines.
type Matcher struct {
	filter *logstorage.Filter
	stream bool // the filter looks at the stream
}

// NewMatcher reads a filter without pipes.
func NewMatcher(text string) (_ *Matcher, err error) {
	defer func() { // the parser trusts its own optimiser
		if p := recover(); p != nil {
			err = fmt.Errorf("cannot parse the filter %q: %v", text, p)
		}
	}()
	f, err := logstorage.ParseFilterAtTimestamp(text, time.Now().UnixNano())
	if err != nil {
		return nil, fmt.Errorf("cannot parse the filter: %w", err)
	}
	return &Matcher{filter: f, stream: strings.Contains(text, "{") || strings.Contains(text, "_stream")}, nil
}

// Match says whether the filter finds a row.
func (m *Matcher) Match(r Row) bool {
	fields := make([]Field, 0, len(r.Fields)+2)
	for _, f := range r.Fields {
		if f.Name == "" {
			f.Name = "_msg"
		}
		fields = append(fields, f)
	}
	fields = append(fields, Field{Name: "_time", Value: time.Unix(0, r.Time).UTC().Format(time.RFC3339Nano)})
	if m.stream {
		fields = append(fields, Field{Name: "_stream", Value: r.Stream()})
	}
	return m.filter.MatchRow(fields)
}

// Stream is the row's stream, as the engine writes it.
func (r Row) Stream() string {
	var b strings.Builder
	b.WriteByte('{')
	for i, f := range r.Fields[:r.Streams] {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(f.Name + "=" + strconv.Quote(f.Value))
	}
	b.WriteByte('}')
	return b.String()
}
