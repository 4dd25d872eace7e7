package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
)

// maxGroup bounds the writes that share one transaction, and so how long the
// first of them waits for the last.
const maxGroup = 512

// quietYields is how many yields in a row must bring nothing before a group is
// committed. Twice as many bring no more.
const quietYields = 8

// committer is the one writer of a store. Writes that wait at the same time
// share a transaction, and so an fsync, whatever their kind.
type committer struct {
	conn *sql.Conn
	db   *sql.DB

	mu     sync.RWMutex // held for reading while a write is being queued
	closed bool
	writes chan *write
	done   chan struct{}
	used   sync.Pool // of *write

	failed atomic.Pointer[error] // of the last transaction; nil where it committed
}

// write is one piece of work in a group's transaction.
type write struct {
	do     func(*tx) error
	result chan error
}

// tx is the transaction under way on the writer's connection, with its
// prepared statements.
type tx struct {
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
}

func newCommitter(db *sql.DB) (*committer, error) {
	conn, err := db.Conn(context.Background())
	if err != nil {
		return nil, err
	}
	c := &committer{conn: conn, db: db, writes: make(chan *write, maxGroup), done: make(chan struct{})}
	go c.run()
	return c, nil
}

// write runs do within a transaction and returns once it is committed, or has
// failed. The transaction may be shared, and do may run twice: when a shared
// transaction fails, each of its writes is tried again alone, so that none
// fails for its neighbour. When ctx ends first, do may still be committed.
func (s *Store) write(ctx context.Context, do func(*tx) error) error {
	w, ok := s.writer.used.Get().(*write)
	if !ok {
		w = &write{result: make(chan error, 1)}
	}
	w.do = do
	if err := s.writer.queue(ctx, w); err != nil {
		return err
	}
	select {
	case err := <-w.result:
		w.do = nil
		s.writer.used.Put(w)
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *committer) queue(ctx context.Context, w *write) error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.closed {
		return ErrClosed
	}
	select {
	case c.writes <- w:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *committer) run() {
	defer close(c.done)
	tx := &tx{conn: c.conn, stmts: make(map[string]*sql.Stmt)}
	defer tx.close()
	group := make([]*write, 0, maxGroup)
	for first := range c.writes {
		group = append(group[:0], first)
		c.letOthersQueue()
		for waiting := len(c.writes); waiting > 0 && len(group) < maxGroup; waiting-- {
			group = append(group, <-c.writes)
		}
		err := c.commit(tx, group)
		for _, w := range group {
			if err != nil && len(group) > 1 {
				w.result <- c.commit(tx, []*write{w})
				continue
			}
			w.result <- err
		}
	}
}

// letOthersQueue yields for as long as that brings more writes. Under load it
// doubles the groups, at little more than the cost of the smaller ones; where
// nothing else runs it takes a microsecond.
func (c *committer) letOthersQueue() {
	for quiet := 0; quiet < quietYields; quiet++ {
		waiting := len(c.writes)
		runtime.Gosched()
		if len(c.writes) > waiting {
			quiet = 0
		}
	}
}

// commit does the writes of group in one transaction.
func (c *committer) commit(tx *tx, group []*write) (err error) {
	defer func() {
		if err == nil {
			c.failed.Store(nil)
		} else {
			c.failed.Store(&err)
		}
	}()
	if _, err := tx.exec("BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	for _, w := range group {
		if err := w.do(tx); err != nil {
			return errors.Join(err, tx.rollback())
		}
	}
	if _, err := tx.exec("COMMIT"); err != nil {
		return errors.Join(fmt.Errorf("commit: %w", err), tx.rollback())
	}
	return nil
}

func (c *committer) close() error {
	c.mu.Lock()
	closed := c.closed
	c.closed = true
	c.mu.Unlock()
	if closed {
		return nil
	}
	close(c.writes)
	<-c.done
	return errors.Join(c.conn.Close(), c.db.Close())
}

// prepare returns the statement for query, which is prepared once for the life
// of the connection.
func (t *tx) prepare(query string) (*sql.Stmt, error) {
	if s, ok := t.stmts[query]; ok {
		return s, nil
	}
	s, err := t.conn.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, err
	}
	t.stmts[query] = s
	return s, nil
}

func (t *tx) exec(query string, args ...any) (int64, error) {
	s, err := t.prepare(query)
	if err != nil {
		return 0, err
	}
	r, err := s.Exec(args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// each runs query and calls row for every row of its result.
func (t *tx) each(row func(*sql.Rows) error, query string, args ...any) error {
	s, err := t.prepare(query)
	if err != nil {
		return err
	}
	rows, err := s.Query(args...)
	if err != nil {
		return err
	}
	return eachRow(rows, row)
}

// rollback ends the transaction without its writes. SQLite has rolled back by
// itself after some errors, a full disk among them; that is not one more.
func (t *tx) rollback() error {
	_, err := t.conn.ExecContext(context.Background(), "ROLLBACK")
	if err != nil && isNoTransaction(err) {
		return nil
	}
	return err
}

// close closes the statements. SQLite keeps a connection, its files and its
// locks until then.
func (t *tx) close() {
	for _, s := range t.stmts {
		s.Close()
	}
}

func eachRow(rows *sql.Rows, row func(*sql.Rows) error) error {
	defer rows.Close()
	for rows.Next() {
		if err := row(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
