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

// TestNobodyIsToldOfWhatWasDeadBefore also takes the change back and makes it again.
func TestNobodyIsToldOfWhatWasDeadBefore(t *testing.T) {
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
			upTo(t, test.dialect, db, 8)
			dir, err := fs.Sub(migrations, folders[test.dialect])
			if err != nil {
				t.Fatal(err)
			}
			p, err := goose.NewProvider(test.dialect, db, dir, goose.WithLogger(goose.NopLogger()))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.UpTo(t.Context(), 9); err != nil {
				t.Fatal(err)
			}
			if _, err := p.DownTo(t.Context(), 8); err != nil {
				t.Fatal(err)
			}
			for _, query := range []string{
				`INSERT INTO callbacks (account_sid, recording_sid, recording_status, call_sid, recording_url, recording_duration,
					recording_source, recording_channels, fields, query, received_at, routed_at)
					VALUES ('AC1', 'RE1', 'completed', 'CA1', 'https://example.com/1', 42, 'DialVerb', '2', '', '', 1000000, 2000000)`,
				`INSERT INTO deliveries (callback_id, rule, channel, kind, recipient, subject, state, created_at, next_attempt_at, give_up_at, finished_at)
					VALUES (1, 'r', 'email', 'email', 'alice@example.com', 's', 'dead', 2000000, 2000000, 9000000000000000, 3000000)`,
				`INSERT INTO deliveries (callback_id, rule, channel, kind, recipient, subject, state, created_at, next_attempt_at, give_up_at)
					VALUES (1, 'r', 'email', 'email', 'bob@example.com', 's', 'queued', 2000000, 2000000, 3000000)`,
				`INSERT INTO messages (delivery_id, text, html) VALUES (1, 't', 'h'), (2, 't', 'h')`,
			} {
				if _, err := db.ExecContext(t.Context(), query); err != nil {
					t.Fatal(err)
				}
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			s, err := Open(t.Context(), test.location, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
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
}
