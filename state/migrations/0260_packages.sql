-- +goose Up
-- What differs from what was seen before, in words.
ALTER TABLE sightings ADD COLUMN detail TEXT NOT NULL DEFAULT '';

-- What was installed on a machine when it was looked at last: a JSON object of versions by
-- package.
CREATE TABLE packages (
    resource TEXT PRIMARY KEY,
    versions TEXT NOT NULL
) WITHOUT ROWID;

-- +goose Down
SELECT 1;
