package store_test

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"ringpost/relay/callback"
	"ringpost/relay/store"
	"ringpost/relay/store/storetest"
)

// kinds are the kinds of store. Each keeps every promise.
var kinds = []struct {
	name string
	open func(testing.TB) *store.Store
}{
	{"sqlite", openSQLite},
	{"postgres", openPostgres},
}

// promise runs keep with a fresh store of every kind.
func promise(t *testing.T, keep func(t *testing.T, s *store.Store)) {
	t.Helper()
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) { keep(t, k.open(t)) })
	}
}

func openSQLite(t testing.TB) *store.Store {
	t.Helper()
	return openFile(t, filepath.Join(t.TempDir(), "ringpost.db"))
}

func openPostgres(t testing.TB) *store.Store {
	t.Helper()
	return openAt(t, storetest.Postgres(t))
}

func openFile(t testing.TB, file string) *store.Store {
	t.Helper()
	return openAt(t, "sqlite:"+file)
}

func openAt(t testing.TB, location string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), location, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("Open(%q) = %v", location, err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	})
	return s
}

func TestAClosedStoreRefusesWrites(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		for range 2 {
			if err := s.Close(); err != nil {
				t.Errorf("Close() = %v, want nil", err)
			}
		}
		if _, err := s.Add(t.Context(), aCallback("RE1")); !errors.Is(err, store.ErrClosed) {
			t.Errorf("Add() after Close() = %v, want %v", err, store.ErrClosed)
		}
	})
}

func TestAFreshStoreIsHealthy(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		if err := s.Healthy(t.Context()); err != nil {
			t.Errorf("Healthy() = %v, want nil", err)
		}
	})
}

const threeDays = 72 * time.Hour

// aCallback returns a callback of that recording.
func aCallback(recording string) *callback.Callback {
	return &callback.Callback{
		AccountSid:        "AC1",
		RecordingSid:      recording,
		RecordingStatus:   "completed",
		CallSid:           "CA1",
		RecordingUrl:      "https://example.com/" + recording,
		RecordingDuration: 42,
		RecordingSource:   "DialVerb",
		RecordingChannels: "2",
		Fields:            map[string]string{"RecordingTrack": "both"},
		Query:             map[string]string{"agent": "alice"},
		ReceivedAt:        time.Now(),
	}
}

// aDelivery returns a delivery as the router makes them.
func aDelivery(channel string, state store.State) *store.Delivery {
	return &store.Delivery{
		Rule:    "managers",
		Channel: channel,
		Kind:    "email",
		To:      "alice@example.com",
		Subject: "A recording",
		Text:    "Listen",
		HTML:    "<p>Listen</p>",
		State:   state,
	}
}

// add stores callbacks of the recordings.
func add(t testing.TB, s *store.Store, recordings ...string) {
	t.Helper()
	for _, r := range recordings {
		if stored, err := s.Add(t.Context(), aCallback(r)); !stored || err != nil {
			t.Fatalf("Add(%s) = %v, %v, want true, nil", r, stored, err)
		}
	}
}

// unrouted returns the oldest callbacks that are not routed, at most n.
func unrouted(t testing.TB, s *store.Store, n int) []store.Stored {
	t.Helper()
	all, err := s.Callbacks(t.Context(), store.Filter{Limit: 1_000_000})
	if err != nil {
		t.Fatalf("Callbacks() = %v", err)
	}
	slices.Reverse(all)
	all = slices.DeleteFunc(all, func(cb store.Stored) bool { return !cb.RoutedAt.IsZero() })
	return all[:min(n, len(all))]
}

// route stores a callback of the recording and routes it to the deliveries.
func route(t testing.TB, s *store.Store, recording string, giveUpAfter time.Duration, deliveries ...*store.Delivery) {
	t.Helper()
	add(t, s, recording)
	_, err := s.Route(t.Context(), 1, giveUpAfter, 0, func(store.Stored) []*store.Delivery { return deliveries })
	if err != nil {
		t.Fatalf("Route(%s) = %v", recording, err)
	}
}

// inState returns a new delivery that has come to that state.
func inState(t testing.TB, s *store.Store, state store.State) *store.Delivery {
	t.Helper()
	d := aDelivery("email", state)
	switch state {
	case store.Retrying, store.Delivered, store.Unknown:
		d.State = store.Sending
	case store.Cancelled:
		d.State = store.Queued
	}
	route(t, s, fmt.Sprintf("RE-%s-%d", state, time.Now().UnixNano()), threeDays, d)
	switch state {
	case store.Retrying, store.Delivered, store.Unknown:
		o := store.Outcome{StartedAt: time.Now(), State: state, NextAttemptAt: time.Now().Add(time.Hour)}
		finish(t, s, d, o)
	case store.Cancelled:
		if err := s.Cancel(t.Context(), d.ID, "kim"); err != nil {
			t.Fatalf("Cancel(%d) = %v", d.ID, err)
		}
	}
	if got := read(t, s, d.ID).State; got != state {
		t.Fatalf("delivery %d is %s, want %s", d.ID, got, state)
	}
	return d
}

func finish(t testing.TB, s *store.Store, d *store.Delivery, o store.Outcome) {
	t.Helper()
	if err := s.Finish(t.Context(), d, o); err != nil {
		t.Fatalf("Finish(%d, %s) = %v", d.ID, o.State, err)
	}
}

func claim(t testing.TB, s *store.Store, channel string, n int) []*store.Delivery {
	t.Helper()
	claimed, err := s.Claim(t.Context(), channel, n)
	if err != nil {
		t.Fatalf("Claim(%s, %d) = %v", channel, n, err)
	}
	return claimed
}

func read(t testing.TB, s *store.Store, id int64) *store.Delivery {
	t.Helper()
	d, _, err := s.Delivery(t.Context(), id)
	if err != nil {
		t.Fatalf("Delivery(%d) = %v", id, err)
	}
	return d
}

// recoverAll has what is leased taken up as if its process were gone, and expects
// that those are so many.
func recoverAll(t testing.TB, s *store.Store, want int) {
	t.Helper()
	if err := s.Abandon(t.Context()); err != nil {
		t.Fatal(err)
	}
	if channels, err := s.Recover(t.Context(), nil); len(channels) != want || err != nil {
		t.Errorf("Recover() = %v, %v, want %d channels, nil", channels, err, want)
	}
}

func idsOf(deliveries []*store.Delivery) []int64 {
	ids := make([]int64, 0, len(deliveries))
	for _, d := range deliveries {
		ids = append(ids, d.ID)
	}
	return ids
}

// check compares what a call returned with what it should have.
func check[T any](t testing.TB, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// checkIDs is check for ids, whose order counts.
func checkIDs(t testing.TB, what string, got []int64, want ...int64) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got ids %v, want %v", what, got, want)
	}
}

// checkTime is check for times, which the store keeps by the database's clock.
func checkTime(t testing.TB, what string, got, want time.Time) {
	t.Helper()
	if got.Sub(want).Abs() > 10*time.Millisecond {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
