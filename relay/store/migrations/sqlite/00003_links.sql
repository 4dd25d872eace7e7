-- Links that open a recording to whoever has them.

-- +goose Up

-- One for each message that holds one. The token is what its address ends with,
-- 65 random bits. revoked_at and opened_at are 0 where it was not.
CREATE TABLE links (
    delivery_id INTEGER PRIMARY KEY REFERENCES deliveries (id),
    token       TEXT    NOT NULL UNIQUE,
    expires_at  INTEGER NOT NULL,
    revoked_at  INTEGER NOT NULL DEFAULT 0,
    opens       INTEGER NOT NULL DEFAULT 0,
    opened_at   INTEGER NOT NULL DEFAULT 0
);

-- +goose Down
DROP TABLE links;
