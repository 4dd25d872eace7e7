package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"ringpost/relay/quiet"
)

// A delivery with quiet hours is not attempted in them. What is made in them waits
// from the start; an attempt that would come later is put off when its delivery is
// claimed, whatever made it due: a retry, a channel that is up again, a lease that
// was taken back. That is not an attempt.

// quietHours reads the quiet hours of a delivery d that is not finished: no others
// matter, and most rows of a list are finished.
const quietHours = `CASE WHEN d.finished_at IS NULL
	THEN coalesce((SELECT q.hours FROM quiet_hours q WHERE q.delivery_id = d.id), '') ELSE '' END`

// aloud is the condition that a delivery does not wait for the end of its quiet
// hours, at a time.
const aloud = `NOT (next_attempt_at > ? AND EXISTS (SELECT 1 FROM quiet_hours q WHERE q.delivery_id = deliveries.id))`

const (
	// maxPutOff bounds the deliveries that are looked at for quiet hours at once.
	maxPutOff = 500
	// maxClaims bounds how often a claim is made again that found deliveries in
	// their quiet hours.
	maxClaims = 4
)

// hush keeps the quiet hours of new deliveries. Few have any.
func (t *tx) hush(deliveries []*Delivery) error {
	var byHours map[quiet.Hours][]int64
	for _, d := range deliveries {
		if d.Quiet == "" || d.State.Finished() {
			continue
		}
		if byHours == nil {
			byHours = make(map[quiet.Hours][]int64)
		}
		byHours[d.Quiet] = append(byHours[d.Quiet], d.ID)
	}
	for hours, ids := range byHours {
		_, err := t.exec(`INSERT INTO quiet_hours (delivery_id, hours)
			SELECT id, CAST(? AS TEXT) FROM deliveries WHERE id `+t.engine.inIDs(), string(hours), t.engine.ids(ids))
		if err != nil {
			return err
		}
	}
	return nil
}

// disturb forgets the quiet hours of deliveries: somebody wants them sent now.
func (t *tx) disturb(ids []int64) error {
	_, err := t.exec(`DELETE FROM quiet_hours WHERE delivery_id `+t.engine.inIDs(), t.engine.ids(ids))
	return err
}

// Held returns the end of the quiet hours that the delivery is in, or the zero
// time where it may be sent.
func (d *Delivery) Held(now time.Time) time.Time {
	if until := d.Quiet.Until(now); until.After(now) {
		return until
	}
	return time.Time{}
}

// putOff gives back those of the claimed deliveries that are in quiet hours, until
// these end, and returns the others. Where there are some, more may be due behind
// them, which are put off as well.
func (t *tx) putOff(claimed []*Delivery, channel string, now time.Time) ([]*Delivery, error) {
	var rest []*Delivery
	ends := make(map[int64]time.Time)
	for _, d := range claimed {
		if until := d.Held(now); !until.IsZero() {
			ends[d.ID] = until
		} else {
			rest = append(rest, d)
		}
	}
	if len(ends) == 0 {
		return claimed, nil
	}
	if err := t.postpone(ends); err != nil {
		return nil, err
	}
	clear(ends)
	waits, err := t.ids(`SELECT id FROM deliveries WHERE channel = ? AND `+waiting+` AND next_attempt_at <= ?
		ORDER BY next_attempt_at, id LIMIT ? `+t.engine.skipLocked(), channel, micros(now), maxPutOff)
	if err != nil || len(waits) == 0 {
		return rest, err
	}
	err = t.each(func(rows *sql.Rows) error {
		var d Delivery
		err := rows.Scan(&d.ID, &d.Quiet)
		if until := d.Held(now); err == nil && !until.IsZero() {
			ends[d.ID] = until
		}
		return err
	}, `SELECT delivery_id, hours FROM quiet_hours WHERE delivery_id `+t.engine.inIDs(), t.engine.ids(waits))
	if err != nil {
		return nil, err
	}
	return rest, t.postpone(ends)
}

// postpone has deliveries wait until these times, which are few.
func (t *tx) postpone(ends map[int64]time.Time) error {
	byEnd := make(map[int64][]int64)
	for id, until := range ends {
		byEnd[micros(until)] = append(byEnd[micros(until)], id)
	}
	for until, ids := range byEnd {
		_, err := t.exec(`UPDATE deliveries SET `+giveBack+`, next_attempt_at = ? WHERE id `+t.engine.inIDs(), until, t.engine.ids(ids))
		if err != nil {
			return err
		}
	}
	return nil
}

// PutOff gives a leased delivery back until the end of its quiet hours, as it was
// before it was claimed. One that is not leased to this process is left as it is.
func (s *Store) PutOff(ctx context.Context, id int64, until time.Time) error {
	err := s.write(ctx, func(tx *tx) error {
		_, err := tx.exec(`UPDATE deliveries SET `+giveBack+`, next_attempt_at = ? WHERE id = ? AND `+mine, micros(until), id, s.name)
		return err
	})
	if err != nil {
		return fmt.Errorf("put off delivery %d: %w", id, err)
	}
	return nil
}
