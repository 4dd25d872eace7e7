package store

import "testing"

func TestLinksOfEarlierMessagesStillOpen(t *testing.T) {
	upgraded(t, 11, []string{
		`INSERT INTO callbacks (account_sid, recording_sid, recording_status, call_sid, recording_url, recording_duration,
			recording_source, recording_channels, fields, query, received_at, routed_at)
			VALUES ('AC1', 'RE1', 'completed', 'CA1', 'https://example.com/1', 42, 'DialVerb', '2', '', '', 1000000, 2000000)`,
		`INSERT INTO deliveries (callback_id, rule, channel, kind, recipient, subject, state, created_at, next_attempt_at, give_up_at)
			VALUES (1, 'r', 'email', 'email', 'alice@example.com', 's', 'delivered', 2000000, 2000000, 9000000000000000)`,
		`INSERT INTO links (delivery_id, token, expires_at, opens, opened_at) VALUES (1, '0123456789A', 9000000000000000, 3, 5000000)`,
	}, func(t *testing.T, s *Store) {
		if found, err := s.Linked(t.Context(), "0123456789A"); err != nil || len(found) != 1 || found[0].RecordingSid != "RE1" {
			t.Errorf("Linked() = %+v, %v, want the recording", found, err)
		}
		if l, err := s.Link(t.Context(), 1); err != nil || l.Opens != 3 || l.OpenedAt.IsZero() {
			t.Errorf("Link() = %+v, %v, want how often it was opened", l, err)
		}
	})
}
