package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"ringpost/relay/callback"
)

// Stored is a callback with what its row says beside it.
type Stored struct {
	ID       int64
	RoutedAt time.Time // zero until then
	*callback.Callback
}

// Routed is a stored callback with the deliveries it asks for. They are given
// with what they say, their State and, for Dead ones, LastError; Route fills in
// the rest.
type Routed struct {
	Callback   Stored
	Deliveries []*Delivery
}

const callbackColumns = `id, account_sid, recording_sid, recording_status, call_sid, recording_url,
	recording_duration, recording_source, recording_channels, fields, query, received_at, routed_at`

// Unrouted returns the oldest callbacks that are not routed yet, at most n.
func (s *Store) Unrouted(ctx context.Context, n int) ([]Stored, error) {
	found, err := read(ctx, s, scanCallback, `SELECT `+callbackColumns+`
		FROM callbacks WHERE routed_at IS NULL ORDER BY id LIMIT ?`, n)
	if err != nil {
		return nil, fmt.Errorf("read unrouted callbacks: %w", err)
	}
	return found, nil
}

func scanCallback(rows *sql.Rows) (Stored, error) {
	cb := Stored{Callback: new(callback.Callback)}
	var fields, query string
	var received int64
	var routed sql.NullInt64
	err := rows.Scan(&cb.ID, &cb.AccountSid, &cb.RecordingSid, &cb.RecordingStatus, &cb.CallSid,
		&cb.RecordingUrl, &cb.RecordingDuration, &cb.RecordingSource, &cb.RecordingChannels,
		&fields, &query, &received, &routed)
	if err != nil {
		return cb, err
	}
	cb.ReceivedAt, cb.RoutedAt = fromMicros(received), fromMicros(routed.Int64)
	if cb.Fields, err = decode(fields); err != nil {
		return cb, fmt.Errorf("callback %d: fields: %w", cb.ID, err)
	}
	if cb.Query, err = decode(query); err != nil {
		return cb, fmt.Errorf("callback %d: query: %w", cb.ID, err)
	}
	return cb, nil
}

// Route writes the deliveries of each callback and marks it routed, all in one
// transaction. A callback that was routed meanwhile is left alone, and its
// deliveries keep ID 0. Deliveries in state [Sending] are leased to the caller.
func (s *Store) Route(ctx context.Context, batch []Routed, giveUpAfter time.Duration) error {
	// Leases that were committed must not be lost with the caller's patience.
	err := s.write(context.WithoutCancel(ctx), func(tx *tx) error {
		now := time.Now()
		for _, r := range batch {
			for _, d := range r.Deliveries {
				d.ID = 0 // of a transaction that failed
			}
			n, err := tx.exec(`UPDATE callbacks SET routed_at = ? WHERE id = ? AND routed_at IS NULL`,
				micros(now), r.Callback.ID)
			if err != nil {
				return err
			}
			if n == 0 {
				continue
			}
			for _, d := range r.Deliveries {
				if err := tx.insert(d, r.Callback, now, giveUpAfter); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("route %d callbacks: %w", len(batch), err)
	}
	return nil
}

// insert writes a new delivery of cb and fills in what Route promises.
func (t *tx) insert(d *Delivery, cb Stored, now time.Time, giveUpAfter time.Duration) error {
	d.CallbackID, d.Recording, d.ReceivedAt = cb.ID, cb.RecordingSid, cb.ReceivedAt
	d.CreatedAt, d.NextAttemptAt, d.GiveUpAt = now, now, now.Add(giveUpAfter)
	var lease, finished any
	switch {
	case d.State == Sending:
		lease = micros(now.Add(Lease))
	case d.State.Finished():
		d.FinishedAt, d.NextAttemptAt = now, time.Time{}
		finished = micros(now)
	}
	insert, err := t.prepare(`
		INSERT INTO deliveries (callback_id, rule, channel, kind, recipient, subject, state,
			created_at, next_attempt_at, give_up_at, lease_until, finished_at, last_error)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		RETURNING id`)
	if err != nil {
		return err
	}
	err = insert.QueryRow(d.CallbackID, d.Rule, d.Channel, d.Kind, d.To, d.Subject, string(d.State),
		micros(d.CreatedAt), micros(d.NextAttemptAt), micros(d.GiveUpAt), lease, finished, d.LastError).Scan(&d.ID)
	if err != nil {
		return err
	}
	_, err = t.exec(`INSERT INTO messages (delivery_id, text, html) VALUES (?, ?, ?)`, d.ID, d.Text, d.HTML)
	return err
}
