package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// Pause is a person's decision that a channel is to send nothing for now.
type Pause struct {
	Channel string
	At      time.Time
	By      string
}

// Pause pauses a channel for all nodes. One that is paused stays so as it is.
// Whoever sends learns of it by [Store.Paused].
func (s *Store) Pause(ctx context.Context, channel, by string) error {
	return s.switchChannel(ctx, channel, by, "paused the channel", func(tx *tx, now int64) (int64, error) {
		return tx.exec(`INSERT INTO pauses (channel, at, who) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, channel, now, storable(by))
	})
}

// Resume ends a channel's pause, if there is one.
func (s *Store) Resume(ctx context.Context, channel, by string) error {
	return s.switchChannel(ctx, channel, by, "resumed the channel", func(tx *tx, _ int64) (int64, error) {
		return tx.exec(`DELETE FROM pauses WHERE channel = ?`, channel)
	})
}

// switchChannel does what a person asks for, and writes it down where it changed
// something.
func (s *Store) switchChannel(ctx context.Context, channel, by, what string, do func(tx *tx, now int64) (rows int64, err error)) error {
	err := s.write(ctx, func(tx *tx) error {
		now := micros(s.clock.now())
		if n, err := do(tx, now); err != nil || n == 0 {
			return err
		}
		_, err := tx.exec(`INSERT INTO operations (delivery_id, channel, at, who, what) VALUES (0, ?, ?, ?, ?)`,
			channel, now, storable(by), what)
		return err
	})
	if err != nil {
		return fmt.Errorf("%s %q: %w", what, channel, err)
	}
	return nil
}

// Paused returns the pauses there are, by channel.
func (s *Store) Paused(ctx context.Context) ([]Pause, error) {
	found, err := read(ctx, s, func(rows *sql.Rows) (p Pause, err error) {
		var at int64
		err = rows.Scan(&p.Channel, &at, &p.By)
		p.At = fromMicros(at)
		return p, err
	}, `SELECT channel, at, who FROM pauses ORDER BY channel`)
	if err != nil {
		return nil, fmt.Errorf("look for paused channels: %w", err)
	}
	return found, nil
}
