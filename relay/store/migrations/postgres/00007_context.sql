-- The same as in SQLite, where it is explained.

-- +goose Up

ALTER TABLE callbacks ADD COLUMN call TEXT;

CREATE TABLE lookups (
    callback_id BIGINT PRIMARY KEY,
    due_at      BIGINT NOT NULL,
    deadline    BIGINT NOT NULL,
    attempts    BIGINT NOT NULL DEFAULT 0,
    last_error  TEXT   NOT NULL DEFAULT '',
    owner       TEXT COLLATE "C" NOT NULL DEFAULT '',
    lease_until BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX lookups_due ON lookups (owner, due_at);
CREATE INDEX lookups_over ON lookups (owner, deadline);

-- +goose Down
DROP TABLE lookups;
ALTER TABLE callbacks DROP COLUMN call;
