package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"ringpost/relay/callback"
)

// LookupLease is how long a look-up stays with a process that has claimed it: longer
// than the provider is waited for. One that takes longer all the same is asked
// about twice, and told of once.
const LookupLease = 15 * time.Second

// Lookup is a callback that waits for what the provider says of its call, before it
// is taken through the rules.
type Lookup struct {
	Stored
	DueAt     time.Time // when the provider is asked next
	Deadline  time.Time // then the callback goes on without
	Attempts  int       // finished ones
	LastError string
}

// AddedLookups receives a value some time after this process has put callbacks
// among those that wait. It holds one value at most.
func (s *Store) AddedLookups() <-chan struct{} { return s.lookups }

func (s *Store) wakeLookups() {
	select {
	case s.lookups <- struct{}{}:
	default: // a wake-up is waiting already
	}
}

// await puts those callbacks of a batch that want to know about their call among
// those that wait for it.
func (t *tx) await(batch []Routed, now time.Time) error {
	var ids []int64
	for _, r := range batch {
		if r.LookUpUntil.IsZero() {
			continue
		}
		ids = append(ids, r.Callback.ID)
		if _, err := t.exec(`INSERT INTO lookups (callback_id, due_at, deadline) VALUES (?, ?, ?)`,
			r.Callback.ID, micros(now), micros(r.LookUpUntil)); err != nil {
			return err
		}
	}
	if len(ids) == 0 {
		return nil
	}
	_, err := t.exec(`UPDATE callbacks SET call = '' WHERE id `+t.engine.inIDs(), t.engine.ids(ids))
	return err
}

const lookupColumns = `l.due_at, l.deadline, l.attempts, l.last_error`

// scanLookup reads a callback, and the look-up that it waits for.
func scanLookup(rows *sql.Rows) (l Lookup, err error) {
	var due, deadline int64
	l.Stored, err = scanCallback(rows, &due, &deadline, &l.Attempts, &l.LastError)
	l.DueAt, l.Deadline = fromMicros(due), fromMicros(deadline)
	return l, err
}

// Lookup returns the look-up that a callback waits for; nil where it does not.
func (s *Store) Lookup(ctx context.Context, callback int64) (*Lookup, error) {
	found, err := read(ctx, s, scanLookup, `SELECT `+callbackColumns+`, `+lookupColumns+`
		FROM callbacks CROSS JOIN lookups l WHERE id = ? AND l.callback_id = ?`, callback, callback)
	if err != nil {
		return nil, fmt.Errorf("read the look-up of callback %d: %w", callback, err)
	}
	if len(found) == 0 {
		return nil, nil
	}
	return &found[0], nil
}

// NextLookup returns when a look-up is due next, however many are being asked for,
// and whether there are any at all.
func (s *Store) NextLookup(ctx context.Context) (due time.Time, any bool, err error) {
	type row struct {
		due sql.NullInt64
		any bool
	}
	found, err := read(ctx, s, func(rows *sql.Rows) (r row, err error) { return r, rows.Scan(&r.due, &r.any) },
		`SELECT (SELECT min(due_at) FROM lookups WHERE owner = ''), (SELECT min(callback_id) FROM lookups) IS NOT NULL`)
	if err != nil {
		return due, false, fmt.Errorf("look for the next look-up: %w", err)
	}
	return fromMicros(found[0].due.Int64), found[0].any, nil
}

// ClaimLookups leases look-ups that are due, those first that are due longest, at
// most n; see [LookupLease].
func (s *Store) ClaimLookups(ctx context.Context, n int) ([]Lookup, error) {
	return s.claimLookups(ctx, "due_at", n)
}

// ClaimOverdue is ClaimLookups for those whose deadline is over.
func (s *Store) ClaimOverdue(ctx context.Context, n int) ([]Lookup, error) {
	return s.claimLookups(ctx, "deadline", n)
}

