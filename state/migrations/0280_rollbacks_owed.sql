-- +goose Up
-- 1 from the verdict on until the rollback has been started, or it is on record why not.
ALTER TABLE verifications ADD COLUMN owes_rollback INTEGER NOT NULL DEFAULT 0;

-- +goose Down
SELECT 1;
