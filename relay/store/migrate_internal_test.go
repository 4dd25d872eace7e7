package store

import (
	"database/sql"
	"io/fs"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/pressly/goose/v3"

	"ringpost/relay/store/storetest"
)

// upTo makes a database as a version before this one did.
func upTo(t *testing.T, dialect goose.Dialect, db *sql.DB, version int64) {
	t.Helper()
	if _, err := provider(t, dialect, db).UpTo(t.Context(), version); err != nil {
		t.Fatal(err)
	}
}

// provider makes and takes back the changes of a database.
func provider(t *testing.T, dialect goose.Dialect, db *sql.DB) *goose.Provider {
	t.Helper()
	dir, err := fs.Sub(migrations, folders[dialect])
	if err != nil {
		t.Fatal(err)
	}
	p, err := goose.NewProvider(dialect, db, dir, goose.WithLogger(goose.NopLogger()))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// upgraded calls use with a store of each kind that a version before this one has
// made and filled with rows, once the change after that was made, taken back, and
// made again with all others.
func upgraded(t *testing.T, version int64, rows []string, use func(*testing.T, *Store)) {
	t.Helper()
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "ringpost.db")
			dialect, driver, source, location := goose.DialectSQLite3, "sqlite", dsn(file), "sqlite:"+file
			if kind == "postgres" {
				location = storetest.Postgres(t)
				dialect, driver, source = goose.DialectPostgres, "pgx", location
			}
			db, err := sql.Open(driver, source)
			if err != nil {
				t.Fatal(err)
			}
			upTo(t, dialect, db, version)
			for _, query := range rows {
				if _, err := db.ExecContext(t.Context(), query); err != nil {
					t.Fatal(err)
				}
			}
			upTo(t, dialect, db, version+1)
			if _, err := provider(t, dialect, db).DownTo(t.Context(), version); err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			s, err := Open(t.Context(), location, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			use(t, s)
		})
	}
}

// TestAStoreOfTheFirstVersionIsUsedAsItIs has a store with one callback that was
// routed, one that was not, and a delivery that waits.
func TestAStoreOfTheFirstVersionIsUsedAsItIs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ringpost.db")
	t.Run("sqlite", func(t *testing.T) {
		db, err := sql.Open("sqlite", dsn(file))
		if err != nil {
			t.Fatal(err)
		}
		testFirstVersion(t, goose.DialectSQLite3, db, "sqlite:"+file)
	})
	t.Run("postgres", func(t *testing.T) {
		url := storetest.Postgres(t)
		db, err := sql.Open("pgx", url)
		if err != nil {
			t.Fatal(err)
		}
		testFirstVersion(t, goose.DialectPostgres, db, url)
	})
}

func testFirstVersion(t *testing.T, dialect goose.Dialect, db *sql.DB, location string) {
	ctx := t.Context()
	upTo(t, dialect, db, 1)
	for _, query := range []string{
		`INSERT INTO callbacks (account_sid, recording_sid, recording_status, call_sid, recording_url, recording_duration,
			recording_source, recording_channels, fields, query, received_at, routed_at)
			VALUES ('AC1', 'RE1', 'completed', 'CA1', 'https://example.com/1', 42, 'DialVerb', '2', '', '', 1000000, 2000000),
				('AC1', 'RE2', 'completed', 'CA2', 'https://example.com/2', 42, 'DialVerb', '2', '', '', 3000000, NULL)`,
		`INSERT INTO deliveries (callback_id, rule, channel, kind, recipient, subject, state, created_at, next_attempt_at, give_up_at)
			VALUES (1, 'r', 'email', 'email', 'alice@example.com', 's', 'queued', 2000000, 2000000, 9000000000000000)`,
		`INSERT INTO messages (delivery_id, text, html) VALUES (1, 't', 'h')`,
	} {
		if _, err := db.ExecContext(ctx, query); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := Open(ctx, location, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("Open() = %v", err)
	}
	defer s.Close()
	checkFirstVersion(t, s, "CA1", 0)
	plan, err := s.KeepPlan(ctx, []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	routed, err := s.Route(ctx, 9, time.Hour, plan, func(Stored) []*Delivery { return nil })
	if err != nil || len(routed) != 1 || routed[0].Callback.RecordingSid != "RE2" {
		t.Errorf("Route() = %+v, %v, want the one that waited", routed, err)
	}
	checkFirstVersion(t, s, "CA2", plan)
	claimed, err := s.Claim(ctx, "email", 9)
	if err != nil || len(claimed) != 1 || claimed[0].Text != "t" {
		t.Errorf("Claim() = %+v, %v, want the one that waited", claimed, err)
	}
}

// checkFirstVersion looks for a call and what its callback was routed by.
func checkFirstVersion(t *testing.T, s *Store, call string, plan int64) {
	t.Helper()
	found, err := s.Search(t.Context(), Search{Text: call, Limit: 9})
	if err != nil || len(found) != 1 || found[0].PlanID != plan {
		t.Errorf("Search(%s) = %+v, %v, want one callback of plan %d", call, found, err, plan)
	}
}
