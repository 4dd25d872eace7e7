package store

import (
	"context"
	"encoding/json"
	"fmt"

	"ringpost/relay/callback"
)

// Add stores cb durably. stored is false where a callback with the same
// account, recording and status was there already; that one is as durable. The
// error of an ended ctx leaves open whether cb was stored.
func (s *Store) Add(ctx context.Context, cb *callback.Callback) (stored bool, err error) {
	fields, err := encode(cb.Fields)
	if err != nil {
		return false, fmt.Errorf("store callback: %w", err)
	}
	query, err := encode(cb.Query)
	if err != nil {
		return false, fmt.Errorf("store callback: %w", err)
	}
	added := new(bool)
	err = s.write(ctx, func(tx *tx) error {
		n, err := tx.exec(`
			INSERT INTO callbacks (account_sid, recording_sid, recording_status, call_sid, recording_url,
				recording_duration, recording_source, recording_channels, fields, query, received_at)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT DO NOTHING`,
			cb.AccountSid, cb.RecordingSid, cb.RecordingStatus, cb.CallSid, cb.RecordingUrl,
			cb.RecordingDuration, cb.RecordingSource, cb.RecordingChannels, fields, query, micros(cb.ReceivedAt))
		*added = n == 1
		return err
	})
	if err != nil {
		return false, fmt.Errorf("store callback: %w", err)
	}
	if *added {
		s.wakeRouter()
	}
	return *added, nil
}

func (s *Store) wakeRouter() {
	select {
	case s.added <- struct{}{}:
	default: // a wake-up is waiting already
	}
}

// encode returns m as a JSON object, and nothing where it is empty, as it is in
// almost every callback.
func encode(m map[string]string) (string, error) {
	if len(m) == 0 {
		return "", nil
	}
	b, err := json.Marshal(m)
	return string(b), err
}

func decode(s string) (map[string]string, error) {
	m := map[string]string{}
	if s == "" {
		return m, nil
	}
	return m, json.Unmarshal([]byte(s), &m)
}
