package relay

import (
	"context"
	"fmt"
	"slices"

	"ringpost/relay/api"
	"ringpost/relay/config"
	"ringpost/relay/deliver"
	"ringpost/relay/render"
	"ringpost/relay/store"
)

// What people do comes here, from the API and the page. by is who asks: it is
// written down with what was done.

// Retry makes a delivery due at once.
func (s *Service) Retry(ctx context.Context, id int64, by string) error {
	if err := s.store.Retry(ctx, id, by, s.deliverer.GiveUpAfter()); err != nil {
		return err
	}
	d, _, err := s.store.Delivery(ctx, id)
	if err != nil {
		return err
	}
	s.deliverer.Wake(d.Channel)
	return nil
}

// RetryAll makes all deliveries due at once that f asks for, dead ones unless it
// says otherwise, and returns how many those were.
func (s *Service) RetryAll(ctx context.Context, f store.Filter, by string) (n int, err error) {
	if f.State != "" && !f.State.Retryable() {
		return 0, &api.RequestError{Text: fmt.Sprintf("state: deliveries that are %s cannot be retried", f.State)}
	}
	n, err = s.store.RetryAll(ctx, f, by, s.deliverer.GiveUpAfter())
	for _, status := range s.deliverer.Status() {
		s.deliverer.Wake(status.Channel)
	}
	return n, err
}

// Cancel ends a delivery that waits, for its time or for a person, without
// sending it.
func (s *Service) Cancel(ctx context.Context, id int64, by string) error {
	return s.store.Cancel(ctx, id, by)
}

// Revoke makes the link in what a delivery says open nothing any more.
func (s *Service) Revoke(ctx context.Context, id int64, by string) error {
	return s.store.Revoke(ctx, id, by)
}

// Forward has what a delivery says sent to someone else, a contact or an address
// that its channel takes, and returns the id of the new delivery.
func (s *Service) Forward(ctx context.Context, id int64, to, by string) (int64, error) {
	d, _, err := s.store.Delivery(ctx, id)
	if err != nil {
		return 0, err
	}
	if d.Kind == render.Archive {
		return 0, &api.RequestError{Text: "it is a copy of the recording in an archive, and no message: it cannot be sent to anybody"}
	}
	cfg := s.configuration()
	address, err := addressee(cfg, d.Channel, to)
	if err != nil {
		return 0, err
	}
	if kind := cfg.Channels[d.Channel].Kind; kind != d.Kind {
		return 0, &api.RequestError{Text: fmt.Sprintf("channel %q is of kind %s by now, and this was written for %s: it cannot be sent on",
			d.Channel, kind, d.Kind)}
	}
	made, err := s.store.Forward(ctx, id, address, by, s.deliverer.GiveUpAfter())
	if err != nil {
		return 0, err
	}
	s.deliverer.Wake(d.Channel)
	return made, nil
}

// Pause has a channel send nothing until it is resumed, on all nodes and
// whatever restarts meanwhile.
func (s *Service) Pause(ctx context.Context, channel, by string) error {
	return s.switchChannel(ctx, channel, by, s.store.Pause)
}

// Resume ends a channel's pause.
func (s *Service) Resume(ctx context.Context, channel, by string) error {
	return s.switchChannel(ctx, channel, by, s.store.Resume)
}

func (s *Service) switchChannel(ctx context.Context, channel, by string, do func(ctx context.Context, channel, by string) error) error {
	known := s.deliverer.Status()
	if !slices.ContainsFunc(known, func(status deliver.Status) bool { return status.Channel == channel }) {
		return noChannel(s.configuration(), channel)
	}
	if err := do(ctx, channel, by); err != nil {
		return err
	}
	s.followPauses(ctx)
	if err := s.store.RingPauses(ctx); err != nil {
		s.log.Warn("the other nodes are not told of a pause or its end: they learn of it later", "err", err)
	}
	return nil
}

// followPauses has the channels heed what was paused and resumed.
func (s *Service) followPauses(ctx context.Context) {
	if err := s.deliverer.FollowPauses(ctx); err != nil && ctx.Err() == nil {
		s.log.Warn("pauses are not followed yet: they will be", "err", err)
	}
}

// Channels returns the channels as this node knows them, by name, with what waits
// for each.
func (s *Service) Channels(ctx context.Context) ([]deliver.Overview, error) {
	cfg := s.configuration()
	var all []deliver.Overview
	for _, status := range s.deliverer.Status() {
		configured := cfg.Channels[status.Channel]
		o := deliver.Overview{Status: status, Kind: configured.Kind, Rate: configured.Rate.String()}
		var err error
		if o.Waiting, o.Oldest, err = s.store.Waiting(ctx, status.Channel, api.MaxWaiting); err != nil {
			return nil, err
		}
		all = append(all, o)
	}
	return all, nil
}

// Status returns the channels as this node knows them, by name, without a look
// into the store.
func (s *Service) Status() []deliver.Status { return s.deliverer.Status() }

// configuration returns what is in force.
func (s *Service) configuration() *config.Config {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	return s.config
}
