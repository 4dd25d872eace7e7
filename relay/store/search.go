package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"
)

// Search says which recordings are looked for. Zero fields do not narrow it.
type Search struct {
	// Text is a recording's id or a call's id, whole, or the beginning of a
	// recipient. Of the recipients that begin so the first maxRecipients are
	// looked at.
	Text  string
	State State     // one of the callback's deliveries is in it
	Since time.Time // by when the callback was received
	Until time.Time // before which it was received

	Before int64 // the cursor: the last callback's id of the page before
	Limit  int   // callbacks at most; must be positive
}

// Recording is what was received of a recording at one time, with what came of it.
type Recording struct {
	Stored
	Deliveries []Delivery // without their texts, the first one first
	Digests    []Digest   // that it waits in
}

// Search returns the callbacks that are looked for with their deliveries, newest
// first. How long it takes depends on what it finds, and hardly on what there is;
// but for one who has very many deliveries, none of them in a state that very
// many others are in.
func (s *Store) Search(ctx context.Context, q Search) ([]Recording, error) {
	ids, err := s.find(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("search recordings: %w", err)
	}
	found, err := s.recordings(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read what was found: %w", err)
	}
	return found, nil
}

// Recording returns all callbacks of the recording that a callback is of, with
// their deliveries, oldest first, or [ErrNotFound].
func (s *Store) Recording(ctx context.Context, callback int64) ([]Recording, error) {
	ids, err := read(ctx, s, scanID, `
		SELECT other.id FROM callbacks c CROSS JOIN callbacks other
		WHERE c.id = ? AND other.recording_sid = c.recording_sid AND other.account_sid = c.account_sid`, callback)
	if err != nil {
		return nil, fmt.Errorf("look for the recording of callback %d: %w", callback, err)
	}
	slices.Sort(ids)
	found, err := s.recordings(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read the recording of callback %d: %w", callback, err)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("callback %d: %w", callback, ErrNotFound)
	}
	return found, nil
}

// Received returns those of the callbacks that are there with their deliveries, in
// that order.
func (s *Store) Received(ctx context.Context, callbacks []int64) ([]Recording, error) {
	found, err := s.recordings(ctx, callbacks)
	if err != nil {
		return nil, fmt.Errorf("read callbacks: %w", err)
	}
	return found, nil
}

func (s *Store) recordings(ctx context.Context, ids []int64) ([]Recording, error) {
	if len(ids) == 0 {
		return []Recording{}, nil
	}
	callbacks, err := read(ctx, s, scanStored, `SELECT `+callbackColumns+` FROM callbacks WHERE id `+s.engine.inIDs(),
		s.engine.ids(ids))
	if err != nil {
		return nil, err
	}
	deliveries, err := read(ctx, s, func(rows *sql.Rows) (d Delivery, err error) {
		return d, scanDelivery(rows, &d)
	}, `
		SELECT `+deliveryColumns+` FROM deliveries d `+s.engine.hint("deliveries_callback")+` JOIN callbacks c ON c.id = d.callback_id
		WHERE d.callback_id `+s.engine.inIDs(), s.engine.ids(ids))
	if err != nil {
		return nil, err
	}
	at := make(map[int64]int, len(ids))
	for i, id := range ids {
		at[id] = i
	}
	found := make([]Recording, len(ids))
	for _, cb := range callbacks {
		found[at[cb.ID]] = Recording{Stored: cb, Deliveries: []Delivery{}}
	}
	for _, d := range deliveries {
		r := &found[at[d.CallbackID]]
		r.Deliveries = append(r.Deliveries, d)
	}
	if err := s.digests(ctx, found, at, ids); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(found, func(r Recording) bool { return r.ID == 0 }), nil // removed meanwhile
}

// Waiting returns how many unfinished deliveries a channel has, counted up to
// atMost, and when the oldest was made; zero where there is none.
func (s *Store) Waiting(ctx context.Context, channel string, atMost int) (n int, oldest time.Time, err error) {
	type row struct {
		n      int
		oldest sql.NullInt64
	}
	first := func(state State) string {
		return `SELECT created_at FROM (SELECT created_at FROM deliveries ` + s.engine.hint(byChannelState) + `
			WHERE channel = ? AND state = '` + string(state) + `' AND state <> 'sending' ORDER BY id LIMIT 1) AS first_` + string(state)
	}
	const sending = `FROM deliveries WHERE state = 'sending' AND channel = ?`
	found, err := read(ctx, s, func(rows *sql.Rows) (r row, err error) {
		return r, rows.Scan(&r.n, &r.oldest)
	}, `
		SELECT (SELECT count(*) FROM (
				SELECT 1 FROM deliveries `+s.engine.hint("deliveries_due")+` WHERE channel = ? AND `+waiting+` LIMIT ?) AS counted)
			+ (SELECT count(*) `+sending+`),
			(SELECT min(created_at) FROM (`+first(Queued)+` UNION ALL `+first(Retrying)+`
				UNION ALL SELECT created_at `+sending+`) AS oldest)`,
		channel, atMost, channel, channel, channel, channel)
	if err != nil {
		return 0, time.Time{}, fmt.Errorf("count what waits for channel %q: %w", channel, err)
	}
	return min(found[0].n, atMost), fromMicros(found[0].oldest.Int64), nil
}
