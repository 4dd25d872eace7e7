package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"
)

// Filter narrows a list. Zero fields do not.
type Filter struct {
	Recording string
	State     State
	Channel   string
	To        string
	Since     time.Time // by when the row was made
	After     int64     // the cursor: the last id of the page before
	Limit     int       // rows at most; must be positive
}

// Attempt is one finished attempt at a delivery.
type Attempt struct {
	Number    int
	StartedAt time.Time
	Took      time.Duration
	Err       string // empty where the provider accepted the message
}

// Callbacks returns stored callbacks, newest first. Of f it follows Recording,
// Since, After and Limit.
func (s *Store) Callbacks(ctx context.Context, f Filter) ([]Stored, error) {
	var w where
	w.is("recording_sid", f.Recording)
	w.page(f, "callbacks", "id", "received_at")
	index := ""
	if f.Recording == "" {
		index = s.engine.hint("") // but down the primary key
	}
	list, err := read(ctx, s, scanStored, `
		SELECT `+callbackColumns+` FROM callbacks `+index+`
		`+w.clause()+` ORDER BY id DESC LIMIT ?`, append(w.args, f.Limit)...)
	if err != nil {
		return nil, fmt.Errorf("list callbacks: %w", err)
	}
	return list, nil
}

// Deliveries returns deliveries without their texts, newest first.
func (s *Store) Deliveries(ctx context.Context, f Filter) ([]Delivery, error) {
	var w where
	index := f.index()
	if f.Channel != "" && f.State == "" && index == byChannelState {
		// They are filed by state: the newest of each are the newest of all.
		condition, args := s.newestOfEachState(f)
		w.and(condition, args...)
		index = ""
	} else {
		w.deliveries(f)
	}
	list, err := read(ctx, s, func(rows *sql.Rows) (d Delivery, err error) {
		err = scanDelivery(rows, &d)
		return d, err
	}, `
		SELECT `+deliveryColumns+` FROM deliveries d `+s.engine.hint(index)+` JOIN callbacks c ON c.id = d.callback_id
		`+w.clause()+` ORDER BY d.id DESC LIMIT ?`, append(w.args, f.Limit)...)
	if err != nil {
		return nil, fmt.Errorf("list deliveries: %w", err)
	}
	return list, nil
}

// newestOfEachState returns the condition that a delivery is among the newest of
// those of its state that f asks for.
func (s *Store) newestOfEachState(f Filter) (condition string, args []any) {
	var queries []string
	for _, f.State = range States {
		var w where
		w.deliveries(f)
		queries = append(queries, `SELECT id FROM (SELECT d.id FROM deliveries d `+s.engine.hint(f.index())+`
			`+w.clause()+` ORDER BY d.id DESC LIMIT ?) AS newest`)
		args = append(append(args, w.args...), f.Limit)
	}
	return "d.id IN (" + strings.Join(queries, " UNION ALL ") + ")", args
}

// deliveries adds the conditions of f.
func (w *where) deliveries(f Filter) {
	w.recording(f.Recording)
	w.is("d.recipient", f.To)
	w.is("d.channel", f.Channel)
	w.is("d.state", string(f.State))
	if f.State != "" && f.State != Sending {
		w.and("d.state <> 'sending'") // word for word the condition of the index by channel and state
	}
	w.page(f, "deliveries", "d.id", "created_at")
}

// recording adds the condition that a delivery tells of that recording, be it
// with others in a digest.
func (w *where) recording(recording string) {
	if recording == "" {
		return
	}
	w.and(`d.id IN (
		SELECT own.id FROM callbacks r CROSS JOIN deliveries own WHERE r.recording_sid = ? AND own.callback_id = r.id
		UNION SELECT s.delivery_id FROM callbacks r CROSS JOIN sent_on s WHERE r.recording_sid = ? AND s.callback_id = r.id)`,
		recording, recording)
}

// index names the index that leaves the fewest deliveries to look at; empty for
// none of them.
func (f Filter) index() string {
	switch {
	case f.Recording != "":
		return "" // but one by one
	case f.To != "":
		return "deliveries_recipient"
	case f.Channel != "" && f.State != Sending:
		return byChannelState
	case f.State != "":
		return "deliveries_state"
	}
	return "" // but down the primary key
}

const byChannelState = "deliveries_channel_state"

// where collects the conditions of a query.
type where struct {
	conditions []string
	args       []any
}

func (w *where) and(condition string, args ...any) {
	w.conditions = append(w.conditions, condition)
	w.args = append(w.args, args...)
}

// is adds the condition that column has that value, unless it is empty.
func (w *where) is(column, value string) {
	if value != "" {
		w.and(column+" = ?", value)
	}
}

// page adds the conditions that f's After and Since stand for. madeAt grows with
// the id, except within a moment: an id from before that time is where to stop,
// so that the list is a walk down the ids all the same.
func (w *where) page(f Filter, table, id, madeAt string) {
	if f.After != 0 {
		w.and(id+" < ?", f.After)
	}
	if f.Since.IsZero() {
		return
	}
	since := micros(f.Since)
	w.and(madeAt+" >= ?", since)
	w.and(id+` >= coalesce((SELECT min(id) FROM (SELECT id FROM `+table+` WHERE `+madeAt+` < ? AND `+marked+`
		ORDER BY `+madeAt+` DESC LIMIT 16) AS before), 0)`, since)
}

