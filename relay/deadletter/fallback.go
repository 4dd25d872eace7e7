package deadletter

import (
	"context"
	"errors"
	"maps"
	"slices"

	"ringpost/relay/route"
	"ringpost/relay/rules"
	"ringpost/relay/store"
)

// maxPlans bounds the plans that are kept compiled. There is one for each change
// of the configuration since the first of what dies.
const maxPlans = 8

// errForgotten means that the rules that a callback was routed by are not known.
var errForgotten = errors.New("the rules of then are not kept")

// fallBack plans what takes the place of dead letters, as the rules have it that
// asked for them.
func (w *Worker) fallBack(ctx context.Context, batch []store.Settlement) error {
	plan := w.plan()
	then := make(map[int64]*rules.Set) // by the callback, of those whose rules have fallbacks
	for i := range batch {
		s := &batch[i]
		set, err := w.plans.of(ctx, s.Callback.PlanID, plan)
		switch {
		case errors.Is(err, errForgotten):
			w.log.Warn("whether a delivery that is dead has a fallback is not known", "delivery", s.ID, "rule", s.Rule, "err", err)
			s.Unknown = true
		case err != nil:
			return err
		case set.HasFallbacks():
			then[s.CallbackID] = set
		}
	}
	if len(then) == 0 {
		return nil
	}
	received, err := w.store.Received(ctx, slices.Sorted(maps.Keys(then)))
	if err != nil {
		return err
	}
	for _, rec := range received { // those that are not here are removed, and not settled
		instead, err := w.store.Fallbacks(ctx, rec.ID)
		if err != nil {
			return err
		}
		for i := range batch {
			if batch[i].CallbackID == rec.ID {
				batch[i].Fallbacks = plan.Fallbacks(then[rec.ID], rec, instead, batch[i].ID)
			}
		}
	}
	return nil
}

// plans are the rules that callbacks were routed by.
type plans struct {
	store    *store.Store
	compiled map[int64]*rules.Set
}

// of returns the rules of the plan with that id. Mostly they are those in force.
func (p *plans) of(ctx context.Context, id int64, inForce *route.Plan) (*rules.Set, error) {
	if id == inForce.ID && id != 0 {
		return inForce.Rules, nil
	}
	if set := p.compiled[id]; set != nil {
		return set, nil
	}
	if id == 0 {
		return nil, errForgotten
	}
	definition, err := p.store.Plan(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, errForgotten
	}
	if err != nil {
		return nil, err
	}
	set, err := route.Restore(definition)
	if err != nil {
		return nil, errors.Join(errForgotten, err)
	}
	if p.compiled == nil || len(p.compiled) >= maxPlans {
		p.compiled = make(map[int64]*rules.Set)
	}
	p.compiled[id] = set
	return set, nil
}
