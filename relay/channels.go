package relay

import (
	"context"
	"fmt"
	"log/slog"
	"net/mail"
	"net/url"
	"strings"

	"ringpost/relay/archive"
	"ringpost/relay/callback"
	"ringpost/relay/channel"
	"ringpost/relay/config"
	"ringpost/relay/deliver"
	"ringpost/relay/recording"
	"ringpost/relay/render"
	"ringpost/relay/signalwire"
)

// queuePerWorker is how many deliveries a lane holds for each of its workers,
// so that a claim, which is a transaction, is for many.
const queuePerWorker = 16

// openChannels makes the channels of cfg. None of them connects yet.
// audio returns what fetches recordings at the time.
func openChannels(cfg *config.Config, audio func() *recording.Fetcher, log *slog.Logger) (map[string]deliver.Channel, error) {
	channels := make(map[string]deliver.Channel)
	for name, c := range cfg.Channels {
		ch, err := openChannel(cfg, c, audio, log)
		if err != nil {
			return nil, fmt.Errorf("channel %q: %w", name, err)
		}
		channels[name] = ch
	}
	return channels, nil
}

func openChannel(cfg *config.Config, c config.Channel, audio func() *recording.Fetcher, log *slog.Logger) (ch deliver.Channel, err error) {
	ch = deliver.Channel{Workers: max(c.Connections, 1), Every: c.Rate.Every()}
	ch.Prefetch = ch.Workers * queuePerWorker
	if c.Rate > 0 {
		ch.Prefetch = ch.Workers // what waits for its turn may as well wait in the store
	}
	switch c.Kind {
	case render.Email:
		ch.Domain = messageDomain(c.From, cfg.Server.PublicURL)
		ch.Channel, err = openEmail(c)
	case render.SMS:
		// After a crash each one held must be looked up at the provider.
		ch.Prefetch = ch.Workers
		ch.LookAfter = channel.LookAfter
		ch.Channel, err = openSMS(cfg, c)
	case render.Archive:
		ch.Prefetch = ch.Workers // each takes as long as it is large: others may take them meanwhile
		ch.Channel, err = openArchive(cfg, c, audio)
	default:
		ch.Channel = channel.NewLog(log)
	}
	return ch, err
}

func openEmail(c config.Channel) (channel.Channel, error) {
	email := channel.EmailConfig{
		Host:        c.Host,
		Port:        c.Port,
		TLS:         channel.TLS(c.TLS),
		Username:    c.Username,
		Password:    string(c.Password),
		From:        c.From,
		Connections: c.Connections,
	}
	if c.DKIM != nil {
		email.DKIM = &channel.DKIM{Domain: c.DKIM.Domain, Selector: c.DKIM.Selector, Key: []byte(c.DKIM.Key)}
	}
	return channel.NewEmail(email)
}

func openSMS(cfg *config.Config, c config.Channel) (channel.Channel, error) {
	client, err := openClient(cfg)
	if err != nil {
		return nil, err
	}
	sms := channel.SMSConfig{Client: client, From: c.From, MessagingService: c.MessagingService}
	// Without a public_url, which trials may leave out, it is the listener's own.
	if public := cfg.Server.PublicURL; public != "" && public != "http://"+cfg.Server.Listen {
		sms.Receipts = func(delivery int64) string { return callback.ReceiptURL(public, delivery) }
	}
	return channel.NewSMS(sms), nil
}

func openArchive(cfg *config.Config, c config.Channel, audio func() *recording.Fetcher) (channel.Channel, error) {
	config := archive.Config{
		URL:       c.URL,
		AccessKey: c.AccessKey,
		SecretKey: string(c.SecretKey),
		Account:   c.Account,
		Key:       string(c.Key),
		Fetch: func(ctx context.Context, recordingURL, format string, limit int64) (*recording.Spooled, error) {
			return audio().Spool(ctx, recordingURL, format, limit)
		},
	}
	if c.DeleteAtSource {
		client, err := openClient(cfg)
		if err != nil {
			return nil, err
		}
		config.Delete = client.DeleteRecording
	}
	return archive.New(config)
}

// openClient makes a client of the REST API.
func openClient(cfg *config.Config) (*signalwire.Client, error) {
	return signalwire.New(signalwire.Config{
		APIURL:  cfg.SignalWire.APIURL,
		Project: cfg.SignalWire.Project,
		Token:   string(cfg.SignalWire.Token),
	})
}

// messageDomain returns the right-hand side of Message-IDs: the sender's domain,
// which mail servers like best.
func messageDomain(from, publicURL string) string {
	if a, err := mail.ParseAddress(from); err == nil {
		return a.Address[strings.LastIndexByte(a.Address, '@')+1:]
	}
	if u, err := url.Parse(publicURL); err == nil {
		return u.Hostname()
	}
	return "localhost"
}
