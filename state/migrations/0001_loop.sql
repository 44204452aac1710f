-- +goose Up
CREATE TABLE facts (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms   INTEGER NOT NULL,
    kind    TEXT    NOT NULL,
    actor   TEXT    NOT NULL,
    cause   INTEGER NOT NULL DEFAULT 0,
    subject TEXT    NOT NULL,
    text    TEXT    NOT NULL,
    data    TEXT    NOT NULL DEFAULT '',
    CHECK (cause < id)
);
CREATE INDEX facts_kind  ON facts (kind, id);
CREATE INDEX facts_actor ON facts (actor, id);
CREATE INDEX facts_cause ON facts (cause);

CREATE TABLE fact_refs (
    ref     TEXT    NOT NULL,
    fact_id INTEGER NOT NULL REFERENCES facts (id),
    PRIMARY KEY (ref, fact_id)
) WITHOUT ROWID;
CREATE INDEX fact_refs_fact ON fact_refs (fact_id);

-- +goose StatementBegin
CREATE TRIGGER facts_no_update BEFORE UPDATE ON facts BEGIN SELECT RAISE (ABORT, 'the journal is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER facts_no_delete BEFORE DELETE ON facts BEGIN SELECT RAISE (ABORT, 'the journal is append-only'); END;
-- +goose StatementEnd

-- One row an episode: a finding that comes back after it was resolved is a new row.
CREATE TABLE findings (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    fingerprint TEXT    NOT NULL,
    detector    TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    service     TEXT    NOT NULL DEFAULT '',
    team        TEXT    NOT NULL DEFAULT '',
    objective   TEXT    NOT NULL DEFAULT '',
    severity    TEXT    NOT NULL,
    summary     TEXT    NOT NULL DEFAULT '',
    description TEXT    NOT NULL DEFAULT '',
    runbook     TEXT    NOT NULL DEFAULT '',
    expr        TEXT    NOT NULL DEFAULT '',
    value       REAL    NOT NULL DEFAULT 0,
    labels      TEXT    NOT NULL DEFAULT '{}',
    annotations TEXT    NOT NULL DEFAULT '{}',
    since_ms    INTEGER NOT NULL,
    opened_ms   INTEGER NOT NULL,
    seen_ms     INTEGER NOT NULL,
    resolved_ms INTEGER NOT NULL DEFAULT 0,
    incident    INTEGER NOT NULL DEFAULT 0,
    fact        INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX findings_open ON findings (fingerprint) WHERE resolved_ms = 0;
CREATE INDEX findings_service  ON findings (service, opened_ms);
CREATE INDEX findings_opened   ON findings (opened_ms);
CREATE INDEX findings_incident ON findings (incident);

CREATE TABLE incidents (
    number        INTEGER PRIMARY KEY AUTOINCREMENT,
    title         TEXT    NOT NULL,
    severity      TEXT    NOT NULL,
    status        TEXT    NOT NULL,
    service       TEXT    NOT NULL DEFAULT '',
    team          TEXT    NOT NULL DEFAULT '',
    assignee      TEXT    NOT NULL DEFAULT '',
    services      TEXT    NOT NULL DEFAULT '[]',
    impact_ms     INTEGER NOT NULL DEFAULT 0,
    impact_source TEXT    NOT NULL DEFAULT '',
    detected_ms   INTEGER NOT NULL DEFAULT 0,
    acked_ms      INTEGER NOT NULL DEFAULT 0,
    mitigated_ms  INTEGER NOT NULL DEFAULT 0,
    resolved_ms   INTEGER NOT NULL DEFAULT 0,
    suspects      TEXT    NOT NULL DEFAULT '[]',
    runbook       TEXT    NOT NULL DEFAULT '',
    fact          INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX incidents_status ON incidents (status);

CREATE TABLE notifications (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms       INTEGER NOT NULL,
    receiver    TEXT    NOT NULL,
    integration TEXT    NOT NULL,
    incident    INTEGER NOT NULL DEFAULT 0,
    findings    TEXT    NOT NULL DEFAULT '[]',
    status      TEXT    NOT NULL,
    detail      TEXT    NOT NULL DEFAULT ''
);
CREATE INDEX notifications_incident ON notifications (incident);

CREATE TABLE changes (
    id          TEXT    PRIMARY KEY,
    kind        TEXT    NOT NULL,
    summary     TEXT    NOT NULL,
    service     TEXT    NOT NULL DEFAULT '',
    resources   TEXT    NOT NULL DEFAULT '[]',
    actor       TEXT    NOT NULL,
    source      TEXT    NOT NULL DEFAULT '',
    from_ver    TEXT    NOT NULL DEFAULT '',
    to_ver      TEXT    NOT NULL DEFAULT '',
    url         TEXT    NOT NULL DEFAULT '',
    labels      TEXT    NOT NULL DEFAULT '{}',
    run         TEXT    NOT NULL DEFAULT '',
    verdict     TEXT    NOT NULL DEFAULT '',
    started_ms  INTEGER NOT NULL,
    ended_ms    INTEGER NOT NULL DEFAULT 0,
    recorded_ms INTEGER NOT NULL,
    fact        INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX changes_started ON changes (started_ms);
CREATE INDEX changes_service ON changes (service, started_ms);

CREATE TABLE runs (
    id         TEXT    PRIMARY KEY,
    runbook    TEXT    NOT NULL,
    title      TEXT    NOT NULL DEFAULT '',
    source     TEXT    NOT NULL,
    service    TEXT    NOT NULL DEFAULT '',
    incident   INTEGER NOT NULL DEFAULT 0,
    objective  TEXT    NOT NULL DEFAULT '',
    params     TEXT    NOT NULL DEFAULT '{}',
    actor      TEXT    NOT NULL,
    status     TEXT    NOT NULL,
    reason     TEXT    NOT NULL DEFAULT '',
    change_id  TEXT    NOT NULL DEFAULT '',
    started_ms INTEGER NOT NULL,
    ended_ms   INTEGER NOT NULL DEFAULT 0,
    verify_ms  INTEGER NOT NULL DEFAULT 0,
    fact       INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX runs_status   ON runs (status);
CREATE INDEX runs_incident ON runs (incident);
CREATE INDEX runs_started  ON runs (started_ms);

CREATE TABLE run_steps (
    run        TEXT    NOT NULL REFERENCES runs (id),
    idx        INTEGER NOT NULL,
    name       TEXT    NOT NULL,
    language   TEXT    NOT NULL,
    risk       TEXT    NOT NULL,
    rollback   INTEGER NOT NULL DEFAULT 0,
    status     TEXT    NOT NULL,
    attempt    INTEGER NOT NULL DEFAULT 0,
    output     TEXT    NOT NULL DEFAULT '',
    detail     TEXT    NOT NULL DEFAULT '',
    started_ms INTEGER NOT NULL DEFAULT 0,
    ended_ms   INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (run, idx)
);

CREATE TABLE approvals (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    run          TEXT    NOT NULL REFERENCES runs (id),
    step         INTEGER NOT NULL,
    risk         TEXT    NOT NULL,
    shown_hash   TEXT    NOT NULL,
    requested_by TEXT    NOT NULL,
    requested_ms INTEGER NOT NULL,
    decision     TEXT    NOT NULL DEFAULT '',
    decided_by   TEXT    NOT NULL DEFAULT '',
    decided_ms   INTEGER NOT NULL DEFAULT 0,
    reason       TEXT    NOT NULL DEFAULT ''
);
CREATE INDEX approvals_open ON approvals (decision, run);

CREATE TABLE reviews (
    incident     INTEGER PRIMARY KEY,
    status       TEXT    NOT NULL,
    markdown     TEXT    NOT NULL,
    drafted_ms   INTEGER NOT NULL,
    updated_ms   INTEGER NOT NULL,
    updated_by   TEXT    NOT NULL,
    fact         INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE follow_ups (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    incident   INTEGER NOT NULL,
    text       TEXT    NOT NULL,
    owner      TEXT    NOT NULL DEFAULT '',
    created_ms INTEGER NOT NULL,
    done_ms    INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE accounts (
    person     TEXT    PRIMARY KEY,
    password   TEXT    NOT NULL DEFAULT '',
    admin      INTEGER NOT NULL DEFAULT 0,
    created_ms INTEGER NOT NULL,
    disabled   INTEGER NOT NULL DEFAULT 0
);

-- One-time links: the hash of the secret, never the secret.
CREATE TABLE invitations (
    hash       TEXT    PRIMARY KEY,
    person     TEXT    NOT NULL DEFAULT '',
    admin      INTEGER NOT NULL DEFAULT 0,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    used_ms    INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE sessions (
    hash       TEXT    PRIMARY KEY,
    person     TEXT    NOT NULL,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL
);

CREATE TABLE tokens (
    id         TEXT    PRIMARY KEY,
    hash       TEXT    NOT NULL,
    person     TEXT    NOT NULL,
    note       TEXT    NOT NULL DEFAULT '',
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL DEFAULT 0,
    used_ms    INTEGER NOT NULL DEFAULT 0,
    revoked_ms INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE settings (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

-- +goose Down
SELECT 1;
