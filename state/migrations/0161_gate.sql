-- +goose Up
CREATE TABLE gate_decisions (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms    INTEGER NOT NULL,
    service  TEXT    NOT NULL,
    change_text TEXT NOT NULL,
    change_id   TEXT NOT NULL DEFAULT '',
    asked_by TEXT    NOT NULL,
    answer   TEXT    NOT NULL,
    reasons  TEXT    NOT NULL,
    fact     INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX gate_decisions_service ON gate_decisions (service, at_ms);

-- The last comparison of what was measured before and after a change.
CREATE TABLE verifications (
    change_id TEXT    PRIMARY KEY,
    at_ms     INTEGER NOT NULL,
    outcome   TEXT    NOT NULL,
    result    TEXT    NOT NULL,
    run       TEXT    NOT NULL DEFAULT '',
    fact      INTEGER NOT NULL DEFAULT 0
);

-- +goose Down
SELECT 1;
