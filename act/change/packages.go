package change

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/state"
)

// Packages is what was installed on a machine when it was looked at last: versions by
// package; nil where nobody has looked yet.
func (b *Book) Packages(ctx context.Context, of declare.ResourceID) (map[string]string, error) {
	var text string
	err := b.o.DB.Read().QueryRowContext(ctx, `SELECT versions FROM packages WHERE resource = ?`, of).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the packages of %q: %w", of, err)
	}
	out := map[string]string{}
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		return nil, fmt.Errorf("cannot read the packages of %q: %w", of, err)
	}
	return out, nil
}

// KeepPackages stores what is installed on a machine.
func (b *Book) KeepPackages(ctx context.Context, of declare.ResourceID, versions map[string]string) error {
	text, err := json.Marshal(versions)
	if err != nil {
		return err
	}
	return b.o.DB.Update(ctx, func(tx *state.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO packages (resource, versions) VALUES (?,?) ON CONFLICT DO UPDATE SET versions = excluded.versions`, of, string(text)); err != nil {
			return fmt.Errorf("cannot store the packages of %q: %w", of, err)
		}
		return nil
	})
}
