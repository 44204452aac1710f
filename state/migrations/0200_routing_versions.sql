-- +goose Up
-- The routing that was in force since a time, without its secrets: why something paged, or
-- did not, is answered by what held then.
CREATE TABLE routing_versions (
    at_ms  INTEGER PRIMARY KEY,
    source TEXT    NOT NULL
);

-- +goose Down
DROP TABLE routing_versions;
