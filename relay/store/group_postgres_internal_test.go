package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"ringpost/relay/callback"
	"ringpost/relay/store/storetest"
)

// TestWritesThatAreTriedAloneDoNotWaitForTheDatabaseOneByOne loses the database
// while the writes of a group that failed are tried one after the other.
func TestWritesThatAreTriedAloneDoNotWaitForTheDatabaseOneByOne(t *testing.T) {
	t.Parallel()
	proxy, url := storetest.NewProxy(t, storetest.Postgres(t))
	s, err := Open(t.Context(), url, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("Open() = %v", err)
	}
	defer s.Close()
	release := hold(t, s)
	mistake := errors.New("a mistake")
	runs := 0
	var writing sync.WaitGroup
	writing.Go(func() {
		err := s.write(t.Context(), func(*tx) error {
			if runs++; runs == 2 {
				proxy.Freeze()
			}
			return mistake
		})
		if !errors.Is(err, mistake) {
			t.Errorf("write() = %v, want %v", err, mistake)
		}
	})
	queued(s, 1)
	const many = 20
	for i := range many {
		writing.Go(func() {
			if stored, err := s.Add(context.Background(), &callback.Callback{RecordingSid: fmt.Sprint("RE", i)}); stored || err == nil {
				t.Errorf("Add() without a database = %v, %v, want false and an error", stored, err)
			}
		})
	}
	queued(s, many+1)
	start := time.Now()
	release()
	writing.Wait()
	if took := time.Since(start); took > many*connectTime/2 {
		t.Errorf("all were answered after %v, want no try to connect for each", took)
	}
	proxy.Restore()
}
