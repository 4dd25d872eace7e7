// Package route turns stored callbacks into deliveries: it matches the rules,
// renders the messages, and has both written in one transaction, so that what
// is stored is what will be sent, whatever the configuration says later.
package route

import (
	"ringpost/relay/callback"
	"ringpost/relay/render"
	"ringpost/relay/rules"
	"ringpost/relay/store"
)

// Plan decides what a callback sets off. It does not change, and may be used
// at once.
type Plan struct {
	Rules     *rules.Set
	Templates *render.Templates
}

// Deliveries returns the deliveries that cb asks for, in the order of the rules,
// with the names of the rules that matched. One whose recipient or words cannot
// be made is [store.Dead] and says why. The others are [store.Shadow] or
// [store.Queued].
func (p *Plan) Deliveries(cb *callback.Callback) (deliveries []*store.Delivery, matched []string) {
	asked, matched := p.Rules.Evaluate(cb)
	for _, a := range asked {
		deliveries = append(deliveries, p.delivery(cb, a))
	}
	return deliveries, matched
}

func (p *Plan) delivery(cb *callback.Callback, a rules.Delivery) *store.Delivery {
	d := &store.Delivery{Rule: a.Rule, Channel: a.Channel, Kind: a.Kind, To: a.To, State: store.Queued}
	if a.Shadow {
		d.State = store.Shadow
	}
	d.LastError = a.Problem
	if d.LastError == "" {
		m, err := p.Templates.Render(a.Kind, a.Template, &render.Data{Callback: cb, Rule: a.Rule, To: a.To})
		if err != nil {
			d.LastError = err.Error()
		}
		d.Subject, d.Text, d.HTML = m.Subject, m.Text, m.HTML
	}
	if d.LastError != "" && !a.Shadow {
		d.State = store.Dead
	}
	return d
}
