package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"ringpost/relay/callback"
)

// Aftermath is what has followed from it that a delivery is dead.
type Aftermath int

const (
	Unsettled       Aftermath = iota // nothing yet, or it is not dead
	Settled                          // a callback tells of it, where one is to; nothing is sent instead
	FellBack                         // the same, and a fallback takes its place
	FallbackUnknown                  // the same, and whether it has a fallback is not known any more
)

// unsettled is the condition of the index deliveries_unsettled, word for word,
// without which SQLite does not use it.
const unsettled = `state = 'dead' AND settled = 0`

// DeadLetter is a delivery that ended dead, and the callback that asked for it.
type DeadLetter struct {
	Delivery // without its texts
	Callback Stored
}

// Settlement is what follows from a dead letter.
type Settlement struct {
	DeadLetter
	// Told is the callback with the status undelivered that is to tell of it; nil
	// where none is to.
	Told      *callback.Callback
	Fallbacks []Fallback
	Unknown   bool // whether it has fallbacks is not known
}

// Fallback is a delivery that is to take the place of a dead one. It is planned
// like those of [Routed].
type Fallback struct {
	*Delivery
	Template string
	// Same is another delivery of the callback that says the same to the same, so
	// that this one is not to be made; 0 where there is none.
	Same int64
}

const (
	// Itself is by whom is done what no person does.
	Itself = "Ringpost"
	// FallbackNote is how what it notes with a dead delivery begins, before which
	// deliveries take its place.
	FallbackNote = "fallback: "
)

// Died receives a value some time after deliveries ended dead. It holds one value
// at most: whoever receives it looks for all dead letters.
func (s *Store) Died() <-chan struct{} { return s.died }

// wake puts a value into a channel that is to hold one.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // a wake-up is waiting already
	}
}

// anyDead reports whether one of the deliveries is dead.
func anyDead(batch []Routed) bool {
	return slices.ContainsFunc(batch, func(r Routed) bool {
		return slices.ContainsFunc(r.Deliveries, func(d *Delivery) bool { return d.State == Dead })
	})
}

// DeadLetters returns the deliveries that ended dead and from which nothing has
// followed yet, those with a higher id than after, lowest first, at most n.
func (s *Store) DeadLetters(ctx context.Context, after int64, n int) ([]DeadLetter, error) {
	found, err := read(ctx, s, func(rows *sql.Rows) (d DeadLetter, err error) {
		return d, scanDelivery(rows, &d.Delivery)
	}, `
		SELECT `+deliveryColumns+` FROM deliveries d `+s.engine.hint("deliveries_unsettled")+` JOIN callbacks c ON c.id = d.callback_id
		WHERE `+unsettled+` AND d.id > ? ORDER BY d.id LIMIT ?`, after, n)
	if err != nil {
		return nil, fmt.Errorf("look for dead letters: %w", err)
	}
	if len(found) == 0 {
		return nil, nil
	}
	ids := make([]int64, len(found))
	for i := range found {
		ids[i] = found[i].CallbackID
	}
	callbacks, err := read(ctx, s, scanStored, `SELECT `+callbackColumns+` FROM callbacks WHERE id `+s.engine.inIDs(), s.engine.ids(ids))
	if err != nil {
		return nil, fmt.Errorf("read the callbacks of dead letters: %w", err)
	}
	byID := make(map[int64]Stored, len(callbacks))
	for _, cb := range callbacks {
		byID[cb.ID] = cb
	}
	for i := range found {
		found[i].Callback = byID[found[i].CallbackID]
	}
	return slices.DeleteFunc(found, func(d DeadLetter) bool { return d.Callback.Callback == nil }), nil // removed meanwhile
}

