package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	// maxRecipients is how many recipients a search by their beginning looks at.
	maxRecipients = 32
	// manyToOne is how many deliveries to its recipients make a search in a state
	// look at those in the state instead, unless these are manyInState.
	manyToOne   = 5000
	manyInState = 20_000
	// walkMore is how many more deliveries are read at once than callbacks are
	// looked for, since a callback may have some.
	walkMore = 16
)

// find returns the newest callbacks that q asks for, newest first.
func (s *Store) find(ctx context.Context, q Search) ([]int64, error) {
	if q.Limit < 1 || storable(q.Text) != q.Text { // there is no such text here
		return nil, nil
	}
	p, err := s.span(ctx, q)
	if err != nil {
		return nil, err
	}
	switch {
	case q.Text == "" && q.State == "":
		var w where
		w.span(p)
		return read(ctx, s, scanID, `SELECT c.id FROM callbacks c `+s.engine.hint("")+` `+w.clause()+` ORDER BY c.id DESC LIMIT ?`,
			append(w.args, q.Limit)...)
	case q.Text == "":
		var w where
		w.is("d.state", string(q.State))
		return s.withDelivery(ctx, p, "deliveries_state", w, q.Limit)
	}
	var found []int64
	for _, look := range []func(context.Context, span, Search) ([]int64, error){s.byRecording, s.byCall, s.byRecipient} {
		ids, err := look(ctx, p, q)
		if err != nil {
			return nil, err
		}
		found = append(found, ids...)
	}
	return newestOf(found, q.Limit), nil
}

// newestOf returns the highest of the ids, each once, at most n.
func newestOf(ids []int64, n int) []int64 {
	slices.SortFunc(ids, func(a, b int64) int { return cmp.Compare(b, a) })
	ids = slices.Compact(ids)
	return ids[:min(n, len(ids))]
}

// hasDelivery adds the condition that a callback c has a delivery in that state,
// if there is one.
func (w *where) hasDelivery(state State) {
	if state != "" {
		w.and(`(EXISTS (SELECT 1 FROM deliveries d WHERE d.callback_id = c.id AND d.state = ?)
			OR EXISTS (SELECT 1 FROM sent_on s JOIN deliveries d ON d.id = s.delivery_id WHERE s.callback_id = c.id AND d.state = ?))`,
			string(state), string(state))
	}
}

func (s *Store) byRecording(ctx context.Context, p span, q Search) ([]int64, error) {
	var w where
	w.is("c.recording_sid", q.Text)
	w.span(p)
	w.hasDelivery(q.State)
	return read(ctx, s, scanID, `SELECT c.id FROM callbacks c `+w.clause(), w.args...)
}

// byRecipient looks for recipients that begin as q.Text says, in its capitals or
// in none.
func (s *Store) byRecipient(ctx context.Context, p span, q Search) (found []int64, err error) {
	for _, beginning := range slices.Compact([]string{q.Text, strings.ToLower(q.Text)}) {
		recipients, err := s.recipients(ctx, beginning)
		if err != nil {
			return nil, fmt.Errorf("look for recipients: %w", err)
		}
		if len(recipients) == 0 {
			continue
		}
		byState, err := s.fewInState(ctx, q.State, recipients)
		if err != nil {
			return nil, err
		}
		var all where
		all.is("d.state", string(q.State))
		all.and("d.recipient >= ? AND d.recipient <= ?", recipients[0], recipients[len(recipients)-1])
		ids, err := s.sentOn(ctx, p, all, q.Limit)
		if err != nil {
			return nil, err
		}
		found = newestOf(append(found, ids...), q.Limit)
		index, walks := "deliveries_state", []where{all}
		if !byState {
			index, walks = "deliveries_recipient", each(recipients, q.State)
		}
		for _, w := range walks {
			if p, err = s.newerThan(ctx, p, found, q.Limit); err != nil {
				return nil, err
			}
			if ids, err = s.walk(ctx, p, index, w, q.Limit); err != nil {
				return nil, err
			}
			found = newestOf(append(found, ids...), q.Limit)
		}
	}
	return found, nil
}

// each returns the condition of each recipient's deliveries in that state.
func each(recipients []string, state State) (conditions []where) {
	for _, to := range recipients {
		var w where
		w.is("d.recipient", to)
		w.is("d.state", string(state))
		conditions = append(conditions, w)
	}
	return conditions
}

