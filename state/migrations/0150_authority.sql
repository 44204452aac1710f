-- +goose Up
ALTER TABLE runs ADD COLUMN token TEXT NOT NULL DEFAULT '';       -- with which it was started; revoked, it stops the run
ALTER TABLE runs ADD COLUMN taken_by TEXT NOT NULL DEFAULT '';    -- who goes on with it, where the one who started may not
ALTER TABLE runs ADD COLUMN break_glass TEXT NOT NULL DEFAULT ''; -- the reason
ALTER TABLE runs ADD COLUMN mode TEXT NOT NULL DEFAULT '';        -- '', dry, rehearsal
ALTER TABLE runs ADD COLUMN asked TEXT NOT NULL DEFAULT '';       -- whose wish it was
ALTER TABLE runs ADD COLUMN print TEXT NOT NULL DEFAULT '';       -- of the runbook and its components, as they were
ALTER TABLE runs ADD COLUMN parent TEXT NOT NULL DEFAULT '';      -- the run that it is a step of
ALTER TABLE runs ADD COLUMN parent_step INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN minutes INTEGER NOT NULL DEFAULT 0;   -- of people's work, as they said
ALTER TABLE runs ADD COLUMN evidence TEXT NOT NULL DEFAULT '';    -- of the objective before, for the verification
CREATE INDEX runs_parent ON runs (parent);

ALTER TABLE approvals ADD COLUMN class TEXT NOT NULL DEFAULT '';
ALTER TABLE approvals ADD COLUMN part TEXT NOT NULL DEFAULT '';        -- what was missing, in words
ALTER TABLE approvals ADD COLUMN evidence TEXT NOT NULL DEFAULT '';    -- what the approver saw beside the step
ALTER TABLE approvals ADD COLUMN voice INTEGER NOT NULL DEFAULT 0;     -- said, and written down by somebody else
ALTER TABLE approvals ADD COLUMN recorded_by TEXT NOT NULL DEFAULT '';

-- Authority to approve that somebody lends for a time.
CREATE TABLE delegations (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    lender     TEXT    NOT NULL,
    borrower   TEXT    NOT NULL,
    upto       TEXT    NOT NULL,
    reason     TEXT    NOT NULL,
    starts_ms  INTEGER NOT NULL,
    ends_ms    INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    ended_ms   INTEGER NOT NULL DEFAULT 0,
    fact       INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX delegations_borrower ON delegations (borrower, ends_ms);

-- What is owed after an exception: the record of a spoken approval, the review of a
-- broken glass.
CREATE TABLE duties (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    kind       TEXT    NOT NULL,
    run        TEXT    NOT NULL,
    step       INTEGER NOT NULL,
    owed_by    TEXT    NOT NULL DEFAULT '', -- '' for anybody but not_by
    not_by     TEXT    NOT NULL DEFAULT '',
    summary    TEXT    NOT NULL,
    created_ms INTEGER NOT NULL,
    due_ms     INTEGER NOT NULL,
    done_ms    INTEGER NOT NULL DEFAULT 0,
    done_by    TEXT    NOT NULL DEFAULT '',
    verdict    TEXT    NOT NULL DEFAULT '', -- confirmed or disputed; right or wrong
    text       TEXT    NOT NULL DEFAULT '',
    fact       INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX duties_open ON duties (done_ms, due_ms);

CREATE INDEX runs_actor ON runs (actor, runbook);

-- What runs hold while they alter it.
CREATE TABLE resource_locks (
    resource TEXT    PRIMARY KEY,
    run      TEXT    NOT NULL,
    since_ms INTEGER NOT NULL
);
CREATE INDEX resource_locks_run ON resource_locks (run);

-- Upkeep: votes after use, readings, breakers.
CREATE TABLE runbook_votes (
    run     TEXT    NOT NULL,
    runbook TEXT    NOT NULL,
    print   TEXT    NOT NULL,
    person  TEXT    NOT NULL,
    helped  INTEGER NOT NULL,
    note    TEXT    NOT NULL DEFAULT '',
    at_ms   INTEGER NOT NULL,
    PRIMARY KEY (run, person)
);
CREATE INDEX runbook_votes_book ON runbook_votes (runbook, at_ms);
CREATE TABLE runbook_readings (
    runbook TEXT    NOT NULL,
    print   TEXT    NOT NULL,
    text    TEXT    NOT NULL, -- hash of the file alone
    person  TEXT    NOT NULL,
    at_ms   INTEGER NOT NULL
);
CREATE INDEX runbook_readings_book ON runbook_readings (runbook, at_ms);
CREATE TABLE runbook_breakers (
    runbook   TEXT    NOT NULL,
    service   TEXT    NOT NULL,
    run       TEXT    NOT NULL,
    why       TEXT    NOT NULL,
    opened_ms INTEGER NOT NULL,
    closed_ms INTEGER NOT NULL DEFAULT 0,
    closed_by TEXT    NOT NULL DEFAULT '',
    PRIMARY KEY (runbook, service, opened_ms)
);

-- Service tokens: what they may do.
ALTER TABLE tokens ADD COLUMN kind TEXT NOT NULL DEFAULT 'personal';
ALTER TABLE tokens ADD COLUMN scopes TEXT NOT NULL DEFAULT '';

-- +goose Down
SELECT 1;
