package main_test

import (
	"database/sql"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"
)

const (
	// filledRecording, filledCall and filledAgent are a recording that [fill]
	// writes, its call, and the recipient of its SMS where there is one.
	filledRecording = "RE100134623"
	filledCall      = "CA101780393"
	filledAgent     = "+15551000017"
)

// fill writes rows into a store that has its schema and is not in use. They are
// made by statements that both kinds of store understand, in which {n} is how many
// callbacks there are to be, {now} the time in microseconds, and FROM n are the
// numbers i from 1 to {n}.
func fill(t *testing.T, kind, url string, n int, statements ...string) {
	t.Helper()
	words := strings.NewReplacer("{n}", fmt.Sprint(n), "{now}", fmt.Sprint(time.Now().UnixMicro()),
		"{text}", strings.Repeat("x", 300), "{html}", strings.Repeat("x", 1000))
	for i, s := range statements {
		into, rest, ok := strings.Cut(s, "SELECT")
		if !ok {
			t.Fatalf("no rows are made by %s", s)
		}
		statements[i] = words.Replace(into +
			"WITH RECURSIVE n (i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < {n}) SELECT" + rest)
	}
	switch kind {
	case "sqlite":
		fillSQLite(t, strings.TrimPrefix(url, "sqlite:"), statements)
	case "postgres":
		fillPostgres(t, url, statements)
	default:
		t.Fatalf("no way to fill a store of kind %q", kind)
	}
}

// backlog is callbacks of the last two days. Each has a finished delivery by the
// channel email, and one that waits for the channel dead; the finished ones have
// the odd ids. One in a hundred of them is dead, and every second of those that
// wait has been tried and is due within the hour.
func backlog() []string {
	return []string{`
		INSERT INTO callbacks (id, account_sid, recording_sid, recording_status, call_sid, recording_url, recording_duration,
			recording_source, recording_channels, fields, query, received_at, routed_at)
		SELECT i, 'AC1', 'RE' || (100000000 + i * 7919 % 99999989), 'completed', 'CA' || (100000000 + i * 104729 % 99999989),
			'https://example.com/' || i, 42, 'DialVerb', '2', '', '',
			{now} - ({n} - i) * (172800000000 / {n}), {now} - ({n} - i) * (172800000000 / {n})
		FROM n`, `
		INSERT INTO deliveries (id, callback_id, rule, channel, kind, recipient, subject, state, attempts,
			created_at, next_attempt_at, give_up_at, finished_at)
		SELECT i, (i + 1) / 2, 'managers get every finished recording', CASE i % 2 WHEN 1 THEN 'email' ELSE 'dead' END,
			'email', 'r' || (i * 7919 % 5003) || '@example.com', 'Call recording, 42s',
			CASE WHEN i % 4 = 0 THEN 'retrying' WHEN i % 2 = 0 THEN 'queued' WHEN i % 200 = 1 THEN 'dead' ELSE 'delivered' END,
			CASE WHEN i % 4 = 2 THEN 0 ELSE 1 END, {now} - ({n} * 2 - i) * (86400000000 / {n}),
			CASE WHEN i % 4 = 0 THEN {now} + i * 7919 % 3600 * 1000000 ELSE {now} - ({n} * 2 - i) * (86400000000 / {n}) END,
			{now} + 259200000000, CASE i % 2 WHEN 1 THEN {now} END
		FROM (SELECT 2 * i - 1 + second AS i FROM n CROSS JOIN ` + both + `) AS pair`,
		texts, firstAttempts}
}

const (
	both          = `(SELECT 0 AS second UNION ALL SELECT 1) AS halves`
	texts         = `INSERT INTO messages (delivery_id, text, html) SELECT id, '{text}', '{html}' FROM deliveries`
	firstAttempts = `INSERT INTO attempts (delivery_id, number, started_at, took, error)
		SELECT id, 1, created_at, 1000, '' FROM deliveries WHERE attempts > 0`
)