// newerThan returns the deliveries of p that may add to what is found, which is
// the newest first. Once that are n callbacks, older ones need not be looked at: of
// many recipients that get much, each has many.
func (s *Store) newerThan(ctx context.Context, p span, found []int64, n int) (span, error) {
	if len(found) < n {
		return p, nil
	}
	low, err := s.edge(ctx, 0, `SELECT min(id) FROM (
		SELECT d.id FROM deliveries d `+s.engine.hint("deliveries_callback")+` WHERE d.callback_id <= ?
			AND NOT EXISTS (SELECT 1 FROM sent_on s WHERE s.callback_id = d.callback_id AND s.delivery_id = d.id)
		ORDER BY d.callback_id DESC LIMIT 16) AS before`, found[n-1]-s.engine.disorder())
	if err != nil {
		return p, fmt.Errorf("look for where older callbacks begin: %w", err)
	}
	p.lowDelivery = max(p.lowDelivery, low)
	return p, nil
}

// recipients returns the first recipients that begin so, in their order. From one
// to the next is a step in the index, however many deliveries they have.
func (s *Store) recipients(ctx context.Context, beginning string) ([]string, error) {
	from := `FROM deliveries ` + s.engine.hint("deliveries_recipient")
	found, err := read(ctx, s, func(rows *sql.Rows) (to sql.NullString, err error) { return to, rows.Scan(&to) }, `
		WITH RECURSIVE step (recipient, n) AS (
			SELECT (SELECT min(recipient) `+from+` WHERE recipient >= ?), 1
			UNION ALL
			SELECT (SELECT min(recipient) `+from+` WHERE recipient > step.recipient), n + 1
			FROM step WHERE n < ? AND recipient < ?)
		SELECT recipient FROM step ORDER BY n`, beginning, maxRecipients, beginning+string(utf8.MaxRune))
	var recipients []string
	for _, to := range found {
		if to.Valid && strings.HasPrefix(to.String, beginning) {
			recipients = append(recipients, to.String)
		}
	}
	return recipients, err
}

// fewInState reports whether it is better to look at all deliveries in a state
// than at those of recipients that stand one after the other: there are few of
// the first, and many of the second.
func (s *Store) fewInState(ctx context.Context, state State, recipients []string) (bool, error) {
	if state == "" {
		return false, nil
	}
	counted, err := read(ctx, s, func(rows *sql.Rows) (n [2]int, err error) { return n, rows.Scan(&n[0], &n[1]) }, `
		SELECT (SELECT count(*) FROM (SELECT 1 FROM deliveries `+s.engine.hint("deliveries_state")+`
				WHERE state = ? LIMIT ?) AS a),
			(SELECT count(*) FROM (SELECT 1 FROM deliveries `+s.engine.hint("deliveries_recipient")+`
				WHERE recipient >= ? AND recipient <= ? LIMIT ?) AS b)`,
		string(state), manyInState, recipients[0], recipients[len(recipients)-1], manyToOne)
	if err != nil {
		return false, fmt.Errorf("count what is %s: %w", state, err)
	}
	return counted[0][0] < manyInState && counted[0][1] == manyToOne, nil
}

// withDelivery returns the newest callbacks of the span, at most n, that have a
// delivery d for which the conditions hold, newest first.
func (s *Store) withDelivery(ctx context.Context, p span, index string, conditions where, n int) ([]int64, error) {
	found, err := s.sentOn(ctx, p, conditions, n)
	if err != nil {
		return nil, err
	}
	more, err := s.walk(ctx, p, index, conditions, n)
	return newestOf(append(found, more...), n), err
}

// walk is withDelivery for deliveries that were not sent on: down an index in which
// they stand by their ids.
func (s *Store) walk(ctx context.Context, p span, index string, conditions where, n int) (found []int64, err error) {
	// Nothing here is about callbacks. It would hold for nearly all, since the ids
	// of the deliveries are those of the span, and PostgreSQL would read and sort
	// them all where it does not know.
	type row struct{ delivery, callback int64 }
	query := `
		SELECT d.id, d.callback_id FROM deliveries d ` + s.engine.hint(index) + `
		` + conditions.clause() + ` AND d.id >= ? AND d.id < ?
			AND NOT EXISTS (SELECT 1 FROM sent_on s WHERE s.callback_id = d.callback_id AND s.delivery_id = d.id)
		ORDER BY d.id DESC LIMIT ?`
	stride := n + walkMore + int(s.engine.disorder())
	for last := p.highDelivery; ; {
		step, err := read(ctx, s, func(rows *sql.Rows) (r row, err error) {
			return r, rows.Scan(&r.delivery, &r.callback)
		}, query, append(conditions.args, p.lowDelivery, last, stride)...)
		if err != nil {
			return nil, err
		}
		var ids []int64
		for _, r := range step {
			ids = append(ids, r.callback)
		}
		if ids, err = s.within(ctx, p, ids); err != nil {
			return nil, err
		}
		found = append(found, ids...)
		found = newestOf(found, len(found))
		if len(step) < stride {
			return found[:min(n, len(found))], nil
		}
		// What follows is of older callbacks, but for so much.
		end := step[len(step)-1]
		if len(found) >= n && found[n-1] >= end.callback+s.engine.disorder() {
			return found[:n], nil
		}
		last = end.delivery
	}
}

