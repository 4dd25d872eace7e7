-- Recordings that go with an email.

-- +goose Up

-- One for each delivery that is to have the recording with it, in that format
-- where it comes in several, and of so many bytes at most. link is what the email
-- has in its place. Then what came of it, once the email was sent: bytes is how
-- large the recording was, or left_out why it was not sent with it.
CREATE TABLE attachments (
    delivery_id INTEGER PRIMARY KEY REFERENCES deliveries (id),
    format      TEXT    NOT NULL,
    max_bytes   INTEGER NOT NULL,
    link        TEXT    NOT NULL,
    bytes       INTEGER NOT NULL DEFAULT 0,
    left_out    TEXT    NOT NULL DEFAULT ''
);

-- +goose Down
DROP TABLE attachments;
