package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// maxBooked is how many sends may be booked ahead. A clock that was set back
// could make it look like more, and would silence the channel.
const maxBooked = 1024

// Book returns when the channel's next message may be sent, where one may be
// every so often, for all nodes together.
func (s *Store) Book(ctx context.Context, channel string, every time.Duration) (time.Time, error) {
	at := new(time.Time)
	err := s.write(ctx, func(tx *tx) error {
		now, step := micros(s.clock.now()), every.Microseconds()
		return tx.each(func(rows *sql.Rows) error {
			var next int64
			err := rows.Scan(&next)
			*at = fromMicros(next - step)
			return err
		}, `
			INSERT INTO rates (channel, next_at) VALUES (?, ?)
			ON CONFLICT (channel) DO UPDATE SET next_at = excluded.next_at +
				CASE WHEN rates.next_at > excluded.next_at - ? AND rates.next_at < excluded.next_at + ?
				THEN rates.next_at - excluded.next_at + ? ELSE 0 END
			RETURNING next_at`, channel, now+step, step, step*maxBooked, step)
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("book a time for channel %q: %w", channel, err)
	}
	return *at, nil
}