func (s *Store) claimLookups(ctx context.Context, by string, n int) ([]Lookup, error) {
	claimed := new([]Lookup)
	err := s.write(context.WithoutCancel(ctx), func(tx *tx) error {
		*claimed = nil
		now := s.clock.now()
		ids, err := tx.ids(`
			WITH due AS MATERIALIZED (
				SELECT callback_id FROM lookups WHERE owner = '' AND `+by+` <= ? ORDER BY `+by+` LIMIT ? `+tx.engine.skipLocked()+`)
			UPDATE lookups SET owner = ?, lease_until = ? WHERE callback_id IN (SELECT callback_id FROM due) RETURNING callback_id`,
			micros(now), n, s.name, micros(now.Add(LookupLease)))
		if err != nil || len(ids) == 0 {
			return err
		}
		return tx.each(func(rows *sql.Rows) error {
			l, err := scanLookup(rows)
			*claimed = append(*claimed, l)
			return err
		}, `SELECT `+callbackColumns+`, `+lookupColumns+` FROM callbacks JOIN lookups l ON l.callback_id = id
			WHERE l.callback_id `+tx.engine.inIDs()+` ORDER BY l.`+by+`, id`, tx.engine.ids(ids))
	})
	if err != nil {
		return nil, fmt.Errorf("claim look-ups: %w", err)
	}
	return *claimed, nil
}

// RecoverLookups gives back what was claimed by processes that are gone, and
// returns how much that was; see [Store.Recover].
func (s *Store) RecoverLookups(ctx context.Context) (n int64, err error) {
	recovered := new(int64)
	err = s.write(ctx, func(tx *tx) (err error) {
		gone, args := tx.engine.gone(s.name, s.clock.now())
		*recovered, err = tx.exec(`UPDATE lookups SET owner = '', lease_until = 0 WHERE owner <> '' AND `+gone, args...)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("recover look-ups: %w", err)
	}
	return *recovered, nil
}

// PostponeLookup has a claimed look-up tried again, as l says by now, unless it is
// another process's.
func (s *Store) PostponeLookup(ctx context.Context, l *Lookup) error {
	err := s.write(ctx, func(tx *tx) error {
		_, err := tx.exec(`UPDATE lookups SET due_at = ?, attempts = ?, last_error = ?, owner = '', lease_until = 0
			WHERE callback_id = ? AND owner = ?`, micros(l.DueAt), l.Attempts, storable(l.LastError), l.ID, s.name)
		return err
	})
	if err != nil {
		return fmt.Errorf("postpone a look-up: %w", err)
	}
	return nil
}

// EndLookup ends a claimed look-up with what is known of the call: plan fills in
// what the callback asks for, which is written with it and with the plan of that
// id. It is not done, and nothing is written, where another process has ended it.
// Deliveries must not be in state [Sending]: where the connection broke at the
// commit, that they are stored is not known here.
func (s *Store) EndLookup(ctx context.Context, l *Lookup, call *callback.Call, giveUpAfter time.Duration, planID int64,
	plan func(*Routed)) (r Routed, done bool, err error) {
	known, err := json.Marshal(call)
	if err != nil {
		return r, false, fmt.Errorf("end a look-up: %w", err)
	}
	cb := *l.Callback
	cb.Call = call
	r.Callback = Stored{ID: l.ID, PlanID: planID, Callback: &cb}
	plan(&r)
	ended := new(bool)
	err = s.write(ctx, func(tx *tx) error {
		now := s.clock.now()
		n, err := tx.exec(`DELETE FROM lookups WHERE callback_id = ? AND owner = ?`, l.ID, s.name)
		if *ended = n == 1; err != nil || !*ended {
			return err
		}
		_, err = tx.exec(`UPDATE callbacks SET call = ?, plan_id = ?, routed_at = ? WHERE id = ?`, string(known), planID, micros(now), l.ID)
		if err != nil {
			return err
		}
		return s.insertLater(tx, &r, now, giveUpAfter)
	})
	if err != nil {
		return r, false, fmt.Errorf("end a look-up: %w", err)
	}
	if anyDead([]Routed{r}) {
		wake(s.died)
	}
	return r, *ended, nil
}

// readCall reads what is kept of a callback's call; nil where it was not asked for.
func readCall(kept string) (*callback.Call, error) {
	if kept == "" {
		return nil, nil
	}
	call := new(callback.Call)
	return call, json.Unmarshal([]byte(kept), call)
}
