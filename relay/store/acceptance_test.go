package store_test

import (
	"context"
	"testing"
	"time"

	"ringpost/relay/store"
	"ringpost/relay/store/storetest"
)

// TestAnAcceptanceIsRecordedWhoeverHasTheDeliveryByThen lets a process lose its
// lease while the provider accepts its message: to nobody yet, to another
// worker, and to one that has failed meanwhile.
func TestAnAcceptanceIsRecordedWhoeverHasTheDeliveryByThen(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		accepted := store.Outcome{StartedAt: time.Now(), State: store.Delivered, ProviderID: "SM1"}

		waits := inState(t, s, store.Sending)
		recoverAll(t, s, 1)
		finish(t, s, waits, accepted)
		check(t, "state of one that waits", read(t, s, waits.ID).State, store.Delivered)
		checkIDs(t, "Claim() afterwards", idsOf(claim(t, s, "email", 9)))

		first := inState(t, s, store.Sending)
		recoverAll(t, s, 1)
		second := claim(t, s, "email", 1)[0]
		finish(t, s, first, accepted)
		finish(t, s, second, store.Outcome{StartedAt: time.Now(), State: store.Dead, Err: "a repeat"})
		d, attempts, err := s.Delivery(t.Context(), first.ID)
		if err != nil {
			t.Fatal(err)
		}
		check(t, "state of one that another has", d.State, store.Delivered)
		check(t, "provider id", d.ProviderID, "SM1")
		check(t, "attempts", len(attempts), 1)

		first = inState(t, s, store.Sending)
		if err := s.Abandon(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Recover(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if err := s.Cancel(t.Context(), first.ID, "kim"); err != nil {
			t.Fatal(err)
		}
		finish(t, s, first, accepted)
		check(t, "state of one that a person cancelled", read(t, s, first.ID).State, store.Cancelled)
	})
}

func TestANodeThatLostALeaseRecordsNothingButAnAcceptance(t *testing.T) {
	both := nodes(t, 2)
	for _, o := range []store.Outcome{
		{State: store.Dead, Err: "late"}, {State: store.Unknown, Err: "late"},
		{State: store.Retrying, Err: "late", NextAttemptAt: time.Now()}, {State: store.Delivered},
	} {
		o.StartedAt = time.Now()
		d := aDelivery("email", store.Sending)
		route(t, both[0], "RE-"+string(o.State), threeDays, d)
		age(t, both[0], 2*store.Lease)
		takeUp(t, both[1], "email")
		claim(t, both[1], "email", 1)
		finish(t, both[0], d, o)
		want := store.Sending
		if o.State == store.Delivered {
			want = store.Delivered
		}
		check(t, "state after the loser's "+string(o.State), read(t, both[1], d.ID).State, want)
	}
}

// raced does what a person or a lane does to a delivery on one node, while
// another node is in the middle of claiming it.
func raced(t *testing.T, give time.Duration, do func(s *store.Store, id int64) error) (d *store.Delivery, s *store.Store, err error) {
	t.Helper()
	url := storetest.Postgres(t)
	s = openAt(t, url)
	d = aDelivery("email", store.Queued)
	route(t, s, "RE1", give, d)
	conn := storetest.Connect(t, url)
	for _, query := range []string{"BEGIN", "UPDATE deliveries SET state = 'sending', owner = 'another', lease_until = 9e15"} {
		if _, err := conn.Exec(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan error)
	go func() { done <- do(s, d.ID) }()
	select {
	case err = <-done: // it did not wait for the other node
		_, commit := conn.Exec(t.Context(), "COMMIT")
		if commit != nil {
			t.Fatal(commit)
		}
		return d, s, err
	case <-time.After(200 * time.Millisecond):
	}
	if _, err := conn.Exec(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	return d, s, <-done
}

func TestADeliveryThatAnotherNodeHasJustClaimedIsNeitherCancelledNorRetriedNorGivenUp(t *testing.T) {
	for name, do := range map[string]func(s *store.Store, id int64) error{
		"Cancel": func(s *store.Store, id int64) error { return s.Cancel(context.Background(), id, "kim") },
		"Retry":  func(s *store.Store, id int64) error { return s.Retry(context.Background(), id, "kim", threeDays) },
		"Expire": func(s *store.Store, _ int64) error {
			_, err := s.Expire(context.Background(), "email", "its time is over")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			give := threeDays
			if name == "Expire" {
				give = -time.Hour
			}
			d, s, err := raced(t, give, do)
			t.Logf("%s = %v", name, err)
			check(t, "state", read(t, s, d.ID).State, store.Sending)
			if name != "Expire" && err == nil {
				t.Errorf("%s() = nil, want it to say that the delivery is being sent", name)
			}
		})
	}
}
