-- The same as in SQLite, where it is explained.

-- +goose Up

ALTER TABLE callbacks ADD COLUMN late BIGINT NOT NULL DEFAULT 0;
CREATE INDEX callbacks_in_progress ON callbacks (received_at, id) WHERE recording_status = 'in-progress';

CREATE TABLE sweeps (
    name        TEXT COLLATE "C" PRIMARY KEY,
    began       BIGINT NOT NULL DEFAULT 0,
    seen        BIGINT NOT NULL DEFAULT 0,
    done_at     BIGINT NOT NULL DEFAULT 0,
    owner       TEXT   NOT NULL DEFAULT '',
    lease_until BIGINT NOT NULL DEFAULT 0
);

-- +goose Down
DROP TABLE sweeps;
DROP INDEX callbacks_in_progress;
ALTER TABLE callbacks DROP COLUMN late;
