-- +goose Up
CREATE TABLE views (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT    NOT NULL,
    url        TEXT    NOT NULL,
    owner      TEXT    NOT NULL,
    team       TEXT    NOT NULL DEFAULT '',
    created_ms INTEGER NOT NULL
);
CREATE UNIQUE INDEX views_personal ON views (owner, name) WHERE team = '';
CREATE UNIQUE INDEX views_team ON views (team, name) WHERE team != '';

-- +goose Down
DROP TABLE views;
