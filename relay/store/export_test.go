package store

import (
	"context"
	"time"
)

// Abandon makes what this process has leased a process's that is gone.
func (s *Store) Abandon(ctx context.Context) error {
	return s.write(ctx, func(tx *tx) error {
		_, err := tx.exec(`UPDATE deliveries SET owner = 'gone', lease_until = 1 WHERE state = 'sending'`)
		return err
	})
}

// Age makes the leases of this process older, as if it had hung for that long.
func (s *Store) Age(ctx context.Context, by time.Duration) error {
	return s.write(ctx, func(tx *tx) error {
		_, err := tx.exec(`UPDATE deliveries SET lease_until = lease_until - ? WHERE `+mine, by.Microseconds(), s.name)
		return err
	})
}

// TakeTurn is the statement with which nodes take turns to bring a schema up to
// date.
const TakeTurn = takeTurn