// history is what has come of the callbacks of two months: each has an email to
// one of forty managers, of whom some get far more than others, and an SMS to one of two
// thousand agents. Little is under way, and little went wrong. The rules are those
// that the server has kept.
func history() []string {
	const (
		at   = `({now} - ({n} - i) * (5184000000000 / {n}))`
		each = `SELECT 2 * i - 1 + second AS id, i, CASE second WHEN 0 THEN 'email' ELSE 'sms' END AS channel,
			CASE second WHEN 0 THEN 'manager' || (i * 7919 % 97 * (i * 104729 % 89) % 40) || '@example.com'
			ELSE '+1555' || (1000000 + i % 2000) END AS recipient FROM n CROSS JOIN ` + both
		state = `CASE WHEN id % 997 = 5 THEN 'unknown' WHEN id % 499 = 7 THEN 'cancelled' WHEN id % 101 = 3 THEN 'shadow'
			WHEN id % 53 = 2 THEN 'dead' WHEN i > {n} - 200 AND id % 5 = 0 THEN 'retrying' ELSE 'delivered' END`
	)
	return []string{`
		INSERT INTO callbacks (id, account_sid, recording_sid, recording_status, call_sid, recording_url, recording_duration,
			recording_source, recording_channels, fields, query, received_at, routed_at, plan_id)
		SELECT i, 'AC1', 'RE' || (100000000 + i * 7919 % 99999989),
			CASE WHEN i % 21 = 0 THEN 'absent' WHEN i % 50 = 7 THEN 'in-progress' WHEN i % 997 = 0 THEN 'failed' ELSE 'completed' END,
			'CA' || (100000000 + i * 104729 % 99999989), 'https://example.signalwire.com/recordings/' || i, i * 7919 % 1800,
			CASE i % 4 WHEN 0 THEN 'Conference' WHEN 1 THEN 'RecordVerb' ELSE 'DialVerb' END, '1', '',
			'{"agent":"agent' || (i % 40) || '"}', ` + at + `, ` + at + `, (SELECT coalesce(max(id), 0) FROM plans)
		FROM n`, `
		INSERT INTO deliveries (id, callback_id, rule, channel, kind, recipient, subject, state, attempts,
			created_at, next_attempt_at, give_up_at, finished_at, last_error)
		SELECT id, i, 'rule ' || (i % 20), channel, channel, recipient, 'Call recording, 1m34s', ` + state + `,
			CASE WHEN id % 20 = 0 THEN 3 ELSE 1 END, ` + at + `, {now} + 3600000000, {now} + 259200000000,
			CASE ` + state + ` WHEN 'retrying' THEN NULL ELSE ` + at + ` END,
			CASE ` + state + ` WHEN 'dead' THEN '550 5.1.1 no such user here' WHEN 'retrying' THEN 'connection refused' ELSE '' END
		FROM (` + each + `) AS each_one`,
		texts, firstAttempts, `
		INSERT INTO attempts (delivery_id, number, started_at, took, error)
		SELECT id, number, created_at + number * 60000000, 1000, '450 4.2.1 come back later'
		FROM deliveries CROSS JOIN (SELECT 2 AS number UNION ALL SELECT 3) AS more WHERE attempts >= number`, `
		INSERT INTO operations (delivery_id, channel, at, who, what)
		SELECT id, channel, created_at, 'kim', state FROM deliveries WHERE state = 'cancelled'`, `
		INSERT INTO tallies (what, at, name, result, node, n, last_at)
		SELECT what, {now} - {now} % 3600000000 - i * 3600000000, name, result, 'node-1', 100, {now}
		FROM n CROSS JOIN ` + hourly + ` WHERE i < 48`, `
		INSERT INTO tallies (what, at, name, result, node, n, last_at)
		SELECT what, {now} - {now} % 86400000000 - i * 86400000000, name, result, '', 2000, {now}
		FROM n CROSS JOIN ` + hourly + ` WHERE i BETWEEN 3 AND 40`}
}

// hourly is what a server with twenty rules counts.
const hourly = `(SELECT 'rule' AS what, 'rule ' || i AS name, '' AS result FROM n WHERE i < 20
	UNION ALL SELECT 'callback', 'completed', 'stored' UNION ALL SELECT 'callback', 'absent', 'stored'
	UNION ALL SELECT 'callback', 'completed', 'duplicate' UNION ALL SELECT 'callback', 'unknown', 'bad_signature'
	UNION ALL SELECT 'delivery', 'email', 'delivered' UNION ALL SELECT 'delivery', 'email', 'dead'
	UNION ALL SELECT 'delivery', 'sms', 'delivered' UNION ALL SELECT 'delivery', 'sms', 'retried') AS each_hour`

func fillSQLite(t *testing.T, file string, statements []string) {
	t.Helper()
	// Without a journal, which would be written before the same pages.
	db, err := sql.Open("sqlite", file+"?_pragma=journal_mode(OFF)&_pragma=synchronous(0)&_pragma=cache_size(-400000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("BEGIN;\n" + strings.Join(statements, ";\n") + ";\nCOMMIT"); err != nil {
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

func fillPostgres(t *testing.T, url string, statements []string) {
	t.Helper()
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, query := range append(statements,
		`SELECT setval('callbacks_id_seq', max(id)) FROM callbacks`,
		`SELECT setval('deliveries_id_seq', max(id)) FROM deliveries`,
		`VACUUM ANALYZE`, // as the server does by itself, later
		`CHECKPOINT`,
	) {
		if _, err := db.Exec(query); err != nil {
			t.Fatalf("%v: %s", err, query)
		}
	}
}
