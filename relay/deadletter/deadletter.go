// Package deadletter sees to it that a message that could not be delivered is not
// the end of it: somebody else may be told, and the same person in another way.
//
// However a delivery ended dead, by its template, by a refusal, by its age or by a
// receipt long after it was accepted, the store has it in the list of dead letters
// from that moment on. The worker goes through the list as soon as the store says
// that something died, and every few seconds. For each dead letter
// it makes a callback with the status undelivered, which goes through the rules
// like any other (callback.go), and the deliveries that take its place, if its
// send has a fallback (fallback.go). Both are stored in one transaction that takes
// it off the list: once for ever, also where a person has it sent again and it dies
// again, and whenever a process dies.
//
// There is an end to it: of a delivery that tells of another one that is dead, no
// callback is made, and a fallback has no fallback.
package deadletter

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"ringpost/relay/callback"
	"ringpost/relay/deliver"
	"ringpost/relay/metrics"
	"ringpost/relay/route"
	"ringpost/relay/store"
)

const (
	// batchSize is how many dead letters share one transaction, for which all else
	// waits.
	batchSize = 50
	// pollEvery is how often is looked though nothing is said to have died: it may
	// have on another node, or before the start.
	pollEvery = 5 * time.Second
)

// Worker settles dead letters.
type Worker struct {
	store     *store.Store
	deliverer *deliver.Deliverer
	metrics   *metrics.Metrics
	log       *slog.Logger
	plan      func() *route.Plan // the one in force
	plans     plans
}

// New returns a worker that writes what takes the place of dead letters in the
// words of the plan in force.
func New(s *store.Store, d *deliver.Deliverer, m *metrics.Metrics, log *slog.Logger, plan func() *route.Plan) *Worker {
	return &Worker{store: s, deliverer: d, metrics: m, log: log, plan: plan, plans: plans{store: s}}
}

// Run settles dead letters until ctx ends, those first that were left before.
func (w *Worker) Run(ctx context.Context) {
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		if err := w.Settle(ctx); err != nil && ctx.Err() == nil {
			w.log.Error("nobody is told yet of deliveries that are dead: it will be tried again", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-w.store.Died():
		case <-poll.C:
		}
	}
}

// Settle settles the dead letters that there are.
func (w *Worker) Settle(ctx context.Context) error {
	var failed error
	for last := int64(0); ; {
		list, err := w.store.DeadLetters(ctx, last, batchSize)
		if err != nil || len(list) == 0 {
			return errors.Join(failed, err)
		}
		last = list[len(list)-1].ID
		if err := w.settle(ctx, list); err != nil {
			failed = err // what is wrong with some of them does not hold up the others
		}
	}
}

// settle settles some dead letters.
func (w *Worker) settle(ctx context.Context, list []store.DeadLetter) error {
	batch := make([]store.Settlement, len(list))
	for i, d := range list {
		batch[i].DeadLetter = d
		if d.Callback.RecordingStatus != callback.Undelivered {
			batch[i].Told = undelivered(&d)
		}
	}
	if err := w.fallBack(ctx, batch); err != nil {
		return err
	}
	settled, err := w.store.Settle(ctx, batch, w.deliverer.GiveUpAfter())
	if err != nil {
		return err
	}
	w.conclude(ctx, batch, settled)
	return nil
}

// conclude has what was made sent, and notes it in metrics and log.
func (w *Worker) conclude(ctx context.Context, batch []store.Settlement, settled []int64) {
	done := make(map[int64]bool, len(settled))
	for _, id := range settled {
		done[id] = true
	}
	waiting := make(map[string]bool)
	for _, s := range batch {
		for _, f := range s.Fallbacks {
			waiting[f.Channel] = true // also where it is not known whether this was stored by us
			if done[s.ID] {
				w.note(&s, &f)
			}
		}
		if done[s.ID] && s.Told != nil {
			w.metrics.Callbacks.WithLabelValues(callback.Undelivered, "stored").Inc()
			w.log.Debug("callback made", "recording", s.Recording, "status", callback.Undelivered, "delivery", s.ID)
		}
	}
	for channel := range waiting {
		w.deliverer.Wake(channel)
		if err := w.store.Ring(ctx, channel); err != nil && ctx.Err() == nil {
			w.log.Warn("the other nodes are not told of work: they find it later", "err", err)
		}
	}
}

// note notes a fallback that was made, unless the same goes out anyway.
func (w *Worker) note(s *store.Settlement, f *store.Fallback) {
	switch {
	case f.ID == 0:
	case f.State == store.Dead:
		w.log.Error("delivery is dead", "delivery", f.ID, "channel", f.Channel, "recording", s.Recording, "rule", f.Rule, "err", f.LastError)
		w.metrics.Deliveries.WithLabelValues(f.Channel, string(store.Dead)).Inc()
	default:
		w.log.Info("a fallback takes the place of a delivery that is dead", "delivery", s.ID, "fallback", f.ID, "channel", f.Channel,
			"recording", s.Recording, "rule", f.Rule)
	}
}
