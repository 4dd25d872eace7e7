-- What answers "why was nobody told?": the rules of then, counts over time, what
-- was refused, and what people did.

-- +goose Up

-- The rules that callbacks were routed by, once for each change of them. used_at
-- is renewed while they are in use.
CREATE TABLE plans (
    id         INTEGER PRIMARY KEY,
    digest     TEXT    NOT NULL UNIQUE, -- SHA-256 of definition, in hex
    definition TEXT    NOT NULL,        -- JSON
    used_at    INTEGER NOT NULL
);

-- 0: not routed, or before plans were kept.
ALTER TABLE callbacks ADD COLUMN plan_id INTEGER NOT NULL DEFAULT 0;

-- Where the callbacks of a call are found. Calls have random ids: an index of them
-- made routing half as slow again. So they are filed later, in buckets of 1024
-- callbacks, each at once and in its order (see calls.go).
CREATE TABLE calls (
    bucket      INTEGER NOT NULL, -- callback_id / 1024
    call_sid    TEXT    NOT NULL,
    callback_id INTEGER NOT NULL,
    PRIMARY KEY (bucket, call_sid, callback_id)
) WITHOUT ROWID;

-- One row: the first bucket that is not filed.
CREATE TABLE filed (bucket INTEGER NOT NULL);
INSERT INTO filed (bucket) VALUES (0);

-- How often something happened in an hour or, once that is long ago, on a day,
-- which begins at "at". node: who counted, so that none waits for another's row; empty
-- for days.
CREATE TABLE tallies (
    what    TEXT    NOT NULL,
    at      INTEGER NOT NULL,
    name    TEXT    NOT NULL,
    result  TEXT    NOT NULL,
    node    TEXT    NOT NULL,
    n       INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (what, at, name, result, node)
) WITHOUT ROWID;

-- Requests that were refused, the newest few: request is what was sent.
CREATE TABLE refusals (
    id      INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL,
    status  INTEGER NOT NULL,
    reason  TEXT    NOT NULL,
    request BLOB    NOT NULL
);

-- Channels that send nothing because a person said so.
CREATE TABLE pauses (
    channel TEXT    PRIMARY KEY,
    at      INTEGER NOT NULL,
    who     TEXT    NOT NULL
) WITHOUT ROWID;

-- What people did to a delivery or, where delivery_id is 0, to a channel.
CREATE TABLE operations (
    id          INTEGER PRIMARY KEY,
    delivery_id INTEGER NOT NULL,
    channel     TEXT    NOT NULL DEFAULT '',
    at          INTEGER NOT NULL,
    who         TEXT    NOT NULL,
    what        TEXT    NOT NULL
);
CREATE INDEX operations_of ON operations (delivery_id, channel, at);

-- Deliveries that people had sent to someone else. All others have ids that grow
-- with those of their callbacks.
CREATE TABLE sent_on (
    callback_id INTEGER NOT NULL REFERENCES callbacks (id),
    delivery_id INTEGER NOT NULL REFERENCES deliveries (id),
    PRIMARY KEY (callback_id, delivery_id)
) WITHOUT ROWID;

-- +goose Down
DROP TABLE sent_on;
DROP TABLE operations;
DROP TABLE pauses;
DROP TABLE refusals;
DROP TABLE tallies;
DROP TABLE filed;
DROP TABLE calls;
ALTER TABLE callbacks DROP COLUMN plan_id;
DROP TABLE plans;
