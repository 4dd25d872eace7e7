package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"ringpost/relay/callback"
)

// Stored is a callback with what its row says beside it.
type Stored struct {
	ID       int64
	RoutedAt time.Time // zero until then
	PlanID   int64     // what it was routed by; 0: nothing yet, or before plans were kept
	LooksUp  bool      // it waits for what the provider says of its call; see [Lookup]
	*callback.Callback
}

// Routed is a stored callback with the deliveries it asks for. They are planned
// with what they say, their State and, for Dead ones, LastError; [Store.Route]
// fills in the rest.
type Routed struct {
	Callback   Stored
	Deliveries []*Delivery

	// LookUpUntil says that the callback asks for nothing before it is known who
	// called, or that time has come. Zero: it does not wait for that.
	LookUpUntil time.Time
}

const callbackColumns = `id, account_sid, recording_sid, recording_status, call_sid, recording_url,
	recording_duration, recording_source, recording_channels, fields, query, received_at, routed_at, plan_id, late, call`

func scanStored(rows *sql.Rows) (Stored, error) { return scanCallback(rows) }

// scanCallback reads a callback, and what stands behind its columns.
func scanCallback(rows *sql.Rows, more ...any) (Stored, error) {
	cb := Stored{Callback: new(callback.Callback)}
	var fields, query string
	var received int64
	var routed sql.NullInt64
	var call sql.NullString
	err := rows.Scan(append([]any{&cb.ID, &cb.AccountSid, &cb.RecordingSid, &cb.RecordingStatus, &cb.CallSid,
		&cb.RecordingUrl, &cb.RecordingDuration, &cb.RecordingSource, &cb.RecordingChannels,
		&fields, &query, &received, &routed, &cb.PlanID, &cb.Late, &call}, more...)...)
	if err != nil {
		return cb, err
	}
	cb.RecordingStatus = status(cb.RecordingStatus)
	cb.ReceivedAt, cb.RoutedAt = fromMicros(received), fromMicros(routed.Int64)
	if cb.LooksUp = call.Valid && call.String == ""; cb.LooksUp {
		cb.RoutedAt, cb.PlanID = time.Time{}, 0 // the rules have not decided yet
	}
	if cb.Call, err = readCall(call.String); err != nil {
		return cb, fmt.Errorf("callback %d: call: %w", cb.ID, err)
	}
	if cb.Fields, err = decode(fields); err != nil {
		return cb, fmt.Errorf("callback %d: fields: %w", cb.ID, err)
	}
	if cb.Query, err = decode(query); err != nil {
		return cb, fmt.Errorf("callback %d: query: %w", cb.ID, err)
	}
	return cb, nil
}

// Route takes the oldest callbacks that are not routed yet, at most n, asks plan
// for the deliveries of each, and writes them and marks the callbacks as routed
// by the plan of that id, all in one transaction. Deliveries in state [Sending]
// are leased to this process. Where it fails, what was planned is returned as
// well, and nothing of it is stored.
//
// Nodes that route at the same time take different callbacks.
func (s *Store) Route(ctx context.Context, n int, giveUpAfter time.Duration, planID int64,
	plan func(Stored) []*Delivery) (routed []Routed, err error) {
	return s.RouteBy(ctx, n, giveUpAfter, planID, func(r *Routed) { r.Deliveries = plan(r.Callback) })
}

// RouteBy is [Store.Route] for a plan that may ask for more than deliveries: it
// fills in what there is to a callback.
func (s *Store) RouteBy(ctx context.Context, n int, giveUpAfter time.Duration, planID int64, plan func(*Routed)) (routed []Routed, err error) {
	s.routing.Lock()
	defer s.routing.Unlock()
	if s.router == nil {
		routed, err = s.routeAlone(ctx, n, giveUpAfter, planID, plan)
	} else {
		routed, err = s.routeAmongNodes(n, giveUpAfter, planID, plan)
	}
	if err != nil {
		return routed, fmt.Errorf("route callbacks: %w", err)
	}
	if slices.ContainsFunc(routed, func(r Routed) bool { return !r.LookUpUntil.IsZero() }) {
		s.wakeLookups()
	}
	if anyDead(routed) {
		wake(s.died)
	}
	return routed, nil
}

// routeAlone is Route for a store that belongs to one process. The writer works
// for others while plan does.
func (s *Store) routeAlone(ctx context.Context, n int, giveUpAfter time.Duration, planID int64, plan func(*Routed)) ([]Routed, error) {
	found, err := s.handoff.take(n, func(n int) ([]Stored, error) { return s.unrouted(ctx, n) })
	if err != nil || len(found) == 0 {
		return nil, err
	}
	batch := planned(found, plan)
	// Leases that were committed must not be lost with the caller's patience.
	err = s.write(context.WithoutCancel(ctx), func(tx *tx) error {
		now := s.clock.now()
		first, last := found[0].ID, found[len(found)-1].ID // between which all are
		n, err := tx.exec(`UPDATE callbacks SET routed_at = ?, plan_id = ? WHERE id BETWEEN ? AND ? AND routed_at IS NULL`,
			micros(now), planID, first, last)
		if err == nil && n != int64(len(found)) {
			err = fmt.Errorf("%d callbacks wait where there should be %d", n, len(found))
		}
		if err != nil {
			return err
		}
		return s.insert(tx, batch, now, giveUpAfter)
	})
	if err != nil {
		s.handoff.failed()
	}
	return batch, err
}

