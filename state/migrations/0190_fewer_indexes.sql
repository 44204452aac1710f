-- +goose Up
-- Facts are never deleted, and nothing looks for the refs of a fact, nor for facts by
-- their cause (causes are followed by id): these were only written.
DROP INDEX fact_refs_fact;
DROP INDEX facts_cause;

-- +goose Down
SELECT 1;
