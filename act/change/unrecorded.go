package change

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/state"
)

// Sighting is what was seen to run: a version label, an image, or another fact.
type Sighting struct {
	Service   declare.ServiceID
	Resource  declare.ResourceID // what it is of where it is no service, as resource/default/web-1
	Attribute string             // version, image, or the fact's name
	Value     string
	Was       string    // what ran before it, "" when nothing is known of it
	Detail    string    // what differs from it, in words; "" where the values say it
	First     time.Time // when it was first seen, or began where that is known
	Last      time.Time
}

// subject is whose it is, in one word: a resource's has slashes, a service's has none.
func (s *Sighting) subject() string {
	if s.Resource != "" {
		return string(s.Resource)
	}
	return string(s.Service)
}

const (
	// explains is how far around a change's start and end a new version belongs to it.
	explains = 15 * time.Minute
	// grace is how long a change may be recorded late.
	grace = 10 * time.Minute
	// forget is when a version that ran unrecorded is no longer news.
	forget = 7 * 24 * time.Hour
)

// Unrecorded returns the sightings that no change explains. A first version ever is no
// change. It is pure.
func Unrecorded(now time.Time, seen []Sighting, changes []act.Change) []Sighting {
	var out []Sighting
	for _, s := range seen {
		if s.Was == "" || now.Sub(s.First) < grace || now.Sub(s.First) > forget {
			continue
		}
		if !slices.ContainsFunc(changes, func(c act.Change) bool { return Explains(c, s) }) {
			out = append(out, s)
		}
	}
	return out
}

// Explains says whether a change is why something else runs now: it is of the same
// service, at that time, and does not name another version.
func Explains(c act.Change, s Sighting) bool {
	if s.Resource != "" {
		if !slices.Contains(c.Resources, string(s.Resource)) {
			return false
		}
	} else if c.Service != s.Service && !slices.Contains(c.Resources, "component/default/"+string(s.Service)) {
		return false
	}
	end := c.EndedAt
	if end.IsZero() {
		end = c.StartedAt.Add(time.Hour) // it goes on, or nobody said when it ended
	}
	if s.First.Before(c.StartedAt.Add(-explains)) || s.First.After(end.Add(explains)) {
		return false
	}
	return c.To == "" || s.Attribute != "version" && s.Attribute != "image" || SameVersion(c.To, s.Value)
}

// SameVersion compares versions as people write them: with or without a v, as a tag of
// an image, a commit long or short.
func SameVersion(a, b string) bool {
	plain := func(v string) string {
		if i := strings.LastIndexByte(v, ':'); i >= 0 && !strings.Contains(v[i:], "/") {
			v = v[i+1:]
		}
		v = strings.TrimPrefix(v, "@")
		if len(v) > 1 && v[0] == 'v' && v[1] >= '0' && v[1] <= '9' {
			v = v[1:]
		}
		return v
	}
	a, b = plain(a), plain(b)
	if a == b {
		return true
	}
	short, long := a, b
	if len(short) > len(long) {
		short, long = long, short
	}
	return len(short) >= 7 && strings.Trim(short, "0123456789abcdef") == "" && strings.HasPrefix(long, short)
}

// replaced asks whether another value ran for ten minutes after this one was seen last:
// then it runs again, and did not only go unseen.
const replaced = `SELECT 1 FROM sightings o WHERE o.service = sightings.service AND o.attribute = sightings.attribute AND o.value <> sightings.value
	AND o.last_ms > sightings.last_ms + 600000 AND o.last_ms < excluded.first_ms`

// Saw remembers what runs now and returns everything that began to run lately. What
// was seen before of a service's attribute, and runs no more, is what ran before. A First
// that is given is when it began.
func (b *Book) Saw(ctx context.Context, now time.Time, seen []Sighting) ([]Sighting, error) {
	var out []Sighting
	err := b.o.DB.Update(ctx, func(tx *state.Tx) error {
		for _, s := range seen {
			if s.subject() == "" || s.Attribute == "" || s.Value == "" || len(s.Value) > 500 || len(s.Attribute) > 200 || len(s.subject()) > 500 {
				continue
			}
			first := now
			if !s.First.IsZero() && s.First.Before(now) {
				first = s.First
			}
			if _, err := tx.ExecContext(ctx, `INSERT INTO sightings (service, attribute, value, was, first_ms, last_ms, detail) VALUES (?1,?2,?3,
				COALESCE((SELECT value FROM sightings WHERE service = ?1 AND attribute = ?2 AND value <> ?3 ORDER BY last_ms DESC, first_ms DESC LIMIT 1), ''), ?4, ?5, ?6)
				ON CONFLICT DO UPDATE SET
					was      = CASE WHEN EXISTS (`+replaced+`) THEN excluded.was ELSE was END,
					detail   = CASE WHEN EXISTS (`+replaced+`) THEN excluded.detail ELSE detail END,
					first_ms = CASE WHEN EXISTS (`+replaced+`) THEN excluded.first_ms ELSE first_ms END,
					last_ms = excluded.last_ms`, s.subject(), s.Attribute, s.Value, state.Millis(first), state.Millis(now), s.Detail); err != nil {
				return fmt.Errorf("cannot remember what runs of %q: %w", s.subject(), err)
			}
		}
		rows, err := tx.QueryContext(ctx, `SELECT service, attribute, value, was, detail, first_ms, last_ms FROM sightings WHERE first_ms >= ? ORDER BY first_ms, service, attribute, value`, state.Millis(now.Add(-forget)))
		if err != nil {
			return fmt.Errorf("cannot read what runs: %w", err)
		}
		defer rows.Close()
		for rows.Next() {
			var s Sighting
			var subject string
			var first, last int64
			if err := rows.Scan(&subject, &s.Attribute, &s.Value, &s.Was, &s.Detail, &first, &last); err != nil {
				return fmt.Errorf("cannot read what runs: %w", err)
			}
			if strings.Contains(subject, "/") {
				s.Resource = declare.ResourceID(subject)
			} else {
				s.Service = declare.ServiceID(subject)
			}
			s.First, s.Last = state.Time(first), state.Time(last)
			out = append(out, s)
		}
		return rows.Err()
	})
	return out, err
}
