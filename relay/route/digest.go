package route

import (
	"context"
	"strings"
	"time"

	"ringpost/relay/render"
	"ringpost/relay/rules"
	"ringpost/relay/store"
)

// digestBatch is how many digests are read at once.
const digestBatch = 16

// collect returns the delivery that is to be collected with others, or nil where
// it is to be sent by itself, or cannot be.
func collect(a rules.Delivery) *store.Delivery {
	if a.Digest == 0 || a.Problem != "" {
		return nil
	}
	d := &store.Delivery{Rule: a.Rule, Channel: a.Channel, Kind: a.Kind, To: a.To, Quiet: a.Quiet, State: store.Queued,
		Collect: &store.Collect{Template: a.Template, For: a.Digest}}
	if a.Shadow {
		d.State = store.Shadow
	}
	return d
}

// Digest returns the delivery that a digest becomes, which must have collected
// something. Where a template cannot tell of all of it, such as in an SMS, it tells
// of the beginning, and only that is left in g. One recording that cannot be told
// at all makes a delivery of its own that is dead and says why.
func (p *Plan) Digest(g *store.Digest) *store.Delivery {
	for {
		d, err := p.digest(g)
		n := len(g.Recordings)
		if err == nil || n == 1 {
			return d
		}
		g.Recordings = g.Recordings[:n/2]
	}
}

func (p *Plan) digest(g *store.Digest) (*store.Delivery, error) {
	newest := len(g.Recordings) - 1
	d := &store.Delivery{Rule: g.Recordings[newest].Rule, Channel: g.Channel, Kind: g.Kind, To: g.To, Quiet: g.Quiet, State: store.Queued}
	if g.Shadow {
		d.State = store.Shadow
	}
	all := make([]*render.Data, len(g.Recordings))
	for i, r := range g.Recordings {
		all[i] = &render.Data{Callback: r.Callback, Rule: r.Rule, To: g.To, Link: func() string {
			if i == newest {
				return p.newLink(d)
			}
			link := &store.Link{Token: store.NewToken(), TTL: p.Links.TTL, Callback: r.ID}
			d.Links = append(d.Links, link)
			return p.Links.PublicURL + render.LinkPath + link.Token
		}}
	}
	m, err := p.Templates.RenderDigest(g.Kind, g.Template, all)
	if err != nil {
		d.LastError, d.Link, d.Links = err.Error(), nil, nil
		if !g.Shadow {
			d.State = store.Dead
		}
	}
	d.Subject, d.Text, d.HTML = m.Subject, m.Text, m.HTML
	return d, err
}

// RunDigests sends digests as they are due, until ctx ends. Nodes may all do so.
func (r *Router) RunDigests(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		next, err := r.sendDigests(ctx)
		if err != nil && ctx.Err() == nil {
			r.log.Error("digests not sent: they will be tried again", "err", err)
		}
		timer.Reset(next)
	}
}

// sendDigests sends the digests that are due, and returns how long to wait before
// it is called again.
func (r *Router) sendDigests(ctx context.Context) (next time.Duration, err error) {
	for sent := true; sent; {
		due, err := r.store.DueDigests(ctx, digestBatch)
		if err != nil {
			return pollEvery, err
		}
		sent = false
		for i := range due {
			made, err := r.sendDigest(ctx, &due[i])
			if err != nil {
				return pollEvery, err
			}
			sent = sent || made
		}
	}
	at, err := r.store.NextDigest(ctx)
	if err != nil || at.IsZero() {
		return pollEvery, err
	}
	// One that is due by now is another node's, or has just changed.
	return min(max(at.Sub(r.store.Now()), time.Second), pollEvery), nil
}

func (r *Router) sendDigest(ctx context.Context, g *store.Digest) (made bool, err error) {
	var d *store.Delivery
	if len(g.Recordings) > 0 {
		d = r.plan.Load().Digest(g)
	}
	made, err = r.store.SendDigest(ctx, g, d, r.deliverer.GiveUpAfter())
	if err != nil || !made {
		return false, err
	}
	for channel := range r.handOver([]store.Routed{{Deliveries: []*store.Delivery{d}}}, nil, nil) {
		r.deliverer.Wake(channel)
		r.ring(ctx, channel)
	}
	return true, nil
}

// period writes how long a digest collects as it is written in the file; empty for
// none.
func period(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return strings.TrimSuffix(text, "0s")
}
