-- +goose Up
-- One row an incident: where its escalation stands. steps are the policy's as it was
-- when the escalation was armed.
CREATE TABLE escalations (
    incident   INTEGER PRIMARY KEY,
    policy     TEXT    NOT NULL,
    steps      TEXT    NOT NULL,
    repeat     INTEGER NOT NULL DEFAULT 0,
    ack_ns     INTEGER NOT NULL DEFAULT 0,
    status     TEXT    NOT NULL,
    arm        INTEGER NOT NULL DEFAULT 1,
    round      INTEGER NOT NULL DEFAULT 0,
    step       INTEGER NOT NULL DEFAULT 0,
    due_ms     INTEGER NOT NULL DEFAULT 0,
    set_ms     INTEGER NOT NULL,
    over_ms    INTEGER NOT NULL DEFAULT 0,
    started_ms INTEGER NOT NULL,
    fact       INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX escalations_status ON escalations (status, due_ms);

CREATE TABLE handups (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    incident   INTEGER NOT NULL,
    from_person TEXT   NOT NULL,
    target     TEXT    NOT NULL,
    people     TEXT    NOT NULL,
    impact     TEXT    NOT NULL,
    tried      TEXT    NOT NULL,
    evidence   TEXT    NOT NULL,
    question   TEXT    NOT NULL,
    status     TEXT    NOT NULL,
    missing    TEXT    NOT NULL DEFAULT '',
    decided_by TEXT    NOT NULL DEFAULT '',
    sent       INTEGER NOT NULL DEFAULT 1,
    asked_ms   INTEGER NOT NULL,
    decided_ms INTEGER NOT NULL DEFAULT 0,
    fact       INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX handups_incident ON handups (incident);

-- +goose Down
SELECT 1;
