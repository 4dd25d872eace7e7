package store_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"testing"

	"ringpost/relay/callback"
	"ringpost/relay/store"
)

func TestAddKeepsTheWholeCallback(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		cb := aCallback("RE1")
		cb.Fields = map[string]string{"RecordingTrack": "both", "Ünïcode '\"\\": "a\nb\x00c", "Empty": ""}
		if stored, err := s.Add(t.Context(), cb); !stored || err != nil {
			t.Fatalf("Add() = %v, %v, want true, nil", stored, err)
		}
		got := *unrouted(t, s, 1)[0].Callback
		if !maps.Equal(got.Fields, cb.Fields) || !maps.Equal(got.Query, cb.Query) {
			t.Errorf("Unrouted(): got fields %q and query %q, want %q and %q", got.Fields, got.Query, cb.Fields, cb.Query)
		}
		checkTime(t, "ReceivedAt", got.ReceivedAt, cb.ReceivedAt)
		want := *cb
		want.Fields, want.Query, want.ReceivedAt = nil, nil, got.ReceivedAt
		got.Fields, got.Query = nil, nil
		check(t, "Unrouted()", fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want))
	})
}

func TestAddKeepsACallbackOfWhichLittleIsKnown(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		cb := &callback.Callback{AccountSid: "AC1", RecordingSid: "RE1", RecordingStatus: "absent"}
		if stored, err := s.Add(t.Context(), cb); !stored || err != nil {
			t.Fatalf("Add() = %v, %v, want true, nil", stored, err)
		}
		got := unrouted(t, s, 1)[0]
		check(t, "RecordingUrl", got.RecordingUrl, "")
		check(t, "fields", len(got.Fields)+len(got.Query), 0)
		check(t, "ReceivedAt is zero", got.ReceivedAt.IsZero(), true)
	})
}

func TestAddStoresACallbackOnceForItsThreeIDs(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		for _, step := range []struct {
			account, recording, status, url string
			stored                          bool
		}{
			{"AC1", "RE1", "completed", "https://example.com/1", true},
			{"AC1", "RE1", "completed", "https://example.com/1", false},
			{"AC1", "RE1", "completed", "https://example.com/other", false},
			{"AC2", "RE1", "completed", "https://example.com/1", true},
			{"AC1", "RE2", "completed", "https://example.com/1", true},
			{"AC1", "RE1", "in-progress", "https://example.com/1", true},
			{"AC1", "re1", "completed", "https://example.com/1", true},
		} {
			cb := aCallback(step.recording)
			cb.AccountSid, cb.RecordingStatus, cb.RecordingUrl = step.account, step.status, step.url
			stored, err := s.Add(t.Context(), cb)
			if stored != step.stored || err != nil {
				t.Errorf("Add(%s, %s, %s) = %v, %v, want %v, nil",
					step.account, step.recording, step.status, stored, err, step.stored)
			}
		}
		found := unrouted(t, s, 10)
		check(t, "callbacks stored", len(found), 5)
		check(t, "the first one's URL", found[0].RecordingUrl, "https://example.com/1")
	})
}

func TestAddAtOnceStoresOneOfFifty(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		var stored atomic.Int64
		var adding sync.WaitGroup
		for range 50 {
			adding.Go(func() {
				ok, err := s.Add(t.Context(), aCallback("RE1"))
				if err != nil {
					t.Errorf("Add() = %v, want nil", err)
				}
				if ok {
					stored.Add(1)
				}
			})
		}
		adding.Wait()
		check(t, "Add() = true, times", stored.Load(), 1)
		check(t, "callbacks stored", len(unrouted(t, s, 100)), 1)
	})
}

func TestAddWakesWhoeverWaitsOnAdded(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		add(t, s, "RE1", "RE2")
		<-s.Added()
		if _, err := s.Add(t.Context(), aCallback("RE1")); err != nil {
			t.Fatal(err)
		}
		select {
		case <-s.Added():
			t.Error("Added() received a second value, want one for both callbacks and none for a repeat")
		default:
		}
	})
}

func TestAddOfAnEndedContextNeverClaimsToHaveStored(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for i := range 50 {
			stored, err := s.Add(ctx, aCallback(fmt.Sprint("RE", i)))
			if stored != (err == nil) || err != nil && !errors.Is(err, context.Canceled) {
				t.Fatalf("Add() = %v, %v, want true, nil or false, %v", stored, err, context.Canceled)
			}
		}
	})
}
