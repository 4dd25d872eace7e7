package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/julienschmidt/httprouter"

	"ringpost/relay/api"
	"ringpost/relay/deliver"
	"ringpost/relay/route"
	"ringpost/relay/rules"
	"ringpost/relay/store"
)

// trace answers with a callback, how the rules decided about it then, and what
// came of it.
func (a *Admin) trace(w http.ResponseWriter, r *http.Request, p httprouter.Params) {
	found, err := a.recorded(r.Context(), p.ByName("id"))
	if err != nil {
		a.refuse(w, err)
		return
	}
	answer := api.Trace{Callback: viewCallback(found.Stored), Deliveries: a.viewAll(found.Deliveries), Digests: a.viewDigests(found.Digests)}
	if answer.Rules, answer.Note, err = a.recall(r.Context(), found.Stored); err != nil {
		a.refuse(w, err)
		return
	}
	if answer.Lookup, answer.Note, err = a.lookup(r.Context(), found.Stored, answer.Note); err != nil {
		a.refuse(w, err)
		return
	}
	a.answer(w, http.StatusOK, answer)
}

// viewDigests returns digests in JSON.
func (a *Admin) viewDigests(list []store.Digest) (out []api.Digest) {
	now := a.store.Now()
	for i := range list {
		d := &list[i]
		out = append(out, api.Digest{Rule: d.Rule, Channel: d.Channel, Kind: d.Kind, To: d.To, Shadow: d.Shadow, DueAt: d.DueAt,
			Why: deliver.WhyCollected(d, now)})
	}
	return out
}

// lookup returns what a callback waits for that wants to know who called, with a
// note that says so in place of another one.
func (a *Admin) lookup(ctx context.Context, cb store.Stored, note string) (*api.Lookup, string, error) {
	if !cb.LooksUp {
		return nil, note, nil
	}
	l, err := a.store.Lookup(ctx, cb.ID)
	if err != nil || l == nil { // nil: it goes on just now
		return nil, note, err
	}
	return &api.Lookup{Attempts: l.Attempts, LastError: l.LastError, NextAt: l.DueAt, Deadline: l.Deadline},
		"it " + deliver.WhyLooksUp(l, a.store.Now()), nil
}

// recorded returns the callback with that id, and its deliveries.
func (a *Admin) recorded(ctx context.Context, id string) (store.Recording, error) {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil || n <= 0 {
		return store.Recording{}, fmt.Errorf("callback %q: %w", id, store.ErrNotFound)
	}
	all, err := a.store.Recording(ctx, n)
	for _, r := range all {
		if r.ID == n {
			return r, nil
		}
	}
	if err == nil {
		err = fmt.Errorf("callback %d: %w", n, store.ErrNotFound)
	}
	return store.Recording{}, err
}

// recall returns how the rules decided about a callback when it was routed, or
// why that is not known.
func (a *Admin) recall(ctx context.Context, cb store.Stored) (traces []rules.RuleTrace, note string, err error) {
	switch {
	case cb.RoutedAt.IsZero():
		return nil, "it is about to be taken through the rules", nil
	case cb.PlanID == 0:
		return nil, "how the rules decided is not known: it came before that was kept", nil
	}
	definition, err := a.store.Plan(ctx, cb.PlanID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, "how the rules decided is not known: they are not kept any more", nil
	}
	if err == nil {
		traces, note = a.decided(definition, cb)
	}
	return traces, note, err
}

// decided returns how rules that were kept decided about a callback. Where they
// cannot be read any more, the rest is told all the same.
func (a *Admin) decided(definition []byte, cb store.Stored) (traces []rules.RuleTrace, note string) {
	traces, err := route.Recall(definition, cb.Callback)
	if err != nil {
		a.log.Error("rules of then not read", "callback", cb.ID, "err", err)
		return nil, "how the rules decided is not known; the log says why"
	}
	return traces, ""
}
