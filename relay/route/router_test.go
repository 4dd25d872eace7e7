package route_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"ringpost/relay/callback"
	"ringpost/relay/deliver"
	"ringpost/relay/metrics"
	"ringpost/relay/route"
	"ringpost/relay/store"
	"ringpost/relay/store/storetest"
)

// Whoever has changed the rules, and was told so, may rely on it for the next
// call.
func TestWhatComesAfterAChangeOfThePlanIsRoutedByTheNewOne(t *testing.T) {
	for name, location := range map[string]string{"sqlite": "sqlite:" + filepath.Join(t.TempDir(), "ringpost.db"), "postgres": ""} {
		t.Run(name, func(t *testing.T) {
			if location == "" {
				location = storetest.Postgres(t)
			}
			log := slog.New(slog.DiscardHandler)
			s, err := store.Open(t.Context(), location, log)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			ctx, stop := context.WithCancel(t.Context())
			m := metrics.New("test")
			d := deliver.New(ctx, s, m, log)
			defer d.Drain()
			if err := d.Configure(ctx, deliver.Policy{FirstRetry: time.Second, MaxRetry: time.Minute, GiveUpAfter: time.Hour}, nil); err != nil {
				t.Fatal(err)
			}
			plan := newLinkPlan(t, "recording")
			r := route.NewRouter(s, d, m, log, plan)
			var running sync.WaitGroup
			running.Go(func() { r.Run(ctx) })
			const changes = 100
			for i := range changes {
				// One by the old plan, which the router takes up while the plan changes.
				add(t, s, fmt.Sprintf("before-%d", i))
				next := *plan
				next.ID = int64(i + 1)
				r.Follow(&next)
				add(t, s, fmt.Sprintf("after-%d", i))
			}
			routed := func() (all []store.Stored) {
				all, err := s.Callbacks(t.Context(), store.Filter{Limit: 2 * changes})
				if err != nil {
					t.Fatal(err)
				}
				return all
			}
			for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
				if newest := routed()[0]; !newest.RoutedAt.IsZero() {
					break
				}
				if time.Now().After(deadline) {
					t.Fatal("the last callback is not routed in 20 s")
				}
			}
			for _, cb := range routed() {
				var i int64
				if n, _ := fmt.Sscanf(cb.RecordingSid, "after-%d", &i); n == 1 && cb.PlanID < i+1 {
					t.Errorf("%s was routed by plan %d, want %d or a later one", cb.RecordingSid, cb.PlanID, i+1)
				}
			}
			stop()
			running.Wait()
		})
	}
}

func add(t *testing.T, s *store.Store, recording string) {
	t.Helper()
	_, err := s.Add(t.Context(), &callback.Callback{AccountSid: "AC1", RecordingSid: recording, RecordingStatus: "completed",
		RecordingUrl: "https://example.com/" + recording, ReceivedAt: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
}
