-- +goose Up
-- Which calendar brought an override, and by which of its events: a second reading of
-- the calendar replaces what the first one brought.
ALTER TABLE oncall_overrides ADD COLUMN source TEXT NOT NULL DEFAULT '';
ALTER TABLE oncall_overrides ADD COLUMN uid TEXT NOT NULL DEFAULT '';

-- The last good reading of a calendar that a schedule follows by its URL. body is empty
-- before the first one. error says why the last try failed; it is empty when it did not.
CREATE TABLE oncall_readings (
    url      TEXT    PRIMARY KEY,
    body     TEXT    NOT NULL DEFAULT '',
    read_ms  INTEGER NOT NULL DEFAULT 0,
    tried_ms INTEGER NOT NULL,
    error    TEXT    NOT NULL DEFAULT ''
);

-- +goose Down
SELECT 1;
