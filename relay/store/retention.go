package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// sweepBatch bounds the callbacks that one transaction of Remove takes, since
// everything else waits for it.
const sweepBatch = 200

// aged is a callback that retention may take.
type aged struct{ id, receivedAt int64 }

// Remove forgets the callbacks received before the cutoff, with their
// deliveries and attempts, and returns how many callbacks those were. A
// callback stays while one of its deliveries is unfinished.
func (s *Store) Remove(ctx context.Context, before time.Time) (n int64, err error) {
	var last aged
	for {
		batch, err := s.aged(ctx, last, before)
		if err != nil || len(batch) == 0 {
			return n, err
		}
		last = batch[len(batch)-1]
		removed := new(int64)
		err = s.write(ctx, func(tx *tx) error {
			*removed = 0
			for _, cb := range batch {
				gone, err := tx.remove(cb.id)
				if err != nil {
					return err
				}
				*removed += gone
			}
			return nil
		})
		if err != nil {
			return n, fmt.Errorf("remove old callbacks: %w", err)
		}
		n += *removed
	}
}

// aged returns the next routed callbacks received before the cutoff, oldest
// first, behind last.
func (s *Store) aged(ctx context.Context, last aged, before time.Time) ([]aged, error) {
	found, err := read(ctx, s, func(rows *sql.Rows) (cb aged, err error) {
		err = rows.Scan(&cb.id, &cb.receivedAt)
		return cb, err
	}, `
		SELECT id, received_at FROM callbacks
		WHERE (received_at, id) > (?, ?) AND received_at < ? AND routed_at IS NOT NULL
		ORDER BY received_at, id LIMIT ?`, last.receivedAt, last.id, micros(before), sweepBatch)
	if err != nil {
		return nil, fmt.Errorf("look for old callbacks: %w", err)
	}
	return found, nil
}

// remove forgets one callback, unless one of its deliveries is unfinished, and
// returns how many that were.
func (t *tx) remove(id int64) (n int64, err error) {
	unfinished := false
	err = t.each(func(*sql.Rows) error { unfinished = true; return nil },
		`SELECT 1 FROM deliveries WHERE callback_id = ? AND finished_at IS NULL LIMIT 1`, id)
	if err != nil || unfinished {
		return 0, err
	}
	for _, query := range []string{
		`DELETE FROM attempts WHERE delivery_id IN (SELECT id FROM deliveries WHERE callback_id = ?)`,
		`DELETE FROM messages WHERE delivery_id IN (SELECT id FROM deliveries WHERE callback_id = ?)`,
		`DELETE FROM deliveries WHERE callback_id = ?`,
		`DELETE FROM callbacks WHERE id = ?`,
	} {
		if n, err = t.exec(query, id); err != nil {
			return 0, err
		}
	}
	return n, nil
}
