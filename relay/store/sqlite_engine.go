package store

import (
	"encoding/json"
	"time"
)

// sqlite is the engine of SQLite.
type sqlite struct{}

func (sqlite) begin() string            { return "BEGIN IMMEDIATE" }
func (sqlite) bind(query string) string { return query }
func (sqlite) inIDs() string            { return "IN (SELECT value FROM json_each(?))" }
func (sqlite) lock() string             { return "" } // there is one writer
func (sqlite) skipLocked() string       { return "" }
func (sqlite) inOneStatement() bool     { return false }
func (sqlite) disorder() int64          { return 0 } // they are routed one after the other
func (sqlite) lateFor() time.Duration   { return 0 }
func (sqlite) depth() string            { return "SELECT state, depth FROM waiting" }

// gone is any other, since there is one process. What that one has lost sight of,
// as where it could not give it back to a full disk, shows by its lease.
func (sqlite) gone(name string, now time.Time) (condition string, args []any) {
	return "(owner <> ? OR lease_until < ?)", []any{name, micros(now)}
}

// hint names the index to use. SQLite, which has no statistics here, would
// guess, and may walk through all rows.
func (sqlite) hint(index string) string {
	if index == "" {
		return "NOT INDEXED"
	}
	return "INDEXED BY " + index
}

func (sqlite) ids(ids []int64) any {
	list, _ := json.Marshal(ids) // numbers do not fail
	return string(list)
}

func (sqlite) texts(list []string) any {
	text, _ := json.Marshal(list) // texts do not fail
	return string(text)
}

func (sqlite) add(t *tx, added []*addition) error {
	for _, a := range added {
		r, err := t.do(`
			INSERT INTO callbacks (account_sid, recording_sid, recording_status, call_sid, recording_url,
				recording_duration, recording_source, recording_channels, fields, query, received_at, late)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT DO NOTHING`,
			a.AccountSid, a.RecordingSid, a.status, a.CallSid, a.RecordingUrl,
			a.RecordingDuration, a.RecordingSource, a.RecordingChannels, a.fields, a.query, a.receivedAt, a.Late)
		if err != nil {
			return err
		}
		n, err := r.RowsAffected()
		if err != nil {
			return err
		}
		a.stored = n == 1
		if a.id, err = r.LastInsertId(); err != nil {
			return err
		}
	}
	return nil
}

func (sqlite) insert(t *tx, deliveries []*Delivery, l lease) error {
	for _, d := range deliveries {
		var owner string
		var until int64
		var finished any
		if d.State == Sending {
			owner, until = l.owner, micros(l.until)
		} else if d.State.Finished() {
			finished = micros(d.FinishedAt)
		}
		r, err := t.do(`
			INSERT INTO deliveries (callback_id, rule, channel, kind, recipient, subject, state,
				created_at, next_attempt_at, give_up_at, owner, lease_until, finished_at, last_error)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			d.CallbackID, d.Rule, d.Channel, d.Kind, d.To, d.Subject, string(d.State),
			micros(d.CreatedAt), micros(d.NextAttemptAt), micros(d.GiveUpAt), owner, until, finished, d.LastError)
		if err != nil {
			return err
		}
		if d.ID, err = r.LastInsertId(); err != nil {
			return err
		}
		if _, err := t.exec(`INSERT INTO messages (delivery_id, text, html) VALUES (?, ?, ?)`, d.ID, d.Text, d.HTML); err != nil {
			return err
		}
	}
	return nil
}

func (sqlite) link(t *tx, links []placed) error {
	for _, l := range links {
		_, err := t.exec(`INSERT INTO links (delivery_id, callback_id, token, expires_at) VALUES (?, ?, ?, ?)`,
			l.delivery, l.Callback, l.Token, micros(l.ExpiresAt))
		if err != nil {
			return err
		}
	}
	return nil
}

func (sqlite) attach(t *tx, deliveries []*Delivery) error {
	for _, d := range deliveries {
		_, err := t.exec(`INSERT INTO attachments (delivery_id, format, max_bytes, link) VALUES (?, ?, ?, ?)`,
			d.ID, d.Attach.Format, d.Attach.MaxBytes, d.Attach.Link)
		if err != nil {
			return err
		}
	}
	return nil
}

func (sqlite) finish(t *tx, endings []*ending, owner string) error {
	for _, e := range endings {
		n, err := t.exec(`
			UPDATE deliveries SET state = ?, attempts = attempts + 1, unsure = ?, next_attempt_at = ?,
				owner = '', lease_until = 0, finished_at = ?, last_error = ?, provider_id = ?
			WHERE id = ? AND attempts = ? AND (`+mine+` OR ? = 'delivered' AND finished_at IS NULL)`,
			string(e.State), e.Unsure, e.next, e.finished, e.Err, e.ProviderID, e.id, e.attempts, owner, string(e.State))
		if err != nil {
			return err
		}
		if n == 0 {
			continue
		}
		_, err = t.exec(`INSERT INTO attempts (delivery_id, number, started_at, took, error) VALUES (?, ?, ?, ?, ?)`,
			e.id, e.attempts+1, micros(e.StartedAt), e.Took.Microseconds(), e.Err)
		if err != nil {
			return err
		}
	}
	return nil
}

func (sqlite) tally(t *tx, tallies []Tally, node string) error {
	for _, one := range tallies {
		_, err := t.exec(`
			INSERT INTO tallies (what, at, name, result, node, n, last_at) VALUES (?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET n = n + excluded.n, last_at = max(last_at, excluded.last_at)`,
			one.What, micros(one.At), one.Name, one.Result, node, one.N, micros(one.LastAt))
		if err != nil {
			return err
		}
	}
	return nil
}
