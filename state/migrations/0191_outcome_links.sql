-- +goose Up
-- Links in messages that said what became of a finding: each works once.
CREATE TABLE outcome_links (
    finding INTEGER PRIMARY KEY,
    used_ms INTEGER NOT NULL
);

-- +goose Down
SELECT 1;
