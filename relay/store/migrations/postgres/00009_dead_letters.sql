-- The same as in SQLite, where each is explained.

-- +goose Up
ALTER TABLE deliveries ADD COLUMN settled BIGINT NOT NULL DEFAULT 0;
UPDATE deliveries SET settled = 1 WHERE state = 'dead';
CREATE INDEX deliveries_unsettled ON deliveries (id) WHERE state = 'dead' AND settled = 0;
CREATE TABLE fallbacks (
    delivery_id BIGINT PRIMARY KEY,
    instead_of  BIGINT NOT NULL,
    template    TEXT   NOT NULL
);

-- +goose Down
DROP TABLE fallbacks;
DROP INDEX deliveries_unsettled;
ALTER TABLE deliveries DROP COLUMN settled;
