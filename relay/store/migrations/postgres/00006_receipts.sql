-- The same as in SQLite, where each is explained.

-- +goose Up
ALTER TABLE deliveries ADD COLUMN receipt TEXT;
ALTER TABLE deliveries ADD COLUMN receipt_at BIGINT;
ALTER TABLE deliveries ADD COLUMN receipt_of TEXT;
ALTER TABLE deliveries ADD COLUMN receipt_error TEXT;

-- +goose Down
ALTER TABLE deliveries DROP COLUMN receipt_error;
ALTER TABLE deliveries DROP COLUMN receipt_of;
ALTER TABLE deliveries DROP COLUMN receipt_at;
ALTER TABLE deliveries DROP COLUMN receipt;
