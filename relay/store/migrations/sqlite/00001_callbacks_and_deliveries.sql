-- Times are microseconds since 1970, UTC. Ids grow with time, so that "newest
-- first" is a walk down the primary key.

-- +goose Up

-- A callback as it was acknowledged. routed_at is set in the transaction that
-- writes its deliveries, in the order of ids: those that are not routed are the
-- last ones.
CREATE TABLE callbacks (
    id                 INTEGER PRIMARY KEY,
    account_sid        TEXT    NOT NULL,
    recording_sid      TEXT    NOT NULL,
    recording_status   TEXT    NOT NULL,
    call_sid           TEXT    NOT NULL,
    recording_url      TEXT    NOT NULL,
    recording_duration INTEGER NOT NULL, -- seconds
    recording_source   TEXT    NOT NULL,
    recording_channels TEXT    NOT NULL,
    fields             TEXT    NOT NULL, -- every other parameter, a JSON object, or empty
    query              TEXT    NOT NULL, -- the callback URL's query, a JSON object, or empty
    received_at        INTEGER NOT NULL,
    routed_at          INTEGER,
    UNIQUE (recording_sid, recording_status, account_sid)
);
-- A mark every 64 rows, from which it is not far to where a time begins: an
-- index over all rows cost durable intake three per cent.
CREATE INDEX callbacks_received ON callbacks (received_at) WHERE id % 64 = 0;

-- One message to one recipient. While state is "sending" the delivery belongs
-- to the process owner until lease_until. unsure: an attempt was made whose outcome is
-- not known.
CREATE TABLE deliveries (
    id              INTEGER PRIMARY KEY,
    callback_id     INTEGER NOT NULL REFERENCES callbacks (id),
    rule            TEXT    NOT NULL,
    channel         TEXT    NOT NULL,
    kind            TEXT    NOT NULL,
    recipient       TEXT    NOT NULL,
    subject         TEXT    NOT NULL,
    state           TEXT    NOT NULL,
    attempts        INTEGER NOT NULL DEFAULT 0,
    unsure          INTEGER NOT NULL DEFAULT 0,
    created_at      INTEGER NOT NULL,
    next_attempt_at INTEGER NOT NULL,
    give_up_at      INTEGER NOT NULL,
    owner           TEXT    NOT NULL DEFAULT '',
    lease_until     INTEGER NOT NULL DEFAULT 0,
    finished_at     INTEGER,
    last_error      TEXT    NOT NULL DEFAULT '',
    provider_id     TEXT    NOT NULL DEFAULT ''
);
CREATE INDEX deliveries_callback ON deliveries (callback_id);
CREATE INDEX deliveries_recipient ON deliveries (recipient, id);
CREATE INDEX deliveries_created ON deliveries (created_at) WHERE id % 64 = 0; -- as for callbacks
CREATE INDEX deliveries_due ON deliveries (channel, next_attempt_at) WHERE state IN ('queued', 'retrying');
CREATE INDEX deliveries_give_up ON deliveries (channel, give_up_at) WHERE state IN ('queued', 'retrying');
CREATE INDEX deliveries_state ON deliveries (state, id);
-- Those being sent are few: deliveries_state finds them.
CREATE INDEX deliveries_channel_state ON deliveries (channel, state, id) WHERE state <> 'sending';

-- How many deliveries wait, in each state: counting a backlog of a million
-- takes half a second. Those that are sent at once cost nothing here.
CREATE TABLE waiting (
    state TEXT    PRIMARY KEY,
    depth INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO waiting (state, depth) VALUES ('queued', 0), ('retrying', 0);
-- +goose StatementBegin
CREATE TRIGGER deliveries_inserted AFTER INSERT ON deliveries WHEN NEW.state IN ('queued', 'retrying') BEGIN
    UPDATE waiting SET depth = depth + 1 WHERE state = NEW.state;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER deliveries_came AFTER UPDATE OF state ON deliveries WHEN NEW.state IN ('queued', 'retrying') BEGIN
    UPDATE waiting SET depth = depth + 1 WHERE state = NEW.state;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER deliveries_left AFTER UPDATE OF state ON deliveries WHEN OLD.state IN ('queued', 'retrying') BEGIN
    UPDATE waiting SET depth = depth - 1 WHERE state = OLD.state;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER deliveries_deleted AFTER DELETE ON deliveries WHEN OLD.state IN ('queued', 'retrying') BEGIN
    UPDATE waiting SET depth = depth - 1 WHERE state = OLD.state;
END;
-- +goose StatementEnd

-- What a delivery says: written once, apart from the delivery, whose row is
-- rewritten whole at every change of state.
CREATE TABLE messages (
    delivery_id INTEGER PRIMARY KEY REFERENCES deliveries (id),
    text        TEXT NOT NULL,
    html        TEXT NOT NULL
);

-- What came of each attempt; error is empty where it succeeded.
CREATE TABLE attempts (
    delivery_id INTEGER NOT NULL REFERENCES deliveries (id),
    number      INTEGER NOT NULL,
    started_at  INTEGER NOT NULL,
    took        INTEGER NOT NULL, -- microseconds
    error       TEXT    NOT NULL,
    PRIMARY KEY (delivery_id, number)
) WITHOUT ROWID;

-- When a channel with a rate may send its next message.
CREATE TABLE rates (
    channel TEXT    PRIMARY KEY,
    next_at INTEGER NOT NULL
) WITHOUT ROWID;

-- One row, rewritten to learn whether the store can commit. It takes a change:
-- SQLite does not write what is equal.
CREATE TABLE health (checked_at INTEGER NOT NULL);
INSERT INTO health (checked_at) VALUES (0);

-- +goose Down
DROP TABLE health;
DROP TABLE rates;
DROP TABLE attempts;
DROP TABLE messages;
DROP TABLE deliveries;
DROP TABLE waiting;
DROP TABLE callbacks;
