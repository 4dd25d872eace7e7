package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"ringpost/relay/quiet"
)

// A delivery may be collected rather than sent: with others for the same recipient,
// by the same channel and template, it becomes one message, a digest. That is
// written where deliveries are, in the same transaction (collect), and becomes a
// delivery in one (SendDigest): a recording is told once, whatever ends between.

// MaxDigested is how many recordings one message tells of. What is left is told
// in the next one.
const MaxDigested = 200

// Collect says that a new delivery is collected rather than sent.
type Collect struct {
	Template string
	For      time.Duration // from the first one on
}

// Digest is a message that is still collecting recordings.
type Digest struct {
	ID       int64
	Channel  string
	Kind     string
	Template string
	To       string
	Rule     string // of one that it collects; in a list of those that a callback waits in
	Quiet    quiet.Hours
	Shadow   bool
	DueAt    time.Time

	Recordings []Digested // oldest first, at most MaxDigested; none in lists
}

// Digested is a callback that a digest tells of, and the rule that asked for it.
type Digested struct {
	Stored
	Rule string
}

// digestKey is what deliveries have in common that become one message.
type digestKey struct {
	channel, template, folded string
	shadow                    bool
}

func (d *Delivery) digestKey() digestKey {
	return digestKey{d.Channel, d.Collect.Template, strings.ToLower(d.To), d.State == Shadow}
}

func (k digestKey) compare(other digestKey) int {
	return cmp.Or(cmp.Compare(k.channel, other.channel), cmp.Compare(k.template, other.template),
		cmp.Compare(k.folded, other.folded), cmp.Compare(number(k.shadow), number(other.shadow)))
}

// collect puts those of the deliveries into digests that are to be collected, and
// returns the others. Few are.
func (t *tx) collect(deliveries []*Delivery) (others []*Delivery, err error) {
	if !slices.ContainsFunc(deliveries, (*Delivery).collected) {
		return deliveries, nil
	}
	byKey := make(map[digestKey][]*Delivery)
	var keys []digestKey
	for _, d := range deliveries {
		if !d.collected() {
			others = append(others, d)
			continue
		}
		key := d.digestKey()
		if byKey[key] == nil {
			keys = append(keys, key)
		}
		byKey[key] = append(byKey[key], d)
	}
	// In the same order on every node, or two of them wait for each other.
	slices.SortFunc(keys, digestKey.compare)
	for _, key := range keys {
		if err := t.digest(key, byKey[key]); err != nil {
			return nil, err
		}
	}
	return others, nil
}

func (d *Delivery) collected() bool { return d.Collect != nil }

// digest adds deliveries to the digest with that key, which is made where there is
// none. It is due when the first of them wants.
func (t *tx) digest(key digestKey, deliveries []*Delivery) error {
	first := deliveries[0]
	var due int64
	for i, d := range deliveries {
		at := micros(d.Quiet.Until(d.CreatedAt.Add(d.Collect.For)))
		if i == 0 || at < due {
			due = at
		}
	}
	ids, err := t.ids(`
		INSERT INTO digests (channel, kind, template, recipient, folded, shadow, quiet, due_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (channel, template, folded, shadow) DO UPDATE SET kind = excluded.kind, quiet = excluded.quiet,
			due_at = CASE WHEN excluded.due_at < digests.due_at THEN excluded.due_at ELSE digests.due_at END
		RETURNING id`,
		key.channel, first.Kind, key.template, first.To, key.folded, number(key.shadow), string(first.Quiet), due)
	if err != nil {
		return err
	}
	byRule := make(map[string][]int64)
	for _, d := range deliveries {
		byRule[d.Rule] = append(byRule[d.Rule], d.CallbackID)
	}
	for rule, callbacks := range byRule {
		_, err := t.exec(`
			INSERT INTO digested (digest_id, callback_id, rule)
			SELECT CAST(? AS BIGINT), id, CAST(? AS TEXT) FROM callbacks WHERE id `+t.engine.inIDs()+` ON CONFLICT DO NOTHING`,
			ids[0], rule, t.engine.ids(callbacks))
		if err != nil {
			return err
		}
	}
	return nil
}

const digestColumns = `t.id, t.channel, t.kind, t.template, t.recipient, t.shadow, t.quiet, t.due_at`

func scanDigest(rows *sql.Rows, more ...any) (d Digest, err error) {
	var due int64
	err = rows.Scan(append([]any{&d.ID, &d.Channel, &d.Kind, &d.Template, &d.To, &d.Shadow, &d.Quiet, &due}, more...)...)
	d.DueAt = fromMicros(due)
	return d, err
}

// DueDigests returns digests that are to be sent, those first that are due for
// longest, at most n, each with the oldest of what it has collected.
func (s *Store) DueDigests(ctx context.Context, n int) ([]Digest, error) {
	found, err := read(ctx, s, func(rows *sql.Rows) (Digest, error) { return scanDigest(rows) },
		`SELECT `+digestColumns+` FROM digests t WHERE t.due_at <= ? ORDER BY t.due_at, t.id LIMIT ?`, micros(s.clock.now()), n)
	for i := range found {
		if err != nil {
			break
		}
		found[i].Recordings, err = read(ctx, s, func(rows *sql.Rows) (r Digested, err error) {
			r.Stored, err = scanCallback(rows, &r.Rule)
			return r, err
		}, `SELECT `+callbackColumns+`, g.rule FROM digested g JOIN callbacks c ON c.id = g.callback_id
			WHERE g.digest_id = ? ORDER BY g.callback_id LIMIT ?`, found[i].ID, MaxDigested)
	}
	if err != nil {
		return nil, fmt.Errorf("look for digests: %w", err)
	}
	return found, nil
}

