package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"ringpost/relay/store"
)

// fileCalls files calls, and expects that so many buckets are filed then.
func fileCalls(t *testing.T, s *store.Store, want int64) {
	t.Helper()
	if err := s.FileCalls(t.Context(), 0); err != nil {
		t.Fatalf("FileCalls() = %v", err)
	}
	filed, err := s.Filed(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	check(t, "buckets that are filed", filed, want)
}

// addCalls stores callbacks of that many calls, received then.
func addCalls(t *testing.T, s *store.Store, of string, many int, received time.Time) {
	t.Helper()
	var adding sync.WaitGroup
	for worker := range 32 {
		adding.Go(func() {
			for i := worker; i < many; i += 32 {
				cb := aCallback(fmt.Sprint("RE-", of, i))
				cb.CallSid, cb.ReceivedAt = fmt.Sprint(of, i), received
				if _, err := s.Add(context.WithoutCancel(t.Context()), cb); err != nil {
					t.Errorf("Add() = %v", err)
				}
			}
		})
	}
	adding.Wait()
	_, err := s.Route(t.Context(), many+1, threeDays, 0, func(store.Stored) []*store.Delivery { return nil })
	if err != nil {
		t.Fatal(err)
	}
}

// checkCalls expects that the calls are found, one callback each, or not at all.
func checkCalls(t *testing.T, s *store.Store, of string, many, want int) {
	t.Helper()
	for i := 0; i < many; i += many / 30 {
		found, err := s.Search(t.Context(), store.Search{Text: fmt.Sprint(of, i), Limit: 9})
		if err != nil || len(found) != want {
			t.Fatalf("Search(%s%d) = %d callbacks, %v, want %d, nil", of, i, len(found), err, want)
		}
		for _, r := range found {
			check(t, "call", r.CallSid, fmt.Sprint(of, i))
		}
	}
}

func TestACallIsFoundBeforeAndAfterItIsFiled(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		const many = 8300 // eight buckets, and some
		add(t, s, "RE1")
		checkIDs(t, "Search() of one that is not routed", search(t, s, store.Search{Text: "CA1", Limit: 9}), 1)
		addCalls(t, s, "CA-", many, time.Now().Add(-time.Hour))
		fileCalls(t, s, 8)
		fileCalls(t, s, 8)
		checkCalls(t, s, "CA-", many, 1)

		remove(t, s, s.Now().Add(-time.Minute), many)
		checkCalls(t, s, "CA-", many, 0)
	})
}

func TestCallsAreFiledAnewWhereTheirIDsAreGivenToOthers(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		const many = 5000
		for _, of := range []string{"CA-", "CB-"} {
			addCalls(t, s, of, many, time.Now().Add(-time.Hour))
			if err := s.FileCalls(t.Context(), 0); err != nil {
				t.Fatalf("FileCalls() = %v", err)
			}
			checkCalls(t, s, of, many, 1)
			remove(t, s, s.Now(), many)
			checkCalls(t, s, of, many, 0)
		}
	})
}

func TestNodesTakeTurnsToFileCallsAndWaitForLateOnes(t *testing.T) {
	both := nodes(t, 2)
	addCalls(t, both[0], "CA-", 5000, time.Now())
	fileCalls(t, both[0], 0) // others may come with lower ids
	addCalls(t, both[1], "CB-", 9000, time.Now().Add(-time.Hour))
	if err := both[0].Backdate(t.Context(), time.Hour); err != nil {
		t.Fatal(err)
	}
	var filing sync.WaitGroup
	for _, s := range both {
		filing.Go(func() {
			if err := s.FileCalls(t.Context(), 0); err != nil {
				t.Errorf("FileCalls() = %v", err)
			}
		})
	}
	filing.Wait()
	fileCalls(t, both[0], 13)
	checkCalls(t, both[1], "CA-", 5000, 1)
	checkCalls(t, both[0], "CB-", 9000, 1)
}

func TestCallsAreFiledWithPauses(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		addCalls(t, s, "CA-", 2100, time.Now().Add(-time.Hour)) // two buckets, and some
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- s.FileCalls(ctx, time.Hour) }()
		filed := func() int64 {
			n, err := s.Filed(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		for began := time.Now(); filed() == 0; {
			if time.Since(began) > 30*time.Second {
				t.Fatal("nothing is filed")
			}
		}
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) { // before it was told of the commit
			t.Errorf("FileCalls() = %v", err)
		}
		check(t, "buckets that are filed before the first pause is over", filed(), 1)
	})
}
