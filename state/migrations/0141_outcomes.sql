-- +goose Up
-- Which findings a notification told of: notifications.findings, as rows.
CREATE TABLE notified (
    finding      INTEGER NOT NULL,
    notification INTEGER NOT NULL,
    PRIMARY KEY (finding, notification)
) WITHOUT ROWID;
INSERT OR IGNORE INTO notified (finding, notification)
    SELECT j.value, n.id FROM notifications n, json_each(n.findings) j WHERE n.status = 'sent';

CREATE TABLE outcomes (
    finding  INTEGER PRIMARY KEY,
    outcome  TEXT    NOT NULL,
    inferred INTEGER NOT NULL,
    note     TEXT    NOT NULL DEFAULT '',
    actor    TEXT    NOT NULL,
    at_ms    INTEGER NOT NULL
);

-- +goose Down
SELECT 1;
