package store

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"time"
)

// sweepBatch bounds the callbacks that one transaction of Remove takes, since
// everything else waits for it.
const sweepBatch = 200

// Remove forgets the callbacks received before the cutoff, with all that belongs
// to them, and returns how many callbacks those were. A callback stays while one
// of its deliveries is unfinished, or is dead and nothing has followed from that,
// or it waits for its call. What belongs to no callback is forgotten too
// once it is as old and serves for nothing any more; counts are kept for a month
// at least.
func (s *Store) Remove(ctx context.Context, before time.Time) (n int64, err error) {
	if n, err = s.removeCallbacks(ctx, before); err != nil {
		return n, err
	}
	err = s.write(ctx, func(tx *tx) error {
		_, err := tx.exec(`DELETE FROM operations WHERE delivery_id = 0 AND at < ?`, micros(before))
		return err
	})
	if err != nil {
		return n, fmt.Errorf("remove what was done to channels: %w", err)
	}
	if err := s.removeCalls(ctx); err != nil {
		return n, err
	}
	if err := s.removePlans(ctx, before); err != nil {
		return n, err
	}
	return n, s.ageTallies(ctx, before)
}

func (s *Store) removeCallbacks(ctx context.Context, before time.Time) (n int64, err error) {
	var last int64
	for {
		ids, err := s.aged(ctx, last, before)
		if err != nil || len(ids) == 0 {
			return n, err
		}
		last = ids[len(ids)-1]
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

// aged returns the next routed callbacks received before the cutoff, behind the
// one with the id last. It walks up the ids, to one from after that time.
func (s *Store) aged(ctx context.Context, last int64, before time.Time) (ids []int64, err error) {
	ids, err = read(ctx, s, func(rows *sql.Rows) (id int64, err error) {
		return id, rows.Scan(&id)
	}, `
		SELECT id FROM callbacks
		WHERE id > ? AND received_at < ? AND routed_at IS NOT NULL
			AND id < coalesce((SELECT max(id) FROM (SELECT id FROM callbacks WHERE received_at >= ? AND `+marked+`
				ORDER BY received_at LIMIT 16) AS after), ?)
		ORDER BY id LIMIT ?`, last, micros(before), micros(before), int64(math.MaxInt64), sweepBatch)
	if err != nil {
		return nil, fmt.Errorf("look for old callbacks: %w", err)
	}
	return ids, nil
}

// remove forgets those of the callbacks that have nothing unfinished, and
// returns how many that were. They are locked first, and then looked at: no new
// delivery comes to one of them meanwhile.
func (t *tx) remove(ids []int64) (n int64, err error) {
	ids, err = t.ids(`SELECT id FROM callbacks WHERE id `+t.engine.inIDs()+` `+t.engine.lock(), t.engine.ids(ids))
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	ids, err = t.ids(`SELECT id FROM callbacks c WHERE id `+t.engine.inIDs()+`
		AND NOT EXISTS (SELECT 1 FROM deliveries WHERE callback_id = c.id AND (finished_at IS NULL OR `+unsettled+`))
		AND NOT EXISTS (SELECT 1 FROM lookups WHERE callback_id = c.id)
		AND NOT EXISTS (SELECT 1 FROM digested WHERE callback_id = c.id)
		AND NOT EXISTS (SELECT 1 FROM sent_on s JOIN deliveries d ON d.id = s.delivery_id
			WHERE s.callback_id = c.id AND (d.finished_at IS NULL OR `+unsettled+`))`, t.engine.ids(ids))
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	these := t.engine.inIDs()
	for _, query := range []string{
		`DELETE FROM operations WHERE delivery_id IN (SELECT id FROM deliveries WHERE callback_id ` + these + `)`,
		`DELETE FROM links WHERE (delivery_id, callback_id) IN (SELECT delivery_id, callback_id FROM sent_on WHERE callback_id ` + these + `)`,
		`DELETE FROM sent_on WHERE delivery_id IN (SELECT id FROM deliveries WHERE callback_id ` + these + `)`,
		`DELETE FROM sent_on WHERE callback_id ` + these,
		`DELETE FROM quiet_hours WHERE delivery_id IN (SELECT id FROM deliveries WHERE callback_id ` + these + `)`,
		`DELETE FROM fallbacks WHERE delivery_id IN (SELECT id FROM deliveries WHERE callback_id ` + these + `)`,
		`DELETE FROM links WHERE delivery_id IN (SELECT id FROM deliveries WHERE callback_id ` + these + `)`,
		`DELETE FROM attachments WHERE delivery_id IN (SELECT id FROM deliveries WHERE callback_id ` + these + `)`,
		`DELETE FROM attempts WHERE delivery_id IN (SELECT id FROM deliveries WHERE callback_id ` + these + `)`,
		`DELETE FROM messages WHERE delivery_id IN (SELECT id FROM deliveries WHERE callback_id ` + these + `)`,
		`DELETE FROM deliveries WHERE callback_id ` + these,
		`DELETE FROM callbacks WHERE id ` + these,
	} {
		if n, err = t.exec(query, t.engine.ids(ids)); err != nil {
			return 0, err
		}
	}
	return n, t.fileAgain()
}
