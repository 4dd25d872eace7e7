package store

import (
	"context"
	"testing"
	"time"
)

// TestWhoeverCannotWaitSharesNothingWithTheWriter is for the race detector: each
// of these ends while the writer gets to it, which then writes its result.
func TestWhoeverCannotWaitSharesNothingWithTheWriter(t *testing.T) {
	s := open(t)
	for name, ask := range map[string]func(context.Context) error{
		"Recover": func(ctx context.Context) error { _, err := s.Recover(ctx, nil); return err },
		"Renew":   func(ctx context.Context) error { _, err := s.Renew(ctx, []int64{1}); return err },
		"Book":    func(ctx context.Context) error { _, err := s.Book(ctx, "sms", time.Second); return err },
		"Retry":   func(ctx context.Context) error { return s.Retry(ctx, 1, "kim", time.Hour) },
		"Forward": func(ctx context.Context) error { _, err := s.Forward(ctx, 1, "x", "kim", time.Hour); return err },
		"Keep":    func(ctx context.Context) error { _, err := s.KeepPlan(ctx, []byte("{}")); return err },
		"Pause":   func(ctx context.Context) error { return s.Pause(ctx, "sms", "kim") },
		"Expire":  func(ctx context.Context) error { _, err := s.Expire(ctx, "email", ""); return err },
	} {
		t.Run(name, func(t *testing.T) {
			for range 20 {
				release := hold(t, s)
				ctx, cancel := context.WithCancel(t.Context())
				asked := make(chan error)
				go func() { asked <- ask(ctx) }()
				queued(s, 1)
				cancel()
				release()
				<-asked // whichever it was
			}
		})
	}
}
