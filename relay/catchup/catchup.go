// Package catchup finds out what callbacks did not tell. A sender posts a callback
// three times within seconds, and never again: one that met a stopped service, or
// a network that lost it, would be lost with what it was to set off.
//
// So the provider is asked, on start and every few minutes, which recordings
// there are since it was asked last (sweep.go). Those that have ended and of which
// no callback came become callbacks (late.go), which are stored as any other is.
// That is what keeps it safe: a callback is known by its account, recording and
// status, so whichever comes first, the one that was posted or the one that was
// found, the other is a repeat and sends nothing.
//
// A recording that began, of which nothing more was heard, not even by asking,
// becomes a callback with the status missing once that is too long ago
// (missing.go).
//
// How far the look has come is in the store, and is written there once all that it
// found is: a crash in between finds the same again. Nodes take turns.
package catchup

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"ringpost/relay/metrics"
	"ringpost/relay/signalwire"
	"ringpost/relay/store"
)

const (
	// overlap is by how much a look goes back behind the last one: clocks differ, and
	// lists may lag behind what there is.
	overlap = 10 * time.Minute
	// longest is how long calls last, unless the provider was told otherwise. Where a
	// recording appears in the list when it has ended, and counts as created when it
	// began, it appears so far back.
	longest = 4 * time.Hour
	// deepEvery is how often a look goes back as far as that. The first one does.
	deepEvery = time.Hour
	// young is how old the end of a recording must be: the callback may be on its way,
	// and it knows the query.
	young = 2 * time.Minute
	// usually is how often is looked where that is not configured.
	usually = 5 * time.Minute
	// firstRetry is when is looked again after a failure. It doubles with each.
	firstRetry = 15 * time.Second
	// leaveTime bounds how long it takes to give a sweep back.
	leaveTime = 5 * time.Second
)

// Config says what is looked for.
type Config struct {
	Client  *signalwire.Client // whom to ask; nil: nobody
	Project string             // the account of Client
	Space   string             // what relative URLs belong to

	Every        time.Duration // from one look to the next; 0: none
	MissingAfter time.Duration // the beginning of a recording; 0: none is missing
	Keep         time.Duration // how long it is known what callbacks came
}

// asks reports whether the provider is asked for recordings.
func (c *Config) asks() bool { return c.Client != nil && c.Every > 0 }

// interval is the time from one look to the next.
func (c *Config) interval() time.Duration {
	if c.Every > 0 {
		return c.Every
	}
	return usually
}

// Watch looks for what callbacks did not tell. Its methods may be called at once.
type Watch struct {
	store   *store.Store
	metrics *metrics.Metrics
	log     *slog.Logger

	config  atomic.Pointer[Config]
	changed chan struct{} // holds a value once config is another

	asked     sync.Mutex // held while a person's question is answered
	beginning sync.Once
	began     time.Time // when the provider was first to be asked; by this machine's clock
	deepAt    time.Time // when a look last went back far
}

// New returns a watch that looks for nothing before [Watch.Follow].
func New(s *store.Store, m *metrics.Metrics, log *slog.Logger) *Watch {
	w := &Watch{store: s, metrics: m, log: log, changed: make(chan struct{}, 1)}
	w.config.Store(new(Config))
	return w
}

// Follow puts c in place of the configuration before.
func (w *Watch) Follow(c Config) {
	if c.asks() {
		w.beginning.Do(func() { w.began = time.Now() })
	}
	if old := w.config.Swap(&c); old.Client != nil {
		old.Client.Close()
	}
	select {
	case w.changed <- struct{}{}:
	default: // the last change was not seen yet
	}
}

// Run looks at once, and then from time to time, until ctx ends.
func (w *Watch) Run(ctx context.Context) {
	failures := 0
	rest := time.Duration(0) // whatever was looked at before the start
	for {
		select {
		case <-w.changed: // what is seen now
		default:
		}
		c := w.config.Load()
		err := w.look(ctx, c, rest)
		rest = c.interval() * 9 / 10 // or the same node would be late for itself
		wait := c.interval()
		if err != nil && ctx.Err() == nil {
			wait = min(wait, firstRetry<<min(failures, 10))
			wait = max(wait, retryAfter(err))
			failures++
			w.log.Warn("what callbacks did not tell is not known: it will be asked for again", "in", wait, "err", err)
		} else {
			failures = 0
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-w.changed:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// look looks for recordings first, and then for those that are missing all the
// same. A sweep that was done less than rest ago is left out.
func (w *Watch) look(ctx context.Context, c *Config, rest time.Duration) (err error) {
	if c.asks() {
		err = w.sweep(ctx, c, rest)
	}
	if c.MissingAfter > 0 && ctx.Err() == nil {
		err = errors.Join(err, w.findMissing(ctx, c, rest))
	}
	return err
}

// retryAfter is how long the provider asks to wait; 0 where it does not.
func retryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*signalwire.Error](err); ok {
		return e.RetryAfter
	}
	return 0
}

// leave gives a sweep back that did not come to its end, whatever ended it.
func (w *Watch) leave(ctx context.Context, s *store.Sweep) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTime)
	defer cancel()
	if err := w.store.LeaveSweep(ctx, s); err != nil {
		w.log.Debug("a sweep is not given back: it is free when its lease ends", "sweep", s.Name, "err", err)
	}
}

// renew keeps a sweep, or returns why it cannot go on.
func (w *Watch) renew(ctx context.Context, s *store.Sweep) error {
	mine, err := w.store.RenewSweep(ctx, s)
	if err == nil && !mine {
		err = errTaken
	}
	return err
}

// errTaken says that a sweep took so long that another node began anew.
var errTaken = errors.New("another node has taken over")
