package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

const (
	// connectTime bounds one try to connect.
	connectTime = 5 * time.Second
	// patience bounds one transaction. Whoever waits for it longer than that has
	// gone.
	patience = 10 * time.Second
	// waitStep is how long to wait for a server that is not there.
	waitStep = time.Second
	// clockEvery is how often the server is asked for the time.
	clockEvery = 30 * time.Second
)

// postgresSettings are those of every session. They end the locks of a node that
// hangs or loses its network before its leases end.
var postgresSettings = map[string]string{
	"application_name":                    "ringpost",
	"idle_in_transaction_session_timeout": "10s",
	"tcp_keepalives_idle":                 "5",
	"tcp_keepalives_interval":             "3",
	"tcp_keepalives_count":                "3",
}

// openPostgres opens the store in the schema that url's search_path leads to.
func openPostgres(ctx context.Context, url string, log *slog.Logger) (*Store, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err) // which names no password
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTime
	}
	for name, value := range postgresSettings {
		if _, given := config.RuntimeParams[name]; !given {
			config.RuntimeParams[name] = value
		}
	}
	w := stdlib.OpenDB(*config)
	s, err := openServer(ctx, config, w, log)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open store: %w", err), w.Close())
	}
	return s, nil
}

func openServer(ctx context.Context, config *pgx.ConnConfig, w *sql.DB, log *slog.Logger) (*Store, error) {
	if err := await(ctx, w, log); err != nil {
		return nil, err
	}
	schema, err := schemaOf(ctx, w)
	if err != nil {
		return nil, err
	}
	if err := migrate(ctx, goose.DialectPostgres, w, goose.WithSessionLocker(turns{})); err != nil {
		return nil, err
	}
	c := new(clock)
	if err := ask(ctx, w, c); err != nil {
		return nil, err
	}
	r := stdlib.OpenDB(*forLists(config))
	r.SetMaxOpenConns(readers)
	r.SetMaxIdleConns(readers)
	s := newStore(postgres{}, c, newSession(w, postgres{}, patience), r, nil)
	s.router = newSession(w, postgres{}, patience)
	s.filer = newSession(w, postgres{}, patience)
	s.bell = hang(schema, s.name)
	s.bell.start(config, s, log)
	s.close = func() error {
		s.bell.close()
		s.routing.Lock()
		defer s.routing.Unlock()
		s.filing.Lock()
		defer s.filing.Unlock()
		return errors.Join(s.router.close(), s.filer.close())
	}
	return s, nil
}

// forLists returns the configuration for what people ask. Each time it is planned
// for what is asked for: the few of a rare state and the many of a common one are
// not found in the same way, and one plan for both goes through all rows.
func forLists(config *pgx.ConnConfig) *pgx.ConnConfig {
	config = config.Copy()
	const mode = "plan_cache_mode"
	if _, given := config.RuntimeParams[mode]; !given {
		config.RuntimeParams[mode] = "force_custom_plan"
	}
	return config
}

// turns are taken by nodes that start at once to bring a schema up to date. The
// server has them wait; goose's own turns are tried for every five seconds, and
// are the same for all schemas of a database.
type turns struct{}

const (
	takeTurn = `SELECT pg_advisory_lock(hashtextextended('ringpost ' || current_schema(), 0))`
	endTurn  = `SELECT pg_advisory_unlock(hashtextextended('ringpost ' || current_schema(), 0))`
)

// SessionLock returns when it is conn's turn.
func (turns) SessionLock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, takeTurn)
	return err
}

// SessionUnlock ends conn's turn.
func (turns) SessionUnlock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, endTurn)
	return err
}

// schemaOf returns the schema in which db finds its tables.
func schemaOf(ctx context.Context, db *sql.DB) (string, error) {
	var schema sql.NullString
	if err := db.QueryRowContext(ctx, `SELECT current_schema()`).Scan(&schema); err != nil {
		return "", fmt.Errorf("find the schema: %w", err)
	}
	if !schema.Valid {
		return "", errors.New("the search_path leads to no schema: create it first, or name one that there is")
	}
	return schema.String, nil
}

// await returns once the server answers. That it is not there, or not yet, is
// waited for; that it refuses is an error.
func await(ctx context.Context, db *sql.DB, log *slog.Logger) error {
	for {
		err := db.PingContext(ctx)
		if err == nil || ctx.Err() != nil || !awaitable(err) {
			return err
		}
		log.Warn("waiting for the database", "err", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(waitStep):
		}
	}
}

// awaitable reports whether a server that answers so may take connections soon:
// it starts or stops (class 57), or has too many (53300), or is not there. Port
// forwarders and load balancers take connections for it meanwhile, and hang up.
func awaitable(err error) bool {
	if refusal, ok := errors.AsType[*pgconn.PgError](err); ok {
		return refusal.Code[:2] == "57" || refusal.Code == "53300"
	}
	_, unreachable := errors.AsType[net.Error](err)
	return unreachable || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) ||
		errors.Is(err, context.DeadlineExceeded)
}

// ask sets c by the server's clock.
func ask(ctx context.Context, db *sql.DB, c *clock) error {
	ctx, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	var there int64
	before := time.Now()
	err := db.QueryRowContext(ctx, `SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint`).Scan(&there)
	if err != nil {
		return fmt.Errorf("ask the database for the time: %w", err)
	}
	c.set(before.Add(time.Since(before)/2), fromMicros(there))
	return nil
}
