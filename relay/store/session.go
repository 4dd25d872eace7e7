package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// session is a connection that writes, with its prepared statements. It makes
// itself anew where the database went away. It is not safe for use at once.
type session struct {
	db     *sql.DB
	engine engine
	// patience bounds one transaction; 0 does not.
	patience time.Duration

	conn  *sql.Conn // nil until it is needed
	stmts map[string]*sql.Stmt
}

// tx is a transaction under way.
type tx struct {
	*session
	ctx   context.Context
	added []*addition // to be added in it, where it is the committer's
}

func newSession(db *sql.DB, e engine, patience time.Duration) *session {
	return &session{db: db, engine: e, patience: patience, stmts: make(map[string]*sql.Stmt)}
}

// transact does do in one transaction. It does not end with the patience of
// whoever asked for it: what was committed must not be lost to them. A single
// statement is a transaction by itself.
func (s *session) transact(single bool, do func(*tx) error) error {
	ctx := context.Background()
	if s.patience > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.patience)
		defer cancel()
	}
	if s.conn == nil {
		conn, err := s.db.Conn(ctx)
		if err != nil {
			return fmt.Errorf("connect: %w", err)
		}
		s.conn = conn
	}
	tx := &tx{session: s, ctx: ctx}
	if single {
		return tx.undo(do(tx))
	}
	if _, err := tx.exec(s.engine.begin()); err != nil {
		return tx.undo(fmt.Errorf("begin: %w", err))
	}
	if err := do(tx); err != nil {
		return tx.undo(err)
	}
	if _, err := tx.exec("COMMIT"); err != nil {
		return tx.undo(fmt.Errorf("commit: %w", err))
	}
	return nil
}

// broken reports whether the last transaction failed because the connection
// did.
func (s *session) broken() bool { return s.conn == nil }

// close closes the connection and its statements. SQLite keeps a connection, its
// files and its locks until the statements are closed.
func (s *session) close() error {
	for _, stmt := range s.stmts {
		stmt.Close()
	}
	clear(s.stmts)
	if s.conn == nil {
		return nil
	}
	err := s.conn.Close()
	s.conn = nil
	if errors.Is(err, sql.ErrConnDone) {
		return nil
	}
	return err
}

// prepare returns the statement for query, which is prepared once for the life
// of the connection.
func (t *tx) prepare(query string) (*sql.Stmt, error) {
	if s, ok := t.stmts[query]; ok {
		return s, nil
	}
	s, err := t.conn.PrepareContext(t.ctx, t.engine.bind(query))
	if err != nil {
		return nil, err
	}
	t.stmts[query] = s
	return s, nil
}

func (t *tx) exec(query string, args ...any) (rows int64, err error) {
	r, err := t.do(query, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

func (t *tx) do(query string, args ...any) (sql.Result, error) {
	s, err := t.prepare(query)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(t.ctx, args...)
}

// each runs query and calls row for every row of its result.
func (t *tx) each(row func(*sql.Rows) error, query string, args ...any) error {
	s, err := t.prepare(query)
	if err != nil {
		return err
	}
	rows, err := s.QueryContext(t.ctx, args...)
	if err != nil {
		return err
	}
	return eachRow(rows, row)
}

// ids runs a query that returns one column of ids.
func (t *tx) ids(query string, args ...any) (found []int64, err error) {
	err = t.each(func(rows *sql.Rows) error {
		var id int64
		err := rows.Scan(&id)
		found = append(found, id)
		return err
	}, query, args...)
	return found, err
}

// undo ends a transaction that failed with err. A connection that does not work
// any more is dropped; what fails then says nothing that err does not.
func (t *tx) undo(err error) error {
	if err == nil {
		return nil
	}
	rollback := t.rollback()
	if t.conn.PingContext(t.ctx) == nil {
		return errors.Join(err, rollback)
	}
	_ = t.close()
	return err
}

// rollback ends the transaction without its writes. SQLite has rolled back by
// itself after some errors, a full disk among them; that is not one more.
func (t *tx) rollback() error {
	_, err := t.conn.ExecContext(t.ctx, "ROLLBACK")
	if err != nil && isNoTransaction(err) {
		return nil
	}
	return err
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
