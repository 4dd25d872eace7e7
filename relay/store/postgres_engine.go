package store

import (
	"cmp"
	"database/sql"
	"slices"
	"strconv"
	"strings"
	"time"
)

// postgres is the engine of PostgreSQL. What comes in numbers is one statement
// over arrays, since each statement is a round trip.
type postgres struct{}

func (postgres) begin() string        { return "BEGIN" }
func (postgres) hint(string) string   { return "" } // it has statistics
func (postgres) ids(ids []int64) any  { return ids }
func (postgres) texts(l []string) any { return l }
func (postgres) inIDs() string        { return "= ANY(?)" }
func (postgres) lock() string         { return "FOR UPDATE" }
func (postgres) skipLocked() string   { return "FOR UPDATE SKIP LOCKED" }
func (postgres) inOneStatement() bool { return true }
func (postgres) disorder() int64      { return 1024 } // nodes route at once, a batch each
func (postgres) lateFor() time.Duration {
	return 3 * patience // for the transaction before, its own, and a second try
}
func (postgres) depth() string {
	return "SELECT state, count(*) AS depth FROM deliveries WHERE " + waiting + " GROUP BY state"
}

// gone is who has not renewed a lease in time.
func (postgres) gone(_ string, now time.Time) (condition string, args []any) {
	return "lease_until < ?", []any{micros(now)}
}

func (postgres) bind(query string) string {
	var b strings.Builder
	for n := 1; ; n++ {
		before, after, found := strings.Cut(query, "?")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteString("$" + strconv.Itoa(n))
		query = after
	}
}

// key is what a callback is known by.
type key struct{ recording, status, account string }

func (a *addition) key() key { return key{a.RecordingSid, a.status, a.AccountSid} }

func (postgres) add(t *tx, added []*addition) error {
	// In the same order on every node, or two of them wait for each other.
	slices.SortStableFunc(added, func(a, b *addition) int {
		return cmp.Or(cmp.Compare(a.RecordingSid, b.RecordingSid), cmp.Compare(a.status, b.status),
			cmp.Compare(a.AccountSid, b.AccountSid))
	})
	first := make(map[key]*addition, len(added))
	columns := newColumns(len(added))
	for _, a := range added {
		a.stored = false
		if _, again := first[a.key()]; !again {
			first[a.key()] = a
		}
		columns.text(a.AccountSid, a.RecordingSid, a.status, a.CallSid, a.RecordingUrl, a.RecordingSource,
			a.RecordingChannels, a.fields, a.query)
		columns.number(int64(a.RecordingDuration), a.receivedAt, number(a.Late))
	}
	return t.each(func(rows *sql.Rows) error {
		var k key
		err := rows.Scan(&k.recording, &k.status, &k.account)
		if a := first[k]; a != nil {
			a.stored = true
		}
		return err
	}, `
		INSERT INTO callbacks (account_sid, recording_sid, recording_status, call_sid, recording_url, recording_source,
			recording_channels, fields, query, recording_duration, received_at, late)
		SELECT * FROM unnest(?::text[], ?::text[], ?::text[], ?::text[], ?::text[], ?::text[], ?::text[], ?::text[], ?::text[],
			?::bigint[], ?::bigint[], ?::bigint[])
		ON CONFLICT DO NOTHING
		RETURNING recording_sid, recording_status, account_sid`, columns.args()...)
}

func (postgres) insert(t *tx, deliveries []*Delivery, l lease) error {
	columns := newColumns(len(deliveries))
	for i, d := range deliveries {
		columns.text(d.Rule, d.Channel, d.Kind, d.To, d.Subject, string(d.State), d.LastError, d.Text, d.HTML)
		columns.number(int64(i), d.CallbackID, micros(d.CreatedAt), micros(d.NextAttemptAt), micros(d.GiveUpAt), micros(d.FinishedAt))
	}
	return t.each(func(rows *sql.Rows) error {
		var id int64
		var i int
		err := rows.Scan(&id, &i)
		deliveries[i].ID = id
		return err
	}, `
		WITH made AS MATERIALIZED (
			SELECT nextval('deliveries_id_seq') AS id, given.*
			FROM unnest(?::text[], ?::text[], ?::text[], ?::text[], ?::text[], ?::text[], ?::text[], ?::text[], ?::text[],
				?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[])
				AS given (rule, channel, kind, recipient, subject, state, last_error, text, html,
					i, callback_id, created_at, next_attempt_at, give_up_at, finished_at)
		), stored AS (
			INSERT INTO deliveries (id, callback_id, rule, channel, kind, recipient, subject, state, last_error,
				created_at, next_attempt_at, give_up_at, finished_at, owner, lease_until)
			SELECT id, callback_id, rule, channel, kind, recipient, subject, state, last_error,
				created_at, next_attempt_at, give_up_at, nullif(finished_at, 0),
				CASE state WHEN 'sending' THEN ?::text ELSE '' END, CASE state WHEN 'sending' THEN ?::bigint ELSE 0 END
			FROM made
		), said AS (
			INSERT INTO messages (delivery_id, text, html) SELECT id, text, html FROM made
		)
		SELECT id, i FROM made`, append(columns.args(), l.owner, micros(l.until))...)
}

