// Package store keeps callbacks and deliveries, and hands deliveries to
// workers. It is the only truth: what it has committed survives a crash, and
// what a worker holds in memory is written there as leased.
//
// A callback is added (intake.go), then routed: its deliveries are written and
// it is marked in one transaction (routing.go). A delivery is claimed under a
// lease (lease.go), and what came of the attempt is recorded (finish.go),
// until it ends delivered, dead, cancelled or unknown. operate.go is what
// people do to deliveries, query.go what they ask, retention.go what is
// forgotten.
//
// Everything that writes goes through one committer (group.go), which puts
// what waits into one transaction, so that one fsync serves many.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"time"
)

// Lease is how long a claimed delivery stays with its worker unless the lease
// is renewed: the time after which another process may take it over.
const Lease = 30 * time.Second

var (
	// ErrNotFound means that there is no such row.
	ErrNotFound = errors.New("not found")
	// ErrClosed means that the store was closed.
	ErrClosed = errors.New("the store is closed")
)

// Store is an open store. Its methods may be called at once.
type Store struct {
	writer *committer
	reader *sql.DB
	lock   io.Closer
	added  chan struct{}
}

// Added receives a value some time after callbacks were added. It holds one
// value at most: whoever receives it looks for all that is unrouted.
func (s *Store) Added() <-chan struct{} { return s.added }

// Close waits for the writes under way and closes the store. A second Close does
// nothing.
func (s *Store) Close() error {
	return errors.Join(s.reader.Close(), s.writer.close(), s.lock.Close())
}

// Healthy returns nil where the store can commit. It writes only where the
// last commit failed.
func (s *Store) Healthy(ctx context.Context) error {
	if s.writer.failed.Load() == nil {
		return nil
	}
	err := s.write(ctx, func(tx *tx) error {
		_, err := tx.exec(`UPDATE health SET checked_at = ?`, micros(time.Now()))
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
