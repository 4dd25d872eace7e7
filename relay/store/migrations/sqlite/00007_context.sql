-- What the provider says of a callback's call, where the rules want to know.

-- +goose Up

-- JSON: what the provider has said of the call, or that it has not. NULL: it was
-- not asked. Empty: it is being asked, and the callback waits for that.
ALTER TABLE callbacks ADD COLUMN call TEXT;

-- The callbacks that wait, which are marked as routed and have no deliveries yet.
-- The provider is asked at due_at, and after deadline the callback goes on
-- without. What is being asked belongs to the process owner until lease_until.
CREATE TABLE lookups (
    callback_id INTEGER PRIMARY KEY REFERENCES callbacks (id),
    due_at      INTEGER NOT NULL,
    deadline    INTEGER NOT NULL,
    attempts    INTEGER NOT NULL DEFAULT 0,
    last_error  TEXT    NOT NULL DEFAULT '',
    owner       TEXT    NOT NULL DEFAULT '',
    lease_until INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX lookups_due ON lookups (owner, due_at);
CREATE INDEX lookups_over ON lookups (owner, deadline);

-- +goose Down
DROP TABLE lookups;
ALTER TABLE callbacks DROP COLUMN call;
