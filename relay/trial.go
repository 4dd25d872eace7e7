package relay

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"ringpost/relay/api"
	"ringpost/relay/channel"
	"ringpost/relay/config"
	"ringpost/relay/deliver"
	"ringpost/relay/render"
)

// trialTime bounds the sending of one test message.
const trialTime = 40 * time.Second

// SendTest sends a message that says what it is through a channel of cfg, to a
// contact or an address, and returns the provider's id of it. The error is an
// [*api.RequestError] or an [*api.ProviderError], unless the channel cannot be
// opened.
func SendTest(ctx context.Context, cfg *config.Config, name, to string, log *slog.Logger) (providerID string, err error) {
	address, err := addressee(cfg, name, to)
	if err != nil {
		return "", err
	}
	ch, err := openChannel(cfg, cfg.Channels[name], nil, log) // test messages have no recording
	if err != nil {
		return "", fmt.Errorf("channel %q: %w", name, err)
	}
	defer ch.Close()
	return sendTest(ctx, ch, name, cfg.Channels[name].Kind, address)
}

// SendTest is [SendTest] through the channel that is in use, whether it is
// paused or not.
func (s *Service) SendTest(ctx context.Context, name, to string) (providerID string, err error) {
	s.reloading.Lock()
	cfg, ch := s.config, s.channels[name]
	s.reloading.Unlock()
	address, err := addressee(cfg, name, to)
	if err != nil {
		return "", err
	}
	return sendTest(ctx, ch, name, cfg.Channels[name].Kind, address)
}

// addressee returns the address of a contact on a channel, or to itself where it
// is an address that the channel takes.
func addressee(cfg *config.Config, name, to string) (string, error) {
	c, ok := cfg.Channels[name]
	if !ok {
		return "", noChannel(cfg, name)
	}
	address, err := cfg.Rules.Address(to, c.Kind)
	if err != nil {
		return "", &api.RequestError{Text: err.Error()}
	}
	return address, nil
}

func noChannel(cfg *config.Config, name string) error {
	return &api.RequestError{Text: fmt.Sprintf("no channel %q (have %s)", name,
		strings.Join(slices.Sorted(maps.Keys(cfg.Channels)), ", "))}
}

func sendTest(ctx context.Context, ch deliver.Channel, name, kind, to string) (providerID string, err error) {
	ctx, cancel := context.WithTimeout(ctx, trialTime)
	defer cancel()
	text := fmt.Sprintf("This is a test of Ringpost's channel %q, sent because somebody asked for it. No call was recorded.", name)
	providerID, err = ch.Send(ctx, &channel.Message{
		ID:      strings.ToLower(rand.Text()) + ".test@" + ch.Domain,
		To:      to,
		Subject: "Test message from Ringpost",
		Text:    text,
	})
	if err != nil {
		return "", &api.ProviderError{Text: fmt.Sprintf("%v: %s", err, cure(err, name, kind))}
	}
	return providerID, nil
}

// cure says what to do about a message that could not be sent.
func cure(err error, name, kind string) string {
	switch channel.ClassOf(err) {
	case channel.Refused:
		if kind == render.Archive {
			return "nothing is overwritten: name a path where nothing is"
		}
		return "the provider refuses this recipient, or this message to it; others may get theirs"
	case channel.OutcomeUnsure, channel.OutcomeUnknown:
		return "it may have been sent all the same: ask the recipient before you try again"
	case channel.ChannelDown:
		switch kind {
		case render.SMS:
			return "check space, project, token and api_url of [signalwire], and that the account has a balance"
		case render.Archive:
			return fmt.Sprintf("check url and the credentials of [channel.%s], that the bucket or folder is there, and that they may list, read and write it", name)
		}
		return fmt.Sprintf("check host, port, tls, username and password of [channel.%s], and that the server can be reached from here", name)
	}
	return "try again later"
}
