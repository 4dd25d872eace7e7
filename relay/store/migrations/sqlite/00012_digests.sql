-- Digests: many recordings in one message.

-- +goose Up

-- A message that is still collecting recordings, for one recipient by one channel
-- and template. folded is the recipient in small letters, quiet the hours that
-- hold for the message. Ids are not used again: what was read of one must not be
-- taken for another.
CREATE TABLE digests (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    channel   TEXT    NOT NULL,
    kind      TEXT    NOT NULL,
    template  TEXT    NOT NULL,
    recipient TEXT    NOT NULL,
    folded    TEXT    NOT NULL,
    shadow    INTEGER NOT NULL,
    quiet     TEXT    NOT NULL,
    due_at    INTEGER NOT NULL,
    UNIQUE (channel, template, folded, shadow)
);
CREATE INDEX digests_due ON digests (due_at);

-- What a digest has collected, and the rules that asked for it. The rows go with
-- the digest. What a message has told of is in sent_on from then on, beside the
-- callback that it is filed under.
CREATE TABLE digested (
    digest_id   INTEGER NOT NULL REFERENCES digests (id),
    callback_id INTEGER NOT NULL REFERENCES callbacks (id),
    rule        TEXT    NOT NULL,
    PRIMARY KEY (digest_id, callback_id)
) WITHOUT ROWID;
CREATE INDEX digested_callback ON digested (callback_id);
CREATE INDEX sent_on_delivery ON sent_on (delivery_id);

-- A message has a link for each of its recordings. callback_id is 0 for that of
-- the callback which the delivery is filed under.
CREATE TABLE links_of_recordings (
    delivery_id INTEGER NOT NULL REFERENCES deliveries (id),
    callback_id INTEGER NOT NULL DEFAULT 0,
    token       TEXT    NOT NULL UNIQUE,
    expires_at  INTEGER NOT NULL,
    revoked_at  INTEGER NOT NULL DEFAULT 0,
    opens       INTEGER NOT NULL DEFAULT 0,
    opened_at   INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (delivery_id, callback_id)
) WITHOUT ROWID;
INSERT INTO links_of_recordings (delivery_id, token, expires_at, revoked_at, opens, opened_at)
    SELECT delivery_id, token, expires_at, revoked_at, opens, opened_at FROM links;
DROP TABLE links;
ALTER TABLE links_of_recordings RENAME TO links;

-- +goose Down
CREATE TABLE links_of_deliveries (
    delivery_id INTEGER PRIMARY KEY REFERENCES deliveries (id),
    token       TEXT    NOT NULL UNIQUE,
    expires_at  INTEGER NOT NULL,
    revoked_at  INTEGER NOT NULL DEFAULT 0,
    opens       INTEGER NOT NULL DEFAULT 0,
    opened_at   INTEGER NOT NULL DEFAULT 0
);
INSERT INTO links_of_deliveries (delivery_id, token, expires_at, revoked_at, opens, opened_at)
    SELECT delivery_id, token, expires_at, revoked_at, opens, opened_at FROM links WHERE callback_id = 0;
DROP TABLE links;
ALTER TABLE links_of_deliveries RENAME TO links;
DROP INDEX sent_on_delivery;
DROP TABLE digested;
DROP TABLE digests;
