-- Quiet hours in which a delivery is not sent.

-- +goose Up

-- Of the deliveries that have any, and whose quiet hours nobody has overridden.
-- hours is as package quiet writes it.
CREATE TABLE quiet_hours (
    delivery_id INTEGER PRIMARY KEY REFERENCES deliveries (id),
    hours       TEXT    NOT NULL
);

-- +goose Down
DROP TABLE quiet_hours;
