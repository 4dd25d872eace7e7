package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

const deliveryColumns = `d.id, d.callback_id, c.recording_sid, c.received_at, d.rule, d.channel, d.kind, d.recipient,
	d.subject, d.state, d.attempts, d.unsure, d.created_at, d.next_attempt_at, d.give_up_at, d.finished_at,
	d.last_error, d.provider_id, d.receipt, d.receipt_at, d.settled, ` + quietHours

// waiting is the condition of the indexes deliveries_due and
// deliveries_give_up, word for word, without which SQLite does not use them.
const waiting = `state IN ('queued', 'retrying')`

// giveBack ends the lease of rows that were not attempted under it.
const giveBack = `state = CASE WHEN attempts = 0 THEN 'queued' ELSE 'retrying' END, owner = '', lease_until = 0`

// Recover gives back what was leased to processes that are gone, and returns the
// channels of those deliveries, one for each. Whether those attempts succeeded
// is not known, but for archives, which find out. A store that belongs to one process knows that all others are
// gone; where nodes share it, a node is gone when it has not renewed its leases.
//
// Deliveries are due as they were, but those of a channel that pause names wait
// for so long from now.
func (s *Store) Recover(ctx context.Context, pause map[string]time.Duration) ([]string, error) {
	channels := new([]string) // of the writer, even where ctx has ended
	err := s.write(ctx, func(tx *tx) (err error) {
		*channels, err = s.recover(tx, pause)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("recover leases: %w", err)
	}
	if len(*channels) > 0 { // receipts may have said that one of them does not arrive
		wake(s.died)
	}
	return *channels, nil
}

func (s *Store) recover(tx *tx, pause map[string]time.Duration) (channels []string, err error) {
	now := s.clock.now()
	ids := make(map[string][]int64)
	gone, args := tx.engine.gone(s.name, now)
	err = tx.each(func(rows *sql.Rows) error {
		var id int64
		var channel string
		err := rows.Scan(&id, &channel)
		ids[channel] = append(ids[channel], id)
		channels = append(channels, channel)
		return err
	}, `
		UPDATE deliveries SET `+giveBack+`, unsure = CASE kind WHEN 'archive' THEN 0 ELSE 1 END,
			last_error = 'the process ended while this may have been on its way'
		WHERE state = 'sending' AND `+gone+` RETURNING id, channel`, args...)
	for channel, wait := range pause {
		if err != nil || len(ids[channel]) == 0 {
			continue
		}
		_, err = tx.exec(`UPDATE deliveries SET next_attempt_at = ? WHERE id `+tx.engine.inIDs(),
			micros(now.Add(wait)), tx.engine.ids(ids[channel]))
		if err == nil {
			_, err = tx.settle(ids[channel])
		}
	}
	return channels, err
}

// Claim leases the channel's deliveries that are due, oldest first, at most n.
// Those that are in quiet hours are put off instead.
func (s *Store) Claim(ctx context.Context, channel string, n int) ([]*Delivery, error) {
	claimed := new([]*Delivery)
	// A claim that was committed must not be lost with the caller's patience.
	err := s.write(context.WithoutCancel(ctx), func(tx *tx) error {
		*claimed = nil
		now := s.clock.now()
		for range maxClaims {
			found, err := tx.claim(channel, n-len(*claimed), lease{s.name, now.Add(Lease)}, now)
			if err != nil {
				return err
			}
			ready, err := tx.putOff(found, channel, now)
			if err != nil {
				return err
			}
			*claimed = append(*claimed, ready...)
			if len(ready) == len(found) {
				break
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("claim deliveries: %w", err)
	}
	return *claimed, nil
}

// claim leases the channel's deliveries that are due, oldest first, at most n.
func (t *tx) claim(channel string, n int, l lease, now time.Time) (claimed []*Delivery, err error) {
	ids, err := t.ids(`
		WITH due AS MATERIALIZED (
			SELECT id FROM deliveries
			WHERE channel = ? AND `+waiting+` AND next_attempt_at <= ?
			ORDER BY next_attempt_at, id LIMIT ? `+t.engine.skipLocked()+`)
		UPDATE deliveries SET state = 'sending', owner = ?, lease_until = ?
		WHERE id IN (SELECT id FROM due) RETURNING id`,
		channel, micros(now), n, l.owner, micros(l.until))
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	err = t.each(func(rows *sql.Rows) error {
		d := new(Delivery)
		claimed = append(claimed, d)
		return scanWhole(rows, d)
	}, wholeDelivery+` WHERE d.id `+t.engine.inIDs()+` ORDER BY d.next_attempt_at, d.id`, t.engine.ids(ids))
	return claimed, err
}

// wholeDelivery selects what [scanWhole] reads: a delivery with what it says.
const wholeDelivery = `
	SELECT ` + deliveryColumns + `, m.text, m.html, c.recording_url, ` + attachmentColumns + `
	FROM deliveries d JOIN callbacks c ON c.id = d.callback_id JOIN messages m ON m.delivery_id = d.id
		LEFT JOIN attachments a ON a.delivery_id = d.id`

// NextDue returns when the channel's next waiting delivery is due; zero where
// none waits.
func (s *Store) NextDue(ctx context.Context, channel string) (time.Time, error) {
	due, err := read(ctx, s, func(rows *sql.Rows) (due sql.NullInt64, err error) {
		return due, rows.Scan(&due)
	}, `SELECT min(next_attempt_at) FROM deliveries WHERE channel = ? AND `+waiting, channel)
	if err != nil {
		return time.Time{}, fmt.Errorf("look for the next delivery: %w", err)
	}
	return fromMicros(due[0].Int64), nil
}

// Renew extends the leases of those of the deliveries that are still this
// process's for another [Lease], and returns which those are.
func (s *Store) Renew(ctx context.Context, ids []int64) ([]int64, error) {
	kept := new([]int64)
	err := s.write(ctx, func(tx *tx) (err error) {
		*kept, err = tx.ids(`UPDATE deliveries SET lease_until = ?
			WHERE id `+tx.engine.inIDs()+` AND `+mine+` RETURNING id`,
			micros(s.clock.now().Add(Lease)), tx.engine.ids(ids), s.name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("renew leases: %w", err)
	}
	return *kept, nil
}

// mine is the condition that a delivery is leased to the process of that name.
const mine = `state = 'sending' AND owner = ?`

// Release gives leased deliveries back to wait, [Retrying] where an attempt was
// finished before, else [Queued]. It is not an attempt; reason, if not empty,
// becomes their last error. Those that are not leased to this process are left
// as they are.
func (s *Store) Release(ctx context.Context, ids []int64, reason string) error {
	err := s.write(ctx, func(tx *tx) error {
		_, err := tx.exec(`
			UPDATE deliveries SET `+giveBack+`, last_error = CASE WHEN ? = '' THEN last_error ELSE ? END
			WHERE id `+tx.engine.inIDs()+` AND `+mine, storable(reason), storable(reason), tx.engine.ids(ids), s.name)
		return err
	})
	if err != nil {
		return fmt.Errorf("release deliveries: %w", err)
	}
	return nil
}

func scanWhole(rows *sql.Rows, d *Delivery) error {
	return scanDelivery(rows, d, append([]any{&d.Text, &d.HTML, &d.RecordingURL}, d.Attach.columns()...)...)
}

func scanDelivery(rows *sql.Rows, d *Delivery, more ...any) error {
	var received, created, next, giveUp int64
	var finished, receiptAt sql.NullInt64
	var receipt sql.NullString
	err := rows.Scan(append([]any{&d.ID, &d.CallbackID, &d.Recording, &received, &d.Rule, &d.Channel, &d.Kind, &d.To,
		&d.Subject, &d.State, &d.Attempts, &d.Unsure, &created, &next, &giveUp, &finished,
		&d.LastError, &d.ProviderID, &receipt, &receiptAt, &d.Aftermath, &d.Quiet}, more...)...)
	if err != nil {
		return err
	}
	d.ReceivedAt, d.CreatedAt, d.GiveUpAt = fromMicros(received), fromMicros(created), fromMicros(giveUp)
	d.FinishedAt = fromMicros(finished.Int64)
	d.Receipt, d.ReceiptAt = receipt.String, fromMicros(receiptAt.Int64)
	if !d.State.Finished() {
		d.NextAttemptAt = fromMicros(next)
	}
	return nil
}
