package store

import (
	"context"
	"time"
)

// Rewind makes what waits until that time, or for longer, due now.
func (s *Store) Rewind(ctx context.Context, until time.Time) error {
	return s.write(ctx, func(tx *tx) error {
		_, err := tx.exec(`UPDATE deliveries SET next_attempt_at = ? WHERE next_attempt_at >= ?`, micros(s.clock.now()), micros(until))
		return err
	})
}

// CountQuietHours returns how many deliveries have quiet hours.
func (s *Store) CountQuietHours(ctx context.Context) (int64, error) {
	return s.edge(ctx, 0, `SELECT count(*) FROM quiet_hours`)
}