// marked is the condition of the indexes by time, word for word: one row of 64.
const marked = `id % 64 = 0`

func (w *where) clause() string {
	if len(w.conditions) == 0 {
		return ""
	}
	return "WHERE " + strings.Join(w.conditions, " AND ")
}

// Delivery returns one delivery whole, with its attempts, or [ErrNotFound].
func (s *Store) Delivery(ctx context.Context, id int64) (*Delivery, []Attempt, error) {
	found, err := read(ctx, s, func(rows *sql.Rows) (*Delivery, error) {
		d := new(Delivery)
		return d, scanWhole(rows, d)
	}, wholeDelivery+` WHERE d.id = ?`, id)
	if err != nil {
		return nil, nil, fmt.Errorf("read delivery %d: %w", id, err)
	}
	if len(found) == 0 {
		return nil, nil, fmt.Errorf("delivery %d: %w", id, ErrNotFound)
	}
	attempts, err := s.attempts(ctx, id)
	if err != nil {
		return nil, nil, fmt.Errorf("read the attempts at delivery %d: %w", id, err)
	}
	return found[0], attempts, nil
}

func (s *Store) attempts(ctx context.Context, delivery int64) ([]Attempt, error) {
	return read(ctx, s, func(rows *sql.Rows) (a Attempt, err error) {
		var started, took int64
		err = rows.Scan(&a.Number, &started, &took, &a.Err)
		a.StartedAt, a.Took = fromMicros(started), time.Duration(took)*time.Microsecond
		return a, err
	}, `SELECT number, started_at, took, error FROM attempts WHERE delivery_id = ? ORDER BY number`, delivery)
}

// Queue describes the unfinished deliveries.
type Queue struct {
	Depth  map[State]int // of Queued, Sending and Retrying
	Oldest time.Time     // when the oldest of them was made; zero where there is none
}

// Queue counts the unfinished deliveries.
func (s *Store) Queue(ctx context.Context) (Queue, error) {
	q := Queue{Depth: map[State]int{Queued: 0, Sending: 0, Retrying: 0}}
	// Where a state has to be equal, PostgreSQL takes the first of it for near and
	// walks all deliveries to it: the order of the index must be asked for.
	counts, err := read(ctx, s, scanCount, `
		SELECT q.state, q.depth, (
			SELECT created_at FROM deliveries d WHERE d.state >= q.state AND d.state <= q.state ORDER BY d.state, d.id LIMIT 1)
		FROM (`+s.engine.depth()+`
			UNION ALL SELECT 'sending', count(*) FROM deliveries WHERE state = 'sending') q`)
	if err != nil {
		return q, fmt.Errorf("count the queue: %w", err)
	}
	for _, c := range counts {
		q.Depth[c.state] = c.depth
		if !c.oldest.IsZero() && (q.Oldest.IsZero() || c.oldest.Before(q.Oldest)) {
			q.Oldest = c.oldest
		}
	}
	return q, nil
}

// count is how many deliveries are in a state, and when the oldest was made.
type count struct {
	state  State
	depth  int
	oldest time.Time
}

func scanCount(rows *sql.Rows) (c count, err error) {
	var oldest sql.NullInt64
	err = rows.Scan(&c.state, &c.depth, &oldest)
	c.oldest = fromMicros(oldest.Int64)
	return c, err
}

// WaitingChannels returns the channels for which deliveries wait.
func (s *Store) WaitingChannels(ctx context.Context) ([]string, error) {
	var channels []string
	last := ""
	for {
		// From one name to the next is a step in deliveries_due, however many wait.
		next, err := read(ctx, s, func(rows *sql.Rows) (name string, err error) {
			return name, rows.Scan(&name)
		}, `
			SELECT channel FROM deliveries `+s.engine.hint("deliveries_due")+`
			WHERE channel > ? AND `+waiting+` ORDER BY channel LIMIT 1`, last)
		if err != nil {
			return nil, fmt.Errorf("look for waiting channels: %w", err)
		}
		if len(next) == 0 {
			return channels, nil
		}
		last = next[0]
		channels = append(channels, last)
	}
}

// readTime bounds one query. A network that loses everything would hold up
// whoever asks for a quarter of an hour.
const readTime = 10 * time.Second

// read returns what scan makes of each row that a query finds, beside the writer.
func read[T any](ctx context.Context, s *Store, scan func(*sql.Rows) (T, error), query string, args ...any) ([]T, error) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	rows, err := s.reader.QueryContext(ctx, s.engine.bind(query), args...)
	if err != nil {
		return nil, err
	}
	found := []T{}
	err = eachRow(rows, func(rows *sql.Rows) error {
		row, err := scan(rows)
		found = append(found, row)
		return err
	})
	return found, err
}
