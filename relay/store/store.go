// Package store keeps callbacks and deliveries, and hands deliveries to
// workers. It is the only truth: what it has committed survives a crash, and
// what a worker holds in memory is written there as leased.
//
// A callback is added (intake.go), then routed: its deliveries are written and
// it is marked in one transaction (routing.go). A delivery is claimed under a
// lease (lease.go), and what came of the attempt is recorded (finish.go),
// until it ends delivered, dead, cancelled or unknown. What the provider says
// after that comes by receipt.go, and what follows from one that is dead by
// deadletter.go. operate.go, forward.go and pause.go are what
// people do, which is written down with who did it.
//
// A callback that the rules cannot decide about before it is known who called waits
// for that, marked and without deliveries (lookup.go).
//
// query.go is what programs ask, search.go, find.go and calls.go what people look
// for. quiet.go holds deliveries back in their quiet hours, digest.go collects them
// into one message. link.go keeps what opens a recording to those who were told of
// it, attachment.go which messages have it with them, archived.go where copies of it
// are, plans.go the rules that callbacks were routed by; tally.go counts over time,
// refusal.go keeps the requests that were refused; retention.go says what is
// forgotten, and when. sweep.go keeps how far others' lists were looked through, and
// unfinished.go finds the recordings of which nothing more was heard.
//
// Everything that writes goes through one committer (group.go), which puts
// what waits into one transaction (session.go), so that one fsync serves many.
//
// A store is a SQLite file that belongs to one process (sqlite.go), or a
// PostgreSQL database that nodes share (postgres.go). What they do differently
// is an engine (engine.go). All times are the database's (clock.go).
package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// Lease is how long a claimed delivery stays with its process unless the lease
// is renewed: the time after which another one takes it over.
const Lease = 15 * time.Second

var (
	// ErrNotFound means that there is no such row.
	ErrNotFound = errors.New("not found")
	// ErrClosed means that the store was closed.
	ErrClosed = errors.New("the store is closed")
)

// Store is an open store. Its methods may be called at once.
type Store struct {
	engine engine
	clock  *clock
	name   string // of this process, as the owner of leases
	writer *committer
	reader *sql.DB
	added  chan struct{}
	died   chan struct{}
	close  func() error // what this kind of store has open beside

	lookups chan struct{}

	routing sync.Mutex // and what it guards
	handoff *handoff   // where the store belongs to this process
	router  *session   // where nodes share it

	filing sync.Mutex // and what it guards
	filer  *session   // where nodes share it

	bell *bell // where nodes share it
}

// Open opens the store at location, sqlite:FILE or a postgres:// URL, and
// creates it or brings it up to date.
//
// A SQLite file belongs to one process at a time: Open fails at once where
// another one has it. A PostgreSQL server that is not there yet is waited for,
// until ctx ends.
func Open(ctx context.Context, location string, log *slog.Logger) (*Store, error) {
	scheme, rest, _ := strings.Cut(location, ":")
	switch {
	case scheme == "sqlite" && rest != "":
		return openSQLite(ctx, rest)
	case scheme == "postgres" || scheme == "postgresql":
		return openPostgres(ctx, location, log)
	}
	return nil, errors.New("open store: want a location such as sqlite:ringpost.db or postgres://host/database")
}

func newStore(e engine, c *clock, writer *session, reader *sql.DB, h *handoff) *Store {
	name := rand.Text()
	return &Store{engine: e, clock: c, name: name, writer: newCommitter(writer, name, h), reader: reader,
		added: make(chan struct{}, 1), died: make(chan struct{}, 1), lookups: make(chan struct{}, 1), handoff: h}
}

// Now is the database's time, by which deliveries are due, leased and given up.
func (s *Store) Now() time.Time { return s.clock.now() }

// Added receives a value some time after callbacks were added. It holds one
// value at most: whoever receives it looks for all that is unrouted.
func (s *Store) Added() <-chan struct{} { return s.added }

// Close waits for the writes under way and closes the store. A second Close does
// nothing.
func (s *Store) Close() error {
	return errors.Join(s.reader.Close(), s.writer.close(), s.close())
}

// Healthy returns nil where the store can commit. It writes only where the
// last commit failed.
func (s *Store) Healthy(ctx context.Context) error {
	if s.writer.failed.Load() == nil {
		return nil
	}
	err := s.write(ctx, func(tx *tx) error {
		_, err := tx.exec(`UPDATE health SET checked_at = ?`, micros(s.clock.now()))
		return err
	})
	if err != nil {
		return fmt.Errorf("the store cannot commit: %w", err)
	}
	return nil
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
