package store

import (
	"database/sql"
	"io/fs"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/pressly/goose/v3"

	"ringpost/relay/store/storetest"
)

// TestLinksOfEarlierMessagesStillOpen also takes the change back and makes it again.
func TestLinksOfEarlierMessagesStillOpen(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ringpost.db")
	for _, test := range []struct {
		name, driver, source, location string
		dialect                        goose.Dialect
	}{
		{"sqlite", "sqlite", dsn(file), "sqlite:" + file, goose.DialectSQLite3},
		{"postgres", "pgx", "", "", goose.DialectPostgres},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.source == "" {
				test.source = storetest.Postgres(t)
				test.location = test.source
			}
			db, err := sql.Open(test.driver, test.source)
			if err != nil {
				t.Fatal(err)
			}
			upTo(t, test.dialect, db, 11)
			for _, query := range []string{
				`INSERT INTO callbacks (account_sid, recording_sid, recording_status, call_sid, recording_url, recording_duration,
					recording_source, recording_channels, fields, query, received_at, routed_at)
					VALUES ('AC1', 'RE1', 'completed', 'CA1', 'https://example.com/1', 42, 'DialVerb', '2', '', '', 1000000, 2000000)`,
				`INSERT INTO deliveries (callback_id, rule, channel, kind, recipient, subject, state, created_at, next_attempt_at, give_up_at)
					VALUES (1, 'r', 'email', 'email', 'alice@example.com', 's', 'delivered', 2000000, 2000000, 9000000000000000)`,
				`INSERT INTO links (delivery_id, token, expires_at, opens, opened_at) VALUES (1, '0123456789A', 9000000000000000, 3, 5000000)`,
			} {
				if _, err := db.ExecContext(t.Context(), query); err != nil {
					t.Fatal(err)
				}
			}
			dir, err := fs.Sub(migrations, folders[test.dialect])
			if err != nil {
				t.Fatal(err)
			}
			p, err := goose.NewProvider(test.dialect, db, dir, goose.WithLogger(goose.NopLogger()))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.Up(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, err := p.DownTo(t.Context(), 11); err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			s, err := Open(t.Context(), test.location, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if found, err := s.Linked(t.Context(), "0123456789A"); err != nil || len(found) != 1 || found[0].RecordingSid != "RE1" {
				t.Errorf("Linked() = %+v, %v, want the recording", found, err)
			}
			if l, err := s.Link(t.Context(), 1); err != nil || l.Opens != 3 || l.OpenedAt.IsZero() {
				t.Errorf("Link() = %+v, %v, want how often it was opened", l, err)
			}
		})
	}
}
