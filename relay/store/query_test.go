package store_test

import (
	"fmt"
	"testing"
	"time"

	"ringpost/relay/store"
)

// library is a small store to look for things in: every recording has a
// delivery for each combination of channel, recipient and state.
func library(t *testing.T, s *store.Store) (all []*store.Delivery) {
	t.Helper()
	for i := range 3 {
		var deliveries []*store.Delivery
		for _, channel := range []string{"email", "sms"} {
			for _, to := range []string{"alice", "carol"} {
				for _, state := range []store.State{store.Queued, store.Sending, store.Dead, store.Shadow} {
					d := aDelivery(channel, state)
					d.To = to
					deliveries = append(deliveries, d)
				}
			}
		}
		route(t, s, fmt.Sprint("RE", i), threeDays, deliveries...)
		all = append(all, deliveries...)
	}
	// States that a delivery comes to only by way of another one.
	for i, state := range []store.State{store.Delivered, store.Unknown, store.Retrying, store.Delivered} {
		d := all[i*8+1]
		finish(t, s, d, store.Outcome{StartedAt: time.Now(), State: state, NextAttemptAt: s.Now()})
		d.State = state
	}
	return all
}

func list(t *testing.T, s *store.Store, f store.Filter) (ids []int64) {
	t.Helper()
	found, err := s.Deliveries(t.Context(), f)
	if err != nil {
		t.Fatalf("Deliveries(%+v) = %v", f, err)
	}
	for _, d := range found {
		ids = append(ids, d.ID)
	}
	return ids
}

// matching returns the ids that f asks for, by the plain meaning of its fields.
func matching(all []*store.Delivery, f store.Filter) (ids []int64) {
	for i := len(all) - 1; i >= 0 && len(ids) < f.Limit; i-- {
		d := all[i]
		if (f.Recording == "" || d.Recording == f.Recording) && (f.To == "" || d.To == f.To) &&
			(f.Channel == "" || d.Channel == f.Channel) && (f.State == "" || d.State == f.State) &&
			!d.CreatedAt.Truncate(time.Microsecond).Before(f.Since) && (f.After == 0 || d.ID < f.After) {
			ids = append(ids, d.ID)
		}
	}
	return ids
}

func TestDeliveriesFollowsEveryCombinationOfFilters(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		all := library(t, s)
		second := all[len(all)/3].CreatedAt.Truncate(time.Microsecond)
		for _, recording := range []string{"", "RE1", "RE9"} {
			for _, state := range append([]store.State{""}, store.States...) {
				for _, channel := range []string{"", "email", "fax"} {
					for _, to := range []string{"", "carol", "bob"} {
						for _, since := range []time.Time{{}, second, time.Now().Add(time.Hour)} {
							for _, after := range []int64{0, all[len(all)-5].ID} {
								f := store.Filter{
									Recording: recording, State: state, Channel: channel, To: to, Since: since, After: after, Limit: 7,
								}
								checkIDs(t, fmt.Sprintf("Deliveries(%+v)", f), list(t, s, f), matching(all, f)...)
							}
						}
					}
				}
			}
		}
	})
}

func TestDeliveriesAreListedWithoutTheirTexts(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		d := inState(t, s, store.Queued)
		found, err := s.Deliveries(t.Context(), store.Filter{Limit: 1})
		if err != nil || len(found) != 1 {
			t.Fatalf("Deliveries() = %v, %v, want one, nil", found, err)
		}
		want := *read(t, s, d.ID)
		want.Text, want.HTML, want.RecordingURL = "", "", ""
		check(t, "Deliveries()", found[0], want)
	})
}

func TestPagesByCursorHoldEveryDeliveryOnce(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		all := library(t, s)
		f := store.Filter{Limit: 7}
		var got []int64
		for {
			page := list(t, s, f)
			if len(page) == 0 {
				break
			}
			got = append(got, page...)
			f.After = page[len(page)-1]
			inState(t, s, store.Queued) // what comes meanwhile is no part of it
		}
		checkIDs(t, "all pages", got, matching(all, store.Filter{Limit: len(all)})...)
	})
}

func TestCallbacksFollowsItsFilters(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		put := func(recording, status string, after time.Duration) {
			cb := aCallback(recording)
			cb.RecordingStatus, cb.ReceivedAt = status, start.Add(after)
			if stored, err := s.Add(t.Context(), cb); !stored || err != nil {
				t.Fatalf("Add() = %v, %v", stored, err)
			}
		}
		put("RE1", "in-progress", 0)
		put("RE1", "completed", 2*time.Minute)
		put("RE2", "completed", time.Minute) // received before the one above, stored after it
		put("RE3", "completed", 3*time.Minute)
		for _, c := range []struct {
			what string
			f    store.Filter
			want string
		}{
			{"all", store.Filter{Limit: 9}, "RE3 completed, RE2 completed, RE1 completed, RE1 in-progress, "},
			{"limit", store.Filter{Limit: 2}, "RE3 completed, RE2 completed, "},
			{"after", store.Filter{Limit: 2, After: 3}, "RE1 completed, RE1 in-progress, "},
			{"recording", store.Filter{Limit: 9, Recording: "RE1"}, "RE1 completed, RE1 in-progress, "},
			{"no such recording", store.Filter{Limit: 9, Recording: "RE9"}, ""},
			{"since", store.Filter{Limit: 9, Since: start.Add(time.Minute - time.Second)}, "RE3 completed, RE2 completed, RE1 completed, "},
			{"since, to the second", store.Filter{Limit: 9, Since: start.Add(time.Minute + time.Second)}, "RE3 completed, RE1 completed, "},
			{"since and recording", store.Filter{Limit: 9, Recording: "RE1", Since: start.Add(time.Minute)}, "RE1 completed, "},
			{"since the future", store.Filter{Limit: 9, Since: start.Add(time.Hour)}, ""},
			{"since, after and limit", store.Filter{Limit: 1, After: 4, Since: start.Add(time.Minute - time.Second)}, "RE2 completed, "},
		} {
			found, err := s.Callbacks(t.Context(), c.f)
			if err != nil {
				t.Fatalf("Callbacks(%s) = %v", c.what, err)
			}
			got := ""
			for _, cb := range found {
				got += cb.RecordingSid + " " + cb.RecordingStatus + ", "
			}
			check(t, "Callbacks("+c.what+")", got, c.want)
		}
	})
}

