package store

import (
	"context"
	"fmt"
	"time"
)

// ended are the statuses after which nothing more is awaited of a recording.
const ended = `('completed', 'absent', 'failed', 'missing')`

// Of returns what was received of those recordings, in no order.
func (s *Store) Of(ctx context.Context, recordings []string) ([]Stored, error) {
	found, err := read(ctx, s, scanStored, `SELECT `+callbackColumns+` FROM callbacks WHERE recording_sid `+s.engine.inIDs(),
		s.engine.texts(recordings))
	if err != nil {
		return nil, fmt.Errorf("look for what was received of recordings: %w", err)
	}
	return found, nil
}

// Unfinished returns callbacks that told of the beginning of a recording, of which
// nothing is known since: those received after a time up to another one, or at
// the first one with a higher id than after; oldest first, at most n.
func (s *Store) Unfinished(ctx context.Context, since time.Time, after int64, until time.Time, n int) ([]Stored, error) {
	found, err := read(ctx, s, scanStored, `
		SELECT `+callbackColumns+` FROM callbacks c `+s.engine.hint("callbacks_in_progress")+`
		WHERE recording_status = 'in-progress' AND received_at >= ? AND received_at <= ? AND (received_at, id) > (?, ?)
			AND NOT EXISTS (SELECT 1 FROM callbacks other
				WHERE other.recording_sid = c.recording_sid AND other.recording_status IN `+ended+`)
		ORDER BY received_at, id LIMIT ?`, micros(since), micros(until), micros(since), after, n)
	if err != nil {
		return nil, fmt.Errorf("look for recordings that began: %w", err)
	}
	return found, nil
}
