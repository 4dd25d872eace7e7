package relay_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"ringpost/relay/callback"
	"ringpost/relay/config"
	"ringpost/relay/deliver"
	"ringpost/relay/metrics"
	"ringpost/relay/peers"
	"ringpost/relay/route"
	"ringpost/relay/store"

	"ringpost/relay/channel"
)

// BenchmarkDelivery takes stored callbacks through routing and SMTP, beside a
// channel that accepts everything at once, which leaves what the store costs.
func BenchmarkDelivery(b *testing.B) {
	b.Run("smtp", func(b *testing.B) {
		mail, err := peers.NewMail(peers.MailConfig{})
		if err != nil {
			b.Fatal(err)
		}
		defer mail.Close()
		ch, err := channel.NewEmail(channel.EmailConfig{Host: mail.Host, Port: mail.Port, TLS: channel.TLSNone,
			From: "recordings@example.com", Connections: 16})
		if err != nil {
			b.Fatal(err)
		}
		benchmarkDelivery(b, ch)
	})
	b.Run("nothing", func(b *testing.B) { benchmarkDelivery(b, accepting{}) })
}

// accepting is a channel that costs nothing.
type accepting struct{}

func (accepting) Send(context.Context, *channel.Message) (string, error) { return "", nil }
func (accepting) Close() error                                           { return nil }

func benchmarkDelivery(b *testing.B, ch channel.Channel) {
	s, err := store.Open(b.Context(), "sqlite:"+filepath.Join(b.TempDir(), "ringpost.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	cfg, problems := config.Parse("bench.toml", []byte(`
[server]
public_url = "https://hooks.example.com"
[signalwire]
signing_keys = ["PSK_test"]
[channel.email]
host = "localhost"
from = "recordings@example.com"
[[rule]]
name = "finished"
status = "completed"
send = [{ via = "email", to = ["alice@example.com"], template = "recording" }]
`), func(string) (string, bool) { return "", false }, config.Serve)
	if cfg == nil {
		b.Fatal(problems)
	}
	var adding sync.WaitGroup
	next := make(chan int)
	for range 64 {
		adding.Go(func() {
			for i := range next {
				_, err := s.Add(b.Context(), &callback.Callback{AccountSid: "account", RecordingSid: fmt.Sprintf("recording-%d-19e436af", i),
					RecordingStatus: "completed", RecordingDuration: 94, ReceivedAt: time.Now(),
					RecordingUrl: "https://example.signalwire.com/api/laml/2010-04-01/Accounts/b3877c40-da60-4998-90ad-b792e98472af/Recordings/19e436af"})
				if err != nil {
					b.Error(err)
				}
			}
		})
	}
	for i := range b.N {
		next <- i
	}
	close(next)
	adding.Wait()
	log := slog.New(slog.NewJSONHandler(io.Discard, nil))
	ctx, cancel := context.WithCancel(context.Background())
	m := metrics.New("bench")
	b.ResetTimer()
	d := deliver.New(ctx, s, m, log)
	err = d.Configure(ctx, deliver.Policy{FirstRetry: time.Second, MaxRetry: time.Minute, GiveUpAfter: time.Hour},
		map[string]deliver.Channel{"email": {Channel: ch, Workers: 16, Prefetch: 256}})
	if err != nil {
		b.Fatal(err)
	}
	go route.NewRouter(s, d, m, log, &route.Plan{Rules: cfg.Rules, Templates: cfg.Templates}).Run(ctx)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for last := int64(b.N); ; <-tick.C {
		found, _, err := s.Delivery(b.Context(), last)
		if err == nil && found.State == store.Delivered {
			if q, err := s.Queue(b.Context()); err == nil && q.Depth[store.Queued]+q.Depth[store.Sending] == 0 {
				break
			}
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
	cancel()
	d.Drain()
}
