package catchup

import (
	"context"
	"errors"
	"sync"
	"time"

	"ringpost/relay/callback"
	"ringpost/relay/signalwire"
	"ringpost/relay/store"
)

// sweepName is what the look through the provider's recordings is called in the
// store.
const sweepName = "recordings"

// ErrNotConfigured says that there is nobody to ask.
var ErrNotConfigured = errors.New("the provider cannot be asked: [signalwire] space, project and token are not all set")

// ErrUnderWay says that somebody else's question is being answered.
var ErrUnderWay = errors.New("another catch-up is under way: try again when it is done")

// ErrTooOld says that nobody knows what was told so long ago.
var ErrTooOld = errors.New("callbacks that are so old are not kept, so nobody knows which came: want less than [store] keep")

// Found is what a look through the recordings came to.
type Found struct {
	Found int // recordings that have ended
	New   int // of them those of which no callback had come
}

// CatchUp looks through the recordings that ended since then, because a person
// asks for it, and returns what was found up to an error. It is no part of the
// sweeps, and may go back as far as callbacks are kept.
func (w *Watch) CatchUp(ctx context.Context, since time.Time) (Found, error) {
	c := w.config.Load()
	within := time.Since(since)
	switch {
	case c.Client == nil:
		return Found{}, ErrNotConfigured
	case within > c.Keep:
		return Found{}, ErrTooOld
	case !w.asked.TryLock():
		return Found{}, ErrUnderWay
	}
	defer w.asked.Unlock()
	l := newLook(w, c)
	err := l.through(ctx, since.Add(-longest), func(now time.Time) error {
		l.floor = now.Add(-within)
		return nil
	})
	l.tell()
	return l.found, err
}

// sweep looks through the recordings since the last sweep, if it is this
// process's turn.
func (w *Watch) sweep(ctx context.Context, c *Config, rest time.Duration) error {
	s, err := w.store.BeginSweep(ctx, sweepName, rest)
	if err != nil || s == nil {
		return err
	}
	first := s.Seen.IsZero()
	back, deep := overlap, time.Since(w.deepAt) >= deepEvery
	if deep {
		back = longest
	}
	since := s.Seen.Add(-back)
	if first {
		since = time.Now().Add(-back)
	}
	l := newLook(w, c)
	err = l.through(ctx, since, func(now time.Time) error {
		if s.Began.IsZero() {
			s.Began = now.Add(-time.Since(w.began))
		}
		l.floor = s.Began
		return w.renew(ctx, s)
	})
	l.tell()
	if errors.Is(err, signalwire.ErrManyPages) {
		// The next one would come no further. What is seen is told.
		w.log.Error("too many recordings at once: older ones were not looked at; ringpost catch-up --since asks for some of them", "looked_at", l.looked, "err", err)
		err = nil
	}
	if err != nil {
		w.metrics.CatchUps.WithLabelValues("failed").Inc()
		w.leave(ctx, s)
		return err
	}
	w.metrics.CatchUps.WithLabelValues("done").Inc()
	if deep {
		w.deepAt = time.Now()
	}
	s.Seen = l.seen()
	return w.store.EndSweep(context.WithoutCancel(ctx), s)
}

// look is one look through the recordings.
type look struct {
	*Watch
	config *Config
	floor  time.Time // recordings that ended before it are left alone

	now     time.Time // when the listing was begun, by the API's clock
	looked  int
	found   Found
	odd     int       // recordings that make no callback
	oddErr  error     // why the first of them does not
	waiting time.Time // when the first recording was created that was left for later
}

func newLook(w *Watch, c *Config) *look { return &look{Watch: w, config: c} }

// through looks at all recordings that were created since then. before is called
// before each page with the time at which the listing was begun.
func (l *look) through(ctx context.Context, since time.Time, before func(now time.Time) error) error {
	for page, err := range l.config.Client.Recordings(ctx, since) {
		if err != nil {
			return err
		}
		if l.now.IsZero() {
			l.now = page.At
		}
		if err := before(l.now); err != nil {
			return err
		}
		if err := l.take(ctx, page.List); err != nil {
			return err
		}
		if isOlder(page.List, since) {
			return nil
		}
	}
	return ctx.Err()
}

// isOlder reports whether a page has only recordings from before that time: so do
// those that follow.
func isOlder(page []signalwire.Recording, since time.Time) bool {
	for i := range page {
		if page[i].Created.IsZero() || !page[i].Created.Before(since) {
			return false
		}
	}
	return len(page) > 0
}

