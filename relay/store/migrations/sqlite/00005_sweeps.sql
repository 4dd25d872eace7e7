-- What is done about callbacks that never came.

-- +goose Up

-- 1: it was found by asking the provider.
ALTER TABLE callbacks ADD COLUMN late INTEGER NOT NULL DEFAULT 0;

-- Recordings that began, by when that was told. They are few: senders tell of
-- it where they are asked to.
CREATE INDEX callbacks_in_progress ON callbacks (received_at) WHERE recording_status = 'in-progress';

-- What is looked through from time to time, by one process at once: it belongs
-- to owner until lease_until. Up to seen all was looked at, and what was before
-- began is not: both by the clock of what is looked through, and 0 before the first
-- time. done_at is when it was last looked through.
CREATE TABLE sweeps (
    name        TEXT    PRIMARY KEY,
    began       INTEGER NOT NULL DEFAULT 0,
    seen        INTEGER NOT NULL DEFAULT 0,
    done_at     INTEGER NOT NULL DEFAULT 0,
    owner       TEXT    NOT NULL DEFAULT '',
    lease_until INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

-- +goose Down
DROP TABLE sweeps;
DROP INDEX callbacks_in_progress;
ALTER TABLE callbacks DROP COLUMN late;
