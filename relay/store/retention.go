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
		ids := make([]int64, len(batch))
		for i, cb := range batch {
			ids[i] = cb.id
		}
		removed := new(int64)
		err = s.write(ctx, func(tx *tx) (err error) {
			*removed, err = tx.remove(ids)
			return err
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

// remove forgets those of the callbacks that have no unfinished delivery, and
// returns how many that were.
func (t *tx) remove(ids []int64) (n int64, err error) {
	ids, err = t.ids(`SELECT id FROM callbacks c WHERE id `+t.engine.inIDs()+`
		AND NOT EXISTS (SELECT 1 FROM deliveries WHERE callback_id = c.id AND finished_at IS NULL)`, t.engine.ids(ids))
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	these := t.engine.inIDs()
	for _, query := range []string{
		`DELETE FROM attempts WHERE delivery_id IN (SELECT id FROM deliveries WHERE callback_id ` + these + `)`,
		`DELETE FROM messages WHERE delivery_id IN (SELECT id FROM deliveries WHERE callback_id ` + these + `)`,
		`DELETE FROM deliveries WHERE callback_id ` + these,
		`DELETE FROM callbacks WHERE id ` + these,
	} {
		if n, err = t.exec(query, t.engine.ids(ids)); err != nil {
			return 0, err
		}
	}
	return n, nil
}
