package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// bucketSize is how many callbacks' calls are filed at once. In SQLite all else
// waits for that.
const bucketSize = 1024

// FileCalls files the calls of the callbacks that came since it was done last, so
// that [Store.Search] finds them quickly, with a pause after each bucket of them.
// The newest bucket, which is not full, is left out: it is looked through. Nodes
// take turns.
func (s *Store) FileCalls(ctx context.Context, pause time.Duration) error {
	for {
		full := new(bool)
		err := s.file(ctx, func(tx *tx) (err error) {
			*full, err = s.fileBucket(tx)
			return err
		})
		if err != nil {
			return fmt.Errorf("file calls: %w", err)
		}
		if !*full {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// file runs do within a transaction. Where there can be more than one writer, it
// holds up nobody.
func (s *Store) file(ctx context.Context, do func(*tx) error) error {
	if s.filer == nil {
		return s.write(ctx, do)
	}
	s.filing.Lock()
	defer s.filing.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.filer.transact(false, do)
}

// fileBucket files the next bucket, and reports whether it was full.
func (s *Store) fileBucket(tx *tx) (full bool, err error) {
	next, err := tx.ids(`SELECT bucket FROM filed ` + tx.engine.skipLocked())
	if err != nil || len(next) == 0 { // it is another node's turn
		return false, err
	}
	first, err := tx.ids(`SELECT coalesce(min(id), 0) FROM callbacks`)
	if err != nil {
		return false, err
	}
	bucket := max(next[0], first[0]/bucketSize)
	from, to := bucket*bucketSize, (bucket+1)*bucketSize
	behind, err := tx.ids(`SELECT received_at FROM callbacks WHERE id >= ? ORDER BY id LIMIT 1`, to)
	if err != nil || len(behind) == 0 || behind[0] > micros(s.clock.now().Add(-tx.engine.lateFor())) {
		return false, err
	}
	_, err = tx.exec(`
		INSERT INTO calls (bucket, call_sid, callback_id)
		SELECT CAST(? AS BIGINT), call_sid, id FROM callbacks WHERE id >= ? AND id < ? AND call_sid <> ''
		ORDER BY call_sid, id
		ON CONFLICT DO NOTHING`, bucket, from, to)
	if err != nil {
		return false, err
	}
	_, err = tx.exec(`UPDATE filed SET bucket = ?`, bucket+1)
	return err == nil, err
}

// fileAgain has calls filed anew where the newest callbacks were removed: SQLite
// gives their ids to others.
func (t *tx) fileAgain() error {
	_, err := t.exec(`UPDATE filed SET bucket = 0
		WHERE bucket > 0 AND NOT EXISTS (SELECT 1 FROM callbacks WHERE id >= filed.bucket * ?)`, bucketSize)
	return err
}

// removeCalls forgets the calls of the buckets that have no callback any more.
func (s *Store) removeCalls(ctx context.Context) error {
	for {
		old, err := read(ctx, s, scanID, `
			SELECT bucket FROM calls WHERE bucket = (SELECT min(bucket) FROM calls)
				AND bucket < (SELECT min(id) FROM callbacks) / ? LIMIT 1`, bucketSize)
		if err == nil && len(old) > 0 {
			err = s.write(ctx, func(tx *tx) error {
				_, err := tx.exec(`DELETE FROM calls WHERE bucket = ?`, old[0])
				return err
			})
		}
		if err != nil {
			return fmt.Errorf("remove old calls: %w", err)
		}
		if len(old) == 0 {
			return nil
		}
	}
}

// byCall looks for a call among the callbacks that are not filed, and then in one
// bucket after the other, from the newest on.
func (s *Store) byCall(ctx context.Context, p span, q Search) ([]int64, error) {
	filed, err := s.edge(ctx, 0, `SELECT bucket FROM filed`)
	if err != nil {
		return nil, err
	}
	var w where
	w.is("c.call_sid", q.Text)
	w.span(p)
	w.hasDelivery(q.State)
	found, err := read(ctx, s, scanID, `
		SELECT c.id FROM callbacks c `+s.engine.hint("")+`
		`+w.clause()+` AND c.id >= ? ORDER BY c.id DESC LIMIT ?`, append(w.args, filed*bucketSize, q.Limit)...)
	if err != nil {
		return nil, fmt.Errorf("look through the newest callbacks: %w", err)
	}
	first, err := s.edge(ctx, 0, `SELECT min(id) FROM callbacks`)
	if err != nil {
		return nil, err
	}
	// What was filed under a call is of another one where an id was given anew.
	w.and("k.bucket = bucket.n AND k.call_sid = ? AND c.id = k.callback_id", q.Text)
	last := max(p.low, first) / bucketSize
	for n := min((p.high-1)/bucketSize, filed-1); n >= last && len(found) < q.Limit; n -= bucketStep {
		args := append([]any{n, max(last, n-bucketStep+1)}, w.args...)
		ids, err := read(ctx, s, scanID, `
			WITH RECURSIVE bucket (n) AS (
				SELECT CAST(? AS BIGINT) UNION ALL SELECT n - 1 FROM bucket WHERE n > ?)
			SELECT k.callback_id FROM bucket CROSS JOIN calls k CROSS JOIN callbacks c
			`+w.clause()+` ORDER BY k.callback_id DESC LIMIT ?`, append(args, q.Limit)...)
		if err != nil {
			return nil, fmt.Errorf("look through filed calls: %w", err)
		}
		found = append(found, ids...)
	}
	return found, nil
}

// bucketStep is in how many buckets a call is looked for at once.
const bucketStep = 256

func scanID(rows *sql.Rows) (id int64, err error) { return id, rows.Scan(&id) }
