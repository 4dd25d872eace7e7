//go:build unix

package store_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"ringpost/relay/store"
	"ringpost/relay/store/storetest"
)

// TestAServerThatCrashesLosesNothingThatWasAcknowledged stops a server as a
// crash does, while callbacks are added, again and again. The store works again
// by itself.
func TestAServerThatCrashesLosesNothingThatWasAcknowledged(t *testing.T) {
	cluster := storetest.NewCluster(t)
	cluster.Start()
	s := openAt(t, cluster.URL)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var mu sync.Mutex
	acknowledged := make(map[string]bool)
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(acknowledged)
	}
	failures := 0
	var adding sync.WaitGroup
	for i := range 8 {
		adding.Go(func() {
			for j := 0; ctx.Err() == nil; j++ {
				recording := fmt.Sprintf("RE%d-%d", i, j)
				patience, cancel := context.WithTimeout(context.Background(), 4*time.Second)
				_, err := s.Add(patience, aCallback(recording))
				cancel()
				mu.Lock()
				if err == nil {
					acknowledged[recording] = true
				} else {
					failures++
				}
				mu.Unlock()
				if err != nil {
					<-time.After(10 * time.Millisecond)
				}
			}
		})
	}
	for range 3 {
		before := count()
		eventually(t, "callbacks are stored", func() bool { return count() >= before+100 })
		cluster.Stop()
		eventually(t, "the store says that it cannot commit", func() bool { return s.Healthy(within(t, time.Second)) != nil })
		cluster.Start()
	}
	before := count()
	eventually(t, "callbacks are stored again", func() bool { return count() >= before+100 })
	stop()
	adding.Wait()
	if err := s.Healthy(t.Context()); err != nil {
		t.Errorf("Healthy() = %v, want nil", err)
	}
	stored := make(map[string]int)
	for _, cb := range unrouted(t, s, 1_000_000) {
		stored[cb.RecordingSid]++
	}
	for recording := range acknowledged {
		if stored[recording] != 1 {
			t.Errorf("callback %s was acknowledged and is stored %d times, want once", recording, stored[recording])
		}
	}
	t.Logf("acknowledged %d, refused meanwhile %d, stored %d", len(acknowledged), failures, len(stored))
}

func TestOpenWaitsWhileAServerStarts(t *testing.T) {
	cluster := storetest.NewCluster(t)
	var log logged
	opened := make(chan error)
	go func() {
		s, err := store.Open(within(t, 3*patient), cluster.URL, log.logger())
		if err == nil {
			err = s.Close()
		}
		opened <- err
	}()
	eventually(t, "the log says that it waits", func() bool { return strings.Contains(log.String(), "waiting for the database") })
	cluster.Start()
	if err := <-opened; err != nil {
		t.Errorf("Open() = %v, want nil once the server runs", err)
	}
}

// TestNothingIsLeftOpen opens and closes stores, some of which cannot be opened,
// and counts the server's connections and this process's goroutines.
func TestNothingIsLeftOpen(t *testing.T) {
	cluster := storetest.NewCluster(t)
	cluster.Start()
	conn := storetest.Connect(t, cluster.URL)
	connections := func() (n int) {
		t.Helper()
		err := conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE application_name = 'ringpost'`).Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := runtime.NumGoroutine()
	for i := range 5 {
		s := openOnce(t, cluster.URL)
		add(t, s, fmt.Sprint("RE", i))
		if err := s.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	}
	_, err := conn.Exec(t.Context(), `CREATE SCHEMA broken; CREATE TABLE broken.callbacks (id int)`)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		s, err := store.Open(within(t, patient), cluster.URL+"?search_path=broken", slog.New(slog.DiscardHandler))
		if err == nil {
			s.Close()
			t.Error("Open() of a schema with another table of that name = nil, want an error")
		}
	}
	eventually(t, "no connection is left", func() bool { return connections() == 0 })
	eventually(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= before })
}

func openOnce(t *testing.T, url string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), url, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("Open() = %v", err)
	}
	return s
}

// TestAStoreClosesThoughTheServerHasGone closes it when connections are broken,
// and when a transaction hangs.
func TestAStoreClosesThoughTheServerHasGone(t *testing.T) {
	for _, c := range troubles {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			proxy, url := storetest.NewProxy(t, storetest.Postgres(t))
			s := openOnce(t, url)
			add(t, s, "RE1")
			c.begin(proxy)
			if _, err := s.Add(within(t, 100*time.Millisecond), aCallback("RE2")); err == nil {
				t.Error("Add() without a server = nil, want an error")
			}
			closed := make(chan error)
			start := time.Now()
			go func() { closed <- s.Close() }()
			select {
			case err := <-closed:
				t.Logf("Close() = %v after %v", err, time.Since(start))
			case <-time.After(2 * patient):
				t.Errorf("Close() has not ended after %v", 2*patient)
			}
			if _, err := s.Add(t.Context(), aCallback("RE3")); !errors.Is(err, store.ErrClosed) {
				t.Errorf("Add() after Close() = %v, want %v", err, store.ErrClosed)
			}
			proxy.Restore()
		})
	}
}
