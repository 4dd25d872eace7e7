package route

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"ringpost/relay/deliver"
	"ringpost/relay/metrics"
	"ringpost/relay/store"
)

const (
	// batchSize is how many callbacks share one routing transaction. One each is
	// three to four times slower.
	batchSize = 200
	// pollEvery is how often the router looks for work though nothing told it to.
	pollEvery = 5 * time.Second
)

// Router routes what is stored.
type Router struct {
	store     *store.Store
	deliverer *deliver.Deliverer
	metrics   *metrics.Metrics
	log       *slog.Logger
	plan      atomic.Pointer[Plan]
	passing   sync.RWMutex // held for reading while callbacks are routed by the plan of that time
}

// NewRouter returns a router that follows plan.
func NewRouter(s *store.Store, d *deliver.Deliverer, m *metrics.Metrics, log *slog.Logger, plan *Plan) *Router {
	r := &Router{store: s, deliverer: d, metrics: m, log: log}
	r.plan.Store(plan)
	return r
}

// Follow puts plan in place of the one before, for callbacks that are routed
// from now on, and returns when none is routed by that one any more. It may be
// called at any time.
func (r *Router) Follow(plan *Plan) {
	r.plan.Store(plan)
	r.passing.Lock() // what comes from here on is not taken up by a pass that began before
	defer r.passing.Unlock()
}

// Plan returns the plan that is followed.
func (r *Router) Plan() *Plan { return r.plan.Load() }

// Run routes callbacks until ctx ends, those first that were left unrouted
// before.
func (r *Router) Run(ctx context.Context) {
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		n, err := r.routeBatch(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			r.log.Error("callbacks not routed: they will be tried again", "err", err)
		case n > 0:
			continue // there may be more
		}
		select {
		case <-ctx.Done():
			return
		case <-r.store.Added():
		case <-poll.C:
		}
	}
}

// routeBatch routes the oldest unrouted callbacks and returns how many it found.
func (r *Router) routeBatch(ctx context.Context) (n int, err error) {
	slots := make(map[*store.Delivery]*deliver.Slot)
	r.passing.RLock()
	plan := r.plan.Load()
	batch, err := r.store.RouteBy(ctx, batchSize, r.deliverer.GiveUpAfter(), plan.ID, func(routed *store.Routed) {
		if plan.LookUp > 0 && plan.NeedsCall(routed.Callback.Callback) {
			routed.LookUpUntil = r.patience(plan, routed.Callback.ReceivedAt)
			return
		}
		r.count(plan.decide(routed))
		for _, d := range routed.Deliveries {
			if d.State != store.Queued || d.Collect != nil || !d.Held(r.store.Now()).IsZero() {
				continue
			}
			if slot := r.deliverer.Reserve(d.Channel); slot != nil {
				d.State = store.Sending
				slots[d] = slot
			}
		}
	})
	r.passing.RUnlock()
	more := len(batch) == batchSize
	if more {
		r.ring(ctx, "")
	}
	for channel := range r.handOver(batch, slots, err) {
		r.deliverer.Wake(channel)
		r.ring(ctx, channel)
		if more {
			r.deliverer.AwaitRoom(ctx, channel)
		}
	}
	return len(batch), err
}

// count counts that rules matched.
func (r *Router) count(matched []string) {
	for _, rule := range matched {
		r.metrics.RuleMatches.WithLabelValues(rule).Inc()
	}
}

// ring tells the other nodes of work that they may take.
func (r *Router) ring(ctx context.Context, channel string) {
	if err := r.store.Ring(ctx, channel); err != nil && ctx.Err() == nil {
		r.log.Warn("the other nodes are not told of work: they find it later", "err", err)
	}
}

// handOver passes on what was stored as leased, and returns the channels for
// which the rest waits. Where the batch was not stored, err says why.
func (r *Router) handOver(batch []store.Routed, slots map[*store.Delivery]*deliver.Slot, err error) (waiting map[string]bool) {
	waiting = make(map[string]bool)
	for _, routed := range batch {
		for _, d := range routed.Deliveries {
			slot := slots[d]
			switch {
			case err != nil && slot != nil:
				slot.Free()
			case err != nil, d.Collect != nil:
			case slot != nil:
				slot.Hand(d)
			case d.State == store.Queued && !d.NextAttemptAt.After(d.CreatedAt): // else it is held
				waiting[d.Channel] = true
			case d.State == store.Dead:
				r.log.Error("delivery is dead", "delivery", d.ID, "channel", d.Channel,
					"recording", d.Recording, "rule", d.Rule, "err", d.LastError)
				r.metrics.Deliveries.WithLabelValues(d.Channel, string(store.Dead)).Inc()
			}
		}
	}
	return waiting
}
