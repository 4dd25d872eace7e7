package store_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"ringpost/relay/store"
)

// each runs a benchmark with every kind of store.
func each(b *testing.B, run func(b *testing.B, s *store.Store)) {
	for _, k := range kinds {
		b.Run(k.name, func(b *testing.B) { run(b, k.open(b)) })
	}
}

func BenchmarkAddFrom64Goroutines(b *testing.B) { each(b, benchmarkAdd) }

func benchmarkAdd(b *testing.B, s *store.Store) {
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
			each(b, func(b *testing.B, s *store.Store) { benchmarkRoute(b, s, state) })
		})
	}
}

func benchmarkRoute(b *testing.B, s *store.Store, state store.State) {
	made := 0
	for b.Loop() {
		b.StopTimer()
		addMany(b, s, made, 200)
		made += 200
		b.StartTimer()
		routeOne(b, s, 200, state)
	}
	b.ReportMetric(float64(made)/b.Elapsed().Seconds(), "callbacks/s")
}

func BenchmarkClaimAndFinishFrom16Goroutines(b *testing.B) { each(b, benchmarkClaimAndFinish) }

func benchmarkClaimAndFinish(b *testing.B, s *store.Store) {
	const goroutines, prefetch = 16, 32
	for made := 0; made < b.N+goroutines*prefetch; made += 200 {
		addMany(b, s, made, 200)
		routeOne(b, s, 200, store.Queued)
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

// addMany stores n callbacks beside those that are there, each of a call of its
// own, which are in no order.
func addMany(b *testing.B, s *store.Store, there, n int) {
	b.Helper()
	var adding sync.WaitGroup
	for i := there; i < there+n; i++ {
		adding.Go(func() {
			cb := aCallback(fmt.Sprint("RE", i))
			cb.CallSid = fmt.Sprintf("CA%08x", uint32(i)*2654435761)
			if _, err := s.Add(b.Context(), cb); err != nil {
				b.Errorf("Add() = %v", err)
			}
		})
	}
	adding.Wait()
}

// routeOne routes n callbacks to one delivery each.
func routeOne(b *testing.B, s *store.Store, n int, state store.State) {
	b.Helper()
	routed, err := s.Route(b.Context(), n, threeDays, 0, func(store.Stored) []*store.Delivery {
		return []*store.Delivery{aDelivery("email", state)}
	})
	if err != nil || len(routed) != n {
		b.Fatalf("Route() = %d, %v, want %d, nil", len(routed), err, n)
	}
}
