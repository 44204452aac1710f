-- +goose Up
-- Who is told of public updates of a system. told is the last one that was taken: what
-- comes after it is still to be told, also after a restart.
CREATE TABLE status_subscribers (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    system     TEXT    NOT NULL,
    url        TEXT    NOT NULL,
    actor      TEXT    NOT NULL,
    created_ms INTEGER NOT NULL,
    told       INTEGER NOT NULL,
    failures   INTEGER NOT NULL DEFAULT 0,
    next_ms    INTEGER NOT NULL DEFAULT 0,
    error      TEXT    NOT NULL DEFAULT '',
    UNIQUE (system, url)
);

-- +goose Down
SELECT 1;
