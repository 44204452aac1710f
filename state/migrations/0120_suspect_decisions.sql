-- +goose Up
-- What people decided about suspects: one row for each incident and suspect, the last
-- word counts.
CREATE TABLE suspect_decisions (
    incident   INTEGER NOT NULL,
    resource   TEXT    NOT NULL DEFAULT '',
    change_id  TEXT    NOT NULL DEFAULT '',
    kind       TEXT    NOT NULL DEFAULT '',
    decision   TEXT    NOT NULL,
    actor      TEXT    NOT NULL,
    note       TEXT    NOT NULL DEFAULT '',
    at_ms      INTEGER NOT NULL,
    fact       INTEGER NOT NULL,
    PRIMARY KEY (incident, resource, change_id)
);
CREATE INDEX suspect_decisions_kind ON suspect_decisions (kind);
