package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

const deliveryColumns = `d.id, d.callback_id, c.recording_sid, c.received_at, d.rule, d.channel, d.kind, d.recipient,
	d.subject, d.state, d.attempts, d.unsure, d.created_at, d.next_attempt_at, d.give_up_at, d.finished_at,
	d.last_error, d.provider_id`

// waiting is the condition of the indexes deliveries_due and
// deliveries_give_up, word for word, without which SQLite does not use them.
const waiting = `state IN ('queued', 'retrying')`

// giveBack ends the lease of rows that were not attempted under it.
const giveBack = `state = CASE WHEN attempts = 0 THEN 'queued' ELSE 'retrying' END, lease_until = NULL`

// Recover gives back what a process that is gone had leased, and returns how
// many that were. Whether those attempts succeeded is not known. It is for the
// start, before anything is claimed.
func (s *Store) Recover(ctx context.Context) (n int64, err error) {
	recovered := new(int64)
	err = s.write(ctx, func(tx *tx) error {
		n, err := tx.exec(`
			UPDATE deliveries SET ` + giveBack + `, unsure = 1,
				last_error = 'the process ended while this may have been on its way'
			WHERE state = 'sending'`)
		*recovered = n
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("recover leases: %w", err)
	}
	return *recovered, nil
}

// Claim leases the channel's deliveries that are due, oldest first, at most n.
func (s *Store) Claim(ctx context.Context, channel string, n int) ([]*Delivery, error) {
	claimed := new([]*Delivery)
	// A claim that was committed must not be lost with the caller's patience.
	err := s.write(context.WithoutCancel(ctx), func(tx *tx) error {
		now := time.Now()
		*claimed = nil
		err := tx.each(func(rows *sql.Rows) error {
			d := new(Delivery)
			*claimed = append(*claimed, d)
			return scanDelivery(rows, d, &d.Text, &d.HTML)
		}, `
			SELECT `+deliveryColumns+`, m.text, m.html
			FROM deliveries d
			JOIN callbacks c ON c.id = d.callback_id
			JOIN messages m ON m.delivery_id = d.id
			WHERE d.channel = ? AND d.`+waiting+` AND d.next_attempt_at <= ?
			ORDER BY d.next_attempt_at, d.id LIMIT ?`, channel, micros(now), n)
		if err != nil {
			return err
		}
		for _, d := range *claimed {
			_, err := tx.exec(`UPDATE deliveries SET state = 'sending', lease_until = ? WHERE id = ?`,
				micros(now.Add(Lease)), d.ID)
			if err != nil {
				return err
			}
			d.State = Sending
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("claim deliveries: %w", err)
	}
	return *claimed, nil
}

// NextDue returns when the channel's next waiting delivery is due; zero where
// none waits.
func (s *Store) NextDue(ctx context.Context, channel string) (time.Time, error) {
	var due sql.NullInt64
	err := s.reader.QueryRowContext(ctx, `
		SELECT min(next_attempt_at) FROM deliveries WHERE channel = ? AND `+waiting, channel).Scan(&due)
	if err != nil {
		return time.Time{}, fmt.Errorf("look for the next delivery: %w", err)
	}
	return fromMicros(due.Int64), nil
}

// Renew extends the leases of the deliveries for another [Lease].
func (s *Store) Renew(ctx context.Context, ids []int64) error {
	err := s.write(ctx, func(tx *tx) error {
		until := micros(time.Now().Add(Lease))
		for _, id := range ids {
			_, err := tx.exec(`UPDATE deliveries SET lease_until = ? WHERE id = ? AND state = 'sending'`, until, id)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("renew leases: %w", err)
	}
	return nil
}

// Release gives leased deliveries back to wait, [Retrying] where an attempt was
// finished before, else [Queued]. It is not an attempt; reason, if not empty,
// becomes their last error. Those that are not leased are left as they are.
func (s *Store) Release(ctx context.Context, ids []int64, reason string) error {
	err := s.write(ctx, func(tx *tx) error {
		for _, id := range ids {
			_, err := tx.exec(`
				UPDATE deliveries SET `+giveBack+`, last_error = CASE WHEN ? = '' THEN last_error ELSE ? END
				WHERE id = ? AND state = 'sending'`, reason, reason, id)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("release deliveries: %w", err)
	}
	return nil
}

func scanDelivery(rows *sql.Rows, d *Delivery, more ...any) error {
	var received, created, next, giveUp int64
	var finished sql.NullInt64
	err := rows.Scan(append([]any{&d.ID, &d.CallbackID, &d.Recording, &received, &d.Rule, &d.Channel, &d.Kind, &d.To,
		&d.Subject, &d.State, &d.Attempts, &d.Unsure, &created, &next, &giveUp, &finished,
		&d.LastError, &d.ProviderID}, more...)...)
	if err != nil {
		return err
	}
	d.ReceivedAt, d.CreatedAt, d.GiveUpAt = fromMicros(received), fromMicros(created), fromMicros(giveUp)
	d.FinishedAt = fromMicros(finished.Int64)
	if !d.State.Finished() {
		d.NextAttemptAt = fromMicros(next)
	}
	return nil
}
