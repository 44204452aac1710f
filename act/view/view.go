// Package view keeps views that people save: an address of a page that looks at telemetry,
// under a name, for oneself or for a team.
//
// In: who, a name, an address of this program. Out: the views that a person sees. Promise:
// an address leads to a page of ours and nowhere else; only who saved a view, their team
// or an administrator removes it; each of it is in the journal.
package view

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/state"
)

// View is a saved address.
type View struct {
	ID      int64            `json:"id"`
	Name    string           `json:"name"`
	URL     string           `json:"url"` // path and query
	Owner   declare.PersonID `json:"owner"`
	Team    declare.TeamID   `json:"team,omitempty"` // who sees it, too; "" for the owner alone
	Created time.Time        `json:"created"`
}

// Ref is how facts name it.
func (v View) Ref() journal.Ref { return journal.MakeRef("view", strconv.FormatInt(v.ID, 10)) }

// The bounds of views.
const (
	maxName = 100 // characters
	maxURL  = 16 << 10
	most    = 500 // of one person
)

// pages are the beginnings of addresses that can be saved.
var pages = []string{"/explore", "/patterns", "/dashboards", "/traces", "/services"}

// Book keeps them.
type Book struct{ db *state.DB }

// NewBook makes a book.
func NewBook(db *state.DB) *Book { return &Book{db} }

const columns = `id, name, url, owner, team, created_ms`

func scan(row interface{ Scan(...any) error }) (View, error) {
	var v View
	var created int64
	err := row.Scan(&v.ID, &v.Name, &v.URL, &v.Owner, &v.Team, &created)
	if errors.Is(err, sql.ErrNoRows) {
		return v, act.ErrNotFound
	}
	if err != nil {
		return v, fmt.Errorf("cannot read view: %w", err)
	}
	v.Created = state.Time(created)
	return v, nil
}

// List returns the views that a person of these teams sees, by name.
func (b *Book) List(ctx context.Context, who declare.PersonID, teams []declare.TeamID) ([]View, error) {
	where, args := `(team = '' AND owner = ?)`, []any{who}
	for _, t := range teams {
		where += ` OR team = ?`
		args = append(args, t)
	}
	rows, err := b.db.Read().QueryContext(ctx, `SELECT `+columns+` FROM views WHERE `+where+` ORDER BY name, id`, args...)
	if err != nil {
		return nil, fmt.Errorf("cannot list views: %w", err)
	}
	defer rows.Close()
	out := []View{}
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// Save adds a view: name, URL, and Team for which it is, are the caller's.
func (b *Book) Save(ctx context.Context, now time.Time, me act.Identity, teams []declare.TeamID, v View) (View, error) {
	v.Name, v.Owner, v.Created = strings.TrimSpace(v.Name), me.Person, now
	if n := utf8.RuneCountInString(v.Name); n == 0 || n > maxName {
		return v, &act.InvalidError{Field: "name", Got: v.Name, Want: "a name of 1 to 100 characters"}
	}
	var err error
	if v.URL, err = clean(v.URL); err != nil {
		return v, err
	}
	if v.Team != "" && !slices.Contains(teams, v.Team) {
		return v, &act.DeniedError{Why: "only somebody of the team " + string(v.Team) + " saves a view for it"}
	}
	err = b.db.Update(ctx, func(tx *state.Tx) error {
		var mine, same int
		row := tx.QueryRowContext(ctx, `SELECT count(*), count(*) FILTER (WHERE name = ? AND team = ?) FROM views WHERE owner = ? OR (team = ? AND team != '')`, v.Name, v.Team, v.Owner, v.Team)
		if err := row.Scan(&mine, &same); err != nil {
			return fmt.Errorf("cannot count views: %w", err)
		}
		switch {
		case same > 0:
			return &act.InvalidError{Field: "name", Got: v.Name, Want: "a name that no view has yet"}
		case mine >= most:
			return &act.InvalidError{Field: "name", Got: v.Name, Want: fmt.Sprintf("at most %d views: remove some", most)}
		}
		res, err := tx.ExecContext(ctx, `INSERT INTO views (name, url, owner, team, created_ms) VALUES (?, ?, ?, ?, ?)`, v.Name, v.URL, v.Owner, v.Team, state.Millis(now))
		if err != nil {
			return fmt.Errorf("cannot store view: %w", err)
		}
		if v.ID, err = res.LastInsertId(); err != nil {
			return err
		}
		text := fmt.Sprintf("view %q saved", v.Name)
		if v.Team != "" {
			text += " for the team " + string(v.Team)
		}
		_, err = tx.Record(journal.Fact{At: now, Kind: "view.saved", Actor: me.Actor(), Subject: v.Ref(), Text: text})
		return err
	})
	return v, err
}

// Delete removes a view.
func (b *Book) Delete(ctx context.Context, now time.Time, me act.Identity, teams []declare.TeamID, id int64) error {
	return b.db.Update(ctx, func(tx *state.Tx) error {
		v, err := scan(tx.QueryRowContext(ctx, `SELECT `+columns+` FROM views WHERE id = ?`, id))
		if err != nil {
			return err
		}
		ours := v.Team != "" && slices.Contains(teams, v.Team)
		if v.Owner != me.Person && !ours {
			if v.Team == "" && !me.Admin {
				return act.ErrNotFound // others' are not told of
			}
			if !me.Admin {
				return &act.DeniedError{Why: "the view is " + string(v.Team) + "'s"}
			}
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM views WHERE id = ?`, id); err != nil {
			return fmt.Errorf("cannot remove view %d: %w", id, err)
		}
		_, err = tx.Record(journal.Fact{At: now, Kind: "view.deleted", Actor: me.Actor(), Subject: v.Ref(), Text: fmt.Sprintf("view %q removed", v.Name)})
		return err
	})
}

// clean makes an address that can be kept: a page of ours that looks at telemetry.
func clean(address string) (string, error) {
	bad := func(want string) (string, error) {
		return "", &act.InvalidError{Field: "url", Got: address[:min(len(address), 200)], Want: want}
	}
	if len(address) > maxURL {
		return bad("an address of at most 16384 bytes")
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || strings.ContainsAny(address, "\\\t\r\n") {
		return bad("a path and query of this server, as /explore?logs=error")
	}
	path := u.EscapedPath()
	if !slices.ContainsFunc(pages, func(p string) bool { return path == p || strings.HasPrefix(path, p+"/") }) || strings.Contains(path, "//") || strings.Contains(u.Path, "..") {
		return bad("a page that looks at telemetry: " + strings.Join(pages, ", "))
	}
	q := u.Query()
	q.Del("done")
	out := path
	if text := q.Encode(); text != "" {
		out += "?" + text
	}
	return out, nil
}
