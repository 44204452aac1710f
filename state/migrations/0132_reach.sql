-- +goose Up
CREATE TABLE contact_methods (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    person      TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    address     TEXT    NOT NULL,
    severities  TEXT    NOT NULL DEFAULT '[]',
    position    INTEGER NOT NULL DEFAULT 0,
    code_hash   TEXT    NOT NULL DEFAULT '',
    code_ms     INTEGER NOT NULL DEFAULT 0,
    tries       INTEGER NOT NULL DEFAULT 0,
    verified_ms INTEGER NOT NULL DEFAULT 0,
    created_ms  INTEGER NOT NULL
);
CREATE INDEX contact_methods_person ON contact_methods (person);

CREATE TABLE contact_quiet (
    person     TEXT    PRIMARY KEY,
    from_min   INTEGER NOT NULL,
    to_min     INTEGER NOT NULL,
    zone       TEXT    NOT NULL,
    severities TEXT    NOT NULL
);

-- One row a notice to a person: the queue and its log.
CREATE TABLE deliveries (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    key        TEXT    NOT NULL UNIQUE,
    person     TEXT    NOT NULL,
    purpose    TEXT    NOT NULL,
    incident   INTEGER NOT NULL DEFAULT 0,
    severity   TEXT    NOT NULL,
    title      TEXT    NOT NULL,
    body       TEXT    NOT NULL,
    why        TEXT    NOT NULL DEFAULT '',
    only_method INTEGER NOT NULL DEFAULT 0,
    state      TEXT    NOT NULL,
    method     INTEGER NOT NULL DEFAULT 0,
    attempt    INTEGER NOT NULL DEFAULT 0,
    next_ms    INTEGER NOT NULL,
    lease_ms   INTEGER NOT NULL DEFAULT 0,
    queued_ms  INTEGER NOT NULL,
    done_ms    INTEGER NOT NULL DEFAULT 0,
    used_ms    INTEGER NOT NULL DEFAULT 0,
    fact       INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX deliveries_state ON deliveries (state, next_ms);
CREATE INDEX deliveries_incident ON deliveries (incident);
CREATE INDEX deliveries_person ON deliveries (person, id);

CREATE TABLE delivery_attempts (
    delivery INTEGER NOT NULL REFERENCES deliveries (id),
    n        INTEGER NOT NULL,
    at_ms    INTEGER NOT NULL,
    took_ms  INTEGER NOT NULL,
    kind     TEXT    NOT NULL,
    address  TEXT    NOT NULL,
    ok       INTEGER NOT NULL,
    detail   TEXT    NOT NULL DEFAULT '',
    PRIMARY KEY (delivery, n)
) WITHOUT ROWID;

-- +goose Down
SELECT 1;
