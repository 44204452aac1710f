-- +goose Up
ALTER TABLE changes ADD COLUMN risk     TEXT NOT NULL DEFAULT '';
ALTER TABLE changes ADD COLUMN risk_why TEXT NOT NULL DEFAULT '[]';
ALTER TABLE changes ADD COLUMN evidence TEXT NOT NULL DEFAULT '{}';

-- Deliveries of webhooks that were taken: the same one again is a replay.
CREATE TABLE hook_deliveries (
    source TEXT    NOT NULL,
    id     TEXT    NOT NULL,
    at_ms  INTEGER NOT NULL,
    PRIMARY KEY (source, id)
) WITHOUT ROWID;
CREATE INDEX hook_deliveries_at ON hook_deliveries (at_ms);

-- What was put together before a deploy: a pull request, or a push.
CREATE TABLE merges (
    id         TEXT    PRIMARY KEY,
    repo       TEXT    NOT NULL,
    title      TEXT    NOT NULL DEFAULT '',
    author     TEXT    NOT NULL DEFAULT '',
    reviewers  TEXT    NOT NULL DEFAULT '[]',
    url        TEXT    NOT NULL DEFAULT '',
    branch     TEXT    NOT NULL DEFAULT '',
    head       TEXT    NOT NULL DEFAULT '',
    merge_sha  TEXT    NOT NULL DEFAULT '',
    checks     TEXT    NOT NULL DEFAULT '',
    commit_ms  INTEGER NOT NULL DEFAULT 0,
    created_ms INTEGER NOT NULL DEFAULT 0,
    review_ms  INTEGER NOT NULL DEFAULT 0,
    merged_ms  INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX merges_repo ON merges (repo, merged_ms);
CREATE INDEX merges_sha  ON merges (merge_sha);
CREATE INDEX merges_head ON merges (head);

-- The versions that were seen to run, by whom they are told.
CREATE TABLE sightings (
    service   TEXT    NOT NULL,
    attribute TEXT    NOT NULL,
    value     TEXT    NOT NULL,
    was       TEXT    NOT NULL DEFAULT '',
    first_ms  INTEGER NOT NULL,
    last_ms   INTEGER NOT NULL,
    PRIMARY KEY (service, attribute, value)
) WITHOUT ROWID;

-- +goose Down
SELECT 1;
