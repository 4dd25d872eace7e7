package store

import "testing"

func TestNobodyIsToldOfWhatWasDeadBefore(t *testing.T) {
	upgraded(t, 8, []string{
		`INSERT INTO callbacks (account_sid, recording_sid, recording_status, call_sid, recording_url, recording_duration,
			recording_source, recording_channels, fields, query, received_at, routed_at)
			VALUES ('AC1', 'RE1', 'completed', 'CA1', 'https://example.com/1', 42, 'DialVerb', '2', '', '', 1000000, 2000000)`,
		`INSERT INTO deliveries (callback_id, rule, channel, kind, recipient, subject, state, created_at, next_attempt_at, give_up_at, finished_at)
			VALUES (1, 'r', 'email', 'email', 'alice@example.com', 's', 'dead', 2000000, 2000000, 9000000000000000, 3000000)`,
		`INSERT INTO deliveries (callback_id, rule, channel, kind, recipient, subject, state, created_at, next_attempt_at, give_up_at)
			VALUES (1, 'r', 'email', 'email', 'bob@example.com', 's', 'queued', 2000000, 2000000, 3000000)`,
		`INSERT INTO messages (delivery_id, text, html) VALUES (1, 't', 'h'), (2, 't', 'h')`,
	}, func(t *testing.T, s *Store) {
		if found, err := s.DeadLetters(t.Context(), 0, 9); err != nil || len(found) != 0 {
			t.Errorf("DeadLetters() = %+v, %v, want none of what was dead before", found, err)
		}
		if n, err := s.Expire(t.Context(), "email", "too old"); n != 1 || err != nil {
			t.Errorf("Expire() = %d, %v, want 1", n, err)
		}
		if found, err := s.DeadLetters(t.Context(), 0, 9); err != nil || len(found) != 1 || found[0].To != "bob@example.com" {
			t.Errorf("DeadLetters() = %+v, %v, want what is dead since", found, err)
		}
	})
}
