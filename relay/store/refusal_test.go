package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"ringpost/relay/store"
)

func TestRefusedRequestsAreKeptAsTheyWereTheLastHundredOfThem(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		at := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
		odd := store.Refusal{At: at, Status: 403, Reason: "no\x00t \xffsigned", Request: []byte("POST / HTTP/1.1\r\n\r\n\x00\xff")}
		keep := func(refusals ...store.Refusal) {
			t.Helper()
			if err := s.KeepRefusals(t.Context(), refusals); err != nil {
				t.Fatalf("KeepRefusals() = %v", err)
			}
		}
		list := func(want int) []store.Refusal {
			t.Helper()
			found, err := s.Refusals(t.Context())
			if err != nil || len(found) != want {
				t.Fatalf("Refusals() = %d, %v, want %d, nil", len(found), err, want)
			}
			return found
		}
		list(0)
		keep()
		keep(odd)
		found := list(1)[0]
		one, err := s.Refusal(t.Context(), found.ID)
		for _, got := range []store.Refusal{found, one} {
			if err != nil || got.ID == 0 || got.At.Sub(at).Abs() > time.Second || got.Status != 403 || got.Reason != "not \uFFFDsigned" || !bytes.Equal(got.Request, odd.Request) {
				t.Errorf("got %+v, %v, want %+v, nil", got, err, odd)
			}
		}
		var many []store.Refusal
		for i := range 250 {
			many = append(many, store.Refusal{At: at, Status: i})
		}
		keep(many[:60]...)
		check(t, "the oldest of 61", list(61)[60].Status, 403)
		keep(many[60:]...)
		for i, r := range list(100) {
			check(t, fmt.Sprintf("refusal %d", i), r.Status, 249-i)
		}
		if _, err := s.Refusal(t.Context(), found.ID); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Refusal() of one that is forgotten = %v, want %v", err, store.ErrNotFound)
		}
	})
}

func TestNodesKeepAHundredRefusedRequestsTogether(t *testing.T) {
	both := nodes(t, 2)
	var keeping sync.WaitGroup
	for _, s := range both {
		keeping.Go(func() {
			for range 10 {
				if err := s.KeepRefusals(t.Context(), make([]store.Refusal, 20)); err != nil {
					t.Errorf("KeepRefusals() = %v", err)
				}
			}
		})
	}
	keeping.Wait()
	if found, err := both[0].Refusals(t.Context()); len(found) != 100 || err != nil {
		t.Errorf("Refusals() = %d, %v, want 100, nil", len(found), err)
	}
}
