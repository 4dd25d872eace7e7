package store

import (
	"context"
	"fmt"
	"time"
)

// Outcome is what came of one attempt.
type Outcome struct {
	StartedAt time.Time
	Took      time.Duration
	Err       string // empty where the provider accepted the message

	State         State     // Delivered, Retrying, Dead or Unknown
	NextAttemptAt time.Time // for Retrying
	Unsure        bool      // whether the provider may have accepted it all the same
	ProviderID    string
}

// Finish records an attempt at a leased delivery and ends its lease. A delivery
// that is not leased any more, or at which another attempt was finished since,
// is left as it is.
func (s *Store) Finish(ctx context.Context, d *Delivery, o Outcome) error {
	err := s.write(ctx, func(tx *tx) error {
		var finished any
		next := d.NextAttemptAt
		if o.State.Finished() {
			finished = micros(o.StartedAt.Add(o.Took))
		} else {
			next = o.NextAttemptAt
		}
		n, err := tx.exec(`
			UPDATE deliveries SET state = ?, attempts = attempts + 1, unsure = ?, next_attempt_at = ?, lease_until = NULL,
				finished_at = ?, last_error = ?, provider_id = ?
			WHERE id = ? AND state = 'sending' AND attempts = ?`,
			string(o.State), o.Unsure, micros(next), finished, o.Err, o.ProviderID, d.ID, d.Attempts)
		if err != nil || n == 0 {
			return err
		}
		_, err = tx.exec(`INSERT INTO attempts (delivery_id, number, started_at, took, error) VALUES (?, ?, ?, ?, ?)`,
			d.ID, d.Attempts+1, micros(o.StartedAt), o.Took.Microseconds(), o.Err)
		return err
	})
	if err != nil {
		return fmt.Errorf("record delivery %d: %w", d.ID, err)
	}
	return nil
}

// expireBatch bounds the rows that one transaction of Expire changes, since
// everything else waits for it.
const expireBatch = 500

// Expire gives up the channel's waiting deliveries whose time is over, with
// reason as their last error, and returns how many those were. Those that may
// have been accepted become [Unknown] instead.
func (s *Store) Expire(ctx context.Context, channel, reason string) (n int64, err error) {
	for {
		batch := new(int64)
		err := s.write(ctx, func(tx *tx) error {
			now := micros(time.Now())
			var err error
			*batch, err = tx.exec(`
				UPDATE deliveries SET state = CASE unsure WHEN 0 THEN 'dead' ELSE 'unknown' END, finished_at = ?, last_error = ?
				WHERE id IN (
					SELECT id FROM deliveries
					WHERE channel = ? AND `+waiting+` AND give_up_at <= ?
					ORDER BY give_up_at LIMIT ?)`, now, reason, channel, now, expireBatch)
			return err
		})
		if err != nil {
			return n, fmt.Errorf("expire deliveries: %w", err)
		}
		n += *batch
		if *batch < expireBatch {
			return n, nil
		}
	}
}
