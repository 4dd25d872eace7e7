package store_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"ringpost/relay/callback"
	"ringpost/relay/store"
	"ringpost/relay/store/storetest"
)

// await routes callbacks of the recordings, which then wait for their calls.
func await(t testing.TB, s *store.Store, until time.Time, recordings ...string) {
	t.Helper()
	add(t, s, recordings...)
	routed, err := s.RouteBy(t.Context(), len(recordings), threeDays, 7, func(r *store.Routed) { r.LookUpUntil = until })
	if err != nil || len(routed) != len(recordings) {
		t.Fatalf("RouteBy() = %v, %v, want %d callbacks", routed, err, len(recordings))
	}
}

func claimLookups(t testing.TB, s *store.Store, n int) []store.Lookup {
	t.Helper()
	claimed, err := s.ClaimLookups(t.Context(), n)
	if err != nil {
		t.Fatalf("ClaimLookups(%d) = %v", n, err)
	}
	return claimed
}

// endLookup ends a look-up with one email, and says whether it was this process's.
func endLookup(t testing.TB, s *store.Store, l *store.Lookup, call *callback.Call) (d *store.Delivery, done bool) {
	t.Helper()
	_, done, err := s.EndLookup(t.Context(), l, call, threeDays, 9, func(r *store.Routed) {
		if r.Callback.Call != call || r.Callback.RecordingSid != l.RecordingSid {
			t.Errorf("EndLookup plans for %+v, want the callback with its call", r.Callback)
		}
		d = aDelivery("email", store.Queued)
		r.Deliveries = []*store.Delivery{d}
	})
	if err != nil {
		t.Fatalf("EndLookup() = %v", err)
	}
	return d, done
}

func storedOf(t testing.TB, s *store.Store, recording string) store.Stored {
	t.Helper()
	list, err := s.Callbacks(t.Context(), store.Filter{Recording: recording, Limit: 9})
	if err != nil || len(list) != 1 {
		t.Fatalf("Callbacks(%s) = %v, %v, want one", recording, list, err)
	}
	return list[0]
}

func awaiting(list []store.Lookup) string {
	names := ""
	for _, l := range list {
		names += l.RecordingSid + " "
	}
	return names
}

var aCall = &callback.Call{Known: true, From: "+15550100002", To: "+15550100001", Direction: "inbound",
	StartTime: time.Date(2026, time.November, 24, 15, 9, 26, 0, time.UTC)}

func TestACallbackThatWaitsForItsCallIsToldOfOnce(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		until := s.Now().Add(time.Minute)
		await(t, s, until, "RE1")
		select {
		case <-s.AddedLookups():
		default:
			t.Error("nothing was received from AddedLookups")
		}
		cb := storedOf(t, s, "RE1")
		if !cb.LooksUp || !cb.RoutedAt.IsZero() || cb.PlanID != 0 || cb.Call != nil {
			t.Errorf("the callback that waits is %+v, want it not routed yet", cb)
		}
		again, err := s.Route(t.Context(), 9, threeDays, 0, func(store.Stored) []*store.Delivery { return nil })
		if err != nil || len(again) != 0 {
			t.Errorf("Route() = %v, %v, want nothing", again, err)
		}
		found, err := s.Lookup(t.Context(), cb.ID)
		if err != nil || found == nil || found.RecordingSid != "RE1" || found.Attempts != 0 {
			t.Fatalf("Lookup() = %+v, %v, want the callback's", found, err)
		}
		checkTime(t, "deadline", found.Deadline, until)

		claimed := claimLookups(t, s, 9)
		if len(claimed) != 1 || claimed[0].RecordingSid != "RE1" || claimed[0].CallSid != "CA1" {
			t.Fatalf("ClaimLookups() = %+v, want the callback", claimed)
		}
		check(t, "claimed twice", len(claimLookups(t, s, 9)), 0)
		before := s.Now()
		d, done := endLookup(t, s, &claimed[0], aCall)
		check(t, "ended", done, true)
		cb = storedOf(t, s, "RE1")
		if cb.LooksUp || cb.RoutedAt.Before(before) || cb.PlanID != 9 || cb.Call == nil || *cb.Call != *aCall {
			t.Errorf("the callback is %+v (call %+v), want it routed by plan 9 with its call", cb, cb.Call)
		}
		stored := read(t, s, d.ID)
		check(t, "state", stored.State, store.Queued)
		check(t, "callback", stored.CallbackID, cb.ID)
		checkTime(t, "give up at", stored.GiveUpAt, d.CreatedAt.Add(threeDays))
		checkIDs(t, "Claim()", idsOf(claim(t, s, "email", 9)), d.ID)

		_, done = endLookup(t, s, &claimed[0], aCall)
		check(t, "ended again", done, false)
		list, err := s.Deliveries(t.Context(), store.Filter{Limit: 9})
		if err != nil || len(list) != 1 {
			t.Errorf("Deliveries() = %v, %v, want one", list, err)
		}
		if found, err := s.Lookup(t.Context(), cb.ID); found != nil || err != nil {
			t.Errorf("Lookup() = %+v, %v, want none", found, err)
		}
	})
}

