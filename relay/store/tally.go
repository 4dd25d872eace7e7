package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"time"
)

const (
	// hoursKept is how long ago something may be to be told by the hour.
	hoursKept = 48 * time.Hour
	// talliesKept is for how long there are counts at least.
	talliesKept = 31 * day

	day = 24 * time.Hour
)

// tallied is what is counted.
var tallied = []string{"callback", "delivery", "rule"}

// Tally is how often something happened within an hour, or within a day where
// that is long ago.
type Tally struct {
	At     time.Time // when the hour or the day began, UTC
	What   string    // one of tallied: callback, delivery or rule
	Name   string    // of a callback its status, of a delivery its channel, of a rule its name
	Result string    // of callbacks and deliveries, as in the metrics
	N      int64
	LastAt time.Time // when it happened last, give or take a few seconds
}

// key is what tallies that are added up have in common.
func (t Tally) key() Tally { return Tally{At: t.At, What: t.What, Name: t.Name, Result: t.Result} }

// add adds more to t.
func (t Tally) add(more Tally) Tally {
	t.N += more.N
	if more.LastAt.After(t.LastAt) {
		t.LastAt = more.LastAt
	}
	return t
}

// AddTallies adds counts to those of the hours that their At is in.
func (s *Store) AddTallies(ctx context.Context, tallies []Tally) error {
	err := s.write(ctx, func(tx *tx) error {
		return tx.tally(tallies, time.Hour, s.name)
	})
	if err != nil {
		return fmt.Errorf("keep counts: %w", err)
	}
	return nil
}

// tally adds counts to those that node has for each span of time, in an order that
// is the same everywhere, or two nodes wait for each other.
func (t *tx) tally(tallies []Tally, span time.Duration, node string) error {
	sums := make(map[Tally]Tally, len(tallies))
	for _, one := range tallies {
		one.At, one.Name = one.At.UTC().Truncate(span), storable(one.Name)
		sum, ok := sums[one.key()]
		if !ok {
			sum = one.key()
		}
		sums[one.key()] = sum.add(one)
	}
	if len(sums) == 0 {
		return nil
	}
	return t.engine.tally(t, slices.SortedFunc(maps.Values(sums), func(a, b Tally) int {
		return cmp.Or(cmp.Compare(a.What, b.What), a.At.Compare(b.At), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Result, b.Result))
	}), node)
}

// Hours returns the counts of what from the hour on that since is in, oldest
// first. What is longer ago than two days is told by the day.
func (s *Store) Hours(ctx context.Context, what string, since time.Time) ([]Tally, error) {
	return s.tallies(ctx, "at", what, since)
}

// Totals returns the counts of what from the hour or day on that since is in, one
// for each name and result. Their At is when the first hour or day of them
// began.
func (s *Store) Totals(ctx context.Context, what string, since time.Time) ([]Tally, error) {
	return s.tallies(ctx, "min(at)", what, since)
}

func (s *Store) tallies(ctx context.Context, at, what string, since time.Time) ([]Tally, error) {
	group := "name, result"
	if at == "at" {
		group = "at, name, result"
	}
	from := since.UTC().Truncate(time.Hour)
	if from.Before(s.hoursFrom()) {
		from = since.UTC().Truncate(day)
	}
	found, err := read(ctx, s, func(rows *sql.Rows) (t Tally, err error) {
		var at, last int64
		err = rows.Scan(&at, &t.Name, &t.Result, &t.N, &last)
		t.What, t.At, t.LastAt = what, fromMicros(at), fromMicros(last)
		return t, err
	}, `
		SELECT `+at+`, name, result, CAST(sum(n) AS BIGINT), max(last_at) FROM tallies
		WHERE what = ? AND at >= ? GROUP BY `+group+` ORDER BY `+group, what, micros(from))
	if err != nil {
		return nil, fmt.Errorf("read the counts of %ss: %w", what, err)
	}
	return found, nil
}

// hoursFrom is the day from which on there are counts for each hour.
func (s *Store) hoursFrom() time.Time { return s.clock.now().UTC().Add(-hoursKept).Truncate(day) }

// ageTallies makes days of old hours, one day at a time, and forgets what is
// older than before.
func (s *Store) ageTallies(ctx context.Context, before time.Time) error {
	for _, what := range tallied {
		hours, err := read(ctx, s, func(rows *sql.Rows) (at int64, err error) {
			return at, rows.Scan(&at)
		}, `SELECT DISTINCT at FROM tallies WHERE what = ? AND at < ? AND node <> '' ORDER BY at`, what, micros(s.hoursFrom()))
		if err != nil {
			return fmt.Errorf("look for old counts: %w", err)
		}
		for len(hours) > 0 {
			end := micros(fromMicros(hours[0]).Truncate(day).Add(day))
			if err := s.write(ctx, func(tx *tx) error { return tx.foldTallies(what, hours[0], end) }); err != nil {
				return fmt.Errorf("add up the counts of a day: %w", err)
			}
			hours = slices.DeleteFunc(hours, func(at int64) bool { return at < end })
		}
		err = s.write(ctx, func(tx *tx) error {
			_, err := tx.exec(`DELETE FROM tallies WHERE what = ? AND at < ?`,
				what, micros(earlier(before, s.clock.now().Add(-talliesKept))))
			return err
		})
		if err != nil {
			return fmt.Errorf("remove old counts: %w", err)
		}
	}
	return nil
}

// foldTallies makes one of the hours of a day. What another node has folded is
// not there any more.
func (t *tx) foldTallies(what string, from, to int64) error {
	var hours []Tally
	err := t.each(func(rows *sql.Rows) error {
		hour := Tally{What: what}
		var at, last int64
		err := rows.Scan(&at, &hour.Name, &hour.Result, &hour.N, &last)
		hour.At, hour.LastAt = fromMicros(at), fromMicros(last)
		hours = append(hours, hour)
		return err
	}, `
		DELETE FROM tallies WHERE what = ? AND at >= ? AND at < ? AND node <> ''
		RETURNING at, name, result, n, last_at`, what, from, to)
	if err != nil {
		return err
	}
	return t.tally(hours, day, "")
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
