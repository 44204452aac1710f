-- +goose Up
-- What people do with an incident beside moving it on.
ALTER TABLE incidents ADD COLUMN sev           TEXT    NOT NULL DEFAULT '';
ALTER TABLE incidents ADD COLUMN roles         TEXT    NOT NULL DEFAULT '{}';
ALTER TABLE incidents ADD COLUMN clock_sources TEXT    NOT NULL DEFAULT '{}';
ALTER TABLE incidents ADD COLUMN merged_into   INTEGER NOT NULL DEFAULT 0;

CREATE TABLE incident_tasks (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    incident   INTEGER NOT NULL,
    text       TEXT    NOT NULL,
    owner      TEXT    NOT NULL DEFAULT '',
    created_ms INTEGER NOT NULL,
    done_ms    INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX incident_tasks_incident ON incident_tasks (incident);

CREATE TABLE incident_links (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    incident INTEGER NOT NULL,
    kind     TEXT    NOT NULL,
    ref      TEXT    NOT NULL,
    note     TEXT    NOT NULL DEFAULT '',
    actor    TEXT    NOT NULL,
    at_ms    INTEGER NOT NULL,
    UNIQUE (incident, kind, ref)
);

CREATE TABLE incident_updates (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    incident INTEGER NOT NULL,
    phase    TEXT    NOT NULL,
    text     TEXT    NOT NULL,
    public   INTEGER NOT NULL,
    actor    TEXT    NOT NULL,
    at_ms    INTEGER NOT NULL
);
CREATE INDEX incident_updates_incident ON incident_updates (incident);

-- +goose Down
SELECT 1;