func TestWhatCameOfALookUpIsFoundBySearch(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		await(t, s, s.Now().Add(time.Minute), "RE1")
		for i := range 20 { // callbacks that are newer, with deliveries that are older
			route(t, s, fmt.Sprint("other", i), threeDays, aDelivery("email", store.Dead))
		}
		endLookup(t, s, &claimLookups(t, s, 1)[0], aCall)
		for _, q := range []store.Search{{State: store.Queued}, {State: store.Queued, Before: 2}, {Text: "alice@", State: store.Queued, Before: 2}} {
			q.Limit = 5
			found, err := s.Search(t.Context(), q)
			if err != nil || len(found) != 1 || found[0].RecordingSid != "RE1" || len(found[0].Deliveries) != 1 {
				t.Errorf("Search(%+v) = %+v, %v, want RE1 with its delivery", q, found, err)
			}
		}
	})
}

func TestThatNothingIsKnownOfACallIsKept(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		await(t, s, s.Now().Add(time.Minute), "RE1")
		unknown := &callback.Call{Problem: "no answer in time"}
		endLookup(t, s, &claimLookups(t, s, 1)[0], unknown)
		if cb := storedOf(t, s, "RE1"); cb.Call == nil || *cb.Call != *unknown || cb.LooksUp {
			t.Errorf("the callback is %+v with call %+v, want that it is not known", cb, cb.Call)
		}
		route(t, s, "RE2", threeDays)
		if cb := storedOf(t, s, "RE2"); cb.Call != nil || cb.LooksUp {
			t.Errorf("a callback that needs no call is %+v with call %+v, want none", cb, cb.Call)
		}
	})
}

func TestLookUpsAreClaimedWhenTheyAreDueTheLongestWaitingFirst(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		due, any, err := s.NextLookup(t.Context())
		if !due.IsZero() || any || err != nil {
			t.Errorf("NextLookup() of none = %v, %v, %v", due, any, err)
		}
		soon, late := s.Now().Add(-time.Second), s.Now().Add(time.Minute)
		await(t, s, late, "RE1", "RE2")
		await(t, s, soon, "RE3")
		first := claimLookups(t, s, 1)
		check(t, "claimed first", awaiting(first), "RE1 ")
		l := first[0]
		l.DueAt, l.Attempts, l.LastError = s.Now().Add(time.Hour), 1, "busy\x00"
		if err := s.PostponeLookup(t.Context(), &l); err != nil {
			t.Fatal(err)
		}
		overdue, err := s.ClaimOverdue(t.Context(), 9)
		if err != nil || awaiting(overdue) != "RE3 " {
			t.Errorf("ClaimOverdue() = %s, %v, want RE3", awaiting(overdue), err)
		}
		check(t, "claimed next", awaiting(claimLookups(t, s, 9)), "RE2 ")
		if due, any, err = s.NextLookup(t.Context()); !any || err != nil {
			t.Errorf("NextLookup() = %v, %v, %v, want RE1's", due, any, err)
		}
		checkTime(t, "next", due, l.DueAt)
		found, err := s.Lookup(t.Context(), l.ID)
		if err != nil || found.Attempts != 1 || found.LastError != "busy" {
			t.Errorf("Lookup() = %+v, %v, want one attempt that failed", found, err)
		}
	})
}

func TestALookUpOfAProcessThatIsGoneIsTakenUpByAnother(t *testing.T) {
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			location := "sqlite:" + t.TempDir() + "/ringpost.db"
			if kind == "postgres" {
				location = storetest.Postgres(t)
			}
			s := openAt(t, location)
			await(t, s, s.Now().Add(time.Minute), "RE1")
			left := claimLookups(t, s, 1)[0]
			if n, err := s.RecoverLookups(t.Context()); n != 0 || err != nil {
				t.Errorf("RecoverLookups() while it is being asked = %d, %v, want none", n, err)
			}
			if kind == "sqlite" {
				s.Close()
			} else if err := s.AgeLookups(t.Context(), store.LookupLease); err != nil {
				t.Fatal(err)
			}
			next := openAt(t, location)
			if n, err := next.RecoverLookups(t.Context()); n != 1 || err != nil {
				t.Fatalf("RecoverLookups() = %d, %v, want 1", n, err)
			}
			claimed := claimLookups(t, next, 9)
			if len(claimed) != 1 {
				t.Fatalf("ClaimLookups() = %v, want the one that was left", claimed)
			}
			if kind == "postgres" { // it comes back
				if err := s.PostponeLookup(t.Context(), &left); err != nil {
					t.Fatal(err)
				}
				if _, done := endLookup(t, s, &left, aCall); done {
					t.Error("EndLookup() of what is another's is done, want it left alone")
				}
			}
			if _, done := endLookup(t, next, &claimed[0], aCall); !done {
				t.Error("EndLookup() is not done, want it done")
			}
			list, err := next.Deliveries(t.Context(), store.Filter{Limit: 9})
			if err != nil || len(list) != 1 {
				t.Errorf("Deliveries() = %v, %v, want one", list, err)
			}
		})
	}
}

func TestRemoveKeepsWhatWaitsForItsCall(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		await(t, s, s.Now().Add(time.Minute), "RE1")
		remove(t, s, s.Now().Add(time.Hour), 0)
		l := claimLookups(t, s, 1)[0]
		if _, _, err := s.EndLookup(t.Context(), &l, aCall, threeDays, 0, func(*store.Routed) {}); err != nil {
			t.Fatal(err)
		}
		remove(t, s, s.Now().Add(time.Hour), 1)
		if _, err := s.Recording(t.Context(), l.ID); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Recording() = %v, want %v", err, store.ErrNotFound)
		}
	})
}