// NextDigest returns when the next digest is due; zero where none is collecting.
func (s *Store) NextDigest(ctx context.Context) (time.Time, error) {
	due, err := read(ctx, s, func(rows *sql.Rows) (due sql.NullInt64, err error) {
		return due, rows.Scan(&due)
	}, `SELECT min(due_at) FROM digests`)
	if err != nil {
		return time.Time{}, fmt.Errorf("look for the next digest: %w", err)
	}
	return fromMicros(due[0].Int64), nil
}

// SendDigest makes the delivery d of what a digest has collected, which is all of
// it or its beginning, and ends the digest once nothing is left. It is filed under
// the newest of its callbacks, and found by the others, too. sent is false where
// the digest has changed since it was read, is another node's, or is sent already:
// nothing was done then.
func (s *Store) SendDigest(ctx context.Context, digest *Digest, d *Delivery, giveUpAfter time.Duration) (sent bool, err error) {
	ids := make([]int64, len(digest.Recordings))
	for i := range digest.Recordings {
		ids[i] = digest.Recordings[i].ID
	}
	made := new(bool)
	err = s.write(ctx, func(tx *tx) (err error) {
		*made, err = tx.sendDigest(digest.ID, ids, func() error {
			d.begin(digest.Recordings[len(ids)-1].Stored, s.clock.now(), giveUpAfter)
			return tx.insertLater([]*Delivery{d}, lease{})
		}, d)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("send digest %d: %w", digest.ID, err)
	}
	return *made, nil
}

func (t *tx) sendDigest(id int64, ids []int64, insert func() error, d *Delivery) (bool, error) {
	found, err := t.ids(`SELECT id FROM digests WHERE id = ? `+t.engine.skipLocked(), id)
	if err != nil || len(found) == 0 {
		return false, err
	}
	there, err := t.ids(`SELECT callback_id FROM digested WHERE digest_id = ? ORDER BY callback_id LIMIT ?`, id, len(ids))
	if err != nil || !slices.Equal(there, ids) {
		return false, err
	}
	if len(ids) > 0 {
		if err := insert(); err != nil {
			return false, err
		}
		if err := t.tellOf(d.ID, ids[:len(ids)-1]); err != nil {
			return false, err
		}
	}
	if _, err := t.exec(`DELETE FROM digested WHERE digest_id = ? AND callback_id `+t.engine.inIDs(), id, t.engine.ids(ids)); err != nil {
		return false, err
	}
	_, err = t.exec(`DELETE FROM digests WHERE id = ? AND NOT EXISTS (SELECT 1 FROM digested WHERE digest_id = digests.id)`, id)
	return len(ids) > 0, err
}

// tellOf notes that a delivery tells of callbacks beside the one that it is filed
// under.
func (t *tx) tellOf(delivery int64, callbacks []int64) error {
	_, err := t.exec(`INSERT INTO sent_on (callback_id, delivery_id)
		SELECT id, CAST(? AS BIGINT) FROM callbacks WHERE id `+t.engine.inIDs(), delivery, t.engine.ids(callbacks))
	return err
}

// TellsOf returns how many callbacks a delivery tells of, which is 1 but for
// digests.
func (s *Store) TellsOf(ctx context.Context, delivery int64) (int, error) {
	n, err := s.edge(ctx, 1, `SELECT count(*) FROM sent_on WHERE delivery_id = ?`, delivery)
	if err != nil {
		return 0, fmt.Errorf("count what delivery %d tells of: %w", delivery, err)
	}
	return max(int(n), 1), nil
}

// digests adds to recordings, which stand at those places, the digests that they
// wait in, and the deliveries that tell of them and are filed under others.
func (s *Store) digests(ctx context.Context, found []Recording, at map[int64]int, ids []int64) error {
	_, err := read(ctx, s, func(rows *sql.Rows) (none struct{}, err error) {
		var callback int64
		var rule string
		d, err := scanDigest(rows, &callback, &rule)
		d.Rule = rule
		if err == nil {
			r := &found[at[callback]]
			r.Digests = append(r.Digests, d)
		}
		return none, err
	}, `SELECT `+digestColumns+`, g.callback_id, g.rule FROM digested g CROSS JOIN digests t
		WHERE g.callback_id `+s.engine.inIDs()+` AND t.id = g.digest_id`, s.engine.ids(ids))
	if err != nil {
		return err
	}
	_, err = read(ctx, s, func(rows *sql.Rows) (none struct{}, err error) {
		var d Delivery
		var callback int64
		err = scanDelivery(rows, &d, &callback)
		if err == nil {
			r := &found[at[callback]]
			r.Deliveries = append(r.Deliveries, d)
		}
		return none, err
	}, `SELECT `+deliveryColumns+`, s.callback_id FROM sent_on s CROSS JOIN deliveries d CROSS JOIN callbacks c
		WHERE s.callback_id `+s.engine.inIDs()+` AND d.id = s.delivery_id AND c.id = d.callback_id AND d.callback_id <> s.callback_id`,
		s.engine.ids(ids))
	for i := range found {
		slices.SortFunc(found[i].Digests, func(a, b Digest) int { return cmp.Compare(a.ID, b.ID) })
		slices.SortFunc(found[i].Deliveries, func(a, b Delivery) int { return cmp.Compare(a.ID, b.ID) })
	}
	return err
}
