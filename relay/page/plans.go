package page

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"

	"ringpost/relay/route"
	"ringpost/relay/rules"
	"ringpost/relay/store"
)

// maxPlans bounds the plans that are kept compiled. There is one for each change
// of the configuration that the recordings on a page have seen.
const maxPlans = 16

// plans are the rules that stored callbacks were routed by.
type plans struct {
	store *store.Store
	log   *slog.Logger

	mu       sync.Mutex
	compiled map[int64]*plan // nil where one cannot be read
}

// plan is the rules of some time. It does not change.
type plan struct {
	set   *rules.Set
	names map[string]string // of contacts, by their addresses
}

// of returns the plan with that id, or nil where it is not kept any more, or was
// kept by a version of Ringpost whose rules are none today.
func (c *plans) of(ctx context.Context, id int64) (*plan, error) {
	if id == 0 {
		return nil, nil
	}
	c.mu.Lock()
	known, ok := c.compiled[id]
	c.mu.Unlock()
	if ok {
		return known, nil
	}
	definition, err := c.store.Plan(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	made, err := newPlan(definition)
	if err != nil {
		c.log.Error("rules of earlier cannot be read any more", "plan", id, "err", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.compiled) >= maxPlans {
		clear(c.compiled)
	}
	c.compiled[id] = made
	return made, nil
}

func newPlan(definition []byte) (*plan, error) {
	set, err := route.Restore(definition)
	if err != nil {
		return nil, err
	}
	names := make(map[string]string)
	for name, contact := range set.Definition().Book.Contacts {
		for _, address := range []string{contact.Email, contact.Phone} {
			if address != "" {
				names[strings.ToLower(address)] = name
			}
		}
	}
	return &plan{set, names}, nil
}

// who is the contact with that address, or else the address.
func (p *plan) who(address string) string {
	if p != nil {
		if name, ok := p.names[strings.ToLower(address)]; ok {
			return name
		}
	}
	return address
}
