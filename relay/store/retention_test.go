package store_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"ringpost/relay/store"
)

func remove(t *testing.T, s *store.Store, before time.Time, want int64) {
	t.Helper()
	if n, err := s.Remove(t.Context(), before); n != want || err != nil {
		t.Errorf("Remove() = %d, %v, want %d, nil", n, err, want)
	}
}

func TestRemoveForgetsOldCallbacksWithTheirDeliveries(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		old := inState(t, s, store.Delivered)
		cutoff := time.Now()
		young := inState(t, s, store.Delivered)
		remove(t, s, cutoff, 1)
		remove(t, s, cutoff, 0)

		if _, _, err := s.Delivery(t.Context(), old.ID); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Delivery() of a removed one = %v, want %v", err, store.ErrNotFound)
		}
		check(t, "the young one's state", read(t, s, young.ID).State, store.Delivered)
		found, err := s.Callbacks(t.Context(), store.Filter{Limit: 9})
		if err != nil || len(found) != 1 || found[0].RecordingSid != young.Recording {
			t.Errorf("Callbacks() = %v, %v, want that of %s, nil", found, err, young.Recording)
		}
	})
}

func TestRemoveLeavesNothingBehind(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		for range 2 { // what follows may be given the same ids
			d := inState(t, s, store.Delivered)
			_, attempts, err := s.Delivery(t.Context(), d.ID)
			if err != nil || len(attempts) != 1 {
				t.Errorf("Delivery() = …, %v, %v, want 1 attempt, nil", attempts, err)
			}
			remove(t, s, s.Now(), 1)
		}
	})
}

func TestRemoveKeepsWhatIsNotFinished(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		kept := map[store.State]bool{}
		ids := map[store.State]int64{}
		for _, state := range store.States {
			kept[state] = !state.Finished()
			ids[state] = inState(t, s, state).ID
		}
		mixed := []*store.Delivery{aDelivery("sms", store.Dead), aDelivery("sms", store.Queued), aDelivery("sms", store.Shadow)}
		route(t, s, "mixed", threeDays, mixed...)
		add(t, s, "unrouted")
		bury(t, s)
		cutoff := time.Now()
		remove(t, s, cutoff, 5)
		for state, id := range ids {
			_, _, err := s.Delivery(t.Context(), id)
			check(t, fmt.Sprintf("%s delivery is kept", state), err == nil, kept[state])
		}
		for _, d := range mixed {
			check(t, "state", read(t, s, d.ID).State, d.State)
		}
		check(t, "callbacks to route", len(unrouted(t, s, 9)), 1)

		if err := s.Cancel(t.Context(), mixed[1].ID, "kim"); err != nil {
			t.Fatal(err)
		}
		remove(t, s, cutoff, 1)
	})
}

func TestRemoveForgetsAnyNumber(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		const many = 501 // more than two batches
		at := time.Now().Truncate(time.Microsecond)
		for i := range many {
			cb := aCallback(fmt.Sprint("RE", i))
			cb.ReceivedAt = at // all at once: the cursor between batches is more than a time
			if _, err := s.Add(t.Context(), cb); err != nil {
				t.Fatal(err)
			}
		}
		i := 0
		batch, err := s.Route(t.Context(), many, threeDays, 0, func(store.Stored) []*store.Delivery {
			d := aDelivery("email", store.Cancelled)
			if i%100 == 0 {
				d.State = store.Queued
			}
			i++
			return []*store.Delivery{d}
		})
		if err != nil {
			t.Fatal(err)
		}
		remove(t, s, at.Add(-time.Second), 0)
		remove(t, s, at.Add(time.Second), many-6)
		checkQueue(t, s, 6, 0, 0, read(t, s, batch[0].Deliveries[0].ID).CreatedAt)
	})
}
