package store

import (
	"context"
	"database/sql"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// maxRung bounds the channels that wait to be looked at. What is more is
	// found by looking now and then, as is what rings while nobody listens.
	maxRung = 64
	// maxName is PostgreSQL's bound on names, in bytes.
	maxName = 63
)

// bell is how nodes tell each other that there is work, with LISTEN and NOTIFY.
type bell struct {
	name string // of the notifications: schemas have bells of their own
	node string // this process
	rung chan string
	stop context.CancelFunc
	done sync.WaitGroup

	pauses chan struct{} // holds a value when they are to be looked at
}

// hang hangs up the bell of a schema.
func hang(schema, node string) *bell {
	name := "ringpost_" + schema
	return &bell{name: name[:min(len(name), maxName)], node: node, rung: make(chan string, maxRung), pauses: make(chan struct{}, 1)}
}

// start begins to listen, and to keep the clock by the server's.
func (b *bell) start(config *pgx.ConnConfig, s *Store, log *slog.Logger) {
	ctx, cancel := context.WithCancel(context.Background())
	b.stop = cancel
	b.done.Go(func() { b.listen(ctx, config, s, log) })
	b.done.Go(func() { keepTime(ctx, s) })
}

func (b *bell) close() {
	b.stop()
	b.done.Wait()
}

// ring tells the other nodes of work for a channel, or to be routed.
func (b *bell) ring(ctx context.Context, db *sql.DB, channel string) error {
	return b.notify(ctx, db, b.node+" "+channel)
}

// ringPauses tells the other nodes of a change of the pauses: by the name of this
// node and nothing else.
func (b *bell) ringPauses(ctx context.Context, db *sql.DB) error {
	return b.notify(ctx, db, b.node)
}

func (b *bell) notify(ctx context.Context, db *sql.DB, payload string) error {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	_, err := db.ExecContext(ctx, `SELECT pg_notify($1, $2)`, b.name, payload)
	return err
}

// listen hears the other nodes until ctx ends.
func (b *bell) listen(ctx context.Context, config *pgx.ConnConfig, s *Store, log *slog.Logger) {
	for {
		err := b.hear(ctx, config, s)
		if ctx.Err() != nil {
			return
		}
		log.Warn("the other nodes are not heard: looking for work now and then until they are", "err", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(waitStep):
		}
	}
}

// hear passes on what the other nodes ring for, until the connection fails.
func (b *bell) hear(ctx context.Context, config *pgx.ConnConfig, s *Store) error {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, "LISTEN "+pgx.Identifier{b.name}.Sanitize()); err != nil {
		return err
	}
	for {
		heard, err := conn.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		node, channel, work := strings.Cut(heard.Payload, " ")
		switch {
		case node == b.node:
		case !work:
			select {
			case b.pauses <- struct{}{}:
			default: // they will be looked at anyway
			}
		case channel == "":
			s.wakeRouter()
		default:
			select {
			case b.rung <- channel:
			default:
			}
		}
	}
}

// keepTime asks the server for the time now and then, until ctx ends. While it
// does not answer, the clock goes on by itself.
func keepTime(ctx context.Context, s *Store) {
	tick := time.NewTicker(clockEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			_ = ask(ctx, s.reader, s.clock)
		}
	}
}
