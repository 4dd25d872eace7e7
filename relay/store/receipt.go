package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"ringpost/relay/callback"
)

// A provider accepts a text message and says later what has become of it: the
// carrier took it, the phone has it, or it will never. Its receipts are repeated,
// come in any order, and may be here before what the provider answered when it
// accepted the message. So a delivery keeps the furthest one with the id of the
// message it is about, and what follows from it is settled once both are known.

// told is a delivery with its receipt, as far as the store alone needs that.
type told struct {
	Delivery
	of     string // the provider's id of the message that the receipt is about
	reason string // why it does not arrive, where it does not
}

// Receive notes a receipt, and returns the delivery as that has made it, with the
// state in which it was before; nil where the receipt is not news: it was
// repeated, it says less than an earlier one, is about another message, or the
// delivery is not waiting for one, or not here any more. reason is why the message
// does not arrive, where it does not: the delivery is dead then.
//
// A delivery of which nobody knew whether it was accepted was, as any receipt
// shows, and is not sent again.
func (s *Store) Receive(ctx context.Context, r *callback.Receipt, reason string) (d *Delivery, was State, err error) {
	type result struct {
		delivery *Delivery
		was      State
	}
	made := new(result) // of the writer, even where ctx has ended
	err = s.write(ctx, func(tx *tx) error {
		*made = result{}
		found, err := tx.told([]int64{r.Delivery})
		if err != nil || len(found) == 0 {
			return err
		}
		d := found[0]
		was := d.State
		if !d.take(r, storable(reason), s.clock.now()) {
			return nil
		}
		d.settle()
		*made = result{&d.Delivery, was}
		return tx.keep(d)
	})
	if err != nil {
		return nil, "", fmt.Errorf("note a receipt of delivery %d: %w", r.Delivery, err)
	}
	if made.delivery != nil && made.delivery.State == Dead {
		wake(s.died)
	}
	return made.delivery, made.was, nil
}

// take notes the receipt unless it is not news, and reports whether it is.
func (d *told) take(r *callback.Receipt, reason string, at time.Time) bool {
	switch d.State {
	case Delivered:
		if r.MessageSid != d.ProviderID {
			return false
		}
	case Sending, Unknown:
	case Queued, Retrying:
		if !d.Unsure {
			return false
		}
	default:
		return false
	}
	earlier := callback.Receipt{Status: d.Receipt}
	switch same := d.of == r.MessageSid; {
	case same && d.Receipt == "": // of the message before a person had it sent again
		return false
	case same && !r.Follows(d.Receipt), !same && earlier.Follows(r.Status):
		return false
	}
	d.Receipt, d.ReceiptAt, d.of, d.reason = r.Status, at, r.MessageSid, reason
	return true
}

// settle draws the conclusion from the receipt and from what is known of the
// attempts, and reports whether there is one.
func (d *told) settle() bool {
	lost := (&callback.Receipt{Status: d.Receipt}).Lost()
	switch d.State {
	case Delivered:
		if d.of != d.ProviderID { // of an attempt before the one that counts
			d.Receipt, d.ReceiptAt, d.of, d.reason = "", time.Time{}, "", ""
			return true
		}
		if !lost {
			return false
		}
	case Queued, Retrying:
		if !d.Unsure {
			return false
		}
	case Unknown:
	case Dead: // by an attempt that was refused, though one before it had been accepted
		if d.of == d.ProviderID {
			return false
		}
	default:
		return false
	}
	d.State, d.Unsure, d.ProviderID, d.LastError, d.FinishedAt = Delivered, false, d.of, "", d.ReceiptAt
	if lost {
		d.State, d.LastError = Dead, d.reason
	}
	return true
}

// told returns those of the deliveries that are there, and keeps others from
// changing them.
func (t *tx) told(ids []int64) (found []*told, err error) {
	ids, err = t.ids(`SELECT id FROM deliveries WHERE id `+t.engine.inIDs()+` ORDER BY id `+t.engine.lock(), t.engine.ids(ids))
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	err = t.each(func(rows *sql.Rows) error {
		d := new(told)
		found = append(found, d)
		return scanDelivery(rows, &d.Delivery, &d.of, &d.reason)
	}, `
		SELECT `+deliveryColumns+`, coalesce(d.receipt_of, ''), coalesce(d.receipt_error, '')
		FROM deliveries d JOIN callbacks c ON c.id = d.callback_id WHERE d.id `+t.engine.inIDs(), t.engine.ids(ids))
	return found, err
}

// keep writes the receipt down with what has followed from it.
func (t *tx) keep(d *told) error {
	unsure := 0
	if d.Unsure {
		unsure = 1
	}
	var finished any
	if d.State.Finished() {
		finished = micros(d.FinishedAt)
	}
	var receipt, at, of, reason any
	if d.Receipt != "" {
		receipt, at, of, reason = d.Receipt, micros(d.ReceiptAt), d.of, d.reason
	}
	_, err := t.exec(`
		UPDATE deliveries SET state = ?, unsure = ?, provider_id = ?, last_error = ?, finished_at = ?,
			receipt = ?, receipt_at = ?, receipt_of = ?, receipt_error = ?
		WHERE id = ?`,
		string(d.State), unsure, d.ProviderID, d.LastError, finished, receipt, at, of, reason, d.ID)
	return err
}

// settle draws the conclusions for those of the deliveries that have receipts,
// and returns the ones for which there are any.
func (t *tx) settle(ids []int64) (settled []*told, err error) {
	ids, err = t.ids(`SELECT id FROM deliveries WHERE id `+t.engine.inIDs()+` AND receipt IS NOT NULL`, t.engine.ids(ids))
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	all, err := t.told(ids)
	if err != nil {
		return nil, err
	}
	for _, d := range all {
		if !d.settle() {
			continue
		}
		if err := t.keep(d); err != nil {
			return nil, err
		}
		settled = append(settled, d)
	}
	return settled, nil
}

// settleEndings settles what the receipts say that were here before the outcomes.
func (t *tx) settleEndings(endings []*ending) error {
	var ids []int64
	byID := make(map[int64]*ending)
	for _, e := range endings {
		if e.settled = nil; e.Receipts {
			ids = append(ids, e.id)
			byID[e.id] = e
		}
	}
	if len(ids) == 0 {
		return nil
	}
	settled, err := t.settle(ids)
	for _, d := range settled {
		byID[d.ID].settled = &d.Delivery
	}
	return err
}

// anyMore reports whether there is more to be done for one of the endings than to
// record it: there may be receipts, or it has an attachment.
func anyMore(endings []*ending) bool {
	for _, e := range endings {
		if e.Receipts || e.hasAttachment() {
			return true
		}
	}
	return false
}
