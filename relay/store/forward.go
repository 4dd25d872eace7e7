package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"ringpost/relay/callback"
)

// Forward makes a new delivery of what another one says, to someone else, and
// returns its id. A link in the words is replaced by one of the new delivery's
// own, which lasts as long as the other did. Forward returns [ErrNotFound], or a
// [*StateError] where that one says nothing. by is who asks.
func (s *Store) Forward(ctx context.Context, id int64, to, by string, giveUpAfter time.Duration) (int64, error) {
	made, refused := new(int64), new(error)
	now := s.clock.now()
	err := s.write(ctx, func(tx *tx) (err error) {
		*made, *refused = 0, nil
		d, err := tx.whole(id)
		switch {
		case err != nil:
			return err
		case d == nil:
			*refused = fmt.Errorf("delivery %d: %w", id, ErrNotFound)
			return nil
		case d.Text == "":
			*refused = &StateError{ID: id, State: d.State, Op: "forward", Reason: "there is nothing to send; last_error says why"}
			return nil
		}
		*made, err = tx.forward(d, to, by, now, giveUpAfter)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("forward delivery %d: %w", id, err)
	}
	return *made, *refused
}

// whole returns a delivery with what it says, nil where it is not there. Its
// callback stays until the transaction ends.
func (t *tx) whole(id int64) (d *Delivery, err error) {
	callbacks, err := t.ids(`SELECT id FROM callbacks WHERE id = (SELECT callback_id FROM deliveries WHERE id = ?) `+
		t.engine.lock(), id)
	if err != nil || len(callbacks) == 0 {
		return nil, err
	}
	err = t.each(func(rows *sql.Rows) error {
		d = new(Delivery)
		return scanWhole(rows, d)
	}, wholeDelivery+` WHERE d.id = ?`, id)
	return d, err
}

// forward makes the new delivery, unless it was made: the connection may have
// broken after it was committed, and this is done again.
func (t *tx) forward(d *Delivery, to, by string, now time.Time, giveUpAfter time.Duration) (int64, error) {
	made, err := t.ids(`
		SELECT d.id FROM sent_on s JOIN deliveries d ON d.id = s.delivery_id
		WHERE s.callback_id = ? AND d.recipient = ? AND d.created_at = ?`, d.CallbackID, to, micros(now))
	if err != nil || len(made) > 0 {
		return append(made, 0)[0], err
	}
	forwarded := &Delivery{Rule: d.Rule, Channel: d.Channel, Kind: d.Kind, To: to, Subject: d.Subject, Text: d.Text, HTML: d.HTML,
		State: Queued, Attach: d.Attach.again()}
	old, err := t.links(d.ID)
	if err != nil {
		return 0, err
	}
	forwarded.relink(old, d.CreatedAt)
	forwarded.begin(Stored{ID: d.CallbackID,
		Callback: &callback.Callback{RecordingSid: d.Recording, RecordingUrl: d.RecordingURL, ReceivedAt: d.ReceivedAt}}, now, giveUpAfter)
	if err := t.insertLater([]*Delivery{forwarded}, lease{}); err != nil {
		return 0, err
	}
	others, err := t.ids(`SELECT callback_id FROM sent_on WHERE delivery_id = ? AND callback_id <> ?`, d.ID, d.CallbackID)
	if err != nil {
		return 0, err
	}
	if err := t.tellOf(forwarded.ID, others); err != nil {
		return 0, err
	}
	if err := t.note([]int64{d.ID}, now, by, "sent on to "+to); err != nil {
		return 0, err
	}
	return forwarded.ID, t.note([]int64{forwarded.ID}, now, by, fmt.Sprintf("sent on from delivery %d", d.ID))
}

// Operation is what a person did.
type Operation struct {
	At   time.Time
	By   string // who
	What string // such as "retried"
}

// note writes down that a person did something to deliveries.
func (t *tx) note(ids []int64, at time.Time, by, what string) error {
	_, err := t.exec(`
		INSERT INTO operations (delivery_id, at, who, what)
		SELECT id, CAST(? AS BIGINT), CAST(? AS TEXT), CAST(? AS TEXT) FROM deliveries WHERE id `+t.engine.inIDs(),
		micros(at), storable(by), storable(what), t.engine.ids(ids))
	return err
}

// Operations returns what people did to a delivery and, while it was on its way,
// to its channel, oldest first.
func (s *Store) Operations(ctx context.Context, delivery int64) ([]Operation, error) {
	found, err := read(ctx, s, func(rows *sql.Rows) (o Operation, err error) {
		var id, at int64
		err = rows.Scan(&id, &at, &o.By, &o.What)
		o.At = fromMicros(at)
		return o, err
	}, `
		SELECT id, at, who, what FROM operations WHERE delivery_id = ?
		UNION ALL
		SELECT o.id, o.at, o.who, o.what FROM deliveries d CROSS JOIN operations o
		WHERE d.id = ? AND o.delivery_id = 0 AND o.channel = d.channel
			AND o.at >= d.created_at AND (d.finished_at IS NULL OR o.at <= d.finished_at)
		ORDER BY at, id`, delivery, delivery)
	if err != nil {
		return nil, fmt.Errorf("read what was done to delivery %d: %w", delivery, err)
	}
	return found, nil
}
