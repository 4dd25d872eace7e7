package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"time"
)

// planSlack is by how much a plan may have been in use longer than its row says.
// Those that are in use are kept anew every hour.
const planSlack = 3 * time.Hour

// KeepPlan keeps the definition of a plan, notes that it is in use, and returns
// its id. The same definition has one id, on whichever node it is used.
func (s *Store) KeepPlan(ctx context.Context, definition []byte) (int64, error) {
	digest := sha256.Sum256(definition)
	id := new(int64)
	err := s.write(ctx, func(tx *tx) error {
		return tx.each(func(rows *sql.Rows) error { return rows.Scan(id) }, `
			INSERT INTO plans (digest, definition, used_at) VALUES (?, ?, ?)
			ON CONFLICT (digest) DO UPDATE SET used_at = excluded.used_at
			RETURNING id`, hex.EncodeToString(digest[:]), string(definition), micros(s.clock.now()))
	})
	if err != nil {
		return 0, fmt.Errorf("keep the plan: %w", err)
	}
	return *id, nil
}

// Plan returns the definition of a plan, or [ErrNotFound].
func (s *Store) Plan(ctx context.Context, id int64) ([]byte, error) {
	found, err := read(ctx, s, func(rows *sql.Rows) (definition []byte, err error) {
		return definition, rows.Scan(&definition)
	}, `SELECT definition FROM plans WHERE id = ?`, id)
	if err != nil {
		return nil, fmt.Errorf("read plan %d: %w", id, err)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("plan %d: %w", id, ErrNotFound)
	}
	return found[0], nil
}

// removePlans forgets the plans that no callback can have been routed by that is
// still there: those that were last used before the oldest one was received.
func (s *Store) removePlans(ctx context.Context, before time.Time) error {
	oldest, err := read(ctx, s, func(rows *sql.Rows) (received int64, err error) {
		return received, rows.Scan(&received)
	}, `SELECT received_at FROM callbacks WHERE id = (SELECT min(id) FROM callbacks)`)
	if err != nil {
		return fmt.Errorf("look for the oldest callback: %w", err)
	}
	cutoff := micros(before)
	if len(oldest) > 0 {
		cutoff = min(cutoff, oldest[0])
	}
	err = s.write(ctx, func(tx *tx) error {
		_, err := tx.exec(`DELETE FROM plans WHERE used_at < ?`, cutoff-planSlack.Microseconds())
		return err
	})
	if err != nil {
		return fmt.Errorf("remove old plans: %w", err)
	}
	return nil
}
