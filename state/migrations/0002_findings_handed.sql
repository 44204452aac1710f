-- +goose Up
-- Whether the rooms that follow have taken the finding's last change: opened or
-- resolved. A kill between the commit and the hand-off leaves 0, and the next start
-- hands it on again.
ALTER TABLE findings ADD COLUMN handed INTEGER NOT NULL DEFAULT 1;
CREATE INDEX findings_pending ON findings (id) WHERE handed = 0;

-- +goose Down
SELECT 1;
