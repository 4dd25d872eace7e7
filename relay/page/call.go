package page

import (
	"context"

	"ringpost/relay/callback"
	"ringpost/relay/deliver"
	"ringpost/relay/store"
)

// looksUp says what a callback waits for that wants to know who called; empty
// where it does not any more.
func (p *Page) looksUp(ctx context.Context, id int64) (string, error) {
	l, err := p.store.Lookup(ctx, id)
	if err != nil || l == nil {
		return "", err
	}
	return sentence("it " + deliver.WhyLooksUp(l, p.store.Now())), nil
}

// Call is what is known of the call, as the first of the callbacks says of which
// it was asked for; nil where it was of none.
func (r *recording) Call() *callback.Call {
	for _, t := range r.Callbacks {
		if t.Call != nil {
			return t.Call
		}
	}
	return nil
}

// lookedUp is that the provider did not say who called.
func lookedUp(cb *store.Stored) []moment {
	if cb.Call == nil || cb.Call.Known {
		return nil
	}
	return []moment{{At: cb.RoutedAt, Tone: "warn", Title: "SignalWire did not say who called, and the rules went on without", Said: cb.Call.Problem}}
}
