package store_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"ringpost/relay/store"
)

func TestRouteTakesTheOldestFirst(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		add(t, s, "RE3", "RE1", "RE2")
		for _, want := range []string{"[RE3 RE1]", "[RE2]", "[]"} {
			var got []string
			_, err := s.Route(t.Context(), 2, threeDays, 0, func(cb store.Stored) []*store.Delivery {
				got = append(got, cb.RecordingSid)
				return nil
			})
			if err != nil {
				t.Fatalf("Route(2) = %v", err)
			}
			check(t, "Route(2)", fmt.Sprint(got), want)
		}
	})
}

func TestRouteFillsInWhatItStores(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		dead := aDelivery("sms", store.Dead)
		dead.LastError = "no such contact"
		deliveries := []*store.Delivery{
			aDelivery("email", store.Queued), aDelivery("email", store.Sending), dead, aDelivery("email", store.Shadow),
		}
		before := s.Now()
		route(t, s, "RE1", threeDays, deliveries...)
		after := s.Now()

		check(t, "callbacks left to route", len(unrouted(t, s, 10)), 0)
		for i, d := range deliveries {
			stored := read(t, s, d.ID)
			if i > 0 && d.ID <= deliveries[i-1].ID {
				t.Errorf("delivery %d follows %d, want ids in the order they were given", d.ID, deliveries[i-1].ID)
			}
			if d.CreatedAt.Before(before) || d.CreatedAt.After(after) {
				t.Errorf("%s: created at %v, want between %v and %v", d.State, d.CreatedAt, before, after)
			}
			check(t, "recording", d.Recording, "RE1")
			checkTime(t, "give up at", stored.GiveUpAt, d.CreatedAt.Add(threeDays))
			checkTime(t, "stored created at", stored.CreatedAt, d.CreatedAt)
			checkTime(t, "stored next attempt", stored.NextAttemptAt, d.NextAttemptAt)
			checkTime(t, "stored finished at", stored.FinishedAt, d.FinishedAt)
			check(t, "finished at is zero", d.FinishedAt.IsZero(), !d.State.Finished())
			check(t, "next attempt is zero", d.NextAttemptAt.IsZero(), d.State.Finished())
			want := *stored
			want.ReceivedAt, want.CreatedAt, want.NextAttemptAt = d.ReceivedAt, d.CreatedAt, d.NextAttemptAt
			want.GiveUpAt, want.FinishedAt = d.GiveUpAt, d.FinishedAt
			check(t, "what Route filled in", *d, want)
		}
	})
}

func TestRouteMarksACallbackThatAsksForNothing(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		route(t, s, "RE1", threeDays)
		check(t, "callbacks left to route", len(unrouted(t, s, 10)), 0)
	})
}

func TestRouteAtOnceMakesOneSetOfDeliveries(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		add(t, s, "RE1", "RE2")
		batches := make([][]store.Routed, 8)
		var routing sync.WaitGroup
		for i := range batches {
			routing.Go(func() {
				var err error
				batches[i], err = s.Route(t.Context(), 2, threeDays, 0, func(store.Stored) []*store.Delivery {
					return []*store.Delivery{aDelivery("email", store.Queued), aDelivery("sms", store.Sending)}
				})
				if err != nil {
					t.Errorf("Route() = %v", err)
				}
			})
		}
		routing.Wait()

		withID := 0
		for _, batch := range batches {
			for _, r := range batch {
				for _, d := range r.Deliveries {
					if d.ID != 0 {
						withID++
					}
				}
			}
		}
		list, err := s.Deliveries(t.Context(), store.Filter{Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		check(t, "deliveries stored", len(list), 4)
		check(t, "deliveries that were given an id", withID, 4)
	})
}

func TestRouteLeasesWhatIsBeingSent(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		sending, queued := aDelivery("email", store.Sending), aDelivery("email", store.Queued)
		route(t, s, "RE1", threeDays, sending, queued)
		checkIDs(t, "Claim()", idsOf(claim(t, s, "email", 10)), queued.ID)
		finish(t, s, sending, store.Outcome{StartedAt: time.Now(), State: store.Delivered})
		check(t, "state", read(t, s, sending.ID).State, store.Delivered)
	})
}

func TestRouteIsNotCutOffByItsContext(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		add(t, s, "RE1")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		d := aDelivery("email", store.Sending)
		_, err := s.Route(ctx, 1, threeDays, 0, func(store.Stored) []*store.Delivery {
			cancel()
			return []*store.Delivery{d}
		})
		if err != nil {
			t.Fatalf("Route() = %v, want nil", err)
		}
		check(t, "state", read(t, s, d.ID).State, store.Sending)
	})
}
