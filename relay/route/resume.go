package route

import (
	"context"
	"time"

	"ringpost/relay/callback"
	"ringpost/relay/store"
)

// leastPatience is how long a callback waits for what the provider says of its
// call, however long ago it was received: it may have come just before a stop.
const leastPatience = 15 * time.Second

// patience returns until when a callback that was received at that time waits.
func (r *Router) patience(plan *Plan, received time.Time) time.Time {
	until := received.Add(plan.LookUp)
	if least := r.store.Now().Add(min(plan.LookUp, leastPatience)); until.Before(least) {
		return least
	}
	return until
}

// Resume takes a callback through the rules in force that waited for what the
// provider says of its call, with what is known of that now. Where another process
// has done so it does nothing, and is not done.
func (r *Router) Resume(ctx context.Context, l *store.Lookup, call *callback.Call) (done bool, err error) {
	r.passing.RLock()
	plan := r.plan.Load()
	var matched []string
	routed, done, err := r.store.EndLookup(ctx, l, call, r.deliverer.GiveUpAfter(), plan.ID, func(routed *store.Routed) {
		matched = plan.decide(routed)
	})
	r.passing.RUnlock()
	if err != nil || !done {
		return false, err
	}
	r.count(matched)
	for channel := range r.handOver([]store.Routed{routed}, nil, nil) {
		r.deliverer.Wake(channel)
		r.ring(ctx, channel)
	}
	return true, nil
}
