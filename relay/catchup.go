package relay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ringpost/relay/api"
	"ringpost/relay/catchup"
	"ringpost/relay/config"
	"ringpost/relay/signalwire"
)

// watchFor says what cfg has looked for.
func watchFor(cfg *config.Config) (catchup.Config, error) {
	c := catchup.Config{
		Project:      cfg.SignalWire.Project,
		Space:        cfg.SignalWire.Space,
		Every:        time.Duration(cfg.Watch.CatchUp),
		MissingAfter: time.Duration(cfg.Watch.MissingAfter),
		Keep:         cfg.Store.Keep,
	}
	if !cfg.SignalWire.Callable() {
		return c, nil
	}
	client, err := openClient(cfg)
	c.Client = client
	return c, err
}

// CatchUp asks the provider for recordings that ended since then, and treats those
// of which no callback came as received late.
func (s *Service) CatchUp(ctx context.Context, since time.Time, by string) (api.CaughtUp, error) {
	found, err := s.watch.CatchUp(ctx, since)
	answer := api.CaughtUp{Found: found.Found, New: found.New}
	switch {
	case err == nil:
	case errors.Is(err, catchup.ErrNotConfigured), errors.Is(err, catchup.ErrTooOld), errors.Is(err, catchup.ErrUnderWay):
		return answer, &api.RequestError{Text: err.Error()}
	case fromProvider(err):
		return answer, &api.ProviderError{Text: fmt.Sprintf(
			"%v (until then %d recordings were found, %d of them new; what was found stays, so ask again)", err, found.Found, found.New)}
	default:
		return answer, err
	}
	s.log.Info("caught up because somebody asked", "by", by, "found", found.Found, "new", found.New)
	return answer, nil
}

// fromProvider reports whether err is what the provider said, or that it said
// nothing.
func fromProvider(err error) bool {
	_, said := errors.AsType[*signalwire.Error](err)
	_, silent := errors.AsType[*signalwire.NoAnswerError](err)
	return said || silent || errors.Is(err, signalwire.ErrIncomplete)
}
