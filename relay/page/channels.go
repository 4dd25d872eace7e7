package page

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/julienschmidt/httprouter"

	"ringpost/relay/api"
	"ringpost/relay/deliver"
	"ringpost/relay/store"
)

// channelList is what the page of channels shows.
type channelList struct {
	Channels []channel
	Hour     time.Time // since when what was delivered in the last hour is counted
}

// channel is a channel, how it does, and what waits for it.
type channel struct {
	deliver.Overview
	Why       string
	More      bool  // more than Waiting wait
	Hour, Day int64 // delivered
	Failed    int64 // given up in 24 hours
	Dead      bool  // some are dead now
}

func (p *Page) channels(w http.ResponseWriter, r *http.Request, _ httprouter.Params) error {
	ctx, now := r.Context(), p.store.Now()
	list := channelList{Hour: now.Truncate(time.Hour).Add(-time.Hour)}
	hour, err := p.results(ctx, list.Hour)
	if err != nil {
		return err
	}
	day, err := p.results(ctx, now.Add(-24*time.Hour))
	if err != nil {
		return err
	}
	overview, err := p.service.Channels(ctx)
	if err != nil {
		return err
	}
	for _, o := range overview {
		hour, day := hour[o.Channel], day[o.Channel]
		dead, err := p.store.Deliveries(ctx, store.Filter{Channel: o.Channel, State: store.Dead, Limit: 1})
		if err != nil {
			return err
		}
		list.Channels = append(list.Channels, channel{Overview: o, Why: sentence(o.Why(now)), More: o.Waiting == api.MaxWaiting,
			Hour: hour[store.Delivered], Day: day[store.Delivered], Failed: day[store.Dead], Dead: len(dead) > 0})
	}
	p.show(w, r, http.StatusOK, "channels", "Channels", list)
	return nil
}

// results is how many attempts of each channel came to what since then.
func (p *Page) results(ctx context.Context, since time.Time) (map[string]map[store.State]int64, error) {
	totals, err := p.store.Totals(ctx, "delivery", since)
	if err != nil {
		return nil, err
	}
	n := make(map[string]map[store.State]int64)
	for _, t := range totals {
		if n[t.Name] == nil {
			n[t.Name] = make(map[store.State]int64)
		}
		n[t.Name][store.State(t.Result)] += t.N
	}
	return n, nil
}

func (p *Page) pause(w http.ResponseWriter, r *http.Request, _ httprouter.Params) error {
	return p.operate(w, r, func(ctx context.Context, channel string) (code string, err error) {
		return "paused", p.service.Pause(ctx, channel, asker(r))
	})
}

func (p *Page) resume(w http.ResponseWriter, r *http.Request, _ httprouter.Params) error {
	return p.operate(w, r, func(ctx context.Context, channel string) (code string, err error) {
		return "resumed", p.service.Resume(ctx, channel, asker(r))
	})
}

// retryAll makes all due that the channel could not deliver.
func (p *Page) retryAll(w http.ResponseWriter, r *http.Request, _ httprouter.Params) error {
	return p.operate(w, r, func(ctx context.Context, channel string) (code string, err error) {
		n, err := p.service.RetryAll(ctx, store.Filter{Channel: channel, State: store.Dead}, asker(r))
		if n == 0 {
			return "none", err
		}
		return "all", err
	})
}

// sendTest sends a message that says that it is a test.
func (p *Page) sendTest(w http.ResponseWriter, r *http.Request, _ httprouter.Params) error {
	to := strings.TrimSpace(r.PostFormValue("to"))
	return p.operate(w, r, func(ctx context.Context, channel string) (code string, err error) {
		if to == "" || len(to) > maxSearch {
			return "", badRequest("Say whom the test is for: a contact's name, or an address such as alice@example.com or +15550100001.")
		}
		_, err = p.service.SendTest(ctx, channel, to)
		return "tested", err
	})
}

// operate does something to the channel that the form names, and goes back to
// the channels with a notice.
func (p *Page) operate(w http.ResponseWriter, r *http.Request, do func(ctx context.Context, channel string) (code string, err error)) error {
	code, err := do(r.Context(), r.PostFormValue("channel"))
	if err != nil {
		return &returning{err, "/channels", "Back to the channels"}
	}
	done(w, r, "/channels", code)
	return nil
}
