package oncall

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	ical "github.com/arran4/golang-ical"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/state"
)

// What a calendar shows: calendar programs read it again every hour or so.
const (
	feedPast  = 31 * 24 * time.Hour
	feedAhead = 92 * 24 * time.Hour
)

// signed is what the signature of a link is of.
func signed(kind, name string, generation int64) string {
	return fmt.Sprintf("%d:%s%d:%s%d", len(kind), kind, len(name), name, generation)
}

// known says whether there is such a calendar.
func (b *Book) known(kind, name string) bool {
	w := b.o.Workspace()
	return (kind == "schedule" && w.Schedule(name) != nil) || (kind == "person" && w.Person(declare.PersonID(name)) != nil)
}

func (b *Book) generation(ctx context.Context, kind, name string) (g int64, err error) {
	err = b.o.DB.Read().QueryRowContext(ctx, `SELECT generation FROM oncall_feeds WHERE kind = ? AND name = ?`, kind, name).Scan(&g)
	if errors.Is(err, sql.ErrNoRows) {
		return 1, nil
	}
	return g, err
}

// FeedPath implements respond.Roster.
func (b *Book) FeedPath(ctx context.Context, kind, name string) (string, error) {
	if !b.known(kind, name) {
		return "", respond.ErrNoFeed
	}
	g, err := b.generation(ctx, kind, name)
	if err != nil {
		return "", fmt.Errorf("cannot read calendar links: %w", err)
	}
	return "/ical/" + kind + "/" + url.PathEscape(name) + "/" + b.key.Sign(signed(kind, name, g)) + ".ics", nil
}

// RenewFeed implements respond.Roster.
func (b *Book) RenewFeed(ctx context.Context, now time.Time, actor journal.Actor, kind, name string) (string, error) {
	if !b.known(kind, name) {
		return "", respond.ErrNoFeed
	}
	err := b.o.DB.Update(ctx, func(tx *state.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO oncall_feeds (kind, name, generation) VALUES (?,?,2) ON CONFLICT (kind, name) DO UPDATE SET generation = generation + 1`, kind, name); err != nil {
			return fmt.Errorf("cannot renew calendar link: %w", err)
		}
		_, err := tx.Record(journal.Fact{At: now, Kind: "oncall.feed.renewed", Actor: actor, Subject: journal.MakeRef(kind, name), Text: fmt.Sprintf("the calendar link of %s %s is renewed: the old one ends", kind, name)})
		return err
	})
	if err != nil {
		return "", err
	}
	return b.FeedPath(ctx, kind, name)
}

// Feed implements respond.Roster.
func (b *Book) Feed(ctx context.Context, now time.Time, kind, name, token string) ([]byte, error) {
	g, err := b.generation(ctx, kind, name)
	if err != nil {
		return nil, fmt.Errorf("cannot read calendar links: %w", err)
	}
	// Compared before it is looked whether there is such a name: a stranger learns nothing.
	if !b.key.Signed(signed(kind, name, g), strings.TrimSuffix(token, ".ics")) || !b.known(kind, name) {
		return nil, respond.ErrNoFeed
	}
	return Calendar(b.Over(b.o.Workspace()), now, kind, name), nil
}

// Calendar writes the shifts of a schedule, or those of a person in all schedules, as
// an iCalendar file. It is pure.
func Calendar(w *declare.Workspace, now time.Time, kind, name string) []byte {
	cal := ical.NewCalendarFor("Evenkeel")
	cal.SetMethod(ical.MethodPublish)
	title := "On call: " + name
	cal.SetName(title)
	cal.SetXWRCalName(title)
	cal.SetRefreshInterval("PT1H")
	cal.SetXPublishedTTL("PT1H")
	for _, s := range w.Schedules {
		if kind == "schedule" && s.Name != name {
			continue
		}
		for _, x := range s.Shifts(now.Add(-feedPast).Truncate(time.Hour), now.Add(feedAhead).Truncate(time.Hour)) {
			if x.Person == "" || (kind == "person" && string(x.Person) != name) {
				continue
			}
			who := string(x.Person)
			if p := w.Person(x.Person); p != nil {
				who = p.Name
			}
			id := sha256.Sum256([]byte(fmt.Sprintf("%s\x00%s\x00%d", s.Name, x.Person, x.From.Unix())))
			e := cal.AddEvent(hex.EncodeToString(id[:12]) + "@evenkeel")
			e.SetDtStampTime(now)
			e.SetStartAt(x.From)
			e.SetEndAt(x.To)
			e.SetSummary(fmt.Sprintf("%s on call for %s", who, s.Name))
			e.SetDescription(fmt.Sprintf("team %s, by %s", s.Team, x.Why))
			e.SetTimeTransparency(ical.TransparencyTransparent) // being on call is not being busy
		}
	}
	return []byte(cal.Serialize(ical.WithNewLineWindows))
}
