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

// Spread moves the callbacks behind the one with that id up by so many ids.
func (s *Store) Spread(ctx context.Context, behind, by int64) error {
	return s.write(ctx, func(tx *tx) error {
		for _, query := range []string{
			`UPDATE callbacks SET id = id + ? WHERE id > ?`,
			`UPDATE deliveries SET callback_id = callback_id + ? WHERE callback_id > ?`,
			`UPDATE sent_on SET callback_id = callback_id + ? WHERE callback_id > ?`,
		} {
			if _, err := tx.exec(query, by, behind); err != nil {
				return err
			}
		}
		return nil
	})
}

// AgePlans makes the plans' last use longer ago.
func (s *Store) AgePlans(ctx context.Context, by time.Duration) error {
	return s.write(ctx, func(tx *tx) error {
		_, err := tx.exec(`UPDATE plans SET used_at = used_at - ?`, by.Microseconds())
		return err
	})
}

// Filed returns how many buckets of calls are filed.
func (s *Store) Filed(ctx context.Context) (int64, error) {
	return s.edge(ctx, 0, `SELECT bucket FROM filed`)
}

// Backdate makes all callbacks received longer ago.
func (s *Store) Backdate(ctx context.Context, by time.Duration) error {
	return s.write(ctx, func(tx *tx) error {
		_, err := tx.exec(`UPDATE callbacks SET received_at = received_at - ?`, by.Microseconds())
		return err
	})
}

// AgeSweeps makes all that was noted of sweeps, but for how far they have come,
// longer ago.
func (s *Store) AgeSweeps(ctx context.Context, by time.Duration) error {
	return s.write(ctx, func(tx *tx) error {
		_, err := tx.exec(`UPDATE sweeps SET done_at = done_at - ?, lease_until = lease_until - ?`, by.Microseconds(), by.Microseconds())
		return err
	})
}

// AgeLookups makes the leases of look-ups older.
func (s *Store) AgeLookups(ctx context.Context, by time.Duration) error {
	return s.write(ctx, func(tx *tx) error {
		_, err := tx.exec(`UPDATE lookups SET lease_until = lease_until - ? WHERE owner <> ''`, by.Microseconds())
		return err
	})
}
