package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// SweepLease is how long a sweep stays with a process that does not renew it.
const SweepLease = 3 * time.Minute

// Sweep is a look through something that changes elsewhere, which is taken up
// where the last one ended. Its times are by the clock of what is looked through.
type Sweep struct {
	Name  string
	Began time.Time // what was before the first sweep ever is left alone; zero where that is to be said yet
	Seen  time.Time // up to when all was looked at; zero before the first time
}

// BeginSweep makes the sweep of that name this process's for [SweepLease], or
// returns nil where it is another's, or was done less than rest ago.
func (s *Store) BeginSweep(ctx context.Context, name string, rest time.Duration) (*Sweep, error) {
	var begun *Sweep
	took := &begun // of the writer, even where ctx has ended
	err := s.write(ctx, func(tx *tx) error {
		*took = nil
		now := s.clock.now()
		if _, err := tx.exec(`INSERT INTO sweeps (name) VALUES (?) ON CONFLICT DO NOTHING`, name); err != nil {
			return err
		}
		gone, args := tx.engine.gone(s.name, now)
		return tx.each(func(rows *sql.Rows) error {
			var began, seen int64
			err := rows.Scan(&began, &seen)
			*took = &Sweep{Name: name, Began: fromMicros(began), Seen: fromMicros(seen)}
			return err
		}, `
			UPDATE sweeps SET owner = ?, lease_until = ?
			WHERE name = ? AND done_at <= ? AND (owner IN ('', ?) OR `+gone+`) RETURNING began, seen`,
			append([]any{s.name, micros(now.Add(SweepLease)), name, micros(now.Add(-rest)), s.name}, args...)...)
	})
	if err != nil {
		return nil, fmt.Errorf("begin to look through %s: %w", name, err)
	}
	return *took, nil
}

// RenewSweep keeps a sweep for another [SweepLease], and reports whether it is
// still this process's.
func (s *Store) RenewSweep(ctx context.Context, sweep *Sweep) (mine bool, err error) {
	return s.holdSweep(ctx, sweep, `lease_until = ?`, micros(s.clock.now().Add(SweepLease)))
}

// EndSweep records how far a sweep has come and gives it back, unless it is
// another's by now.
func (s *Store) EndSweep(ctx context.Context, sweep *Sweep) error {
	_, err := s.holdSweep(ctx, sweep, `began = ?, seen = ?, done_at = ?, owner = '', lease_until = 0`,
		micros(sweep.Began), micros(sweep.Seen), micros(s.clock.now()))
	return err
}

// LeaveSweep gives a sweep back that has not come to its end: the next one begins
// where this one did.
func (s *Store) LeaveSweep(ctx context.Context, sweep *Sweep) error {
	_, err := s.holdSweep(ctx, sweep, `owner = '', lease_until = 0`)
	return err
}

// holdSweep changes a sweep where it is this process's.
func (s *Store) holdSweep(ctx context.Context, sweep *Sweep, set string, args ...any) (bool, error) {
	changed := new(int64)
	err := s.write(ctx, func(tx *tx) (err error) {
		*changed, err = tx.exec(`UPDATE sweeps SET `+set+` WHERE name = ? AND owner = ?`, append(args, sweep.Name, s.name)...)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("note how far the look through %s has come: %w", sweep.Name, err)
	}
	return *changed == 1, nil
}
