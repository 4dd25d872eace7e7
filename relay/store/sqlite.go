package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/pressly/goose/v3"
	modernc "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// readers bounds the queries that run beside the writer.
const readers = 4

func openSQLite(ctx context.Context, file string) (*Store, error) {
	// An absolute path, since SQLite gives names such as :memory: a meaning.
	file, err := filepath.Abs(file)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	// The lock is beside the file itself, whichever link leads there.
	if target, err := filepath.EvalSymlinks(file); err == nil {
		file = target
	}
	lock := flock.New(file + ".lock")
	locked, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock store %s: %w", file, describe(err))
	}
	if !locked {
		return nil, fmt.Errorf("store %s is in use by another process: stop it first, or give this one a [store] url of its own", file)
	}
	s, err := openFile(ctx, file)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open store %s: %w", file, describe(err)), lock.Close())
	}
	s.close = lock.Close
	return s, nil
}

func openFile(ctx context.Context, file string) (*Store, error) {
	// The database holds phone numbers and links to recordings.
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	f.Close()
	// An fsync at every commit is what an acknowledgement promises. Checkpoints
	// of 16 MB instead of 4 halve the slowest one in a hundred commits.
	w, err := sql.Open("sqlite", dsn(file,
		"journal_mode(WAL)", "synchronous(FULL)", "wal_autocheckpoint(8000)", "foreign_keys(0)"))
	if err != nil {
		return nil, err
	}
	w.SetMaxOpenConns(1)
	if err := migrate(ctx, goose.DialectSQLite3, w); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	r, err := sql.Open("sqlite", dsn(file, "query_only(1)"))
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	r.SetMaxOpenConns(readers)
	r.SetMaxIdleConns(readers)
	c := new(clock)
	now := time.Now()
	c.set(now, now)
	return newStore(sqlite{}, c, newSession(w, sqlite{}, 0), r, &handoff{behind: true}), nil
}

func dsn(file string, pragmas ...string) string {
	q := url.Values{"_txlock": {"immediate"}, "_pragma": append([]string{"busy_timeout(5000)"}, pragmas...)}
	return (&url.URL{Scheme: "file", Opaque: url.PathEscape(filepath.ToSlash(file)), RawQuery: q.Encode()}).String()
}

// describe says what to do about an error that opening a file may end with.
func describe(err error) error {
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("the file and its folder must be writable (%w)", err)
	}
	e, ok := errors.AsType[*modernc.Error](err)
	if !ok {
		return err
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT:
		return fmt.Errorf("the file is damaged or no SQLite database; it was left as it is: move it away or restore a backup (%w)", err)
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN:
		return fmt.Errorf("the file and its folder must be writable (%w)", err)
	}
	return err
}

// isNoTransaction reports whether err is what ROLLBACK answers where SQLite has
// already rolled back.
func isNoTransaction(err error) bool {
	return strings.Contains(err.Error(), "no transaction is active")
}
