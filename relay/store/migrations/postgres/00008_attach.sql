-- The same as in SQLite, where each is explained.

-- +goose Up

CREATE TABLE attachments (
    delivery_id BIGINT PRIMARY KEY,
    format      TEXT COLLATE "C" NOT NULL,
    max_bytes   BIGINT NOT NULL,
    link        TEXT NOT NULL,
    bytes       BIGINT NOT NULL DEFAULT 0,
    left_out    TEXT NOT NULL DEFAULT ''
);

-- +goose Down
DROP TABLE attachments;
