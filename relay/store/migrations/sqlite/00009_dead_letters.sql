-- What is done about deliveries that ended dead.

-- +goose Up

-- What has followed from it that a delivery is dead, once for ever. 0: nothing
-- yet; 1: a callback tells of it, if any does; 2: so it is, and a fallback takes its place; 3: so
-- it is, and whether it has a fallback is not known. The index is the list of those
-- that wait for that, however they came to be dead.
ALTER TABLE deliveries ADD COLUMN settled INTEGER NOT NULL DEFAULT 0;
UPDATE deliveries SET settled = 1 WHERE state = 'dead'; -- of old ones nobody is told
CREATE INDEX deliveries_unsettled ON deliveries (id) WHERE state = 'dead' AND settled = 0;

-- Deliveries that take the place of dead ones of the same callback, and the
-- template of each: the same message goes to nobody twice.
CREATE TABLE fallbacks (
    delivery_id INTEGER PRIMARY KEY REFERENCES deliveries (id),
    instead_of  INTEGER NOT NULL,
    template    TEXT    NOT NULL
);

-- +goose Down
DROP TABLE fallbacks;
DROP INDEX deliveries_unsettled;
ALTER TABLE deliveries DROP COLUMN settled;
