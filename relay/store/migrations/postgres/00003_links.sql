-- The same as in SQLite, where each is explained.

-- +goose Up

CREATE TABLE links (
    delivery_id BIGINT PRIMARY KEY,
    token       TEXT COLLATE "C" NOT NULL UNIQUE,
    expires_at  BIGINT NOT NULL,
    revoked_at  BIGINT NOT NULL DEFAULT 0,
    opens       BIGINT NOT NULL DEFAULT 0,
    opened_at   BIGINT NOT NULL DEFAULT 0
);

-- +goose Down
DROP TABLE links;