// Settle does what follows from dead letters: it adds the callbacks that tell of
// them and the deliveries that take their place, and marks them, all in one
// transaction. Those that are settled already, that are not dead any more, or that
// another node has at hand, are left out. It returns the ids of the others.
func (s *Store) Settle(ctx context.Context, list []Settlement, giveUpAfter time.Duration) (settled []int64, err error) {
	told := make([]*addition, len(list))
	ids := make([]int64, len(list))
	now := s.clock.now()
	for i := range list {
		ids[i] = list[i].ID
		if list[i].Told == nil {
			continue
		}
		if told[i], err = s.addition(list[i].Told, storedUndelivered(list[i].ID)); err != nil {
			return nil, fmt.Errorf("settle dead letters: %w", err)
		}
		told[i].receivedAt = micros(now)
	}
	mine := new([]int64) // of the writer, even where ctx has ended
	err = s.write(ctx, func(tx *tx) error {
		var err error
		// With their callbacks, to which no other node adds deliveries meanwhile.
		*mine, err = tx.ids(`
			SELECT d.id FROM deliveries d JOIN callbacks c ON c.id = d.callback_id
			WHERE d.id `+tx.engine.inIDs()+` AND `+unsettled+`
			ORDER BY d.id `+tx.engine.skipLocked(), tx.engine.ids(ids))
		if err != nil {
			return err
		}
		for i := range list {
			if !slices.Contains(*mine, list[i].ID) {
				continue
			}
			if err := tx.settleOne(&list[i], now, giveUpAfter); err != nil {
				return err
			}
			if told[i] != nil {
				tx.added = append(tx.added, told[i])
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("settle dead letters: %w", err)
	}
	s.wakeRouter()
	return *mine, nil
}

// settleOne marks a dead letter and makes what takes its place.
func (t *tx) settleOne(s *Settlement, now time.Time, giveUpAfter time.Duration) error {
	aftermath := Settled
	switch {
	case len(s.Fallbacks) > 0:
		aftermath = FellBack
	case s.Unknown:
		aftermath = FallbackUnknown
	}
	_, err := t.exec(`UPDATE deliveries SET settled = ? WHERE id = ?`, int(aftermath), s.ID)
	if err != nil || len(s.Fallbacks) == 0 {
		return err
	}
	made, err := t.fallbacks(s.CallbackID)
	if err != nil {
		return err
	}
	ids := make([]int64, len(s.Fallbacks))
	for i, f := range s.Fallbacks {
		ids[i] = cmp.Or(f.Same, f.sameOf(made))
		if ids[i] != 0 {
			continue
		}
		if err := t.fallBack(s, f, now, giveUpAfter); err != nil {
			return err
		}
		ids[i] = f.ID
		made = append(made, f)
	}
	return t.note([]int64{s.ID}, now, Itself, FallbackNote+inWords(ids))
}

// inWords names deliveries, the first few of them.
func inWords(ids []int64) string {
	slices.Sort(ids)
	ids = slices.Compact(ids)
	text := "delivery"
	for i, id := range ids {
		if i == maxNamed {
			return fmt.Sprintf("%s and %d more", text, len(ids)-i)
		}
		if i > 0 {
			text += ","
		}
		text += " " + strconv.FormatInt(id, 10)
	}
	return text
}

// maxNamed is how many deliveries a note names.
const maxNamed = 5

// fallBack makes a delivery that takes the place of a dead one.
func (t *tx) fallBack(s *Settlement, f Fallback, now time.Time, giveUpAfter time.Duration) error {
	f.begin(s.Callback, now, giveUpAfter)
	if err := t.insertLater([]*Delivery{f.Delivery}, lease{}); err != nil {
		return err
	}
	_, err := t.exec(`INSERT INTO fallbacks (delivery_id, instead_of, template) VALUES (?, ?, ?)`, f.ID, s.ID, f.Template)
	if err != nil {
		return err
	}
	return t.note([]int64{f.ID}, now, Itself, fmt.Sprintf("fallback for delivery %d", s.ID))
}

// fallbacks returns the deliveries of a callback that took the place of others.
func (t *tx) fallbacks(callback int64) (made []Fallback, err error) {
	err = t.each(func(rows *sql.Rows) error {
		f := Fallback{Delivery: new(Delivery)}
		err := rows.Scan(&f.ID, &f.Channel, &f.To, &f.State, &f.LastError, &f.Template)
		made = append(made, f)
		return err
	}, `
		SELECT d.id, d.channel, d.recipient, d.state, d.last_error, f.template
		FROM deliveries d `+t.engine.hint("deliveries_callback")+` CROSS JOIN fallbacks f
		WHERE d.callback_id = ? AND f.delivery_id = d.id`, callback)
	return made, err
}

// sameOf returns the one of the deliveries that says the same to the same, and has
// not failed but for the same reason as f; 0 where there is none.
func (f *Fallback) sameOf(made []Fallback) int64 {
	for _, other := range made {
		if other.Channel != f.Channel || other.Template != f.Template || !strings.EqualFold(other.To, f.To) {
			continue
		}
		if other.State.Reaches() || other.State == f.State && other.LastError == f.LastError {
			return other.ID
		}
	}
	return 0
}

// Fallbacks returns which of the deliveries of a callback took the place of others,
// each with that one.
func (s *Store) Fallbacks(ctx context.Context, callback int64) (map[int64]int64, error) {
	type pair [2]int64
	found, err := read(ctx, s, func(rows *sql.Rows) (p pair, err error) { return p, rows.Scan(&p[0], &p[1]) }, `
		SELECT f.delivery_id, f.instead_of
		FROM deliveries d `+s.engine.hint("deliveries_callback")+` CROSS JOIN fallbacks f
		WHERE d.callback_id = ? AND f.delivery_id = d.id`, callback)
	if err != nil {
		return nil, fmt.Errorf("look for the fallbacks of callback %d: %w", callback, err)
	}
	instead := make(map[int64]int64, len(found))
	for _, p := range found {
		instead[p[0]] = p[1]
	}
	return instead, nil
}

// Of one recording there is a callback for each delivery that ended dead. Their
// status is stored with the delivery's id behind it, which makes them different
// ones.

// storedUndelivered is the status of the callback that tells of a delivery, as it
// is stored.
func storedUndelivered(delivery int64) string {
	return callback.Undelivered + "/" + strconv.FormatInt(delivery, 10)
}

// status returns a status that was stored as it is known.
func status(stored string) string {
	known, _, _ := strings.Cut(stored, "/")
	return known
}
