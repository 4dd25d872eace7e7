package main_test

import (
	"database/sql"
	"os"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"
)

// filledRecording is a recording that [fill] writes.
const filledRecording = "RE00000017"

// fill writes n callbacks into a store that has its schema and is not in use.
// They came over the last two days. Each has a finished delivery by the channel
// email, and one that waits for the channel dead.
func fill(t *testing.T, kind, url string, n int) {
	t.Helper()
	switch kind {
	case "sqlite":
		fillSQLite(t, strings.TrimPrefix(url, "sqlite:"), n)
	case "postgres":
		fillPostgres(t, url, n)
	default:
		t.Fatalf("no way to fill a store of kind %q", kind)
	}
}

// sqliteRows makes the rows of callback i: the finished deliveries have the odd
// ids. One in a hundred is dead, and every second of those that wait has been
// tried and is due within the hour.
const sqliteRows = `
	BEGIN;
	WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :n)
	INSERT INTO callbacks (id, account_sid, recording_sid, recording_status, call_sid, recording_url, recording_duration,
		recording_source, recording_channels, fields, query, received_at, routed_at)
	SELECT i, 'AC1', printf('RE%08d', i * 7919 % 99999989), 'completed', 'CA' || i, 'https://example.com/' || i, 42,
		'DialVerb', '2', '', '', :now - (:n - i) * (172800000000 / :n), :now - (:n - i) * (172800000000 / :n)
	FROM n;
	WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :n * 2)
	INSERT INTO deliveries (id, callback_id, rule, channel, kind, recipient, subject, state, attempts,
		created_at, next_attempt_at, give_up_at, finished_at)
	SELECT i, (i + 1) / 2, 'managers get every finished recording', CASE i % 2 WHEN 1 THEN 'email' ELSE 'dead' END,
		'email', printf('r%d@example.com', i * 7919 % 5003), 'Call recording, 42s',
		CASE WHEN i % 4 = 0 THEN 'retrying' WHEN i % 2 = 0 THEN 'queued' WHEN i % 200 = 1 THEN 'dead' ELSE 'delivered' END,
		CASE WHEN i % 4 = 2 THEN 0 ELSE 1 END, :now - (:n * 2 - i) * (86400000000 / :n),
		CASE WHEN i % 4 = 0 THEN :now + i * 7919 % 3600 * 1000000 ELSE :now - (:n * 2 - i) * (86400000000 / :n) END,
		:now + 259200000000, CASE i % 2 WHEN 1 THEN :now END
	FROM n;
	INSERT INTO messages (delivery_id, text, html) SELECT id, printf('%.300c', 'x'), printf('%.1000c', 'x') FROM deliveries;
	INSERT INTO attempts (delivery_id, number, started_at, took, error)
	SELECT id, 1, created_at, 1000, '' FROM deliveries WHERE attempts > 0;
	COMMIT;`

func fillSQLite(t *testing.T, file string, n int) {
	t.Helper()
	// Without a journal, which would be written before the same pages.
	db, err := sql.Open("sqlite", file+"?_pragma=journal_mode(OFF)&_pragma=synchronous(0)&_pragma=cache_size(-400000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(sqliteRows, sql.Named("n", n), sql.Named("now", time.Now().UnixMicro())); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	// What was written must reach the disk before something is measured.
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
}

// postgresRows makes the same rows.
var postgresRows = []string{
	`INSERT INTO callbacks (id, account_sid, recording_sid, recording_status, call_sid, recording_url, recording_duration,
		recording_source, recording_channels, fields, query, received_at, routed_at)
	SELECT i, 'AC1', 'RE' || lpad((i * 7919 % 99999989)::text, 8, '0'), 'completed', 'CA' || i, 'https://example.com/' || i, 42,
		'DialVerb', '2', '', '', $2 - ($1 - i) * (172800000000 / $1), $2 - ($1 - i) * (172800000000 / $1)
	FROM generate_series(1, $1::bigint) AS i`,
	`INSERT INTO deliveries (id, callback_id, rule, channel, kind, recipient, subject, state, attempts,
		created_at, next_attempt_at, give_up_at, finished_at)
	SELECT i, (i + 1) / 2, 'managers get every finished recording', CASE i % 2 WHEN 1 THEN 'email' ELSE 'dead' END,
		'email', 'r' || i * 7919 % 5003 || '@example.com', 'Call recording, 42s',
		CASE WHEN i % 4 = 0 THEN 'retrying' WHEN i % 2 = 0 THEN 'queued' WHEN i % 200 = 1 THEN 'dead' ELSE 'delivered' END,
		CASE WHEN i % 4 = 2 THEN 0 ELSE 1 END, $2 - ($1 * 2 - i) * (86400000000 / $1),
		CASE WHEN i % 4 = 0 THEN $2 + i * 7919 % 3600 * 1000000 ELSE $2 - ($1 * 2 - i) * (86400000000 / $1) END,
		$2 + 259200000000, CASE i % 2 WHEN 1 THEN $2::bigint END
	FROM generate_series(1, $1::bigint * 2) AS i`,
	`INSERT INTO messages (delivery_id, text, html)
	SELECT i, repeat('x', 300), repeat('x', 1000) FROM generate_series(1, $1::bigint * 2) AS i WHERE $2::bigint > 0`,
	`INSERT INTO attempts (delivery_id, number, started_at, took, error)
	SELECT id, 1, created_at, 1000, '' FROM deliveries WHERE attempts > 0 AND $1::bigint + $2::bigint > 0`,
}

func fillPostgres(t *testing.T, url string, n int) {
	t.Helper()
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	now := time.Now().UnixMicro()
	for _, query := range postgresRows {
		if _, err := db.Exec(query, n, now); err != nil {
			t.Fatalf("%v: %s", err, query)
		}
	}
	for _, query := range []string{
		`SELECT setval('callbacks_id_seq', max(id)), 0 FROM callbacks`,
		`SELECT setval('deliveries_id_seq', max(id)), 0 FROM deliveries`,
		`VACUUM ANALYZE callbacks, deliveries, messages, attempts`, // as the server does by itself, later
		`CHECKPOINT`,
	} {
		if _, err := db.Exec(query); err != nil {
			t.Fatalf("%v: %s", err, query)
		}
	}
}
