-- What providers say later of the text messages that they accepted.

-- +goose Up

-- How far the message is and since when, both NULL before anything is known;
-- receipt_of is the message's id at the provider, which is also kept where it came
-- before ours was recorded, or once a person has had it sent again.
-- receipt_error says why it does not arrive. There is no index: receipts name
-- the delivery.
ALTER TABLE deliveries ADD COLUMN receipt TEXT;
ALTER TABLE deliveries ADD COLUMN receipt_at INTEGER;
ALTER TABLE deliveries ADD COLUMN receipt_of TEXT;
ALTER TABLE deliveries ADD COLUMN receipt_error TEXT;

-- +goose Down
ALTER TABLE deliveries DROP COLUMN receipt_error;
ALTER TABLE deliveries DROP COLUMN receipt_of;
ALTER TABLE deliveries DROP COLUMN receipt_at;
ALTER TABLE deliveries DROP COLUMN receipt;
