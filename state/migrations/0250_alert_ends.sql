-- +goose Up
-- When an alert of another sender ends, where it lasts longer than a restart waits for a
-- sender to come back.
CREATE TABLE alert_ends (
    fingerprint TEXT    PRIMARY KEY,
    ends_ms     INTEGER NOT NULL
) WITHOUT ROWID;

-- +goose Down
SELECT 1;