func TestNothingFoundIsAnEmptyListNotNil(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		if got, err := s.Callbacks(t.Context(), store.Filter{Limit: 1}); got == nil || len(got) != 0 || err != nil {
			t.Errorf("Callbacks() = %#v, %v, want an empty list, nil", got, err)
		}
		if got, err := s.Deliveries(t.Context(), store.Filter{Limit: 1}); got == nil || len(got) != 0 || err != nil {
			t.Errorf("Deliveries() = %#v, %v, want an empty list, nil", got, err)
		}
		d := inState(t, s, store.Queued)
		if _, got, err := s.Delivery(t.Context(), d.ID); got == nil || len(got) != 0 || err != nil {
			t.Errorf("Delivery() = …, %#v, %v, want no attempts, nil", got, err)
		}
	})
}

func checkQueue(t *testing.T, s *store.Store, queued, sending, retrying int, oldest time.Time) {
	t.Helper()
	q, err := s.Queue(t.Context())
	if err != nil {
		t.Fatalf("Queue() = %v", err)
	}
	check(t, "states counted", len(q.Depth), 3)
	check(t, "queued", q.Depth[store.Queued], queued)
	check(t, "sending", q.Depth[store.Sending], sending)
	check(t, "retrying", q.Depth[store.Retrying], retrying)
	checkTime(t, "oldest", q.Oldest, oldest)
}

func TestQueueCountsWhatIsUnfinished(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		checkQueue(t, s, 0, 0, 0, time.Time{})
		var of = map[store.State]*store.Delivery{}
		for _, state := range []store.State{store.Dead, store.Sending, store.Queued, store.Delivered, store.Cancelled, store.Unknown, store.Shadow} {
			of[state] = inState(t, s, state)
		}
		first := of[store.Sending].CreatedAt
		checkQueue(t, s, 1, 1, 0, first)

		route(t, s, "RE1", -time.Hour, aDelivery("sms", store.Queued), aDelivery("sms", store.Queued))
		checkQueue(t, s, 3, 1, 0, first)
		expire(t, s, "sms", 2)
		checkQueue(t, s, 1, 1, 0, first)

		finish(t, s, of[store.Sending], store.Outcome{StartedAt: time.Now(), State: store.Retrying, NextAttemptAt: s.Now()})
		checkQueue(t, s, 1, 0, 1, first)
		claim(t, s, "email", 9)
		checkQueue(t, s, 0, 2, 0, first)
		if err := s.Release(ctx, []int64{of[store.Sending].ID}, ""); err != nil {
			t.Fatal(err)
		}
		checkQueue(t, s, 0, 1, 1, first)
		recoverAll(t, s, 1)
		checkQueue(t, s, 1, 0, 1, first)

		for range 2 { // from dead to queued, from queued to queued
			if err := s.Retry(ctx, of[store.Dead].ID, "kim", time.Hour); err != nil {
				t.Fatal(err)
			}
			checkQueue(t, s, 2, 0, 1, of[store.Dead].CreatedAt)
		}
		for _, state := range []store.State{store.Dead, store.Sending, store.Queued} {
			if err := s.Cancel(ctx, of[state].ID, "kim"); err != nil {
				t.Fatal(err)
			}
		}
		checkQueue(t, s, 0, 0, 0, time.Time{})
		if _, err := s.Remove(ctx, s.Now()); err != nil {
			t.Fatal(err)
		}
		checkQueue(t, s, 0, 0, 0, time.Time{})
	})
}

func TestAStoredCallbackMayBeReadWhileOthersAreWritten(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			for i := range 200 {
				if _, err := s.Add(t.Context(), aCallback(fmt.Sprint("RE", i))); err != nil {
					t.Errorf("Add() = %v", err)
				}
			}
		}()
		seen := 0
		for writing := true; writing; {
			select {
			case <-done:
				writing = false
			default:
			}
			found, err := s.Callbacks(t.Context(), store.Filter{Limit: 1000})
			if err != nil || len(found) < seen {
				t.Fatalf("Callbacks() = %d, %v, want at least %d, nil", len(found), err, seen)
			}
			seen = len(found)
		}
		check(t, "callbacks", seen, 200)
	})
}
