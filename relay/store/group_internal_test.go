package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"ringpost/relay/callback"
)

func open(t testing.TB) *Store {
	t.Helper()
	s, err := Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "ringpost.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("Open() = %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	})
	return s
}

// hold keeps the writer busy until release is called, so that what is written
// meanwhile waits together.
func hold(t *testing.T, s *Store) (release func()) {
	t.Helper()
	busy, free := make(chan struct{}), make(chan struct{})
	var holding sync.WaitGroup
	holding.Go(func() {
		err := s.write(t.Context(), func(*tx) error {
			close(busy)
			<-free
			return nil
		})
		if err != nil {
			t.Errorf("write() = %v", err)
		}
	})
	<-busy
	release = sync.OnceFunc(func() {
		close(free)
		holding.Wait()
	})
	t.Cleanup(release)
	return release
}

// queued returns once n writes wait for the writer.
func queued(s *Store, n int) {
	for len(s.writer.writes) < n {
		runtime.Gosched()
	}
}

func TestAWriteThatFailsDoesNotFailItsNeighbours(t *testing.T) {
	s := open(t)
	release := hold(t, s)
	var writing sync.WaitGroup
	for i := range 20 {
		writing.Go(func() {
			stored, err := s.Add(t.Context(), &callback.Callback{RecordingSid: fmt.Sprint("RE", i)})
			if !stored || err != nil {
				t.Errorf("Add() beside a write that fails = %v, %v, want true, nil", stored, err)
			}
		})
	}
	runs := 0
	mistake := errors.New("a mistake")
	writing.Go(func() {
		err := s.write(t.Context(), func(tx *tx) error {
			runs++
			if _, err := tx.exec(`INSERT INTO health (checked_at) VALUES (1)`); err != nil {
				return err
			}
			return mistake
		})
		if !errors.Is(err, mistake) {
			t.Errorf("write() = %v, want %v", err, mistake)
		}
	})
	queued(s, 21)
	release()
	writing.Wait()

	if runs != 2 {
		t.Errorf("the write that fails ran %d times, want 2: with its neighbours, then alone", runs)
	}
	found, err := s.Callbacks(t.Context(), Filter{Limit: 100})
	if err != nil || len(found) != 20 {
		t.Errorf("Callbacks() = %d callbacks, %v, want 20, nil", len(found), err)
	}
	var rows int
	if err := s.reader.QueryRow(`SELECT count(*) FROM health`).Scan(&rows); err != nil || rows != 1 {
		t.Errorf("rows of the table it wrote to: %d, %v, want 1, nil: it was not rolled back", rows, err)
	}
	if err := s.Healthy(t.Context()); err != nil {
		t.Errorf("Healthy() = %v, want nil", err)
	}
}

func TestAWriterThatCannotWaitGetsNoResultAndIsCommittedAllTheSame(t *testing.T) {
	s := open(t)
	release := hold(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	waiting := make(chan error)
	go func() {
		_, err := s.Add(ctx, &callback.Callback{RecordingSid: "RE1"})
		waiting <- err
	}()
	queued(s, 1)
	cancel()
	if err := <-waiting; !errors.Is(err, context.Canceled) {
		t.Errorf("Add() = %v, want %v", err, context.Canceled)
	}
	release()
	stored, err := s.Add(t.Context(), &callback.Callback{RecordingSid: "RE1"})
	if stored || err != nil {
		t.Errorf("Add() of the same = %v, %v, want false, nil", stored, err)
	}
}

func TestCloseWaitsForWhatIsQueued(t *testing.T) {
	s := open(t)
	release := hold(t, s)
	var writing sync.WaitGroup
	for i := range 20 {
		writing.Go(func() {
			if stored, err := s.Add(t.Context(), &callback.Callback{RecordingSid: fmt.Sprint("RE", i)}); !stored || err != nil {
				t.Errorf("Add() before Close() = %v, %v, want true, nil", stored, err)
			}
		})
	}
	queued(s, 20)
	closed := make(chan error)
	go func() { closed <- s.Close() }()
	release()
	writing.Wait()
	if err := <-closed; err != nil {
		t.Errorf("Close() = %v, want nil", err)
	}
}

func TestRenewExtendsTheLeaseOfWhatIsLeased(t *testing.T) {
	s := open(t)
	if _, err := s.Add(t.Context(), &callback.Callback{RecordingSid: "RE1"}); err != nil {
		t.Fatal(err)
	}
	leased, waiting := &Delivery{Channel: "email", State: Sending}, &Delivery{Channel: "email", State: Queued}
	_, err := s.Route(t.Context(), 1, time.Hour, 0, func(Stored) []*Delivery { return []*Delivery{leased, waiting} })
	if err != nil {
		t.Fatal(err)
	}
	leaseOf := func(d *Delivery) (until int64) {
		t.Helper()
		err := s.reader.QueryRow(`SELECT lease_until FROM deliveries WHERE id = ?`, d.ID).Scan(&until)
		if err != nil {
			t.Fatal(err)
		}
		return until
	}
	if got, want := leaseOf(leased), leased.CreatedAt.Add(Lease).UnixMicro(); got != want {
		t.Errorf("lease after Route() ends at %d, want %d", got, want)
	}
	err = s.write(t.Context(), func(tx *tx) error {
		_, err := tx.exec(`UPDATE deliveries SET lease_until = 1 WHERE id = ?`, leased.ID)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	before := s.Now().Add(Lease).UnixMicro()
	kept, err := s.Renew(t.Context(), []int64{leased.ID, waiting.ID})
	if err != nil || !slices.Equal(kept, []int64{leased.ID}) {
		t.Fatalf("Renew() = %v, %v, want the leased one", kept, err)
	}
	if got := leaseOf(leased); got < before || got > s.Now().Add(Lease).UnixMicro() {
		t.Errorf("lease after Renew() ends at %d, want %v from now (%d)", got, Lease, before)
	}
	if got := leaseOf(waiting); got != 0 {
		t.Errorf("lease of a waiting one after Renew() ends at %d, want none", got)
	}
}
