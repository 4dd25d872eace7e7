-- The same as in SQLite, where each is explained.

-- +goose Up

CREATE TABLE quiet_hours (
    delivery_id BIGINT PRIMARY KEY,
    hours       TEXT NOT NULL
);

-- +goose Down
DROP TABLE quiet_hours;
