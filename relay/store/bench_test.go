package store_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"ringpost/relay/store"
)

func BenchmarkAddFrom64Goroutines(b *testing.B) {
	s := openSQLite(b)
	var made atomic.Int64
	b.SetParallelism(32) // times GOMAXPROCS, which is 2 on the smallest machine
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.Add(b.Context(), aCallback(fmt.Sprint("RE", made.Add(1)))); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkRouteInBatchesOf200(b *testing.B) {
	for _, state := range []store.State{store.Sending, store.Queued} {
		b.Run(string(state), func(b *testing.B) {
			s := openSQLite(b)
			made := 0
			for b.Loop() {
				b.StopTimer()
				batch := unroutedBatch(b, s, made, 200, state)
				made += len(batch)
				b.StartTimer()
				if err := s.Route(b.Context(), batch, threeDays); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(made)/b.Elapsed().Seconds(), "callbacks/s")
		})
	}
}

func BenchmarkClaimAndFinishFrom16Goroutines(b *testing.B) {
	const goroutines, prefetch = 16, 32
	s := openSQLite(b)
	for made := 0; made < b.N+goroutines*prefetch; made += 200 {
		batch := unroutedBatch(b, s, made, 200, store.Queued)
		if err := s.Route(b.Context(), batch, threeDays); err != nil {
			b.Fatal(err)
		}
	}
	b.SetParallelism(8) // times GOMAXPROCS, which is 2 on the smallest machine
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		var held []*store.Delivery
		for pb.Next() {
			if len(held) == 0 {
				held = claim(b, s, "email", prefetch)
			}
			finish(b, s, held[0], store.Outcome{State: store.Delivered})
			held = held[1:]
		}
	})
}

// unroutedBatch stores n callbacks, of which made are there already, and
// returns them with one delivery each.
func unroutedBatch(b *testing.B, s *store.Store, made, n int, state store.State) []store.Routed {
	b.Helper()
	var adding sync.WaitGroup
	for i := range n {
		adding.Go(func() { add(b, s, fmt.Sprint("RE", made+i)) })
	}
	adding.Wait()
	var batch []store.Routed
	for _, cb := range unrouted(b, s, n) {
		batch = append(batch, store.Routed{Callback: cb, Deliveries: []*store.Delivery{aDelivery("email", state)}})
	}
	return batch
}
