package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
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

// Retry makes a delivery due at once, with giveUpAfter from now to succeed in.
// That is for ones that ended dead, cancelled or unknown, and for waiting ones.
// Whoever asks for it has decided that it may be sent: an earlier attempt
// whose outcome is not known is not looked up any more. It returns
// [ErrNotFound] or a [*StateError] where it cannot be done.
func (s *Store) Retry(ctx context.Context, id int64, giveUpAfter time.Duration) error {
	return s.change(ctx, "retry", id, []State{Queued, Retrying, Dead, Cancelled, Unknown}, func(tx *tx) (why string, err error) {
		sendable, err := tx.sendable(id)
		if err != nil {
			return "", err
		}
		if !sendable {
			return "there is nobody to send it to, or nothing to send; last_error says why", nil
		}
		now := s.clock.now()
		_, err = tx.exec(`
			UPDATE deliveries SET state = 'queued', unsure = 0, next_attempt_at = ?, give_up_at = ?, finished_at = NULL
			WHERE id = ?`, micros(now), micros(now.Add(giveUpAfter)), id)
		return "", err
	})
}

// Cancel ends a delivery that waits, for its time or for a person, without
// sending it. It returns [ErrNotFound] or a [*StateError] where it cannot be
// done.
func (s *Store) Cancel(ctx context.Context, id int64) error {
	return s.change(ctx, "cancel", id, []State{Queued, Retrying, Unknown}, func(tx *tx) (why string, err error) {
		_, err = tx.exec(`UPDATE deliveries SET state = 'cancelled', finished_at = ? WHERE id = ?`,
			micros(s.clock.now()), id)
		return "", err
	})
}

// change runs update where the delivery is in one of the states of from. update
// may find a reason of its own why it cannot be done.
func (s *Store) change(ctx context.Context, op string, id int64, from []State,
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
		if !slices.Contains(from, state) {
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
