package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"log/slog"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"ringpost/relay/callback"
)

// recorder makes connections that note the queries made through them.
type recorder struct {
	driver  driver.Driver
	dsn     string
	queries *[]string
}

func (r recorder) Driver() driver.Driver { return r.driver }

func (r recorder) Connect(context.Context) (driver.Conn, error) {
	conn, err := r.driver.Open(r.dsn)
	return recorded{conn, r.queries}, err
}

type recorded struct {
	driver.Conn
	queries *[]string
}

func (r recorded) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	*r.queries = append(*r.queries, query)
	return r.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
}

// fullScan is a line of a query plan that goes through a whole table or a whole
// index.
var fullScan = regexp.MustCompile(`SCAN (d|c|k|m|o|other|calls|deliveries|callbacks|messages|attempts|operations|tallies|links|l|g|t|digests|digested|lookups|fallbacks|f|a|attachments)\b`)

func TestQueriesUseTheirIndexes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ringpost.db")
	s, err := Open(t.Context(), "sqlite:"+file, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var queries []string
	plain := s.reader
	defer plain.Close()
	s.reader = sql.OpenDB(recorder{plain.Driver(), dsn(file), &queries})

	ctx := t.Context()
	for _, recording := range []string{"RE1", "RE2"} {
		if _, err := s.Add(ctx, &callback.Callback{RecordingSid: recording}); err != nil {
			t.Fatal(err)
		}
	}
	_, err = s.Route(ctx, 1, 0, 0, func(Stored) []*Delivery {
		return []*Delivery{{Channel: "email", To: "x", Text: "x", State: Dead},
			{Channel: "email", To: "x", State: Queued, Collect: &Collect{Template: "t", For: -time.Hour}}}
	})
	if err != nil {
		t.Fatal(err)
	}
	deliveries := func(f Filter) func() error {
		f.Limit = 50
		return func() error { _, err := s.Deliveries(ctx, f); return err }
	}
	callbacks := func(f Filter) func() error {
		f.Limit = 50
		return func() error { _, err := s.Callbacks(ctx, f); return err }
	}
	search := func(q Search) func() error {
		q.Limit = 50
		return func() error { _, err := s.Search(ctx, q); return err }
	}
	const primaryKey = "INTEGER PRIMARY KEY"
	since := time.Now()
	for _, c := range []struct {
		name string
		do   func() error
		want string // in one of the plans
	}{
		{"route", func() error {
			_, err := s.Route(ctx, 1, 0, 0, func(Stored) []*Delivery { return nil })
			return err
		}, primaryKey + " (rowid>? AND rowid<?)"},
		{"claim", func() error { _, err := s.Claim(ctx, "email", 1); return err }, "deliveries_due (channel=? AND next_attempt_at<?)"},
		{"next due", func() error { _, err := s.NextDue(ctx, "email"); return err }, "deliveries_due (channel=?)"},
		{"waiting channels", func() error { _, err := s.WaitingChannels(ctx); return err }, "deliveries_due (channel>?)"},
		{"release", func() error { return s.Release(ctx, []int64{1}, "") }, "deliveries_state (state=? AND id=?)"},
		{"renew", func() error { _, err := s.Renew(ctx, []int64{1}); return err }, "deliveries_state (state=? AND id=?)"},
		{"recover", func() error { _, err := s.Recover(ctx, nil); return err }, "deliveries_state (state=?)"},
		{"finish", func() error { return s.Finish(ctx, &Delivery{ID: 1}, Outcome{State: Dead}) }, primaryKey},
		{"expire", func() error { _, err := s.Expire(ctx, "email", ""); return err }, "deliveries_give_up (channel=? AND give_up_at<?)"},
		{"queue", func() error { _, err := s.Queue(ctx); return err }, "deliveries_state (state=?)"},
		{"recording", func() error { _, err := s.Recording(ctx, 1); return err }, "other USING COVERING INDEX sqlite_autoindex_callbacks_1 (recording_sid=?)"},
		{"waiting", func() error { _, _, err := s.Waiting(ctx, "email", 10); return err }, "deliveries_channel_state (channel=? AND state=?)"},
		{"retry all", func() error { _, err := s.RetryAll(ctx, Filter{Channel: "email"}, "kim", 0); return err }, "deliveries_channel_state (channel=? AND state=?)"},
		{"forward", func() error { s.Forward(ctx, 1, "x", "kim", 0); return nil }, primaryKey},
		{"linked callbacks of a recording", func() error { s.Linked(ctx, "0123456789A"); return nil }, "l USING INDEX sqlite_autoindex_links_1 (token=?)"},
		{"opened", func() error { return s.Opened(ctx, "x") }, "sqlite_autoindex_links_1 (token=?)"},
		{"link", func() error { _, err := s.Link(ctx, 1); return err }, "links USING PRIMARY KEY (delivery_id=?)"},
		{"revoke", func() error { s.Revoke(ctx, 1, "kim"); return nil }, "links USING PRIMARY KEY (delivery_id=?)"},
		{"due digests", func() error { _, err := s.DueDigests(ctx, 9); return err }, "t USING INDEX digests_due (due_at<?)"},
		{"what a digest has collected", func() error { _, err := s.DueDigests(ctx, 9); return err }, "g USING PRIMARY KEY (digest_id=?)"},
		{"next digest", func() error { _, err := s.NextDigest(ctx); return err }, "digests_due"},
		{"send a digest", func() error {
			_, err := s.SendDigest(ctx, &Digest{ID: 1}, new(Delivery), 0)
			return err
		}, "digests USING " + primaryKey},
		{"what a delivery tells of", func() error { _, err := s.TellsOf(ctx, 1); return err }, "sent_on_delivery (delivery_id=?)"},
		{"digests of a recording", func() error { _, err := s.Recording(ctx, 1); return err }, "g USING INDEX digested_callback (callback_id=?)"},
		{"hours", func() error { _, err := s.Hours(ctx, "rule", since); return err }, "PRIMARY KEY (what=? AND at>?)"},
		{"file calls", func() error { return s.FileCalls(ctx, 0) }, primaryKey + " (rowid>?)"},
		{"old calls", func() error { return s.removeCalls(ctx) }, "PRIMARY KEY (bucket=?)"},
		{"old counts", func() error { return s.ageTallies(ctx, since) }, "PRIMARY KEY (what=? AND at<?)"},
		{"old callbacks", func() error { _, err := s.aged(ctx, 0, time.Now()); return err }, "callbacks_received (received_at>?)"},
		{"remove", func() error { _, err := s.Remove(ctx, time.Now()); return err }, "deliveries_callback (callback_id=?)"},
		{"delivery", func() error { s.Delivery(ctx, 1); return nil }, primaryKey},
		{"of recordings", func() error { _, err := s.Of(ctx, []string{"RE1", "RE2"}); return err }, "callbacks USING INDEX sqlite_autoindex_callbacks_1 (recording_sid=?)"},
		{"unfinished", func() error { _, err := s.Unfinished(ctx, since, 0, since, 9); return err }, "c USING INDEX callbacks_in_progress (received_at>? AND received_at<?)"},
		{"unfinished, what came later", func() error { _, err := s.Unfinished(ctx, since, 0, since, 9); return err }, "other USING COVERING INDEX sqlite_autoindex_callbacks_1 (recording_sid=? AND recording_status=?)"},
		{"dead letters", func() error { _, err := s.DeadLetters(ctx, 0, 9); return err }, "d USING INDEX deliveries_unsettled (id>?)"},
		{"fallbacks", func() error { _, err := s.Fallbacks(ctx, 1); return err }, "f USING " + primaryKey},
		{"settle", func() error {
			err := s.write(ctx, func(tx *tx) error {
				_, err := tx.exec(`UPDATE deliveries SET state = 'dead', settled = 0 WHERE id = 1`)
				return err
			})
			list, err2 := s.DeadLetters(ctx, 0, 1)
			if err == nil && err2 == nil {
				_, err = s.Settle(ctx, []Settlement{{DeadLetter: list[0],
					Fallbacks: []Fallback{{Delivery: &Delivery{Channel: "email", To: "y", Text: "x", State: Queued}}}}}, 0)
			}
			return errors.Join(err, err2)
		}, "d USING INDEX deliveries_callback (callback_id=?)"},
		{"begin a sweep", func() error { _, err := s.BeginSweep(ctx, "recordings", 0); return err }, "sweeps USING PRIMARY KEY (name=?)"},
		{"next look-up", func() error { _, _, err := s.NextLookup(ctx); return err }, "lookups_due (owner=?)"},
		{"claim look-ups", func() error { _, err := s.ClaimLookups(ctx, 9); return err }, "lookups_due (owner=? AND due_at<?)"},
		{"claim look-ups that are over", func() error { _, err := s.ClaimOverdue(ctx, 9); return err }, "lookups_over (owner=? AND deadline<?)"},
		{"look-up", func() error { _, err := s.Lookup(ctx, 1); return err }, "l USING " + primaryKey},
		{"postpone a look-up", func() error { return s.PostponeLookup(ctx, &Lookup{Stored: Stored{ID: 1}}) }, "lookups USING " + primaryKey},
		{"delivery, with its attachment", func() error { s.Delivery(ctx, 1); return nil }, "a USING " + primaryKey},
		{"what came of attachments", func() error { return s.Finish(ctx, &Delivery{ID: 1}, Outcome{State: Dead, LeftOut: "x"}) }, "attachments USING " + primaryKey},
		{"archived, by a callback", func() error { _, err := s.ArchivedFor(ctx, 1); return err }, "c USING COVERING INDEX sqlite_autoindex_callbacks_1 (recording_sid=?)"},
		{"archived", func() error { _, err := s.Archived(ctx, "a", "RE1"); return err }, "c USING COVERING INDEX sqlite_autoindex_callbacks_1 (recording_sid=?)"},
		{"attempts", func() error { _, err := s.attempts(ctx, 1); return err }, "PRIMARY KEY (delivery_id=?)"},

		{"callbacks of a recording", callbacks(Filter{Recording: "RE1"}), "(recording_sid=?)"},
		{"callbacks since", callbacks(Filter{Since: since}), primaryKey + " (rowid>?)"},
		{"callbacks of a recording since", callbacks(Filter{Recording: "RE1", Since: since}), "(recording_sid=?)"},
		{"the next callbacks", callbacks(Filter{After: 9}), primaryKey + " (rowid<?)"},
		{"deliveries of a recording", deliveries(Filter{Recording: "RE1", State: Dead, To: "x", Channel: "email", Since: since}), "(recording_sid=?)"},
		{"deliveries to", deliveries(Filter{To: "x", State: Dead, Channel: "email"}), "deliveries_recipient (recipient=?)"},
		{"deliveries by channel", deliveries(Filter{Channel: "email"}), "deliveries_channel_state (channel=? AND state=?)"},
		{"deliveries by channel since", deliveries(Filter{Channel: "email", Since: since, After: 9}), "deliveries_channel_state (channel=? AND state=? AND id>? AND id<?)"},
		{"deliveries by channel, delivered", deliveries(Filter{Channel: "email", State: Delivered}), "deliveries_channel_state (channel=? AND state=?)"},
		{"deliveries by channel, dead", deliveries(Filter{Channel: "email", State: Dead}), "deliveries_channel_state (channel=? AND state=?)"},
		{"deliveries by channel, sending", deliveries(Filter{Channel: "email", State: Sending}), "deliveries_state (state=?)"},
		{"deliveries by state", deliveries(Filter{State: Dead, After: 9}), "deliveries_state (state=? AND id<?)"},
		{"delivered ones", deliveries(Filter{State: Delivered}), "deliveries_state (state=?)"},
		{"deliveries since", deliveries(Filter{Since: since}), primaryKey + " (rowid>?)"},
		{"the bound of since", deliveries(Filter{Since: since}), "deliveries_created (created_at<?)"},
		{"the next deliveries", deliveries(Filter{After: 9}), primaryKey + " (rowid<?)"},

		{"search, the next", search(Search{Before: 9}), "c USING " + primaryKey + " (rowid<?)"},
		{"search since", search(Search{Since: since}), "c USING " + primaryKey + " (rowid>?)"},
		{"the bound of a search since", search(Search{Since: since}), "callbacks_received (received_at<?)"},
		{"the bound of a search until", search(Search{Until: since, Before: 9}), "callbacks_received (received_at>?)"},
		{"search by state", search(Search{State: Dead}), "deliveries_state (state=? AND id>? AND id<?)"},
		{"search by state, the next", search(Search{State: Delivered, Before: 9, Since: since, Until: since}), "deliveries_state (state=? AND id>? AND id<?)"},
		{"the bound of a search by state", search(Search{State: Delivered, Before: 9}), "deliveries_callback (callback_id>?)"},
		{"search by text, of a recording", search(Search{Text: "RE1"}), "(recording_sid=?)"},
		{"search by text, of a recording in a state", search(Search{Text: "RE1", State: Dead}), "deliveries_callback (callback_id=?)"},
		{"search by text, of a call that is not filed", search(Search{Text: "CA1"}), "c USING " + primaryKey + " (rowid>?)"},
		{"search by text, of a call", func() error {
			err := s.write(ctx, func(tx *tx) error { _, err := tx.exec(`UPDATE filed SET bucket = 1`); return err })
			return errors.Join(err, search(Search{Text: "CA1"})())
		}, "k USING PRIMARY KEY (bucket=? AND call_sid=?)"},
		{"search by text, of a recipient", search(Search{Text: "x"}), "deliveries_recipient (recipient=? AND id>? AND id<?)"},
		{"the recipients of a search by text", search(Search{Text: "x"}), "COVERING INDEX deliveries_recipient (recipient>?)"},
	} {
		queries = nil
		forget(t, s)
		if err := c.do(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		plan := explain(t, plain, append(queries, written(t, s)...))
		if !strings.Contains(plan, c.want) {
			t.Errorf("%s: want %q in the plan, got\n%s", c.name, c.want, plan)
		}
		for line := range strings.Lines(plan) {
			if fullScan.MatchString(line) {
				t.Errorf("%s: want no full scan, got\n%s", c.name, plan)
			}
			few := strings.Contains(c.name, "of a recording") || strings.Contains(c.name, "by text") // or of a call
			if strings.Contains(line, "TEMP B-TREE") && !few {
				t.Errorf("%s: want what is asked for in the order of an index, got\n%s", c.name, plan)
			}
		}
	}
}

// forget makes the writer forget its prepared statements.
func forget(t *testing.T, s *Store) {
	t.Helper()
	err := s.write(t.Context(), func(tx *tx) error {
		for query, stmt := range tx.stmts {
			stmt.Close()
			delete(tx.stmts, query)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// written returns the statements that the writer has prepared since.
func written(t *testing.T, s *Store) (queries []string) {
	t.Helper()
	err := s.write(t.Context(), func(tx *tx) error {
		for query := range tx.stmts {
			if query != "BEGIN IMMEDIATE" && query != "COMMIT" {
				queries = append(queries, query)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return queries
}

// explain returns the plans of the queries, a line for each step.
func explain(t *testing.T, db *sql.DB, queries []string) string {
	t.Helper()
	var plan strings.Builder
	for _, query := range queries {
		rows, err := db.Query("EXPLAIN QUERY PLAN "+query, make([]any, strings.Count(query, "?"))...)
		if err != nil {
			t.Fatalf("explain %s: %v", query, err)
		}
		err = eachRow(rows, func(rows *sql.Rows) error {
			var id, parent, unused int
			var detail string
			err := rows.Scan(&id, &parent, &unused, &detail)
			plan.WriteString(detail + "\n")
			return err
		})
		if err != nil {
			t.Fatalf("explain %s: %v", query, err)
		}
	}
	return plan.String()
}
