package catchup

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"time"

	"ringpost/relay/callback"
	"ringpost/relay/signalwire"
	"ringpost/relay/store"
)

const (
	// missingName is what the look through the recordings that began is called in the
	// store.
	missingName = "missing"
	// missingBatch is how many of them are looked at before the sweep is renewed: the
	// provider may take its time for each.
	missingBatch = 15
	// maxRunning is how much longer than is usual a recording may last, as the
	// provider says, before it counts as missing all the same.
	maxRunning = 24 * time.Hour
	// maxSilence is how much later a recording counts as missing because the provider
	// does not say what has become of it.
	maxSilence = time.Hour
	// inProgressSince is the field of a missing one's callback with the time at which
	// the beginning was told.
	inProgressSince = "InProgressSince"
)

// findMissing makes callbacks of those recordings that began long ago and of which
// nothing more was heard, if it is this process's turn.
func (w *Watch) findMissing(ctx context.Context, c *Config, rest time.Duration) error {
	s, err := w.store.BeginSweep(ctx, missingName, rest)
	if err != nil || s == nil {
		return err
	}
	until := w.store.Now().Add(-c.MissingAfter)
	if s.Seen.IsZero() { // nobody is told of what was missing before there was a look for it
		s.Began, s.Seen = until, until
	}
	j := judge{Watch: w, config: c}
	seen, err := j.all(ctx, s, until)
	if j.missing > 0 {
		w.log.Info("recordings are missing: they began, and nothing more was heard", "recordings", j.missing)
	}
	if j.late > 0 {
		w.log.Info("recordings received late: found by asking SignalWire, no callback had come", "recordings", j.late)
	}
	if err != nil {
		w.leave(ctx, s)
		return err
	}
	if seen.After(s.Seen) {
		s.Seen = seen
	}
	return w.store.EndSweep(context.WithoutCancel(ctx), s)
}

// judge says of recordings that began what has become of them.
type judge struct {
	*Watch
	config        *Config
	silent        error // why the provider says nothing more
	missing, late int
}

// all judges the recordings that began between the last time and until, and
// returns up to when all of them are decided.
func (j *judge) all(ctx context.Context, s *store.Sweep, until time.Time) (seen time.Time, err error) {
	seen = until
	last := store.Stored{Callback: &callback.Callback{ReceivedAt: s.Seen}}
	for {
		list, err := j.store.Unfinished(ctx, last.ReceivedAt, last.ID, until, missingBatch)
		if err != nil || len(list) == 0 {
			return seen, err
		}
		if err := j.renew(ctx, s); err != nil {
			return seen, err
		}
		for _, began := range list {
			cb, err := j.verdict(ctx, began)
			if err != nil {
				return seen, err
			}
			if cb == nil {
				if began.ReceivedAt.Before(seen) {
					seen = began.ReceivedAt
				}
				continue
			}
			stored, err := j.add(ctx, cb)
			switch {
			case err != nil:
				return seen, err
			case stored && cb.Late:
				j.late++
			case stored:
				j.missing++
			}
		}
		last = list[len(list)-1]
	}
}

// verdict returns the callback that a recording has too few of, or nil where it is
// too early to say.
func (j *judge) verdict(ctx context.Context, began store.Stored) (*callback.Callback, error) {
	overdue := j.store.Now().Sub(began.ReceivedAt) - j.config.MissingAfter
	if j.config.Client == nil {
		return missing(began.Callback), nil
	}
	r, now, err := j.ask(ctx, began.RecordingSid)
	e, refused := errors.AsType[*signalwire.Error](err)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case refused && e.Status == http.StatusNotFound:
		return missing(began.Callback), nil
	case err != nil && overdue < maxSilence:
		return nil, nil
	case err == nil && callback.Final(r.Status):
		if r.Ended.After(now.Add(-young)) && overdue < maxRunning {
			return nil, nil
		}
		if cb, err := late(j.config, &r, []store.Stored{began}); err == nil {
			return cb, nil
		}
	case err == nil && overdue < maxRunning:
		return nil, nil // it goes on
	}
	return missing(began.Callback), nil
}

// ask asks the provider about a recording. One that does not answer is not asked
// about the next one, too.
func (j *judge) ask(ctx context.Context, sid string) (r signalwire.Recording, now time.Time, err error) {
	if j.silent != nil {
		return r, now, j.silent
	}
	r, now, err = j.config.Client.Recording(ctx, sid)
	if e, refused := errors.AsType[*signalwire.Error](err); err != nil && (!refused || e.Status != http.StatusNotFound) {
		j.silent = err
		j.log.Warn("the provider does not say what has become of recordings that began: it will be asked again", "err", err)
	}
	return r, now, err
}

// missing returns the callback that tells that a recording is missing. It has what
// the one has that told of its beginning.
func missing(began *callback.Callback) *callback.Callback {
	cb := *began
	cb.RecordingStatus, cb.Late = callback.Missing, false
	cb.Fields = maps.Clone(began.Fields)
	if cb.Fields == nil {
		cb.Fields = make(map[string]string)
	}
	cb.Fields[inProgressSince] = began.ReceivedAt.UTC().Format(time.RFC3339)
	cb.ReceivedAt = time.Now()
	return &cb
}