func (postgres) link(t *tx, links []placed) error {
	columns := newColumns(len(links))
	for _, l := range links {
		columns.text(l.Token)
		columns.number(l.delivery, l.Callback, micros(l.ExpiresAt))
	}
	_, err := t.exec(`INSERT INTO links (token, delivery_id, callback_id, expires_at)
		SELECT * FROM unnest(?::text[], ?::bigint[], ?::bigint[], ?::bigint[])`, columns.args()...)
	return err
}

func (postgres) attach(t *tx, deliveries []*Delivery) error {
	columns := newColumns(len(deliveries))
	for _, d := range deliveries {
		columns.text(d.Attach.Format, d.Attach.Link)
		columns.number(d.ID, d.Attach.MaxBytes)
	}
	_, err := t.exec(`INSERT INTO attachments (format, link, delivery_id, max_bytes)
		SELECT * FROM unnest(?::text[], ?::text[], ?::bigint[], ?::bigint[])`, columns.args()...)
	return err
}

func (postgres) finish(t *tx, endings []*ending, owner string) error {
	columns := newColumns(len(endings))
	for _, e := range endings {
		columns.text(string(e.State), e.Err, e.ProviderID)
		columns.number(e.id, int64(e.attempts), number(e.Unsure), e.next, e.finished.Int64, micros(e.StartedAt), e.Took.Microseconds())
	}
	_, err := t.exec(`
		WITH ended AS (
			SELECT * FROM unnest(?::text[], ?::text[], ?::text[],
				?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[])
				AS e (state, error, provider_id, id, attempts, unsure, next_attempt_at, finished_at, started_at, took)
		), recorded AS (
			UPDATE deliveries d SET state = e.state, attempts = d.attempts + 1, unsure = e.unsure,
				next_attempt_at = e.next_attempt_at, owner = '', lease_until = 0,
				finished_at = nullif(e.finished_at, 0), last_error = e.error, provider_id = e.provider_id
			FROM ended e
			WHERE d.id = e.id AND d.attempts = e.attempts
				AND (d.state = 'sending' AND d.owner = ? OR e.state = 'delivered' AND d.finished_at IS NULL)
			RETURNING d.id, d.attempts, e.started_at, e.took, e.error
		)
		INSERT INTO attempts (delivery_id, number, started_at, took, error) SELECT * FROM recorded`,
		append(columns.args(), owner)...)
	return err
}

func (postgres) tally(t *tx, tallies []Tally, node string) error {
	columns := newColumns(len(tallies))
	for _, one := range tallies {
		columns.text(one.What, one.Name, one.Result, node)
		columns.number(micros(one.At), one.N, micros(one.LastAt))
	}
	_, err := t.exec(`
		INSERT INTO tallies (what, name, result, node, at, n, last_at)
		SELECT * FROM unnest(?::text[], ?::text[], ?::text[], ?::text[], ?::bigint[], ?::bigint[], ?::bigint[])
		ON CONFLICT (what, at, name, result, node) DO UPDATE
			SET n = tallies.n + excluded.n, last_at = greatest(tallies.last_at, excluded.last_at)`, columns.args()...)
	return err
}

// number is a truth as the tables have it.
func number(truth bool) int64 {
	if truth {
		return 1
	}
	return 0
}

// columns are the values of many rows, column by column: first those of text,
// then the numbers.
type columns struct {
	rows    int
	texts   [][]string
	numbers [][]int64
}

func newColumns(rows int) *columns { return &columns{rows: rows} }

func (c *columns) text(values ...string)  { c.texts = addRow(c.texts, c.rows, values) }
func (c *columns) number(values ...int64) { c.numbers = addRow(c.numbers, c.rows, values) }

// addRow adds one row to columns that have room for so many.
func addRow[T any](columns [][]T, rows int, values []T) [][]T {
	if columns == nil {
		columns = make([][]T, len(values))
		for i := range columns {
			columns[i] = make([]T, 0, rows)
		}
	}
	for i, v := range values {
		columns[i] = append(columns[i], v)
	}
	return columns
}

func (c *columns) args() (args []any) {
	for _, t := range c.texts {
		args = append(args, t)
	}
	for _, n := range c.numbers {
		args = append(args, n)
	}
	return args
}