// seen is up to when all recordings were looked at. One that was left for later
// is looked at again, unless it has been left for so long that it will not change.
func (l *look) seen() time.Time {
	if !l.waiting.IsZero() && l.waiting.Before(l.now) && l.waiting.After(l.now.Add(-longest)) {
		return l.waiting
	}
	return l.now
}

// leaveForLater notes that a recording is to be looked at again.
func (l *look) leaveForLater(r *signalwire.Recording) {
	old := l.now.Add(-longest)
	if r.Created.After(old) && (l.waiting.IsZero() || r.Created.Before(l.waiting)) {
		l.waiting = r.Created
	}
}

// take stores a callback for each recording of a page that has ended and of which
// none came.
func (l *look) take(ctx context.Context, page []signalwire.Recording) error {
	l.looked += len(page)
	floor := l.floor
	if kept := l.now.Add(-l.config.Keep); kept.After(floor) {
		floor = kept // what came before that is forgotten
	}
	var ended []*signalwire.Recording
	var sids []string
	for i := range page {
		r := &page[i]
		switch {
		case r.Sid == "" || r.Ended.IsZero():
			l.note(errors.New("a recording without an id or a time"))
		case r.Status == "deleted": // nothing comes of it any more
		case !callback.Final(r.Status):
			l.leaveForLater(r)
		case !r.Ended.Before(floor):
			ended = append(ended, r)
			sids = append(sids, r.Sid)
		}
	}
	if len(ended) == 0 {
		return nil
	}
	received, err := l.store.Of(ctx, sids)
	if err != nil {
		return err
	}
	earlier := make(map[string][]store.Stored)
	for _, cb := range received {
		earlier[cb.RecordingSid] = append(earlier[cb.RecordingSid], cb)
	}
	return l.addAll(ctx, l.untold(ended, earlier))
}

// untold returns the callbacks that those recordings have too few of.
func (l *look) untold(ended []*signalwire.Recording, earlier map[string][]store.Stored) (untold []*callback.Callback) {
	for _, r := range ended {
		told := hasEnded(earlier[r.Sid])
		if !told && r.Ended.After(l.now.Add(-young)) {
			l.leaveForLater(r)
			continue
		}
		l.found.Found++
		if told {
			continue
		}
		cb, err := late(l.config, r, earlier[r.Sid])
		if err != nil {
			l.note(err)
			continue
		}
		untold = append(untold, cb)
	}
	return untold
}

// hasEnded reports whether callbacks of a recording told that it ended.
func hasEnded(received []store.Stored) bool {
	for _, cb := range received {
		if callback.Final(cb.RecordingStatus) {
			return true
		}
	}
	return false
}

// note counts a recording that makes no callback.
func (l *look) note(err error) {
	if l.odd++; l.oddErr == nil {
		l.oddErr = err
	}
}

// addAll stores callbacks, in as few transactions as the store makes of it.
func (l *look) addAll(ctx context.Context, list []*callback.Callback) error {
	stored, errs := make([]bool, len(list)), make([]error, len(list))
	var adding sync.WaitGroup
	for i, cb := range list {
		adding.Go(func() { stored[i], errs[i] = l.add(ctx, cb) })
	}
	adding.Wait()
	for _, is := range stored {
		if is {
			l.found.New++
		}
	}
	return errors.Join(errs...)
}

// add stores a callback, and counts it where no other came first.
func (w *Watch) add(ctx context.Context, cb *callback.Callback) (stored bool, err error) {
	stored, err = w.store.Add(ctx, cb)
	if err != nil || !stored {
		return false, err
	}
	w.metrics.Callbacks.WithLabelValues(cb.RecordingStatus, "stored").Inc()
	if cb.Late {
		w.metrics.Late.WithLabelValues(cb.RecordingStatus).Inc()
	}
	w.log.Debug("callback made", "recording", cb.RecordingSid, "status", cb.RecordingStatus, "late", cb.Late)
	return true, nil
}

// tell logs what a person should know of.
func (l *look) tell() {
	if l.found.New > 0 {
		l.log.Info("recordings received late: found by asking SignalWire, no callback had come", "recordings", l.found.New)
	}
	if l.odd > 0 {
		l.log.Warn("recordings are listed that cannot be understood: nobody is told of them", "recordings", l.odd, "err", l.oddErr)
	}
}
