package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// refusalsKept is how many refused requests there are at most.
const refusalsKept = 100

// Refusal is a request that was answered with an error that is the sender's.
type Refusal struct {
	ID      int64
	At      time.Time // by this machine's clock where it is kept, by the database's where it is read
	Status  int       // of the answer
	Reason  string
	Request []byte // raw HTTP, perhaps cut short
}

// KeepRefusals keeps refused requests, the newest last, and forgets those before
// the last hundred. It fills in no ids.
func (s *Store) KeepRefusals(ctx context.Context, refusals []Refusal) error {
	if len(refusals) == 0 {
		return nil
	}
	err := s.write(ctx, func(tx *tx) error {
		for _, r := range refusals[max(0, len(refusals)-refusalsKept):] {
			_, err := tx.exec(`INSERT INTO refusals (at, status, reason, request) VALUES (?, ?, ?, ?)`,
				micros(s.clock.at(r.At)), r.Status, storable(r.Reason), append([]byte{}, r.Request...)) // nil is no value
			if err != nil {
				return err
			}
		}
		_, err := tx.exec(`
			DELETE FROM refusals WHERE id IN (
				SELECT id FROM refusals WHERE id <= (SELECT id FROM refusals ORDER BY id DESC LIMIT 1 OFFSET ?) `+
			tx.engine.skipLocked()+`)`, refusalsKept)
		return err
	})
	if err != nil {
		return fmt.Errorf("keep refused requests: %w", err)
	}
	return nil
}

// Refusals returns the refused requests that are kept, newest first.
func (s *Store) Refusals(ctx context.Context) ([]Refusal, error) {
	found, err := s.refusals(ctx, `ORDER BY id DESC LIMIT ?`, refusalsKept)
	if err != nil {
		return nil, fmt.Errorf("list refused requests: %w", err)
	}
	return found, nil
}

// Refusal returns one refused request, or [ErrNotFound].
func (s *Store) Refusal(ctx context.Context, id int64) (Refusal, error) {
	found, err := s.refusals(ctx, `WHERE id = ?`, id)
	if err != nil {
		return Refusal{}, fmt.Errorf("read refused request %d: %w", id, err)
	}
	if len(found) == 0 {
		return Refusal{}, fmt.Errorf("refused request %d: %w", id, ErrNotFound)
	}
	return found[0], nil
}

func (s *Store) refusals(ctx context.Context, which string, arg any) ([]Refusal, error) {
	return read(ctx, s, func(rows *sql.Rows) (r Refusal, err error) {
		var at int64
		err = rows.Scan(&r.ID, &at, &r.Status, &r.Reason, &r.Request)
		r.At = fromMicros(at)
		return r, err
	}, `SELECT id, at, status, reason, request FROM refusals `+which, arg)
}
