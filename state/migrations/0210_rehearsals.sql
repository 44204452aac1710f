-- +goose Up
-- The fault that a rehearsal is against, and when it was put in place, seen, and taken away.
ALTER TABLE runs ADD COLUMN fault TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN fault_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN shown_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN over_ms INTEGER NOT NULL DEFAULT 0;
