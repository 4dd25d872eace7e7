package store

import "context"

// Abandon makes what this process has leased a process's that is gone.
func (s *Store) Abandon(ctx context.Context) error {
	return s.write(ctx, func(tx *tx) error {
		_, err := tx.exec(`UPDATE deliveries SET owner = 'gone', lease_until = 1 WHERE state = 'sending'`)
		return err
	})
}
