-- +goose Up
CREATE TABLE requests (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    item         TEXT    NOT NULL,
    title        TEXT    NOT NULL,
    owner        TEXT    NOT NULL,
    form         TEXT    NOT NULL,
    requester    TEXT    NOT NULL,
    status       TEXT    NOT NULL,
    reason       TEXT    NOT NULL DEFAULT '',
    decided_by   TEXT    NOT NULL DEFAULT '',
    decided_ms   INTEGER NOT NULL DEFAULT 0,
    run          TEXT    NOT NULL DEFAULT '',
    change_id    TEXT    NOT NULL DEFAULT '',
    within_ms    INTEGER NOT NULL,
    submitted_ms INTEGER NOT NULL,
    asked_ms     INTEGER NOT NULL DEFAULT 0,
    paused_ms    INTEGER NOT NULL DEFAULT 0,
    done_ms      INTEGER NOT NULL DEFAULT 0,
    reopened     INTEGER NOT NULL DEFAULT 0,
    failed       INTEGER NOT NULL DEFAULT 0,
    self_service INTEGER NOT NULL DEFAULT 0,
    fact         INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX requests_status ON requests (status);

CREATE TABLE toil (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms    INTEGER NOT NULL,
    person   TEXT    NOT NULL,
    team     TEXT    NOT NULL,
    seconds  INTEGER NOT NULL,
    text     TEXT    NOT NULL,
    fact     INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX toil_at ON toil (at_ms);

-- +goose Down
SELECT 1;
