// Package lookup asks the provider about the calls of those callbacks whose rules
// want to know who called, which callbacks do not tell.
//
// Such a callback is stored and acknowledged as any other. The router finds that it
// takes the call to decide about it, and leaves it waiting in the store; others
// pass it by. A few workers claim what waits and is due (lookup.go), ask, and try
// again where there is no answer (ask.go): a provider in trouble is only probed.
// Callbacks of one call ask once (calls.go). What was learnt, or that nothing was learnt in time, is written with
// what the rules make of it in one transaction, and then it is a callback like any
// other.
//
// What waits is in the store: a process that dies loses nothing, and nobody is told
// twice. When its time is over a callback goes on without, however many of them
// there are and whether or not a worker is free.
package lookup

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"ringpost/relay/metrics"
	"ringpost/relay/route"
	"ringpost/relay/signalwire"
	"ringpost/relay/store"
)

const (
	// workers bounds the questions at once.
	workers = 8
	// pollEvery is how often is looked for what another process left, though nothing
	// told of it.
	pollEvery = 5 * time.Second
	// beat is the longest pause while something waits: its time may be over.
	beat = time.Second
	// maxOver is how many callbacks go on without at once.
	maxOver = 64
)

// Lookups asks about calls.
type Lookups struct {
	store   *store.Store
	router  *route.Router
	metrics *metrics.Metrics
	log     *slog.Logger

	source  atomic.Pointer[source]
	changed chan struct{} // holds a value once source is another
	freed   chan struct{} // holds a value once a worker is free

	asking    sync.WaitGroup
	busy      atomic.Int32 // workers
	failures  atomic.Int32 // of questions, since the provider answered one
	quiet     atomic.Int64 // nanoseconds since 1970: nobody is asked before; see [Lookups.pause]
	recovered time.Time    // when was looked last for what others left
}

// source is whom to ask; nil in it: nobody.
type source struct {
	client *signalwire.Client
	calls  *calls
}

// New returns look-ups that ask nobody before [Lookups.Follow]: what waits goes on
// without. What was learnt goes to router.
func New(s *store.Store, router *route.Router, m *metrics.Metrics, log *slog.Logger) *Lookups {
	l := &Lookups{store: s, router: router, metrics: m, log: log, changed: make(chan struct{}, 1), freed: make(chan struct{}, 1)}
	l.source.Store(new(source))
	return l
}

// Follow has client asked from now on, or nobody where it is nil. It is closed once
// another one is followed.
func (l *Lookups) Follow(client *signalwire.Client) {
	next := new(source)
	if client != nil {
		next = &source{client, newCalls(client.Call)}
	}
	if old := l.source.Swap(next); old.client != nil {
		old.client.Close()
	}
	l.quiet.Store(0) // that was another's wish
	l.failures.Store(0)
	wake(l.changed)
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // a wake-up is waiting already
	}
}

// Run asks about what waits until ctx ends, and gives back what was not answered
// by then.
func (l *Lookups) Run(ctx context.Context) {
	defer l.asking.Wait()
	for {
		timer := time.NewTimer(l.look(ctx))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-l.store.AddedLookups():
		case <-l.changed:
		case <-l.freed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// look begins to ask about what is due, has those go on whose time is over, and
// returns when to look again at the latest.
func (l *Lookups) look(ctx context.Context) time.Duration {
	due, any, err := l.store.NextLookup(ctx)
	if err != nil || !any {
		l.failed(ctx, err)
		return pollEvery
	}
	if time.Since(l.recovered) >= pollEvery {
		l.recovered = time.Now()
		if n, err := l.store.RecoverLookups(ctx); err != nil {
			l.failed(ctx, err)
		} else if n > 0 {
			l.log.Warn("look-ups that were under way when a process ended are taken up again", "count", n)
			due = l.store.Now()
		}
	}
	over, err := l.store.ClaimOverdue(ctx, maxOver)
	if err != nil {
		l.failed(ctx, err)
		return beat
	}
	l.goOnWithout(ctx, over)
	if len(over) == maxOver {
		return 0
	}
	wait := due.Sub(l.store.Now())
	if free := l.free(); free > 0 && time.Now().UnixNano() >= l.quiet.Load() {
		claimed, err := l.store.ClaimLookups(ctx, free)
		l.failed(ctx, err)
		for i := range claimed {
			l.begin(ctx, &claimed[i])
		}
		if wait < 0 {
			wait = 0 // what is due now was claimed
		}
	}
	if due.IsZero() || wait <= 0 || wait > beat {
		return beat
	}
	return wait
}

// free returns how many more questions may be asked at once.
func (l *Lookups) free() int {
	most := workers
	if l.failures.Load() >= inTrouble {
		most = 1
	}
	return most - int(l.busy.Load())
}

// failed notes that the store does not say what waits.
func (l *Lookups) failed(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil {
		l.log.Error("look-ups wait: the store will be asked again", "err", err)
	}
}

// begin asks about one call beside others.
func (l *Lookups) begin(ctx context.Context, waits *store.Lookup) {
	l.busy.Add(1)
	l.asking.Go(func() {
		defer wake(l.freed)
		defer l.busy.Add(-1)
		l.ask(ctx, l.source.Load(), waits)
	})
}

// goOnWithout has callbacks go on whose time is over, all at once: their
// transactions share one.
func (l *Lookups) goOnWithout(ctx context.Context, over []store.Lookup) {
	var going sync.WaitGroup
	for i := range over {
		going.Go(func() { l.without(ctx, &over[i]) })
	}
	going.Wait()
}
