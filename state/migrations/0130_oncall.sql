-- +goose Up
-- What people changed in schedules beside the files: overrides, swaps (two rows that
-- name the first of them), shadows.
CREATE TABLE oncall_overrides (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    schedule   TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    person     TEXT    NOT NULL,
    of_person  TEXT    NOT NULL DEFAULT '',
    from_ms    INTEGER NOT NULL,
    to_ms      INTEGER NOT NULL,
    reason     TEXT    NOT NULL DEFAULT '',
    swap       INTEGER NOT NULL DEFAULT 0,
    by_actor   TEXT    NOT NULL,
    created_ms INTEGER NOT NULL,
    removed_ms INTEGER NOT NULL DEFAULT 0,
    fact       INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX oncall_overrides_live ON oncall_overrides (removed_ms, to_ms);

-- A calendar's link is renewed by a new generation: the old link ends.
CREATE TABLE oncall_feeds (
    kind       TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    generation INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (kind, name)
);

-- +goose Down
SELECT 1;