// unrouted reads the oldest callbacks that wait to be routed, at most n, from a
// store in which they are routed in the order of their ids: those that wait are
// the last ones, and the first of them is found by halving.
func (s *Store) unrouted(ctx context.Context, n int) ([]Stored, error) {
	type row struct {
		id    int64
		waits bool
	}
	one := func(query string, args ...any) (row, error) {
		found, err := read(ctx, s, func(rows *sql.Rows) (r row, err error) {
			return r, rows.Scan(&r.id, &r.waits)
		}, `SELECT id, routed_at IS NULL FROM callbacks `+query+` LIMIT 1`, args...)
		return append(found, row{})[0], err
	}
	last, err := one(`WHERE id = (SELECT max(id) FROM callbacks)`)
	if err != nil || !last.waits {
		return nil, err
	}
	low, high := int64(0), last.id // low is routed or not there, high waits
	for err == nil && high-low > 1 {
		var r row
		if r, err = one(`WHERE id > ? ORDER BY id`, low+(high-low)/2-1); r.waits {
			high = low + (high-low)/2
		} else {
			low = r.id
		}
	}
	if err != nil {
		return nil, err
	}
	return read(ctx, s, scanStored, `SELECT `+callbackColumns+` FROM callbacks WHERE id > ? ORDER BY id LIMIT ?`, low, n)
}

// routeAmongNodes is Route for a store that nodes share: what one of them has
// marked, and not yet committed, the others leave to it.
func (s *Store) routeAmongNodes(n int, giveUpAfter time.Duration, planID int64, plan func(*Routed)) (batch []Routed, err error) {
	err = s.router.transact(false, func(tx *tx) error {
		var found []Stored
		now := s.clock.now()
		err := tx.each(func(rows *sql.Rows) error {
			cb, err := scanCallback(rows)
			found = append(found, cb)
			return err
		}, `
			WITH waiting AS MATERIALIZED (
				SELECT id FROM callbacks WHERE routed_at IS NULL ORDER BY id LIMIT ? `+tx.engine.skipLocked()+`)
			UPDATE callbacks SET routed_at = ?, plan_id = ? WHERE id IN (SELECT id FROM waiting) RETURNING `+callbackColumns,
			n, micros(now), planID)
		if err != nil || len(found) == 0 {
			return err
		}
		slices.SortFunc(found, func(a, b Stored) int { return cmp.Compare(a.ID, b.ID) })
		batch = planned(found, plan)
		return s.insert(tx, batch, now, giveUpAfter)
	})
	return batch, err
}

func planned(found []Stored, plan func(*Routed)) []Routed {
	batch := make([]Routed, len(found))
	for i, cb := range found {
		batch[i].Callback = cb
		plan(&batch[i])
	}
	return batch
}

// insert writes what a batch asks for.
func (s *Store) insert(tx *tx, batch []Routed, now time.Time, giveUpAfter time.Duration) error {
	if err := tx.await(batch, now); err != nil {
		return err
	}
	var deliveries []*Delivery
	for _, r := range batch {
		for _, d := range r.Deliveries {
			d.begin(r.Callback, now, giveUpAfter)
		}
		deliveries = append(deliveries, r.Deliveries...)
	}
	if len(deliveries) == 0 {
		return nil
	}
	return tx.insert(deliveries, lease{s.name, now.Add(Lease)})
}

// insertLater is insert for a callback that was routed before.
func (s *Store) insertLater(tx *tx, r *Routed, now time.Time, giveUpAfter time.Duration) error {
	for _, d := range r.Deliveries {
		d.begin(r.Callback, now, giveUpAfter)
	}
	if len(r.Deliveries) == 0 {
		return nil
	}
	return tx.insertLater(r.Deliveries, lease{s.name, now.Add(Lease)})
}

// insert writes new deliveries with what they say, their links, and what goes with
// them. Most have none of that. Those that are to be collected go into digests
// instead.
func (t *tx) insert(deliveries []*Delivery, l lease) error {
	deliveries, err := t.collect(deliveries)
	if err != nil || len(deliveries) == 0 {
		return err
	}
	if err := t.engine.insert(t, deliveries, l); err != nil {
		return err
	}
	if err := t.attach(deliveries); err != nil {
		return err
	}
	if err := t.hush(deliveries); err != nil {
		return err
	}
	return t.place(deliveries)
}

// insertLater is insert for deliveries of callbacks that were routed before: their
// ids are not in the order of the callbacks', which those who look for them are to
// know.
func (t *tx) insertLater(deliveries []*Delivery, l lease) error {
	if err := t.insert(deliveries, l); err != nil {
		return err
	}
	for _, d := range deliveries {
		if d.collected() {
			continue
		}
		if _, err := t.exec(`INSERT INTO sent_on (callback_id, delivery_id) VALUES (?, ?)`, d.CallbackID, d.ID); err != nil {
			return err
		}
	}
	return nil
}

// begin fills in what a new delivery of cb has from the start.
func (d *Delivery) begin(cb Stored, now time.Time, giveUpAfter time.Duration) {
	d.CallbackID, d.Recording, d.RecordingURL, d.ReceivedAt = cb.ID, cb.RecordingSid, cb.RecordingUrl, cb.ReceivedAt
	d.CreatedAt, d.NextAttemptAt = now, d.Quiet.Until(now).UTC()
	d.GiveUpAt = d.NextAttemptAt.Add(giveUpAfter)
	if d.State.Finished() {
		d.FinishedAt, d.NextAttemptAt = now, time.Time{}
	}
	if d.Link != nil {
		d.Link.ExpiresAt = now.Add(d.Link.TTL)
	}
	for _, l := range d.Links {
		l.ExpiresAt = now.Add(l.TTL)
	}
	for _, text := range []*string{&d.Subject, &d.Text, &d.HTML, &d.LastError} {
		*text = storable(*text)
	}
}

// storable returns s without what PostgreSQL does not store: bytes that are no
// UTF-8, and the character 0. Templates and servers may say anything.
func storable(s string) string {
	if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
}
