// Package route turns stored callbacks into deliveries: it matches the rules,
// renders the messages, and has both written in one transaction, so that what
// is stored is what will be sent, whatever the configuration says later.
//
// The plan that is in force (plan.go) is followed by the router (router.go). A
// callback that takes more than it carries waits, and is resumed (resume.go).
// What rules have collected becomes one message when it is due (digest.go).
// What a plan would do is explained (explain.go), and compared with what another
// one would (outcome.go), by the same code. What takes the place of a message that
// could not be delivered is planned in fallback.go.
package route

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"ringpost/relay/callback"
	"ringpost/relay/render"
	"ringpost/relay/rules"
	"ringpost/relay/store"
)

// Plan decides what a callback sets off. It does not change, and may be used
// at once.
type Plan struct {
	ID        int64 // of its definition in the store; 0 where it is not kept there
	Rules     *rules.Set
	Templates *render.Templates
	Links     Links

	// LookUp is for how long after its receipt a callback waits for what the provider
	// says of its call, where it takes that; 0: the provider is not asked.
	LookUp time.Duration
}

// Links says what links to recordings are like.
type Links struct {
	PublicURL string // of the service, without a slash at its end
	TTL       time.Duration
}

// Definition returns what the store keeps of the plan: all that its rules decide
// by, as JSON.
func (p *Plan) Definition() ([]byte, error) {
	d, err := json.Marshal(p.Rules.Definition())
	if err != nil {
		return nil, fmt.Errorf("write down the rules: %w", err)
	}
	return d, nil
}

// Keep keeps the plan's definition in s, notes there that it is in use, and returns
// the plan with its id.
func (p *Plan) Keep(ctx context.Context, s *store.Store) (*Plan, error) {
	d, err := p.Definition()
	if err != nil {
		return nil, err
	}
	kept := *p
	kept.ID, err = s.KeepPlan(ctx, d)
	return &kept, err
}

// Recall returns how the rules of a plan that was kept decided about cb. It asks
// nothing but the two of them, so it is what was decided then.
func Recall(definition []byte, cb *callback.Callback) ([]rules.RuleTrace, error) {
	set, err := Restore(definition)
	if err != nil {
		return nil, err
	}
	return set.Explain(cb).Rules, nil
}

// Restore returns the rules of a plan that was kept, for more than one callback.
func Restore(definition []byte) (*rules.Set, error) {
	var d rules.Definition
	if err := json.Unmarshal(definition, &d); err != nil {
		return nil, fmt.Errorf("read the rules of then: %w", err)
	}
	set, problems := rules.Compile(d.Rules, d.Book)
	if len(problems) > 0 {
		return nil, fmt.Errorf("the rules of then are none any more: %s", problems[0].Text)
	}
	return set, nil
}

// NeedsCall reports whether it takes what the provider says of the call to decide
// about cb, and it was not asked yet.
func (p *Plan) NeedsCall(cb *callback.Callback) bool {
	return cb.Call == nil && cb.CallSid != "" && p.Rules.NeedsCall(cb, p.Templates)
}

// Deliveries returns the deliveries that cb asks for, in the order of the rules,
// with the names of the rules that matched. One whose recipient or words cannot
// be made is [store.Dead] and says why. The others are [store.Shadow] or
// [store.Queued].
// A message whose template asks for a link has one of its own. What is to be
// collected says nothing yet; see [Plan.Digest].
func (p *Plan) Deliveries(cb *callback.Callback) (deliveries []*store.Delivery, matched []string) {
	asked, matched := p.Rules.Evaluate(cb)
	for _, a := range asked {
		d := collect(a)
		if d == nil {
			d = p.delivery(cb, a, p.newLink)
		}
		deliveries = append(deliveries, d)
	}
	return deliveries, matched
}

// decide fills in what the callback asks for, and returns the names of the rules
// that matched.
func (p *Plan) decide(r *store.Routed) (matched []string) {
	r.Deliveries, matched = p.Deliveries(r.Callback.Callback)
	return matched
}

// linker makes the link in what a delivery says.
type linker func(*store.Delivery) string

// newLink makes a link that opens the recording, once the delivery is stored.
func (p *Plan) newLink(d *store.Delivery) string {
	d.Link = &store.Link{Token: store.NewToken(), TTL: p.Links.TTL}
	return p.Links.PublicURL + render.LinkPath + d.Link.Token
}

// sampleLink makes a link for a message that is not going to be sent.
func (p *Plan) sampleLink(*store.Delivery) string { return render.SampleLink(p.Links.PublicURL) }

func (p *Plan) delivery(cb *callback.Callback, a rules.Delivery, link linker) *store.Delivery {
	d := &store.Delivery{Rule: a.Rule, Channel: a.Channel, Kind: a.Kind, To: a.To, Quiet: a.Quiet, State: store.Queued}
	if a.Shadow {
		d.State = store.Shadow
	}
	d.LastError = a.Problem
	if d.LastError == "" {
		m, err := p.words(cb, a, func() string { return link(d) })
		if err != nil {
			d.LastError, d.Link = err.Error(), nil
		}
		d.Subject, d.Text, d.HTML = m.Subject, m.Text, m.HTML
	}
	if a.Attach != nil && d.LastError == "" {
		p.attach(d, cb, a.Attach, link)
	}
	if d.LastError != "" && !a.Shadow {
		d.State = store.Dead
	}
	return d
}

// words returns what a delivery says. That of an archive says what is known of the
// recording that is kept.
func (p *Plan) words(cb *callback.Callback, a rules.Delivery, link func() string) (m render.Message, err error) {
	if a.Kind == render.Archive {
		m.Text, err = render.MetadataOf(cb)
		return m, err
	}
	return p.Templates.Render(a.Kind, a.Template, &render.Data{Callback: cb, Rule: a.Rule, To: a.To, Link: link})
}
