package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// Outcome is what came of one attempt.
type Outcome struct {
	StartedAt time.Time // by this machine's clock
	Took      time.Duration
	Err       string // empty where the provider accepted the message

	State         State     // Delivered, Retrying, Dead or Unknown
	NextAttemptAt time.Time // for Retrying; by [Store.Now]
	Unsure        bool      // whether the provider may have accepted it all the same
	ProviderID    string
	Attached      int64  // bytes of the recording that went with it; 0 where none did
	LeftOut       string // why none did, where one should have
	Receipts      bool   // whether there may be receipts, which come whenever they like; see [Store.Receive]
}

// ending is an outcome on its way into the store.
type ending struct {
	id       int64
	attempts int // finished before
	next     int64
	finished sql.NullInt64
	settled  *Delivery // as a receipt has made it; nil where none has
	Outcome
}

// Finish records an attempt at a leased delivery and ends its lease. A delivery
// that is not this process's any more, or at which another attempt was finished
// since, is left as it is; but that one was delivered is recorded, whoever has
// it by now, unless it is finished. Where a receipt came before, d gets the state,
// receipt and error that follow from both.
func (s *Store) Finish(ctx context.Context, d *Delivery, o Outcome) error {
	e := &ending{id: d.ID, attempts: d.Attempts, Outcome: o, next: micros(o.NextAttemptAt)}
	e.Err, e.ProviderID = storable(o.Err), storable(o.ProviderID)
	e.StartedAt = s.clock.at(o.StartedAt)
	if o.State.Finished() {
		e.next = micros(d.NextAttemptAt)
		e.finished = sql.NullInt64{Int64: micros(e.StartedAt.Add(o.Took)), Valid: true}
	}
	if err := s.writer.write(ctx, write{ending: e}); err != nil {
		return fmt.Errorf("record delivery %d: %w", d.ID, err)
	}
	dead := o.State == Dead
	if r := e.settled; r != nil {
		d.State, d.Receipt, d.ReceiptAt, d.LastError = r.State, r.Receipt, r.ReceiptAt, r.LastError
		dead = r.State == Dead
	}
	if dead {
		wake(s.died)
	}
	return nil
}

// expireBatch bounds the rows that one transaction of Expire changes, since
// everything else waits for it.
const expireBatch = 500

// Expire gives up the channel's waiting deliveries whose time is over, with
// reason as their last error, and returns how many those were. Those that may
// have been accepted become [Unknown] instead. What waits for the end of quiet
// hours has an attempt left.
func (s *Store) Expire(ctx context.Context, channel, reason string) (n int64, err error) {
	for {
		batch := new(int64)
		err := s.write(ctx, func(tx *tx) error {
			now := micros(s.clock.now())
			var err error
			*batch, err = tx.exec(`
				UPDATE deliveries SET state = CASE unsure WHEN 0 THEN 'dead' ELSE 'unknown' END, finished_at = ?, last_error = ?
				WHERE id IN (
					SELECT id FROM deliveries
					WHERE channel = ? AND `+waiting+` AND give_up_at <= ? AND `+aloud+`
					ORDER BY give_up_at LIMIT ? `+tx.engine.skipLocked()+`)`, now, storable(reason), channel, now, now, expireBatch)
			return err
		})
		if err != nil {
			return n, fmt.Errorf("expire deliveries: %w", err)
		}
		n += *batch
		if *batch > 0 {
			wake(s.died)
		}
		if *batch < expireBatch {
			return n, nil
		}
	}
}
