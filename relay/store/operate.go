package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"time"
)

// StateError means that a delivery's state does not allow what was asked.
type StateError struct {
	ID     int64
	State  State
	Op     string
	Reason string // beyond the state; may be empty
}

func (e *StateError) Error() string {
	text := fmt.Sprintf("delivery %d is %s: cannot %s it", e.ID, e.State, e.Op)
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	return text
}

// Retry makes a delivery due at once, with giveUpAfter from now to succeed in and
// whatever its quiet hours. That is for ones that ended dead, cancelled or unknown, and for waiting ones.
// Whoever asks for it has decided that it may be sent: an earlier attempt
// whose outcome is not known is not looked up any more. It returns
// [ErrNotFound] or a [*StateError] where it cannot be done. by is who asks.
func (s *Store) Retry(ctx context.Context, id int64, by string, giveUpAfter time.Duration) error {
	return s.change(ctx, "retry", id, State.Retryable, func(tx *tx) (why string, err error) {
		sendable, err := tx.sendable(id)
		if err != nil {
			return "", err
		}
		if !sendable {
			return "there is nobody to send it to, or nothing to send; last_error says why", nil
		}
		now := s.clock.now()
		_, err = tx.exec(`UPDATE deliveries SET `+queuedAgain+` WHERE id = ?`, micros(now), micros(now.Add(giveUpAfter)), id)
		if err == nil {
			err = tx.disturb([]int64{id})
		}
		if err != nil {
			return "", err
		}
		return "", tx.note([]int64{id}, now, by, "retried")
	})
}

// queuedAgain makes a delivery due at the first of its two times, to be given up
// at the second. receipt_of stays: no more receipts of that message count.
const queuedAgain = `state = 'queued', unsure = 0, next_attempt_at = ?, give_up_at = ?, finished_at = NULL,
	receipt = NULL, receipt_at = NULL, receipt_error = NULL`

// retryBatch bounds the deliveries that one transaction of RetryAll changes,
// since everything else waits for it.
const retryBatch = 200

// RetryAll is [Store.Retry] for all deliveries that f asks for and that can be
// sent, and returns how many those were. Without a State in f it is for dead
// ones. Limit and After of f are not followed.
func (s *Store) RetryAll(ctx context.Context, f Filter, by string, giveUpAfter time.Duration) (n int, err error) {
	f.State = cmp.Or(f.State, Dead)
	if !f.State.Retryable() {
		return 0, fmt.Errorf("deliveries that are %s cannot be retried", f.State)
	}
	f.Limit, f.After = retryBatch, 0
	for {
		page, err := s.Deliveries(ctx, f)
		if err != nil || len(page) == 0 {
			return n, err
		}
		ids := make([]int64, len(page))
		for i := range page {
			ids[i] = page[i].ID
		}
		f.After = ids[len(ids)-1]
		retried := new([]int64)
		err = s.write(ctx, func(tx *tx) (err error) {
			*retried, err = tx.retry(ids, f.State, s.clock.now(), by, giveUpAfter)
			return err
		})
		if err != nil {
			return n, fmt.Errorf("retry deliveries: %w", err)
		}
		n += len(*retried)
	}
}

// retry makes those of the deliveries due that are still in that state and can
// be sent, and returns which those are.
func (t *tx) retry(ids []int64, state State, now time.Time, by string, giveUpAfter time.Duration) ([]int64, error) {
	ids, err := t.ids(`
		UPDATE deliveries SET `+queuedAgain+`
		WHERE id `+t.engine.inIDs()+` AND state = ? AND recipient <> ''
			AND EXISTS (SELECT 1 FROM messages m WHERE m.delivery_id = deliveries.id AND m.text <> '')
		RETURNING id`, micros(now), micros(now.Add(giveUpAfter)), t.engine.ids(ids), string(state))
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	if err := t.disturb(ids); err != nil {
		return nil, err
	}
	return ids, t.note(ids, now, by, "retried")
}

// Cancel ends a delivery that waits, for its time or for a person, without
// sending it. It returns [ErrNotFound] or a [*StateError] where it cannot be
// done. by is who asks.
func (s *Store) Cancel(ctx context.Context, id int64, by string) error {
	cancellable := func(state State) bool { return state == Queued || state == Retrying || state == Unknown }
	return s.change(ctx, "cancel", id, cancellable, func(tx *tx) (why string, err error) {
		now := s.clock.now()
		_, err = tx.exec(`UPDATE deliveries SET state = 'cancelled', finished_at = ? WHERE id = ?`, micros(now), id)
		if err != nil {
			return "", err
		}
		return "", tx.note([]int64{id}, now, by, "cancelled")
	})
}

// change runs update where the delivery's state is allowed. update may find a
// reason of its own why it cannot be done.
func (s *Store) change(ctx context.Context, op string, id int64, allowed func(State) bool,
	update func(*tx) (why string, err error)) error {
	refused := new(error)
	err := s.write(ctx, func(tx *tx) error {
		*refused = nil
		state, err := tx.state(id)
		if err != nil {
			return err
		}
		if state == "" {
			*refused = fmt.Errorf("delivery %d: %w", id, ErrNotFound)
			return nil
		}
		if !allowed(state) {
			*refused = &StateError{ID: id, State: state, Op: op}
			return nil
		}
		why, err := update(tx)
		if why != "" {
			*refused = &StateError{ID: id, State: state, Op: op, Reason: why}
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("%s delivery %d: %w", op, id, err)
	}
	return *refused
}

// state returns the delivery's state, empty where there is no such delivery, and
// keeps others from changing it.
func (t *tx) state(id int64) (state State, err error) {
	err = t.each(func(rows *sql.Rows) error { return rows.Scan(&state) },
		`SELECT state FROM deliveries WHERE id = ? `+t.engine.lock(), id)
	return state, err
}

// sendable reports whether the delivery has a recipient and words: one whose
// template or recipient could not be made has not.
func (t *tx) sendable(id int64) (ok bool, err error) {
	err = t.each(func(rows *sql.Rows) error { return rows.Scan(&ok) }, `
		SELECT d.recipient <> '' AND m.text <> '' FROM deliveries d JOIN messages m ON m.delivery_id = d.id
		WHERE d.id = ?`, id)
	return ok, err
}
