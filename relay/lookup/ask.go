package lookup

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"ringpost/relay/callback"
	"ringpost/relay/signalwire"
	"ringpost/relay/store"
)

const (
	// askTime bounds one question; see [store.LookupLease].
	askTime = 10 * time.Second
	// leastTime is for how long is waited for an answer though the time is nearly over.
	leastTime = time.Second
	// firstRetry is when is asked again after a failure. It doubles with each, up to
	// maxRetry.
	firstRetry = 500 * time.Millisecond
	maxRetry   = 15 * time.Second
	// notThere is after how many questions a call that the provider does not know
	// is none: it may learn of it a little later than its callback is sent.
	notThere = 3
	// inTrouble is after how many failures in a row, of whichever calls, the provider
	// is in trouble: one question at a time is asked then, with a pause after each,
	// of maxProbe at most.
	inTrouble = workers
	maxProbe  = 5 * time.Second
	// leaveTime bounds how long it takes to give a look-up back.
	leaveTime = 5 * time.Second
)

// errNobody says that there is nobody to ask.
var errNobody = errors.New("[signalwire] space, project and token are not all configured")

// ask asks about the call of one callback, which then goes on, or is asked about
// again.
func (l *Lookups) ask(ctx context.Context, from *source, waits *store.Lookup) {
	if from.client == nil {
		waits.LastError = errNobody.Error()
		l.without(ctx, waits)
		return
	}
	asking, cancel := context.WithTimeout(ctx, min(askTime, max(waits.Deadline.Sub(l.store.Now()), leastTime)))
	defer cancel()
	call, err := from.calls.get(asking, waits.CallSid)
	switch {
	case err == nil:
		l.failures.Store(0)
		if l.resume(ctx, waits, call) {
			l.metrics.Lookups.WithLabelValues("found").Inc()
		}
	case ctx.Err() != nil:
		l.giveBack(ctx, waits)
	default:
		l.again(ctx, waits, err)
	}
}

// again has the call asked about again later, unless that is of no use.
func (l *Lookups) again(ctx context.Context, waits *store.Lookup, err error) {
	waits.Attempts++
	waits.LastError = strings.TrimPrefix(err.Error(), "look up a call: ")
	e, answered := errors.AsType[*signalwire.Error](err)
	unknown := answered && e.Status == http.StatusNotFound
	if unknown {
		waits.LastError = "SignalWire knows no such call"
	}
	wait := backoff(waits.Attempts)
	switch {
	case unknown:
		l.failures.Store(0)
	case answered && (e.RetryAfter > 0 || e.Status == http.StatusTooManyRequests):
		wait = max(wait, e.RetryAfter)
		l.pause(wait)
	default:
		if n := int(l.failures.Add(1)); n >= inTrouble {
			l.pause(min(backoff(n-inTrouble+1), maxProbe))
		}
	}
	now := l.store.Now()
	if unknown && waits.Attempts >= notThere || !now.Before(waits.Deadline) {
		l.without(ctx, waits)
		return
	}
	waits.DueAt = now.Add(wait)
	if waits.DueAt.After(waits.Deadline) {
		waits.DueAt = waits.Deadline
	}
	l.metrics.Lookups.WithLabelValues("retried").Inc()
	l.log.Warn("call not looked up: it will be asked about again", "recording", waits.RecordingSid, "callback", waits.ID,
		"attempt", waits.Attempts, "in", waits.DueAt.Sub(now).Round(time.Millisecond), "err", waits.LastError)
	l.postpone(ctx, waits)
}

// backoff is how long to wait after so many failures: half of it by chance, so that
// those that failed together are not asked about together.
func backoff(failures int) time.Duration {
	wait := min(firstRetry<<min(failures-1, 10), maxRetry)
	return wait/2 + rand.N(wait/2) // #nosec G404 -- no secret
}

// pause has nobody asked for so long, since the provider wishes it.
func (l *Lookups) pause(wait time.Duration) {
	until := time.Now().Add(wait).UnixNano()
	for {
		old := l.quiet.Load()
		if old >= until || l.quiet.CompareAndSwap(old, until) {
			return
		}
	}
}

// without has a callback go on without its call.
func (l *Lookups) without(ctx context.Context, waits *store.Lookup) {
	call := &callback.Call{Problem: cmp.Or(waits.LastError, "SignalWire did not say in time")}
	if !l.resume(ctx, waits, call) {
		return
	}
	l.metrics.Lookups.WithLabelValues("without").Inc()
	l.log.Warn("callback goes on without its call", "recording", waits.RecordingSid, "callback", waits.ID, "attempt", waits.Attempts,
		"err", call.Problem)
}

// resume has a callback go on. A failure of the store leaves it waiting, and it is
// taken up again when the lease ends.
func (l *Lookups) resume(ctx context.Context, waits *store.Lookup, call *callback.Call) bool {
	done, err := l.router.Resume(ctx, waits, call)
	if err != nil && ctx.Err() == nil {
		l.log.Error("callback not routed: it will be tried again", "recording", waits.RecordingSid, "callback", waits.ID, "err", err)
	}
	return done
}

// giveBack leaves a look-up to others, or to the next start.
func (l *Lookups) giveBack(ctx context.Context, waits *store.Lookup) {
	waits.DueAt = l.store.Now()
	l.postpone(ctx, waits)
}

func (l *Lookups) postpone(ctx context.Context, waits *store.Lookup) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTime)
	defer cancel()
	if err := l.store.PostponeLookup(ctx, waits); err != nil {
		l.log.Error("a look-up is not given back: it is taken up when its lease ends", "callback", waits.ID, "err", err)
	}
}