// sentOn is withDelivery for deliveries that were sent on, which are few.
func (s *Store) sentOn(ctx context.Context, p span, conditions where, n int) ([]int64, error) {
	conditions.span(p)
	found, err := read(ctx, s, scanID, `
		SELECT s.callback_id FROM sent_on s CROSS JOIN deliveries d CROSS JOIN callbacks c
		`+conditions.clause()+` AND d.id = s.delivery_id AND c.id = s.callback_id AND s.callback_id < ? AND s.callback_id >= ?
		GROUP BY s.callback_id ORDER BY s.callback_id DESC LIMIT ?`, append(conditions.args, p.high, p.low, n)...)
	if err != nil {
		return nil, fmt.Errorf("look at what was sent on: %w", err)
	}
	return found, nil
}

// within returns those of the callbacks that are in the span.
func (s *Store) within(ctx context.Context, p span, ids []int64) ([]int64, error) {
	ids = slices.DeleteFunc(ids, func(id int64) bool { return id < p.low || id >= p.high })
	if p.since == 0 && p.until == 0 || len(ids) == 0 {
		return ids, nil
	}
	var w where
	w.span(p)
	w.and("c.id "+s.engine.inIDs(), s.engine.ids(slices.Compact(ids)))
	return read(ctx, s, scanID, `SELECT c.id FROM callbacks c `+w.clause(), w.args...)
}

// span is the callbacks among which something is looked for.
type span struct {
	low, high    int64 // low <= id < high
	since, until int64 // and received between them; 0 where there is no such bound

	lowDelivery, highDelivery int64 // the same for the ids of deliveries that were not sent on
}

// span returns the callbacks that q is about by its times and its cursor. Times
// grow with ids, but for a moment, and so do the ids of deliveries with those of
// callbacks; see [where.page].
func (s *Store) span(ctx context.Context, q Search) (p span, err error) {
	p = span{high: math.MaxInt64, highDelivery: math.MaxInt64, since: micros(q.Since), until: micros(q.Until)}
	if q.Before != 0 {
		p.high = q.Before
	}
	if p.since != 0 {
		p.low, err = s.edge(ctx, 0, `SELECT min(id) FROM (SELECT id FROM callbacks WHERE received_at < ? AND `+marked+`
			ORDER BY received_at DESC LIMIT 16) AS before`, p.since)
		if err != nil {
			return p, err
		}
		p.lowDelivery, err = s.edge(ctx, 0, `SELECT min(id) FROM (SELECT id FROM deliveries WHERE created_at < ? AND `+marked+`
			ORDER BY created_at DESC LIMIT 16) AS before`, p.since)
		if err != nil {
			return p, err
		}
	}
	if p.until != 0 {
		high, err := s.edge(ctx, p.high, `SELECT max(id) FROM (SELECT id FROM callbacks WHERE received_at >= ? AND `+marked+`
			ORDER BY received_at LIMIT 16) AS after`, p.until)
		if err != nil {
			return p, err
		}
		p.high = min(p.high, high)
	}
	if p.high < math.MaxInt64 {
		p.highDelivery, err = s.edge(ctx, math.MaxInt64, `SELECT min(id) FROM (
			SELECT id FROM deliveries `+s.engine.hint("deliveries_callback")+` WHERE callback_id >= ?
			ORDER BY callback_id LIMIT 16) AS after`, p.high+s.engine.disorder())
	}
	return p, err
}

// edge returns the id that a query finds, or otherwise.
func (s *Store) edge(ctx context.Context, otherwise int64, query string, args ...any) (int64, error) {
	found, err := read(ctx, s, func(rows *sql.Rows) (id sql.NullInt64, err error) { return id, rows.Scan(&id) }, query, args...)
	if err != nil || !found[0].Valid {
		return otherwise, err
	}
	return found[0].Int64, nil
}

// span adds the conditions that a callback c is in the span.
func (w *where) span(p span) {
	if p.high < math.MaxInt64 {
		w.and("c.id < ?", p.high)
	}
	if p.since != 0 {
		w.and("c.id >= ? AND c.received_at >= ?", p.low, p.since)
	}
	if p.until != 0 {
		w.and("c.received_at < ?", p.until)
	}
}
